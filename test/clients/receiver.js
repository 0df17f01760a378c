/*
 * test/clients/receiver.js - a webhook receiver that can misbehave
 *
 * receiver.js PORT-FILE REQUESTS MODES [KEY CERT [CLIENT-CA]]
 *
 * Listens on a free port of 127.0.0.1, or on that in PORT-FILE (with TLS, and
 * HTTP/2 for who wants it, if a key and a certificate are given; TLS_MAX in the
 * environment is its version at most) and writes its number to PORT-FILE.  Each
 * request becomes a line of JSON in REQUESTS: HTTP version, method, path,
 * headers, the body as text, how many requests for that path there are at once,
 * the time in ms, and the mode.  What it answers is what MODES, a file of lines "PATH MODE", says for
 * the request's path, and 204 otherwise:
 *
 *   NUMBER          that status; NUMBER:VALUE with VALUE as Retry-After
 *   answer:TEXT     200 and TEXT
 *   redirect:URL    301 to URL
 *   reset           breaks the connection off
 *   halfway         the same, in the midst of the answer
 *   never           accepts, and never answers
 *   hold            waits until the mode is another, which it answers then
 *   late            500, after a while
 *   refuse:TEXT     400 to what has TEXT in its body, 204 to the rest
 *   fail:TEXT       500, the same
 *   drip            answers one byte a second
 *   huge            200 and a gigabyte; how much of it went out becomes a line
 *                   of REQUESTS
 *   long            500, 100,000 bytes, and none of them UTF-8
 *   headers         200 and headers without end; the same
 *   echo            500, and what was sent
 *   tell            200, the same, and an escape sequence
 *   token:SECONDS   a token of OAuth 2.0 that lives so long: token-1-of-PATH, …
 *   bearer:TOKEN    204 to who has this token, 401 to others
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

/* a gigabyte to a stream, and a line when that is closed */
function pour(stream, chunk, path)
{
	let sent = 0;
	const more = () =>
	{
		while (sent < 1 << 30 && !stream.destroyed)
		{
			sent += chunk.length;
			if (!stream.write(chunk))
				return stream.once('drain', more);
		}
		return stream.end();
	};

	stream.once('close', () => note({ path: `${path}#sent`, sent }));
	more();
}

function huge(request, response)
{
	response.writeHead(200);
	pour(response, Buffer.alloc(65536, 'x'), request.url);
}

function headers(request)
{
	request.socket.write('HTTP/1.1 200 OK\r\n');
	pour(request.socket, Buffer.from('X-Header: is one more\r\n'.repeat(2000)),
		request.url);
}

function halfway(request)
{
	request.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
	setTimeout(() => request.socket.resetAndDestroy(), 50);
}

/* the request as it is shown by who does not like it */
function echo(request, response, body)
{
	response.writeHead(500).end(`${request.method} ${request.url} ` +
		`${JSON.stringify(request.headers)} ${body}`);
}

function hold(request, response, body)
{
	const how = mode(request.url);

	if (how === 'hold')
		setTimeout(() => hold(request, response, body), 50);
	else
		answer(how, request, response, body);
}

function note(line)
{
	fs.appendFileSync(requests, JSON.stringify(line) + '\n');
}

function answer(how, request, response, body)
{
	const [what, value] = [how.split(':')[0], how.slice(how.indexOf(':') + 1)];

	switch (what)
	{
		case 'answer':
			return response.writeHead(200).end(value);
		case 'redirect':
			return response.writeHead(301, { location: value }).end();
		case 'reset':
			return request.socket.resetAndDestroy();
		case 'halfway':
			return halfway(request);
		case 'never':
			return undefined;
		case 'hold':
			return hold(request, response, body);
		case 'refuse':
			return response.writeHead(body.includes(value) ? 400 : 204).end();
		case 'fail':
			return response.writeHead(body.includes(value) ? 500 : 204).end();
		case 'late':
			return setTimeout(() => response.writeHead(500).end(), 200);
		case 'long':
			return response.writeHead(500).end(Buffer.alloc(100000, 0xff));
		case 'headers':
			return headers(request);
		case 'token':
			tokens[request.url] = (tokens[request.url] || 0) + 1;
			return response.writeHead(200).end(JSON.stringify({
				access_token: `token-${tokens[request.url]}-of-${request.url.slice(1)}`,
				token_type: 'Bearer',
				expires_in: isNaN(value) ? value : Number(value)
			}));
		case 'bearer':
			return response.writeHead(request.headers.authorization ===
				`Bearer ${value}` ? 204 : 401).end();
		case 'tell':
			return response.writeHead(200).end(`${request.method} ${request.url} ` +
				`${JSON.stringify(request.headers)} \x1b[31m${body}`);
		case 'echo':
			return echo(request, response, body);
		case 'drip':
			return drip(request.socket);
		case 'huge':
			return huge(request, response);
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

const present = {};
const tokens = {};

function handle(request, response)
{
	const chunks = [];

	present[request.url] = (present[request.url] || 0) + 1;
	response.once('close', () => present[request.url]--);

	request.on('error', () => {});
	response.on('error', () => {});
	request.on('data', (chunk) => chunks.push(chunk));
	request.on('end', () =>
	{
		const body = Buffer.concat(chunks).toString();
		const how = mode(request.url);

		note({
			version: request.httpVersion,
			method: request.method,
			path: request.url,
			headers: request.headers,
			body,
			present: present[request.url],
			at: Date.now(),
			mode: how
		});
		answer(how, request, response, body);
	});
}

const server = key ?
	http2.createSecureServer({
		allowHTTP1: true,
		key: fs.readFileSync(key),
		cert: fs.readFileSync(cert),
		maxVersion: process.env.TLS_MAX,
		ca: clientCa && fs.readFileSync(clientCa),
		requestCert: Boolean(clientCa),
		rejectUnauthorized: Boolean(clientCa)
	}, handle) : http.createServer(handle);

server.keepAliveTimeout = 60000;
server.listen(fs.existsSync(portFile) ?
	Number(fs.readFileSync(portFile, 'utf8')) : 0, '127.0.0.1', () =>
{
	fs.writeFileSync(portFile + '.new', `${server.address().port}\n`);
	fs.renameSync(portFile + '.new', portFile);
});
