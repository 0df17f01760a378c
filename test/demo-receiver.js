/*
 * test/demo-receiver.js [PORT-FILE] - the webhook receiver of "make demo"
 *
 * Listens on a free port of 127.0.0.1, or on PORT of HOST, writes its number to
 * PORT-FILE, checks each webhook as the Standard Webhooks specification tells a
 * receiver to, and prints one line for each.  The secret is in the environment
 * (SECRET).  What comes for the path /chat is printed as it is.
 */

'use strict';

const crypto = require('crypto');
const fs = require('fs');
const http = require('http');

const key = Buffer.from(process.env.SECRET.replace(/^whsec_/, ''), 'base64');
const tolerance = 5 * 60;		/* seconds */

/* signatureValid: is one of the signatures ours, and the time not long ago? */
function signatureValid(headers, body)
{
	const id = headers['webhook-id'];
	const timestamp = headers['webhook-timestamp'];
	const expected = 'v1,' + crypto.createHmac('sha256', key)
		.update(`${id}.${timestamp}.${body}`).digest('base64');

	return Math.abs(Date.now() / 1000 - timestamp) < tolerance &&
		(headers['webhook-signature'] || '').split(' ').includes(expected);
}

/* describe: the line that is printed for a webhook */
function describe(headers, body)
{
	const message = JSON.parse(body);
	const event = message.data.event || message.data;
	const resource = event.resource ? event.resource.id : event.resource_id;
	const verdict = signatureValid(headers, body) ? 'valid' : 'INVALID';

	return `${event.level}  ${message.type}  ${resource}  ` +
		`signature ${verdict}`;
}

/* shown: what is printed for it; a chat's message as it is */
function shown(request, body)
{
	return request.url === '/chat' ?
		`chat: ${body}` :
		describe(request.headers, body);
}

const server = http.createServer((request, response) =>
{
	const chunks = [];

	request.on('data', (chunk) => chunks.push(chunk));
	request.on('end', () =>
	{
		console.log(shown(request, Buffer.concat(chunks).toString()));
		response.writeHead(204).end();
	});
});

server.listen(process.env.PORT || 0, process.env.HOST || '127.0.0.1', () =>
{
	if (!process.argv[2])
		return;
	fs.writeFileSync(process.argv[2] + '.new', `${server.address().port}\n`);
	fs.renameSync(process.argv[2] + '.new', process.argv[2]);
});
