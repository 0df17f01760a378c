/*
 * Events from Node.js, by pg: emit, many at once, pages, and a consumer.
 *
 *     node events.js postgres:///app
 */

'use strict';

const { Client } = require('pg');

/* write an event and return its id; columns are arguments of eventlog.emit */
async function emit(client, columns)
{
	const names = Object.keys(columns);
	const { rows } = await client.query(
		`SELECT eventlog.emit(${names.map((name, i) => `${name} => $${i + 1}`)}) AS id`,
		Object.values(columns));

	return rows[0].id;
}

/* write many events in one statement */
function emitMany(client, events)
{
	return client.query(`INSERT INTO events (event_type, level, message)
		SELECT * FROM unnest($1::text[], $2::text[], $3::text[])`,
	['event_type', 'level', 'message'].map((name) => events.map((e) => e[name])));
}

/* all events of a filter, newest first, a page at a time */
async function *pages(client, filter, pageSize = 100)
{
	const names = Object.keys(filter);
	let after = null;

	for (;;)
	{
		const { rows } = await client.query(
			`SELECT * FROM eventlog.list(${names.map((name, i) => `${name} => $${i + 3}, `).join('')}
				page_size => $1, after => $2)`,
			[pageSize, after, ...Object.values(filter)]);

		yield* rows;
		if (rows.length < pageSize)
			return;
		after = rows[rows.length - 1].id;
	}
}

/* hand each event that is owed to `handle` until it returns false; a second
   delivery is possible */
async function consume(client, name, handle)
{
	let rung = () => {};

	client.on('notification', () => rung());
	await client.query('LISTEN eventlog');
	for (;;)
	{
		const bell = new Promise((resolve) => { rung = resolve; });
		const { rows } = await client.query(
			'SELECT seq, eventlog.to_json(event) AS event FROM eventlog.fetch($1, 100)', [name]);

		for (const row of rows)
		{
			if (await handle(row.event) === false)
				return;
		}
		if (rows.length > 0)
			await client.query('SELECT eventlog.ack($1, $2::bigint[])',
				[name, rows.map((row) => row.seq)]);
		else if ((await client.query('SELECT eventlog.listen($1) AS quiet', [name])).rows[0].quiet)
			await Promise.race([bell, new Promise((resolve) => setTimeout(resolve, 30000).unref())]);
	}
}

async function main(url)
{
	const client = new Client({ connectionString: url });
	let read = 0;

	await client.connect();
	await emit(client, { event_type: 'example.node', level: 'error', message: 'it\'s "quoted"',
		details: { attempt: 1 } });
	await emitMany(client, Array.from({ length: 250 }, (_, n) => (
		{ event_type: 'example.node.many', level: 'info', message: `number ${n}` })));
	for await (const event of pages(client, { event_type: 'example.node' }))
		read += event.event_type.startsWith('example.node') ? 1 : 0;
	console.log('read', read);
	await client.query("SELECT eventlog.subscribe('example_node', '{error}', 'example.node')");
	await emit(client, { event_type: 'example.node', level: 'error', message: 'to be handed out' });
	await consume(client, 'example_node', (event) =>
	{
		console.log('handed out', JSON.stringify(event.event.message));
		return false;
	});
	await client.end();
}

main(process.argv[2]);
