/*
 * replay.c
 *		eventlog.replay and eventlog.retry: past events, or dead
 *		deliveries, are delivered again.
 *
 * replay enqueues the events that the filter and the subscription choose, read
 * with the rights of the subscription's owner, oldest first.  A few are found
 * as list finds them.  Many are read by one statement, batch by batch.
 */
#include "queue/queue.h"
#include "read/read.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#define MAX_FOUND		10000	/* more than that are read by SQL */
#define SQL_BATCH		1000

PG_FUNCTION_INFO_V1(eventlog_replay);
PG_FUNCTION_INFO_V1(eventlog_retry);

/*
 * Replay: the chosen events, newest first.
 */
typedef struct Replay
{
	Subscription *subscription;
	int			n;				/* that match the filter */
	int			nids;			/* and the subscription, too */
	pg_uuid_t  *ids;
} Replay;

/*
 * wants: does the subscription want an event with these values?  The log's
 * owner may have allowed nulls.
 */
static bool
wants(const Subscription *subscription, Datum event_type, bool no_type,
	  Datum level, bool no_level)
{
	return !no_type && !no_level &&
		subscription_wants(subscription, DatumGetTextPP(event_type),
						   DatumGetTextPP(level));
}

/*
 * narrow: restrict the filter to the event types and levels of the
 * subscription, as far as it can express them; false if nothing is left.
 */
static bool
narrow(const Subscription *subscription, Filter *filter)
{
	text	   *type = subscription->event_type;
	int			low = 0;
	int			high = EVENT_NLEVELS - 1;

	while (low < EVENT_NLEVELS && !subscription->levels[low])
		low++;
	while (high > low && !subscription->levels[high])
		high--;
	filter->min_level = Max(filter->min_level, low);
	filter->max_level = Min(filter->max_level, high);
	if (type && filter->event_type)
	{
		int			len = VARSIZE_ANY_EXHDR(type);
		int			given = VARSIZE_ANY_EXHDR(filter->event_type);

		if (memcmp(VARDATA_ANY(type), VARDATA_ANY(filter->event_type),
				   Min(len, given)) != 0)
			return false;
		if (given >= len)
			type = NULL;
	}
	if (type)
		filter->event_type = type;
	filter->only_window = false;
	return filter->min_level <= filter->max_level;
}

/*
 * put_replayed: a sink for read_page().
 */
static void
put_replayed(PartitionReader *reader, void *arg)
{
	Replay	   *replay = arg;
	const AttrNumber *attnum = reader->attnum;
	bool		no_type;
	bool		no_level;
	bool		no_id;
	Datum		type = slot_getattr(reader->slot, attnum[EVENT_TYPE], &no_type);
	Datum		level = slot_getattr(reader->slot, attnum[EVENT_LEVEL], &no_level);
	Datum		id = slot_getattr(reader->slot, attnum[EVENT_ID], &no_id);

	replay->n++;
	if (!no_id && wants(replay->subscription, type, no_type, level, no_level))
		replay->ids[replay->nids++] = *DatumGetUUIDP(id);
}

/*
 * replay_found: replay events found as list finds them; -1 if that is
 * impossible, or they are too many.
 */
static int64
replay_found(const EventLog *log, Subscription *subscription,
			 const Filter *filter, QueueWriter *writer)
{
	Replay		replay = {subscription};
	EventPage	page = {0};
	int64		n = 0;

	page.limit = MAX_FOUND;
	replay.ids = palloc(sizeof(pg_uuid_t) * MAX_FOUND);
	if (!read_page(log, filter, &page, put_replayed, &replay, NULL) ||
		replay.n == MAX_FOUND)
		return -1;
	for (int i = replay.nids - 1; i >= 0; i--)
		n += queue_enqueue(writer, subscription, &replay.ids[i]);
	pfree(replay.ids);
	return n;
}

/*
 * replay_batch: enqueue those of the rows just read that are wanted.
 */
static int64
replay_batch(Subscription *subscription, QueueWriter *writer)
{
	int64		n = 0;

	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		no_type;
		bool		no_level;
		bool		no_id;
		Datum		id = SPI_getbinval(row, desc, 1, &no_id);
		Datum		type = SPI_getbinval(row, desc, 2, &no_type);
		Datum		level = SPI_getbinval(row, desc, 3, &no_level);

		if (no_id || !wants(subscription, type, no_type, level, no_level))
			continue;
		n += queue_enqueue(writer, subscription, DatumGetUUIDP(id));
	}
	return n;
}

/*
 * replay_by_sql: replay events read by one statement, in batches.
 */
static int64
replay_by_sql(const EventLog *log, Subscription *subscription,
			  const Filter *filter, QueueWriter *writer)
{
	MemoryContext batch = AllocSetContextCreate(CurrentMemoryContext,
												"eventlog replay batch",
												ALLOCSET_DEFAULT_SIZES);
	StringInfoData sql;
	Portal		portal;
	MemoryContext outer;
	int			level = reach_default(log, filter->since, filter->before);
	int64		n = 0;
	uint64		nread;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT e.id, e.event_type, e.level FROM %s e"
					 " WHERE true", qualified_name(log->oid));
	filter_to_sql(filter, &sql);
	appendStringInfoString(&sql, " ORDER BY e.occurred_at, e.id");
	portal = SPI_cursor_open_with_args(NULL, sql.data, 0, NULL, NULL, NULL,
									   true, 0);
	AtEOXact_GUC(false, level);
	do
	{
		CHECK_FOR_INTERRUPTS();
		SPI_cursor_fetch(portal, true, SQL_BATCH);
		nread = SPI_processed;
		outer = MemoryContextSwitchTo(batch);
		n += replay_batch(subscription, writer);
		MemoryContextSwitchTo(outer);
		MemoryContextReset(batch);
		SPI_freetuptable(SPI_tuptable);
	} while (nread > 0);
	SPI_cursor_close(portal);
	MemoryContextDelete(batch);
	return n;
}

/*
 * eventlog.replay(name text, <filter>, log regclass) returns bigint
 */
Datum
eventlog_replay(PG_FUNCTION_ARGS)
{
	Subscription *subscription = subscription_require(fcinfo, 0,
													  1 + FILTER_NARGS);
	QueueWriter writer;
	Identity	self;
	Filter		filter;
	EventLog   *log;
	Oid			shard;
	int64		n;

	filter_from_args(fcinfo, 1, &filter);
	shard = log_resolve(fcinfo, 1 + FILTER_NARGS);
	log = log_open(log_of_shard(shard) == subscription->log ? shard :
				   subscription->log, AccessShareLock);
	subscription_require_readable(log->rel, subscription->owner);
	if (lead_workers(log->oid))
	{
		n = replay_on_shards(log, subscription, &filter);
		log_close(log, NoLock);
		PG_RETURN_INT64(n);
	}
	if (!narrow(subscription, &filter))
	{
		log_close(log, NoLock);
		PG_RETURN_INT64(0);
	}
	sql_connect();
	queue_open_writer(&writer);
	switch_user(&self, subscription->owner);
	n = replay_found(log, subscription, &filter, &writer);
	if (n < 0)
		n = replay_by_sql(log, subscription, &filter, &writer);
	restore_user(&self);
	queue_close_writer(&writer);
	SPI_finish();
	log_close(log, NoLock);
	PG_RETURN_INT64(n);
}

/*
 * eventlog.retry(name text, seq bigint, log regclass) returns bigint
 */
Datum
eventlog_retry(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, INT8OID};
	Subscription *subscription = subscription_require(fcinfo, 0, 2);
	Datum		values[2];
	char		nulls[] = "  ";
	int64		n;

	values[0] = Int32GetDatum(subscription->id);
	if (PG_ARGISNULL(1))
		nulls[1] = 'n';
	else
		values[1] = PG_GETARG_DATUM(1);
	sql_connect();
	n = run_owned(&plan,
				  "UPDATE eventlog._queue SET attempts = 0,"
				  " next_attempt_at = pg_catalog.clock_timestamp()"
				  " WHERE subscription OPERATOR(pg_catalog.=) $1"
				  " AND next_attempt_at OPERATOR(pg_catalog.=) 'infinity'"
				  " AND ($2 IS NULL OR seq OPERATOR(pg_catalog.=) $2)",
				  2, types, values, nulls);
	SPI_finish();
	if (n > 0)
		bell_ring_at_commit(subscription);
	if (PG_ARGISNULL(1) && lead_workers(subscription->log))
		n += call_on_workers(subscription->log,
							 psprintf("retry(%s",
									  quote_literal_cstr(subscription->name)));
	PG_RETURN_INT64(n);
}
