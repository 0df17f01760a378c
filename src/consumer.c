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
 * The session's own transaction counts as one in progress, so what it owes is
 * handed out once it has committed, and none of it is passed over.
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
 * 4. What is rolled back was not handed out
 *
 * How far the session has come changes with the transaction or savepoint in
 * which it fetches: if that fails, be it in fetch or in what the caller does
 * with its rows, the session goes back to where it was.  Otherwise what the
 * caller has never got would wait for another session.
 *
 * 5. Whose rights
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
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"
#include "utils/xid8.h"

#define MAX_ERROR_BYTES	1024
#define MAX_FETCH		10000	/* what one call hands out at most */

PG_FUNCTION_INFO_V1(eventlog_fetch);
PG_FUNCTION_INFO_V1(eventlog_ack);
PG_FUNCTION_INFO_V1(eventlog_fail);
PG_FUNCTION_INFO_V1(eventlog_release);
PG_FUNCTION_INFO_V1(eventlog_listen);

/*
 * Place: how far a session has come in what is owed to a subscription.  All of
 * it is in a context of its own.
 */
typedef struct Place
{
	MemoryContext context;
	int			subscription;
	Datum		before;			/* pg_snapshot of the round before; 0: none */
	Datum		round;			/* pg_snapshot of this round; 0: none */
	int64		position;		/* handed out up to this seq in this round */
	int			nretries;		/* retries handed out and not settled */
	int			maxretries;
	Datum	   *retries;		/* their seq */
	SubTransactionId since;		/* taken in it; invalid: in one committed */
	struct Place *former;		/* where to go back to if that fails */
} Place;

/*
 * Consumer: what this session knows of a subscription that it consumes.
 */
typedef struct Consumer
{
	int			subscription;
	MemoryContext context;
	Place	   *place;
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
static bool registered = false;

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

/*
 * copy_snapshot: a pg_snapshot into the current context; 0 if there is none.
 */
static Datum
copy_snapshot(Datum snapshot)
{
	if (DatumGetPointer(snapshot) == NULL)
		return (Datum) 0;
	return PointerGetDatum(PG_DETOAST_DATUM_COPY(snapshot));
}

/*
 * next_place: a copy of a place, or the beginning, to go on from; it is the
 * current context's until it is taken.
 */
static Place *
next_place(int subscription, const Place *from)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "eventlog place",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(context);
	Place	   *place = palloc0(sizeof(Place));

	place->context = context;
	place->subscription = subscription;
	if (from)
	{
		place->before = copy_snapshot(from->before);
		place->round = copy_snapshot(from->round);
		place->position = from->position;
		place->nretries = place->maxretries = from->nretries;
		if (from->nretries > 0)
		{
			place->retries = palloc(sizeof(Datum) * from->nretries);
			memcpy(place->retries, from->retries,
				   sizeof(Datum) * from->nretries);
		}
	}
	MemoryContextSwitchTo(outer);
	return place;
}

/*
 * take_place: the session has come this far, if the transaction commits.
 */
static void
take_place(Consumer *consumer, Place *place)
{
	Place	   *former = consumer->place;

	place->since = GetCurrentSubTransactionId();
	if (former->since == place->since)
	{
		place->former = former->former;
		MemoryContextDelete(former->context);
	}
	else
		place->former = former;
	MemoryContextSetParent(place->context, consumer->context);
	consumer->place = place;
}

/*
 * keep_place: the transaction has committed: there is no way back.
 */
static void
keep_place(Consumer *consumer)
{
	Place	   *place = consumer->place;

	while (place->former)
	{
		Place	   *former = place->former;

		place->former = former->former;
		MemoryContextDelete(former->context);
	}
	place->since = InvalidSubTransactionId;
}

/*
 * go_back: what was done since this subtransaction began has failed; those
 * within it have greater numbers.
 */
static void
go_back(Consumer *consumer, SubTransactionId failed)
{
	while (consumer->place->since >= failed)
	{
		Place	   *place = consumer->place;

		consumer->place = place->former;
		MemoryContextDelete(place->context);
	}
}

static void
at_transaction_event(XactEvent event, void *arg)
{
	ListCell   *cell;

	foreach(cell, consumers)
	{
		if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
			keep_place(lfirst(cell));
		else if (event == XACT_EVENT_ABORT)
			go_back(lfirst(cell), TopSubTransactionId);
	}
}

static void
at_subtransaction_event(SubXactEvent event, SubTransactionId self,
						SubTransactionId parent, void *arg)
{
	ListCell   *cell;

	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	foreach(cell, consumers)
		go_back(lfirst(cell), self);
}

static Consumer *
create_consumer(int subscription)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext,
												  "eventlog consumer",
												  ALLOCSET_SMALL_SIZES);
	Consumer   *consumer = MemoryContextAllocZero(context, sizeof(Consumer));
	MemoryContext outer;

	if (!registered)
	{
		RegisterXactCallback(at_transaction_event, NULL);
		RegisterSubXactCallback(at_subtransaction_event, NULL);
		registered = true;
	}
	consumer->subscription = subscription;
	consumer->context = context;
	ItemPointerSetInvalid(&consumer->tally);
	outer = MemoryContextSwitchTo(context);
	consumer->place = next_place(subscription, NULL);
	MemoryContextSwitchTo(TopMemoryContext);
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
remember_retry(Place *place, int64 seq)
{
	if (place->nretries == place->maxretries)
	{
		int			max = Max(16, place->maxretries * 2);

		if (place->retries == NULL)
			place->retries = MemoryContextAlloc(place->context,
												sizeof(Datum) * max);
		else
			place->retries = repalloc(place->retries, sizeof(Datum) * max);
		place->maxretries = max;
	}
	place->retries[place->nretries++] = Int64GetDatum(seq);
}

/*
 * forget_retries: these are settled.
 */
static void
forget_retries(Consumer *consumer, const Datum *seqs, const bool *nulls, int n)
{
	Place	   *place;

	if (consumer == NULL || consumer->place->nretries == 0)
		return;
	place = next_place(consumer->subscription, consumer->place);
	for (int i = 0; i < n; i++)
	{
		for (int j = 0; j < place->nretries; j++)
		{
			if ((nulls == NULL || !nulls[i]) && place->retries[j] == seqs[i])
			{
				place->retries[j] = place->retries[--place->nretries];
				break;
			}
		}
	}
	take_place(consumer, place);
}

/*
 * find_retries: what failed and is due, and is not with the caller already.
 */
static void
find_retries(const Place *place, OwedList *list)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, INT8ARRAYOID, INT4OID};
	Datum		values[3];

	values[0] = Int32GetDatum(place->subscription);
	values[1] = seq_array(place->retries, place->nretries);
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
 * with_own: a snapshot in which the session's own transaction is in progress,
 * as it is to everybody else: its list is of others alone.
 */
static Datum
with_own(Datum snapshot)
{
	FullTransactionId own = GetTopFullTransactionIdIfAny();
	StringInfoData string;
	char	   *xip;
	bool		put = false;

	if (!FullTransactionIdIsValid(own) ||
		!DatumGetBool(DirectFunctionCall2(pg_visible_in_snapshot,
										  FullTransactionIdGetDatum(own),
										  snapshot)))
		return snapshot;
	/* xmin:xmax:xid,xid..., in ascending order */
	xip = DatumGetCString(DirectFunctionCall1(pg_snapshot_out, snapshot));
	initStringInfo(&string);
	appendBinaryStringInfo(&string, xip, strrchr(xip, ':') + 1 - xip);
	xip = strrchr(xip, ':') + 1;
	for (char *xid = strtok(xip, ","); xid; xid = strtok(NULL, ","))
	{
		if (!put && strtou64(xid, NULL, 10) > U64FromFullTransactionId(own))
		{
			appendStringInfo(&string, UINT64_FORMAT ",",
							 U64FromFullTransactionId(own));
			put = true;
		}
		appendStringInfo(&string, "%s,", xid);
	}
	if (!put)
		appendStringInfo(&string, UINT64_FORMAT, U64FromFullTransactionId(own));
	else
		string.data[--string.len] = '\0';
	return DirectFunctionCall1(pg_snapshot_in, CStringGetDatum(string.data));
}

/*
 * begin_round_at: a round begins, behind that seq.
 */
static void
begin_round_at(Place *place, Datum snapshot, int64 position)
{
	MemoryContext outer;

	snapshot = with_own(snapshot);
	outer = MemoryContextSwitchTo(place->context);
	place->round = copy_snapshot(snapshot);
	place->position = position;
	MemoryContextSwitchTo(outer);
}

/* not owed by the session's own transaction */
#define NOT_OWN \
	" AND COALESCE(xid OPERATOR(pg_catalog.<>)" \
	" pg_catalog.pg_current_xact_id_if_assigned(), true)"

/*
 * begin_first_round: all there is.
 */
static void
begin_first_round(Place *place)
{
	static SPIPlanPtr mend = NULL;
	static SPIPlanPtr look = NULL;
	static const Oid types[] = {INT4OID};
	Datum		value = Int32GetDatum(place->subscription);
	bool		isnull;

	(void) run_owned(&mend,
					 "UPDATE eventlog._queue SET xid = '3'"
					 " WHERE subscription OPERATOR(pg_catalog.=) $1"
					 " AND xid OPERATOR(pg_catalog.>=) pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())"
					 NOT_OWN,
					 1, types, &value, NULL);
	(void) run_owned(&look, "SELECT pg_catalog.pg_current_snapshot()", 0, NULL,
					 NULL, NULL);
	begin_round_at(place, SPI_getbinval(SPI_tuptable->vals[0],
										SPI_tuptable->tupdesc, 1, &isnull),
				   PG_INT64_MIN);
	SPI_freetuptable(SPI_tuptable);
}

/*
 * begin_next_round: what has become visible since the round before; false
 * when that is nothing.
 */
static bool
begin_next_round(Place *place)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, PG_SNAPSHOTOID};
	Datum		values[2];
	HeapTuple	row;
	TupleDesc	desc;
	Datum		first;
	bool		isnull;
	bool		nothing;

	values[0] = Int32GetDatum(place->subscription);
	values[1] = place->before;
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
					 " WHERE pg_catalog.pg_visible_in_snapshot(q.xid, pg_catalog.pg_current_snapshot())"
					 NOT_OWN,
					 2, types, values, NULL);
	row = SPI_tuptable->vals[0];
	desc = SPI_tuptable->tupdesc;
	first = SPI_getbinval(row, desc, 2, &nothing);
	if (!nothing)
		begin_round_at(place, SPI_getbinval(row, desc, 1, &isnull),
					   DatumGetInt64(first) - 1);
	SPI_freetuptable(SPI_tuptable);
	return !nothing;
}

/*
 * begin_round: the next round; false when there is nothing in it.
 */
static bool
begin_round(Place *place)
{
	if (DatumGetPointer(place->before) != NULL)
		return begin_next_round(place);
	begin_first_round(place);
	return true;
}

/*
 * end_round: all of it has been handed out.
 */
static void
end_round(Place *place)
{
	if (DatumGetPointer(place->before) != NULL)
		pfree(DatumGetPointer(place->before));
	place->before = place->round;
	place->round = (Datum) 0;
}

/*
 * find_new: what the round has next.
 */
static void
find_new(Place *place, OwedList *list)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {
		INT4OID, INT8OID, PG_SNAPSHOTOID, PG_SNAPSHOTOID, INT4OID
	};
	Datum		values[5];
	char		nulls[] = "     ";
	int			before = list->n;

	values[0] = Int32GetDatum(place->subscription);
	values[1] = Int64GetDatum(place->position);
	values[2] = place->round;
	values[3] = place->before;
	if (DatumGetPointer(place->before) == NULL)
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
		place->position = list->items[list->n - 1].seq;
	if (list->n < list->max)
		end_round(place);
}

/*
 * find_owed: retries, then rounds, until the list is full or nothing is left.
 */
static void
find_owed(Place *place, OwedList *list)
{
	find_retries(place, list);
	while (list->n < list->max)
	{
		CHECK_FOR_INTERRUPTS();
		if (DatumGetPointer(place->round) == NULL && !begin_round(place))
			break;
		find_new(place, list);
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
 * put_one: hand out one, if it is to be seen under the active snapshot.
 */
static void
put_one(const EventLog *log, const PartitionList *partitions,
		FetchedRows *rows)
{
	rows->found = false;
	if (!scan_event(log, partitions, &rows->owed->event_id, put_delivery, rows))
		put_delivery_by_sql(log->oid, rows);
}

/*
 * look_again: it was not to be seen.  Before it is taken for deleted, see that
 * it was not moved out of the default partition between the snapshot and the
 * look: while we hold that partition's lock, nobody moves anything.
 */
static void
look_again(const EventLog *log, FetchedRows *rows)
{
	Oid			default_oid = list_partitions(log->rel)->default_oid;

	if (!OidIsValid(default_oid))
		return;
	LockRelationOid(default_oid, AccessShareLock);
	PushActiveSnapshot(GetTransactionSnapshot());
	put_one(log, list_partitions(log->rel), rows);
	PopActiveSnapshot();
	UnlockRelationOid(default_oid, AccessShareLock);
}

/*
 * put_owed: hand out what was found, as the subscription's owner sees it; the
 * rest is cancelled.
 */
static void
put_owed(const Subscription *subscription, Place *place,
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
	partitions = partitions_to_read(log);
	PushActiveSnapshot(GetTransactionSnapshot());
	become(&self, subscription->owner);
	log_require_usage(subscription->log);
	for (int i = 0; i < list->n; i++)
	{
		rows->owed = &list->items[i];
		put_one(log, partitions, rows);
		if (!rows->found)
			look_again(log, rows);
		if (!rows->found)
			gone[ngone++] = Int64GetDatum(rows->owed->seq);
		else if (rows->owed->retry)
			remember_retry(place, rows->owed->seq);
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
	Place	   *place;
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
	place = next_place(subscription->id, consumer->place);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	find_owed(place, &list);
	if (list.n > 0)
		put_owed(subscription, place, &list, &rows);
	SPI_finish();
	take_place(consumer, place);
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
	forget_retries(consumer, seqs, nulls, nseqs);
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
	forget_retries(consumer, &values[1], NULL, 1);
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
is_owed(const Subscription *subscription, const Consumer *consumer)
{
	OwedList	list = {0};
	Owed		owed;
	Place	   *place;
	bool		found;

	if (subscription->paused)
		return false;
	if (DatumGetPointer(consumer->place->round) != NULL ||
		DatumGetPointer(consumer->place->before) == NULL)
		return true;			/* a round is not at its end: fetch tells */
	list.max = 1;
	list.items = &owed;
	place = next_place(subscription->id, consumer->place);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	find_retries(place, &list);
	found = list.n > 0 || begin_next_round(place);
	SPI_finish();
	MemoryContextDelete(place->context);
	return found;
}

/*
 * eventlog.listen(name text) returns boolean
 *
 * The look after the bell is armed is at the subscription too: it may have been
 * resumed.
 */
Datum
eventlog_listen(PG_FUNCTION_ARGS)
{
	Subscription *subscription = subscription_require(fcinfo, 0);
	Consumer   *consumer = require_consumer(subscription);

	if (!bell_arm(subscription->id))
		PG_RETURN_BOOL(false);
	if (is_owed(subscription_require(fcinfo, 0), consumer))
	{
		bell_disarm(subscription->id);
		PG_RETURN_BOOL(false);
	}
	PG_RETURN_BOOL(true);
}
