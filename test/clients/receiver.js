/*
 * test/clients/receiver.js - a webhook receiver that can misbehave
 *
 * receiver.js PORT-FILE REQUESTS MODES [KEY CERT [CLIENT-CA]]
 *
 * Listens on a free port of 127.0.0.1 (with TLS, and HTTP/2 for who wants it, if
 * a key and a certificate are given) and writes its number to PORT-FILE.  Each
 * request becomes a line of JSON in REQUESTS: HTTP version, method, path,
 * headers, and the body as text.  What it answers is what MODES, a file of
 * lines "PATH MODE", says for the request's path, and 204 otherwise:
 *
 *   NUMBER          that status; NUMBER:VALUE with VALUE as Retry-After
 *   redirect:URL    301 to URL
 *   reset           breaks the connection off
 *   never           accepts, and never answers
 *   drip            answers one byte a second
 *   huge            200 and a gigabyte
 *   garbage         no HTTP at all
 */

'use strict';

const fs = require('fs');
const http = require('http');
const http2 = require('http2');

const [portFile, requests, modes, key, cert, clientCa] = process.argv.slice(2);

function mode(path)
{
	const lines = fs.existsSync(modes) ?
		fs.readFileSync(modes, 'utf8').split('\n') : [];
	const line = lines.find((l) => l.split(' ')[0] === path);

	return line ? line.slice(path.length + 1) : '204';
}

function drip(socket)
{
	const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
	let at = 0;
	const timer = setInterval(() =>
	{
		if (socket.destroyed || at === answer.length)
			clearInterval(timer);
		else
			socket.write(answer[at++]);
	}, 1000);
}

function huge(response)
{
	const chunk = Buffer.alloc(65536, 'x');
	let left = 16384;
	const more = () =>
	{
		while (left-- > 0)
		{
			if (!response.write(chunk))
				return response.once('drain', more);
		}
		return response.end();
	};

	response.writeHead(200);
	more();
}

function answer(how, request, response)
{
	const [what, value] = [how.split(':')[0], how.slice(how.indexOf(':') + 1)];

	switch (what)
	{
		case 'redirect':
			return response.writeHead(301, { location: value }).end();
		case 'reset':
			return request.socket.resetAndDestroy();
		case 'never':
			return undefined;
		case 'drip':
			return drip(request.socket);
		case 'huge':
			return huge(response);
		case 'garbage':
			request.socket.write('\x00\xff no HTTP at all \x1b[31m\r\n\r\n');
			return request.socket.end();
		default:
			if (how.includes(':'))
				response.setHeader('Retry-After', value);
			return response.writeHead(Number(what)).end(what === '500' ?
				'out of \x1b[31morder\u00e4' : '');
	}
}

function handle(request, response)
{
	const chunks = [];

	request.on('error', () => {});
	response.on('error', () => {});
	request.on('data', (chunk) => chunks.push(chunk));
	request.on('end', () =>
	{
		fs.appendFileSync(requests, JSON.stringify({
			version: request.httpVersion,
			method: request.method,
			path: request.url,
			headers: request.headers,
			body: Buffer.concat(chunks).toString()
		}) + '\n');
		answer(mode(request.url), request, response);
	});
}

const server = key ?
	http2.createSecureServer({
		allowHTTP1: true,
		key: fs.readFileSync(key),
		cert: fs.readFileSync(cert),
		ca: clientCa && fs.readFileSync(clientCa),
		requestCert: Boolean(clientCa),
		rejectUnauthorized: Boolean(clientCa)
	}, handle) : http.createServer(handle);

server.keepAliveTimeout = 60000;
server.listen(0, '127.0.0.1', () =>
{
	fs.writeFileSync(portFile + '.new', `${server.address().port}\n`);
	fs.renameSync(portFile + '.new', portFile);
});
