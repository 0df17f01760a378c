/*
 * test/clients/consume.js - a consumer of ours in nobody's language but SQL's
 *
 * consume.js SUBSCRIPTION SOCKET-DIRECTORY PORT
 *
 * The loop of doc/reference.md with the package pg, a driver that knows nothing of
 * the extension.  Prints the type of each event that it is handed out, and
 * "asleep" when it goes to sleep; the first attempt at a type that ends in
 * ".fails" fails.
 */

'use strict';

const os = require('os');
const { Client } = require('pg');

const [subscription, host, port] = process.argv.slice(2);
const client = new Client({
	host,
	port: Number(port),
	user: os.userInfo().username,
	database: 'postgres'
});

let wake = () => {};

/* notification: resolves when one comes, after ms at the latest */
function notification(ms)
{
	return new Promise((resolve) =>
	{
		const timer = setTimeout(resolve, ms);

		wake = () =>
		{
			clearTimeout(timer);
			resolve();
		};
	});
}

async function work(row)
{
	console.log(row.event_type);
	if (row.event_type.endsWith('.fails') && row.attempts === 0)
	{
		await client.query(
			'SELECT eventlog.fail($1, $2, $3, clock_timestamp())',
			[subscription, row.seq, 'as it should']);
	}
	else
	{
		await client.query('SELECT eventlog.ack($1, ARRAY[$2::bigint])',
			[subscription, row.seq]);
	}
}

async function main()
{
	let pause = 1;

	client.on('notification', () => wake());
	await client.connect();
	await client.query('LISTEN eventlog');
	for (;;)
	{
		const { rows } = await client.query(
			'SELECT seq, attempts, (event).* FROM eventlog.fetch($1, 100)',
			[subscription]);

		for (const row of rows)
			await work(row);
		if (rows.length > 0)
		{
			pause = 1;
			continue;
		}

		const rung = notification(30000);
		const { rows: [{ listen }] } = await client.query(
			'SELECT eventlog.listen($1)', [subscription]);

		if (listen)
		{
			console.log('asleep');
			await rung;
			pause = 1;
		}
		else
		{
			await new Promise((resolve) => setTimeout(resolve, pause));
			pause = Math.min(pause * 2, 50);
		}
	}
}

main().catch((error) =>
{
	console.error(error.message);
	process.exit(1);
});
