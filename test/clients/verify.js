/*
 * test/clients/verify.js - what receivers that are not ours make of a webhook
 *
 * verify.js standard SECRET   each request on standard input (a line of JSON
 *                             of receiver.js) by the package standardwebhooks
 * verify.js cloudevents       by the package cloudevents
 * verify.js v1a PUBLIC-KEY    its Ed25519 signature, by the package tweetnacl
 * verify.js otlp              by OpenTelemetry's own classes of its messages
 *
 * Prints a line for each: what was understood of it, or "INVALID" and why.
 */

'use strict';

const readline = require('readline');
const { Webhook } = require('standardwebhooks');
const { HTTP } = require('cloudevents');
const nacl = require('tweetnacl');
const { opentelemetry } = require('@opentelemetry/otlp-transformer/build/src/generated/root');

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

/* the first signature of version v1a over id.timestamp.body */
function v1a(request)
{
	const { 'webhook-id': id, 'webhook-timestamp': at,
		'webhook-signature': signatures } = request.headers;
	const signature = signatures.split(' ').find((s) => s.startsWith('v1a,'));
	const valid = nacl.sign.detached.verify(
		Buffer.from(`${id}.${at}.${request.body}`),
		Buffer.from(signature.slice(4), 'base64'), Buffer.from(secret, 'base64'));

	if (!valid)
		throw new Error('the signature is wrong');
	return 'valid';
}

/* as protobuf reads it: whatever has an unknown name is lost */
function otlp(request)
{
	const Request =
		opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest;
	const message = JSON.parse(request.body);
	const read = Request.toObject(Request.decode(
		Request.encode(Request.fromObject(message)).finish()), { longs: String });

	return read.resourceLogs.map((logs) =>
	{
		const record = logs.scopeLogs[0].logRecords[0];

		return [(logs.resource.attributes || []).map((a) => a.value.stringValue).join(','),
			record.timeUnixNano, record.severityNumber, record.body.stringValue,
			record.attributes.map((a) => `${a.key}=${a.value.stringValue}`)
				.filter((a) => a.startsWith('eventlog.details')).join(',')].join(' ');
	}).join(' | ');
}

const formats = { standard, cloudevents, v1a, otlp };

readline.createInterface({ input: process.stdin }).on('line', (line) =>
{
	try
	{
		const request = JSON.parse(line);

		console.log(formats[format](request));
	}
	catch (error)
	{
		console.log(`INVALID ${error.message}`);
	}
});
