/*
 * test/clients/proxy.js - an HTTP proxy that tells what it was asked
 *
 * proxy.js PORT-FILE LOG
 *
 * Listens on a free port of 127.0.0.1 and writes its number to PORT-FILE.  Each
 * request becomes a line "METHOD TARGET PROXY-AUTHORIZATION" in LOG.
 */

'use strict';

const fs = require('fs');
const http = require('http');
const net = require('net');

const [portFile, log] = process.argv.slice(2);

function note(request)
{
	fs.appendFileSync(log, `${request.method} ${request.url} ` +
		`${request.headers['proxy-authorization']}\n`);
}

const server = http.createServer((request, response) =>
{
	note(request);
	delete request.headers['proxy-authorization'];
	request.pipe(http.request(request.url, {
		method: request.method,
		headers: request.headers
	}, (answer) =>
	{
		response.writeHead(answer.statusCode, answer.headers);
		answer.pipe(response);
	}));
});

server.on('connect', (request, socket, head) =>
{
	const [host, port] = request.url.split(':');
	const target = net.connect(Number(port), host, () =>
	{
		socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
		target.write(head);
		target.pipe(socket).pipe(target);
	});

	note(request);
	target.on('error', () => socket.destroy());
	socket.on('error', () => target.destroy());
});

server.listen(0, '127.0.0.1', () =>
{
	fs.writeFileSync(portFile + '.new', `${server.address().port}\n`);
	fs.renameSync(portFile + '.new', portFile);
});
