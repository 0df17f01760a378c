/*
 * generation.c
 *		The order in which deliveries are handed out.
 *
 * 1. Generations
 *
 * Events commit out of the order of their sequence numbers, so "seq above the
 * last one seen" would skip transactions that commit late.  So the session
 * hands out generations.  A generation has a snapshot, and consists of the
 * deliveries that are visible in it but were not in the snapshot of the
 * previous generation: their transaction id is among those in progress in the
 * previous snapshot, or at or above its xmax.  Within a generation, deliveries
 * are ordered by seq.  The first generation contains everything that is
 * visible.
 *
 * The first seq of a generation is found by the index (subscription, xid,
 * seq), which leads to the rows of new transactions only.  From there on, the
 * index (subscription, seq) is read, each fetch continuing where the last one
 * stopped.  So a fetch costs the same whether the queue has a million rows, or
 * had them and they cannot be vacuumed because of an old transaction
 * elsewhere.
 *
 * The session's own transaction counts as in progress, so its deliveries are
 * handed out once it has committed, and none is skipped.
 *
 * Data restored from another cluster may contain transaction ids of the
 * future, which would be new forever.  Before the first generation, such rows
 * are given the lowest transaction id, which is visible in every snapshot.
 *
 * 2. Retries
 *
 * A failed delivery has the time of its next attempt, which has an index of
 * its own.  Retries come before new deliveries.  The session keeps the numbers
 * of the retries that it was handed: they are few, as many as are in flight.
 *
 * The queue is read by our own statements as the extension's owner.  All of
 * this is within SPI, and runs nobody else's code.
 */
#include "queue/queue.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/xid8.h"

/*
 * add_rows: the rows (seq, attempts, event_id) in SPI_tuptable.
 */
static void
add_rows(DeliveryList *list, bool retry)
{
	list->n = 0;
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		Delivery   *delivery = &list->items[list->n++];
		bool		isnull;

		delivery->seq = DatumGetInt64(SPI_getbinval(row, desc, 1, &isnull));
		delivery->attempts =
			DatumGetInt32(SPI_getbinval(row, desc, 2, &isnull));
		delivery->retry = retry;
		delivery->event_id =
			*DatumGetUUIDP(SPI_getbinval(row, desc, 3, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
}

/*
 * generation_find_retries: find failed deliveries to be tried now, without
 * those that the caller has.
 */
void
generation_find_retries(const FetchPosition *position, DeliveryList *list)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, INT8ARRAYOID, INT4OID};
	Datum		values[3];

	values[0] = Int32GetDatum(position->subscription);
	values[1] = int8_array(position->retries, position->nretries);
	values[2] = Int32GetDatum(list->max);
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
 * add_own_transaction: a snapshot in which the session's own transaction is in
 * progress, as it is for everybody else.  Its own list has only others.
 */
static Datum
add_own_transaction(Datum snapshot)
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
 * begin_at: begin a generation behind that seq.
 */
static void
begin_at(FetchPosition *position, Datum snapshot, int64 seq)
{
	MemoryContext outer;

	snapshot = add_own_transaction(snapshot);
	outer = MemoryContextSwitchTo(position->context);
	position->current = PointerGetDatum(PG_DETOAST_DATUM_COPY(snapshot));
	position->seq = seq;
	MemoryContextSwitchTo(outer);
}

/*
 * not of the session's own transaction
 */
#define NOT_OWN_TRANSACTION \
	" AND COALESCE(xid OPERATOR(pg_catalog.<>)" \
	" pg_catalog.pg_current_xact_id_if_assigned(), true)"

/*
 * begin_first: begin the first generation.
 */
static void
begin_first(FetchPosition *position)
{
	static SPIPlanPtr reset = NULL;
	static SPIPlanPtr look = NULL;
	static const Oid types[] = {INT4OID};
	Datum		value = Int32GetDatum(position->subscription);
	bool		isnull;

	(void) run_owned(&reset,
					 "UPDATE eventlog._queue SET xid = '3'"
					 " WHERE subscription OPERATOR(pg_catalog.=) $1"
					 " AND xid OPERATOR(pg_catalog.>=) pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())"
					 NOT_OWN_TRANSACTION,
					 1, types, &value, NULL);
	(void) run_owned(&look, "SELECT pg_catalog.pg_current_snapshot()", 0, NULL,
					 NULL, NULL);
	begin_at(position, SPI_getbinval(SPI_tuptable->vals[0],
									 SPI_tuptable->tupdesc, 1, &isnull),
			 PG_INT64_MIN);
	SPI_freetuptable(SPI_tuptable);
}

/*
 * begin_next: begin a generation of what has become visible since the previous
 * one; false if that is nothing.
 */
static bool
begin_next(FetchPosition *position)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, PG_SNAPSHOTOID};
	Datum		values[2];
	HeapTuple	row;
	TupleDesc	desc;
	Datum		first;
	bool		isnull;
	bool		nothing;

	values[0] = Int32GetDatum(position->subscription);
	values[1] = position->previous;
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
					 NOT_OWN_TRANSACTION,
					 2, types, values, NULL);
	row = SPI_tuptable->vals[0];
	desc = SPI_tuptable->tupdesc;
	first = SPI_getbinval(row, desc, 2, &nothing);
	if (!nothing)
		begin_at(position, SPI_getbinval(row, desc, 1, &isnull),
				 DatumGetInt64(first) - 1);
	SPI_freetuptable(SPI_tuptable);
	return !nothing;
}

/*
 * generation_begin: begin the next generation; false if it would be empty.
 */
bool
generation_begin(FetchPosition *position)
{
	if (DatumGetPointer(position->previous) != NULL)
		return begin_next(position);
	begin_first(position);
	return true;
}

/*
 * end_generation: all of it has been handed out.
 */
static void
end_generation(FetchPosition *position)
{
	if (DatumGetPointer(position->previous) != NULL)
		pfree(DatumGetPointer(position->previous));
	position->previous = position->current;
	position->current = (Datum) 0;
}

/*
 * generation_find_new: find the next deliveries of the generation.
 */
void
generation_find_new(FetchPosition *position, DeliveryList *list)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {
		INT4OID, INT8OID, PG_SNAPSHOTOID, PG_SNAPSHOTOID, INT4OID
	};
	Datum		values[5];
	char		nulls[] = "     ";

	values[0] = Int32GetDatum(position->subscription);
	values[1] = Int64GetDatum(position->seq);
	values[2] = position->current;
	values[3] = position->previous;
	if (DatumGetPointer(position->previous) == NULL)
		nulls[3] = 'n';
	values[4] = Int32GetDatum(list->max);
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
}

/*
 * generation_advance: the first n of the deliveries found were handed out.
 */
void
generation_advance(FetchPosition *position, const DeliveryList *list, int n)
{
	if (n > 0)
		position->seq = list->items[n - 1].seq;
	if (n == list->n && list->n < list->max)
		end_generation(position);
}

/*
 * generation_has_deliveries: is there anything to hand out now, as far as this
 * can be said without searching all of the queue?
 */
bool
generation_has_deliveries(const FetchPosition *position)
{
	Delivery	delivery;
	DeliveryList list = {.max = 1,.items = &delivery};
	FetchPosition *next;
	bool		found;

	if (DatumGetPointer(position->current) != NULL ||
		DatumGetPointer(position->previous) == NULL)
		return true;			/* a generation is not at its end: fetch finds
								 * out */
	next = position_copy(position->subscription, position);
	generation_find_retries(next, &list);
	found = list.n > 0 || begin_next(next);
	MemoryContextDelete(next->context);
	return found;
}
