/*
 * test/clients/verify.js - what receivers that are not ours make of a webhook
 *
 * verify.js standard SECRET   each request on standard input (a line of JSON
 *                             of receiver.js) by the package standardwebhooks
 * verify.js cloudevents       by the package cloudevents
 *
 * Prints a line for each: what was understood of it, or "INVALID" and why.
 */

'use strict';

const readline = require('readline');
const { Webhook } = require('standardwebhooks');
const { HTTP } = require('cloudevents');

const [format, secret] = process.argv.slice(2);

function standard(request)
{
	const message = new Webhook(secret).verify(request.body, request.headers);

	return `${message.type} ${message.data.event.level}`;
}

function cloudevents(request)
{
	const read = HTTP.toEvent({ headers: request.headers, body: request.body });
	const events = Array.isArray(read) ? read : [read];

	return events.map((event) =>
	{
		event.validate();
		return `${event.type} ${event.data.event.level}`;
	}).join(', ');
}

readline.createInterface({ input: process.stdin }).on('line', (line) =>
{
	try
	{
		const request = JSON.parse(line);

		console.log(format === 'standard' ? standard(request) :
			cloudevents(request));
	}
	catch (error)
	{
		console.log(`INVALID ${error.message}`);
	}
});
