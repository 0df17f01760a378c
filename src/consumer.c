/*
 * consumer.c
 *		The consumer's side: what is owed is handed out, acknowledged or failed.
 *
 * 1. Nothing is written to hand something out
 *
 * A consumer holds its subscription by a lock of its session (doorbell.c), so
 * what it was handed needs no mark: the session remembers it.  Delivery costs
 * one insert, by the writer, and one delete, by ack.
 *
 * 2. Rounds
 *
 * Events commit out of the order of their sequence numbers, so "seq above the
 * last one seen" would skip late committers.  The session hands out in rounds.
 * A round has a snapshot, and consists of what is visible in it and was not in
 * that of the round before: what has a transaction id in the former snapshot's
 * list of those in progress or at or above its xmax.  Within a round, by seq.
 * The first round is all there is.
 *
 * A round's first seq is found by the index (subscription, xid, seq), which
 * shows the new transactions' rows alone; from there on the index
 * (subscription, seq) is read, each fetch from where the last one came to.  So
 * a fetch costs the same whether a million rows are owed, or were delivered
 * and cannot be vacuumed because of an old transaction elsewhere.
 *
 * Data restored from another cluster may bear transaction ids of the future,
 * which would be new for ever: before the first round such rows are given the
 * least id there is, which is visible in every snapshot.
 *
 * 3. Retries
 *
 * What failed has a time, and an index of its own; it comes before what is
 * new.  Of retries that were handed out the session keeps the numbers: they are
 * few, as many as are in flight.
 *
 * 4. Whose rights
 *
 * The caller must be a member of the subscription's owner.  The queue is read
 * and written by statements of our own as the extension's owner; the events
 * are read with the rights of the subscription's owner.
 */
#include "queue.h"
#include "reader.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#define MAX_ERROR_BYTES	1024
#define MAX_FETCH		10000	/* what one call hands out at most */

PG_FUNCTION_INFO_V1(eventlog_fetch);
PG_FUNCTION_INFO_V1(eventlog_ack);
PG_FUNCTION_INFO_V1(eventlog_fail);
PG_FUNCTION_INFO_V1(eventlog_release);
PG_FUNCTION_INFO_V1(eventlog_listen);

/*
 * Consumer: what this session knows of a subscription that it consumes.
 */
typedef struct Consumer
{
	int			subscription;
	MemoryContext context;
	Datum		before;			/* pg_snapshot of the round before; 0: none */
	Datum		round;			/* pg_snapshot of this round; 0: none */
	int64		position;		/* handed out up to this seq in this round */
	int			nretries;		/* retries handed out and not settled */
	int			maxretries;
	Datum	   *retries;		/* their seq */
	ItemPointerData tally;		/* where the row in eventlog._tally was last */
} Consumer;

/*
 * Owed: one delivery on its way to the caller.
 */
typedef struct Owed
{
	int64		seq;
	int			attempts;
	bool		retry;			/* it was handed out before */
	pg_uuid_t	event_id;
} Owed;

typedef struct OwedList
{
	int			n;
	int			max;
	Owed	   *items;
} OwedList;

static List *consumers = NIL;	/* of Consumer, in TopMemoryContext */

static Consumer *
find_consumer(int subscription)
{
	ListCell   *cell;

	foreach(cell, consumers)
	{
		Consumer   *consumer = lfirst(cell);

		if (consumer->subscription == subscription)
			return consumer;
	}
	return NULL;
}

/*
 * forget_consumer: what was handed out is nobody's again.
 */
static void
forget_consumer(Consumer *consumer)
{
	consumers = list_delete_ptr(consumers, consumer);
	MemoryContextDelete(consumer->context);
}

static Consumer *
create_consumer(int subscription)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext,
												  "eventlog consumer",
												  ALLOCSET_SMALL_SIZES);
	Consumer   *consumer = MemoryContextAllocZero(context, sizeof(Consumer));
	MemoryContext outer;

	consumer->subscription = subscription;
	consumer->context = context;
	ItemPointerSetInvalid(&consumer->tally);
	outer = MemoryContextSwitchTo(TopMemoryContext);
	consumers = lappend(consumers, consumer);
	MemoryContextSwitchTo(outer);
	return consumer;
}

/*
 * require_consumer: be or become the consumer; error 55006 while another
 * session is.
 */
static Consumer *
require_consumer(const Subscription *subscription)
{
	Consumer   *consumer = find_consumer(subscription->id);
	int			pid;

	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a consumer must see what was committed last"),
				 errhint("Fetch under the isolation level READ COMMITTED.")));
	if (consumer_holds(subscription->id))
	{
		if (consumer)
			return consumer;
	}
	else
	{
		if (consumer)
			forget_consumer(consumer);
		if (!consumer_lock(subscription->id))
		{
			pid = consumer_pid(subscription->id);
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("subscription \"%s\" has another consumer",
							subscription->name),
					 pid ? errdetail("It is the session with pid %d.", pid) : 0,
					 errhint("It is free when that session ends or calls eventlog.release.")));
		}
	}
	return create_consumer(subscription->id);
}

/*
 * add_rows: the rows (seq, attempts, event_id) that SPI has found.
 */
static void
add_rows(OwedList *list, bool retry)
{
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		Owed	   *owed = &list->items[list->n++];
		bool		isnull;

		owed->seq = DatumGetInt64(SPI_getbinval(row, desc, 1, &isnull));
		owed->attempts = DatumGetInt32(SPI_getbinval(row, desc, 2, &isnull));
		owed->retry = retry;
		owed->event_id = *DatumGetUUIDP(SPI_getbinval(row, desc, 3, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
}

static Datum
seq_array(Datum *seqs, int n)
{
	return PointerGetDatum(construct_array(seqs, n, INT8OID, 8,
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/*
 * remember_retry: it has been handed out.
 */
static void
remember_retry(Consumer *consumer, int64 seq)
{
	if (consumer->nretries == consumer->maxretries)
	{
		int			max = Max(16, consumer->maxretries * 2);

		if (consumer->retries == NULL)
			consumer->retries = MemoryContextAlloc(consumer->context,
												   sizeof(Datum) * max);
		else
			consumer->retries = repalloc(consumer->retries,
										 sizeof(Datum) * max);
		consumer->maxretries = max;
	}
	consumer->retries[consumer->nretries++] = Int64GetDatum(seq);
}

static void
forget_retry(Consumer *consumer, int64 seq)
{
	for (int i = 0; i < consumer->nretries; i++)
	{
		if (DatumGetInt64(consumer->retries[i]) == seq)
		{
			consumer->retries[i] = consumer->retries[--consumer->nretries];
			return;
		}
	}
}

/*
 * find_retries: what failed and is due, and is not with the caller already.
 */
static void
find_retries(Consumer *consumer, OwedList *list)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, INT8ARRAYOID, INT4OID};
	Datum		values[3];

	values[0] = Int32GetDatum(consumer->subscription);
	values[1] = seq_array(consumer->retries, consumer->nretries);
	values[2] = Int32GetDatum(list->max - list->n);
	(void) run_owned(&plan,
					 "SELECT seq, attempts, event_id FROM eventlog._queue"
					 " WHERE subscription OPERATOR(pg_catalog.=) $1"
					 " AND next_attempt_at OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp()"
					 " AND seq OPERATOR(pg_catalog.<>) ALL ($2)"
					 " ORDER BY next_attempt_at, seq LIMIT $3",
					 3, types, values, NULL);
	add_rows(list, true);
}

/*
 * replace_snapshot: keep a pg_snapshot for the session.
 */
static void
replace_snapshot(Consumer *consumer, Datum *kept, Datum value)
{
	if (DatumGetPointer(*kept) != NULL)
		pfree(DatumGetPointer(*kept));
	*kept = (Datum) 0;
	if (DatumGetPointer(value) != NULL)
	{
		MemoryContext outer = MemoryContextSwitchTo(consumer->context);

		*kept = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
		MemoryContextSwitchTo(outer);
	}
}

/*
 * begin_first_round: all there is.
 */
static void
begin_first_round(Consumer *consumer)
{
	static SPIPlanPtr mend = NULL;
	static SPIPlanPtr look = NULL;
	static const Oid types[] = {INT4OID};
	Datum		value = Int32GetDatum(consumer->subscription);
	bool		isnull;

	(void) run_owned(&mend,
					 "UPDATE eventlog._queue SET xid = '3'"
					 " WHERE subscription OPERATOR(pg_catalog.=) $1"
					 " AND xid OPERATOR(pg_catalog.>=) pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())",
					 1, types, &value, NULL);
	(void) run_owned(&look, "SELECT pg_catalog.pg_current_snapshot()", 0, NULL,
					 NULL, NULL);
	replace_snapshot(consumer, &consumer->round,
					 SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc,
								   1, &isnull));
	SPI_freetuptable(SPI_tuptable);
	consumer->position = PG_INT64_MIN;
}

/*
 * begin_next_round: what has become visible since the round before; false
 * when that is nothing.
 */
static bool
begin_next_round(Consumer *consumer)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, PG_SNAPSHOTOID};
	Datum		values[2];
	HeapTuple	row;
	TupleDesc	desc;
	Datum		first;
	bool		isnull;
	bool		nothing;

	values[0] = Int32GetDatum(consumer->subscription);
	values[1] = consumer->before;
	(void) run_owned(&plan,
					 "SELECT pg_catalog.pg_current_snapshot(), pg_catalog.min(q.seq) FROM ("
					 "SELECT seq, xid FROM eventlog._queue"
					 " WHERE subscription OPERATOR(pg_catalog.=) $1"
					 " AND xid OPERATOR(pg_catalog.>=) pg_catalog.pg_snapshot_xmax($2)"
					 " UNION ALL "
					 "SELECT seq, xid FROM eventlog._queue"
					 " WHERE subscription OPERATOR(pg_catalog.=) $1"
					 " AND xid OPERATOR(pg_catalog.=) ANY"
					 " (ARRAY(SELECT pg_catalog.pg_snapshot_xip($2)))) q"
					 " WHERE pg_catalog.pg_visible_in_snapshot(q.xid, pg_catalog.pg_current_snapshot())",
					 2, types, values, NULL);
	row = SPI_tuptable->vals[0];
	desc = SPI_tuptable->tupdesc;
	first = SPI_getbinval(row, desc, 2, &nothing);
	if (!nothing)
	{
		replace_snapshot(consumer, &consumer->round,
						 SPI_getbinval(row, desc, 1, &isnull));
		consumer->position = DatumGetInt64(first) - 1;
	}
	SPI_freetuptable(SPI_tuptable);
	return !nothing;
}

/*
 * begin_round: the next round; false when there is nothing in it.
 */
static bool
begin_round(Consumer *consumer)
{
	if (DatumGetPointer(consumer->before) != NULL)
		return begin_next_round(consumer);
	begin_first_round(consumer);
	return true;
}

/*
 * end_round: all of it has been handed out.
 */
static void
end_round(Consumer *consumer)
{
	replace_snapshot(consumer, &consumer->before, consumer->round);
	replace_snapshot(consumer, &consumer->round, (Datum) 0);
}

/*
 * find_new: what the round has next.
 */
static void
find_new(Consumer *consumer, OwedList *list)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {
		INT4OID, INT8OID, PG_SNAPSHOTOID, PG_SNAPSHOTOID, INT4OID
	};
	Datum		values[5];
	char		nulls[] = "     ";
	int			before = list->n;

	values[0] = Int32GetDatum(consumer->subscription);
	values[1] = Int64GetDatum(consumer->position);
	values[2] = consumer->round;
	values[3] = consumer->before;
	if (DatumGetPointer(consumer->before) == NULL)
		nulls[3] = 'n';
	values[4] = Int32GetDatum(list->max - list->n);
	(void) run_owned(&plan,
					 "SELECT seq, attempts, event_id FROM eventlog._queue"
					 " WHERE subscription OPERATOR(pg_catalog.=) $1"
					 " AND seq OPERATOR(pg_catalog.>) $2"
					 " AND next_attempt_at IS NULL"
					 " AND pg_catalog.pg_visible_in_snapshot(xid, $3)"
					 " AND ($4 IS NULL OR NOT pg_catalog.pg_visible_in_snapshot(xid, $4))"
					 " ORDER BY seq LIMIT $5",
					 5, types, values, nulls);
	add_rows(list, false);
	if (list->n > before)
		consumer->position = list->items[list->n - 1].seq;
	if (list->n < list->max)
		end_round(consumer);
}

/*
 * find_owed: retries, then rounds, until the list is full or nothing is left.
 */
static void
find_owed(Consumer *consumer, OwedList *list)
{
	find_retries(consumer, list);
	while (list->n < list->max)
	{
		CHECK_FOR_INTERRUPTS();
		if (DatumGetPointer(consumer->round) == NULL && !begin_round(consumer))
			break;
		find_new(consumer, list);
	}
}

#define UPDATE_TALLY \
	"UPDATE eventlog._tally SET" \
	" delivered = delivered OPERATOR(pg_catalog.+) $2," \
	" cancelled = cancelled OPERATOR(pg_catalog.+) $3," \
	" last_delivered_at = CASE WHEN $2 OPERATOR(pg_catalog.>) 0" \
	" THEN pg_catalog.clock_timestamp() ELSE last_delivered_at END," \
	" last_error = COALESCE($4, last_error)," \
	" last_error_at = CASE WHEN $4 IS NULL THEN last_error_at" \
	" ELSE pg_catalog.clock_timestamp() END" \
	" WHERE subscription OPERATOR(pg_catalog.=) $1"

/*
 * tally: add to what became of a subscription's deliveries.
 *
 * The row is updated often, and where an old transaction keeps its dead
 * versions from being removed, to find it by its key would walk all of them.
 * So a consumer tries where it was last, first.
 */
static void
tally(Consumer *consumer, int subscription, int64 delivered, int64 cancelled,
	  const text *error)
{
	static SPIPlanPtr by_place = NULL;
	static SPIPlanPtr by_key = NULL;
	static const Oid types[] = {INT4OID, INT8OID, INT8OID, TEXTOID, TIDOID};
	Datum		values[5];
	char		nulls[] = "     ";
	bool		isnull;

	values[0] = Int32GetDatum(subscription);
	values[1] = Int64GetDatum(delivered);
	values[2] = Int64GetDatum(cancelled);
	values[3] = PointerGetDatum(error);
	if (error == NULL)
		nulls[3] = 'n';
	if (consumer && ItemPointerIsValid(&consumer->tally))
	{
		values[4] = PointerGetDatum(&consumer->tally);
		if (run_owned(&by_place,
					  UPDATE_TALLY " AND ctid OPERATOR(pg_catalog.=) $5"
					  " RETURNING ctid", 5, types, values, nulls) == 0)
			ItemPointerSetInvalid(&consumer->tally);
	}
	if (consumer == NULL || !ItemPointerIsValid(&consumer->tally))
	{
		if (run_owned(&by_key, UPDATE_TALLY " RETURNING ctid", 4, types,
					  values, nulls) == 0)
			return;				/* unsubscribed meanwhile */
	}
	if (consumer)
		consumer->tally = *(ItemPointer)
			DatumGetPointer(SPI_getbinval(SPI_tuptable->vals[0],
										  SPI_tuptable->tupdesc, 1, &isnull));
	SPI_freetuptable(SPI_tuptable);
}

/*
 * delete_owed: owed no more; how many were.  Within SPI.
 */
static int64
delete_owed(int subscription, Datum seqs)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, INT8ARRAYOID};
	Datum		values[2];

	values[0] = Int32GetDatum(subscription);
	values[1] = seqs;
	return run_owned(&plan,
					 "DELETE FROM eventlog._queue"
					 " WHERE subscription OPERATOR(pg_catalog.=) $1"
					 " AND seq OPERATOR(pg_catalog.=) ANY ($2)",
					 2, types, values, NULL);
}

/*
 * queue_cancel: these are owed no more, and were not delivered; how many.
 * Within SPI.
 */
int64
queue_cancel(int subscription, Datum *seqs, int n)
{
	int64		cancelled = 0;

	if (n > 0)
		cancelled = delete_owed(subscription, seq_array(seqs, n));
	if (cancelled > 0)
		tally(find_consumer(subscription), subscription, 0, cancelled, NULL);
	return cancelled;
}

/*
 * FetchedRows: what fetch returns, as it is put together.
 */
typedef struct FetchedRows
{
	ReturnSetInfo *rsinfo;
	TupleDesc	event_desc;
	const Owed *owed;
	bool		found;
} FetchedRows;

/*
 * put_delivery: a sink: the event in the slot, as (seq, attempts, event).
 */
static void
put_delivery(OpenPartition *open, void *arg)
{
	FetchedRows *rows = arg;
	Datum		event[EVENT_NCOLUMNS];
	bool		event_nulls[EVENT_NCOLUMNS];
	Datum		values[3];
	bool		nulls[3] = {0};

	event_values(open, event, event_nulls);
	values[0] = Int64GetDatum(rows->owed->seq);
	values[1] = Int32GetDatum(rows->owed->attempts);
	values[2] = HeapTupleGetDatum(heap_form_tuple(rows->event_desc, event,
												  event_nulls));
	tuplestore_putvalues(rows->rsinfo->setResult, rows->rsinfo->setDesc,
						 values, nulls);
	rows->found = true;
}

/*
 * put_delivery_by_sql: the same where the log cannot be read by its index.
 */
static void
put_delivery_by_sql(Oid log, FetchedRows *rows)
{
	StringInfoData sql;
	Datum		values[3];
	bool		nulls[3] = {0};

	initStringInfo(&sql);
	append_event_select(&sql, log);
	append_event_key(&sql, &rows->owed->event_id);
	if (SPI_execute(sql.data, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read an event: %s", sql.data);
	rows->found = SPI_processed > 0;
	if (rows->found)
	{
		values[0] = Int64GetDatum(rows->owed->seq);
		values[1] = Int32GetDatum(rows->owed->attempts);
		values[2] = heap_copy_tuple_as_datum(SPI_tuptable->vals[0],
											 rows->event_desc);
		tuplestore_putvalues(rows->rsinfo->setResult, rows->rsinfo->setDesc,
							 values, nulls);
	}
	SPI_freetuptable(SPI_tuptable);
}

/*
 * put_owed: hand out what was found, as the subscription's owner sees it; the
 * rest is cancelled.
 */
static void
put_owed(const Subscription *subscription, Consumer *consumer,
		 const OwedList *list, FetchedRows *rows)
{
	Datum	   *gone = palloc(sizeof(Datum) * list->n);
	int			ngone = 0;
	EventLog   *log;
	PartitionList *partitions;
	Identity	self;

	if (get_rel_relkind(subscription->log) == '\0')
	{
		/* the log was dropped, and all its events with it */
		for (int i = 0; i < list->n; i++)
			gone[i] = Int64GetDatum(list->items[i].seq);
		(void) queue_cancel(subscription->id, gone, list->n);
		return;
	}
	log = log_open(subscription->log, AccessShareLock);
	partitions = list_partitions(log->rel);
	PushActiveSnapshot(GetTransactionSnapshot());
	become(&self, subscription->owner);
	for (int i = 0; i < list->n; i++)
	{
		rows->owed = &list->items[i];
		rows->found = false;
		if (!scan_event(log, partitions, &rows->owed->event_id, put_delivery,
						rows))
			put_delivery_by_sql(log->oid, rows);
		if (!rows->found)
			gone[ngone++] = Int64GetDatum(rows->owed->seq);
		else if (rows->owed->retry)
			remember_retry(consumer, rows->owed->seq);
	}
	become_again(&self);
	PopActiveSnapshot();
	log_close(log, AccessShareLock);
	(void) queue_cancel(subscription->id, gone, ngone);
}

/*
 * eventlog.fetch(name text, max int)
 * returns table (seq bigint, attempts int, event eventlog.event)
 */
Datum
eventlog_fetch(PG_FUNCTION_ARGS)
{
	Subscription *subscription = subscription_require(fcinfo, 0);
	Consumer   *consumer;
	OwedList	list = {0};
	FetchedRows rows = {0};

	if (PG_ARGISNULL(1) || PG_GETARG_INT32(1) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max must be 1 or more%s",
						PG_ARGISNULL(1) ? ", not null" :
						psprintf(": %d", PG_GETARG_INT32(1)))));
	consumer = require_consumer(subscription);
	bell_disarm(subscription->id);
	InitMaterializedSRF(fcinfo, 0);
	if (subscription->paused)
		return (Datum) 0;

	list.max = Min(PG_GETARG_INT32(1), MAX_FETCH);
	list.items = palloc(sizeof(Owed) * list.max);
	rows.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	rows.event_desc = lookup_rowtype_tupdesc_copy(eventlog_type_oid("event"), -1);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	find_owed(consumer, &list);
	if (list.n > 0)
		put_owed(subscription, consumer, &list, &rows);
	SPI_finish();
	return (Datum) 0;
}

/*
 * eventlog.ack(name text, seqs bigint[]) returns bigint
 */
Datum
eventlog_ack(PG_FUNCTION_ARGS)
{
	Subscription *subscription = subscription_require(fcinfo, 0);
	Consumer   *consumer = find_consumer(subscription->id);
	Datum	   *seqs;
	bool	   *nulls;
	int			nseqs;
	int64		n;

	if (PG_ARGISNULL(1))
		PG_RETURN_INT64(0);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), INT8OID, 8, FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &seqs, &nulls, &nseqs);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	n = delete_owed(subscription->id, PG_GETARG_DATUM(1));
	if (n > 0)
		tally(consumer, subscription->id, n, 0, NULL);
	SPI_finish();
	for (int i = 0; consumer && consumer->nretries > 0 && i < nseqs; i++)
	{
		if (!nulls[i])
			forget_retry(consumer, DatumGetInt64(seqs[i]));
	}
	PG_RETURN_INT64(n);
}

/*
 * error_from_args: what went wrong, cut to what is kept.
 */
static text *
error_from_args(FunctionCallInfo fcinfo, int argno)
{
	text	   *error;
	int			len;

	if (PG_ARGISNULL(argno))
		return cstring_to_text("");
	error = PG_GETARG_TEXT_PP(argno);
	len = VARSIZE_ANY_EXHDR(error);
	if (len > MAX_ERROR_BYTES)
		len = pg_mbcliplen(VARDATA_ANY(error), len, MAX_ERROR_BYTES);
	return cstring_to_text_with_len(VARDATA_ANY(error), len);
}

/*
 * eventlog.fail(name text, seq bigint, error text,
 * next_attempt_at timestamptz) returns bigint
 */
Datum
eventlog_fail(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, INT8OID, TEXTOID, TIMESTAMPTZOID};
	Subscription *subscription = subscription_require(fcinfo, 0);
	Consumer   *consumer = find_consumer(subscription->id);
	Datum		values[4];
	int64		n;

	if (PG_ARGISNULL(1))
		PG_RETURN_INT64(0);
	values[0] = Int32GetDatum(subscription->id);
	values[1] = PG_GETARG_DATUM(1);
	values[2] = PointerGetDatum(error_from_args(fcinfo, 2));
	values[3] = PG_ARGISNULL(3) ? TimestampTzGetDatum(DT_NOEND) :
		PG_GETARG_DATUM(3);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	n = run_owned(&plan,
				  "UPDATE eventlog._queue SET"
				  " attempts = attempts OPERATOR(pg_catalog.+) 1,"
				  " next_attempt_at = $4, last_error = $3,"
				  " failed_at = pg_catalog.clock_timestamp()"
				  " WHERE subscription OPERATOR(pg_catalog.=) $1"
				  " AND seq OPERATOR(pg_catalog.=) $2",
				  4, types, values, NULL);
	if (n > 0)
		tally(consumer, subscription->id, 0, 0,
			  DatumGetTextPP(values[2]));
	SPI_finish();
	if (consumer)
		forget_retry(consumer, PG_GETARG_INT64(1));
	PG_RETURN_INT64(n);
}

/*
 * eventlog.release(name text)
 */
Datum
eventlog_release(PG_FUNCTION_ARGS)
{
	Subscription *subscription = subscription_require(fcinfo, 0);
	Consumer   *consumer = find_consumer(subscription->id);

	if (consumer)
		forget_consumer(consumer);
	bell_disarm(subscription->id);
	if (consumer_holds(subscription->id))
		consumer_unlock(subscription->id);
	PG_RETURN_VOID();
}

/*
 * is_owed: is there anything to hand out now?
 */
static bool
is_owed(const Subscription *subscription, Consumer *consumer)
{
	OwedList	list = {0};
	Owed		owed;
	bool		found;

	if (subscription->paused)
		return false;
	if (DatumGetPointer(consumer->round) != NULL ||
		DatumGetPointer(consumer->before) == NULL)
		return true;			/* a round is not at its end: fetch tells */
	list.max = 1;
	list.items = &owed;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	find_retries(consumer, &list);
	found = list.n > 0 || begin_next_round(consumer);
	SPI_finish();
	return found;
}

/*
 * eventlog.listen(name text) returns boolean
 */
Datum
eventlog_listen(PG_FUNCTION_ARGS)
{
	Subscription *subscription = subscription_require(fcinfo, 0);
	Consumer   *consumer = require_consumer(subscription);

	if (is_owed(subscription, consumer))
		PG_RETURN_BOOL(false);
	if (!bell_arm(subscription->id))
		PG_RETURN_BOOL(false);
	if (is_owed(subscription, consumer))
	{
		bell_disarm(subscription->id);
		PG_RETURN_BOOL(false);
	}
	PG_RETURN_BOOL(true);
}
