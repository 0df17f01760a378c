/*
 * test/clients/balancer.js - a TCP balancer that loses connections
 *
 * balancer.js PORT-FILE TARGET MODE
 *
 * Listens on a free port of 127.0.0.1, writes its number to PORT-FILE, and
 * passes bytes to and from TARGET, a port of 127.0.0.1 or the path of a socket.
 * The file MODE says how:
 *
 *   pass      passes them
 *   freeze    passes nothing more on the connections that there are, for ever,
 *             and closes none; nor on those that come
 *   half      closes the connections that there are towards TARGET, and says
 *             nothing of it to the other side; those that come pass
 */

'use strict';

const fs = require('fs');
const net = require('net');

const [portFile, target, modeFile] = process.argv.slice(2);
const connections = new Set();

function mode()
{
	return fs.existsSync(modeFile) ?
		fs.readFileSync(modeFile, 'utf8').trim() : 'pass';
}

function freeze()
{
	for (const pair of connections)
	{
		for (const socket of pair)
		{
			socket.unpipe();
			socket.removeAllListeners('end');
			socket.pause();
		}
	}
	connections.clear();
}

/* those that there are when the mode becomes that */
function half()
{
	for (const [client, server] of connections)
	{
		client.unpipe();
		server.unpipe();
		server.removeAllListeners('close');
		client.pause();
		server.destroy();
	}
	connections.clear();
}

let before = 'pass';

setInterval(() =>
{
	const now = mode();

	if (now === 'freeze')
		freeze();
	else if (now === 'half' && before !== 'half')
		half();
	before = now;
}, 50);

net.createServer({ allowHalfOpen: true }, (client) =>
{
	client.on('error', () => {});
	if (mode() === 'freeze')
		return client.pause();

	const server = net.connect(/^\d+$/.test(target) ?
		{ host: '127.0.0.1', port: Number(target), allowHalfOpen: true } :
		{ path: target, allowHalfOpen: true });
	const pair = [client, server];

	connections.add(pair);
	server.on('error', () => client.destroy());
	client.on('close', () => connections.delete(pair) && server.destroy());
	server.on('close', () => connections.delete(pair) && client.destroy());
	return client.pipe(server).pipe(client);
}).listen(0, '127.0.0.1', function listening()
{
	fs.writeFileSync(portFile + '.new', `${this.address().port}\n`);
	fs.renameSync(portFile + '.new', portFile);
});
