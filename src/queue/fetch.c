/*
 * fetch.c
 *		eventlog.fetch: handing out deliveries.
 *
 * 1. Whose rights
 *
 * The caller must be a member of the subscription's owner.  The queue is read
 * and written by our own statements as the extension's owner; events are read
 * with the rights of the subscription's owner.  Deliveries of events that this
 * role may not see, or that were deleted, are cancelled.
 *
 * 2. Unreadable events
 *
 * Reading an event can fail: a policy raises an error, the text has no
 * equivalent in the client's encoding, memory runs out.  Such an event must
 * not hold up the others.  So events are read in a subtransaction, as many as
 * come without an error.  If one fails, the ones before it are still handed
 * out; it becomes dead, with the error as the reason, and the next
 * subtransaction starts behind it.
 *
 * Some errors are not the fault of an event and end the fetch: those by which
 * the backend ends a statement, those of putting an event into the result, and
 * those that also occur when the same statement looks for no event at all, as
 * when the owner may not execute a policy's function.  An error of the backend
 * itself is recognized by the function that raised it, since any function can
 * raise any SQLSTATE.
 *
 * 3. Memory
 *
 * Each event is read in a memory context that is reset for the next one.  The
 * result is a tuplestore, which spills to disk beyond work_mem.
 */
#include "queue/queue.h"
#include "read/read.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"
#include "utils/typcache.h"

#define MAX_FETCH		10000	/* what one call hands out at most */
#define FETCH_BATCH		1000	/* what is read from the queue at once */
#define MAX_EVENT_BYTES	(32 * 1024 * 1024)	/* of an event that can be
											 * delivered */

PG_FUNCTION_INFO_V1(eventlog_fetch);

/*
 * Batch: a part of the queue that is being handed out.
 */
typedef struct Batch
{
	const DeliveryList *list;
	int			at;				/* the next one */
	Datum	   *gone;
	int			ngone;
} Batch;

/*
 * Fetch: a call of eventlog.fetch.
 */
typedef struct Fetch
{
	const Subscription *subscription;
	Consumer   *consumer;
	FetchPosition *position;
	ReturnSetInfo *rsinfo;
	TupleDesc	event_desc;
	MemoryContext event_context;	/* reset for each event */
	int			max;
	int64		max_bytes;
	int			n;				/* handed out */
	int			nexamined;		/* examined, including cancelled and dead ones */
	int64		bytes;			/* of what was handed out */
	bool		full;			/* the next event does not fit */
	/* while the log is open */
	EventLog   *log;
	PartitionList *partitions;	/* the default partition was locked before any
								 * snapshot was taken, so no event is moved
								 * out of it */
	Batch	   *batch;
	void		(*step) (struct Fetch *fetch);	/* taken as the subscription's
												 * owner */
	/* the current delivery and its event */
	const Delivery *delivery;
	bool		found;
	bool		storing;
	int64		size;
	Datum		event;
} Fetch;

/*
 * check_text: raise an error if a text cannot be sent to the client.
 */
static void
check_text(const text *value)
{
	int			len = VARSIZE_ANY_EXHDR(value);
	char	   *converted = pg_server_to_client(VARDATA_ANY(value), len);

	if (converted != VARDATA_ANY(value))
		pfree(converted);
}

/*
 * check_event: raise an error if the event cannot be delivered.  Also sets its
 * size.
 */
static void
check_event(Fetch *fetch, const Datum *values, const bool *nulls)
{
	bool		converts = pg_get_client_encoding() != GetDatabaseEncoding();

	fetch->size = 0;
	for (int col = 0; col < EVENT_NCOLUMNS; col++)
	{
		if (!nulls[col] && (event_columns[col].type == TEXTOID ||
							event_columns[col].type == JSONBOID) &&
			col != EVENT_LEVEL)
			fetch->size += toast_raw_datum_size(values[col]) - VARHDRSZ;
	}
	if (fetch->size > MAX_EVENT_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the event is too large: " INT64_FORMAT " bytes, at most %d can be delivered",
						fetch->size, MAX_EVENT_BYTES)));
	for (int col = 0; converts && col < EVENT_NCOLUMNS; col++)
	{
		if (nulls[col] || col == EVENT_LEVEL)
			continue;
		if (event_columns[col].type == TEXTOID)
			check_text(DatumGetTextPP(values[col]));
		else if (event_columns[col].type == JSONBOID)
		{
			Jsonb	   *jsonb = DatumGetJsonbP(values[col]);

			check_text(cstring_to_text(JsonbToCString(NULL, &jsonb->root,
													  VARSIZE(jsonb))));
		}
	}
}

/*
 * take_event: a sink that keeps the event in the slot.
 */
static void
take_event(PartitionReader *reader, void *arg)
{
	Fetch	   *fetch = arg;
	Datum		values[EVENT_NCOLUMNS];
	bool		nulls[EVENT_NCOLUMNS];

	event_values(reader, values, nulls);
	check_event(fetch, values, nulls);
	fetch->event = HeapTupleGetDatum(heap_form_tuple(fetch->event_desc, values,
													 nulls));
	fetch->found = true;
}

/*
 * read_delivery_by_sql: the same by SQL, if the log cannot be read by its
 * indexes.
 */
static void
read_delivery_by_sql(Fetch *fetch, const pg_uuid_t *id)
{
	StringInfoData sql;
	Datum		values[EVENT_NCOLUMNS];
	bool		nulls[EVENT_NCOLUMNS];

	initStringInfo(&sql);
	append_event_select(&sql, fetch->log->oid);
	append_event_key(&sql, id);
	if (SPI_execute(sql.data, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read an event: %s", sql.data);
	if (SPI_processed > 0)
	{
		HeapTuple	row = SPI_tuptable->vals[0];

		heap_deform_tuple(row, SPI_tuptable->tupdesc, values, nulls);
		check_event(fetch, values, nulls);
		fetch->event = heap_copy_tuple_as_datum(row, fetch->event_desc);
		fetch->found = true;
	}
	SPI_freetuptable(SPI_tuptable);
}

/*
 * read_delivery: find the current event under the active snapshot.
 */
static void
read_delivery(Fetch *fetch)
{
	fetch->found = false;
	if (!id_is_valid(&fetch->delivery->event_id))
		return;
	if (!read_event(fetch->log, fetch->partitions, &fetch->delivery->event_id,
					take_event, fetch))
		read_delivery_by_sql(fetch, &fetch->delivery->event_id);
}

/*
 * put_event_in_result: put the current event into the result; false if it does
 * not fit.
 */
static bool
put_event_in_result(Fetch *fetch)
{
	Datum		values[3];
	bool		nulls[3] = {0};

	if (fetch->n > 0 && fetch->size > fetch->max_bytes - fetch->bytes)
	{
		fetch->full = true;
		return false;
	}
	values[0] = Int64GetDatum(fetch->delivery->seq);
	values[1] = Int32GetDatum(fetch->delivery->attempts);
	values[2] = fetch->event;
	fetch->storing = true;
	tuplestore_putvalues(fetch->rsinfo->setResult, fetch->rsinfo->setDesc,
						 values, nulls);
	fetch->storing = false;
	fetch->n++;
	fetch->bytes += fetch->size;
	if (fetch->delivery->retry)
		position_add_retry(fetch->position, fetch->delivery->seq);
	return true;
}

static bool
is_full(const Fetch *fetch)
{
	return fetch->full || fetch->n >= fetch->max;
}

/*
 * put_batch: hand out the rest of the batch, until the call has enough.  As
 * the subscription's owner.
 */
static void
put_batch(Fetch *fetch)
{
	Batch	   *batch = fetch->batch;
	MemoryContext outer = MemoryContextSwitchTo(fetch->event_context);

	PushActiveSnapshot(GetTransactionSnapshot());
	for (; batch->at < batch->list->n && !is_full(fetch); batch->at++)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(fetch->event_context);
		fetch->delivery = &batch->list->items[batch->at];
		read_delivery(fetch);
		if (!fetch->found)
			batch->gone[batch->ngone++] = Int64GetDatum(fetch->delivery->seq);
		else if (!put_event_in_result(fetch))
			break;
	}
	PopActiveSnapshot();
	MemoryContextSwitchTo(outer);
}

/*
 * read_no_event: look for an event that does not exist.
 */
static void
read_no_event(Fetch *fetch)
{
	pg_uuid_t	none = fetch->delivery->event_id;

	memset(none.data + 9, 0, UUID_LEN - 9);
	PushActiveSnapshot(GetTransactionSnapshot());
	read_delivery_by_sql(fetch, &none);
	PopActiveSnapshot();
}

/*
 * call_as_owner: call fetch->step as the subscription's owner.
 */
static void
call_as_owner(void *arg)
{
	Fetch	   *fetch = arg;
	Identity	self;

	switch_user(&self, fetch->subscription->owner);
	fetch->step(fetch);
	restore_user(&self);
}

/*
 * try_as_owner: the same in a subtransaction; returns the error, or NULL.
 */
static ErrorData *
try_as_owner(Fetch *fetch, void (*step) (struct Fetch *fetch))
{
	fetch->step = step;
	return try_in_subtransaction(call_as_owner, fetch);
}

/*
 * is_of_backend: did the backend end the statement, by a cancel, a timeout, a
 * deadlock or the like?
 */
static bool
is_of_backend(const ErrorData *error)
{
	return error->funcname &&
		(strcmp(error->funcname, "ProcessInterrupts") == 0 ||
		 strcmp(error->funcname, "DeadLockReport") == 0);
}

/*
 * fail_unreadable: the current event cannot be read, so its delivery is dead.
 * Rethrows errors that are not the event's fault.
 */
static void
fail_unreadable(Fetch *fetch, ErrorData *error)
{
	ErrorData  *other;

	if (fetch->storing || is_of_backend(error))
		ReThrowError(error);
	other = try_as_owner(fetch, read_no_event);
	if (other)
		ReThrowError(other);
	(void) queue_fail(fetch->subscription->id, fetch->delivery->seq,
					  queue_error_text(error->message, strlen(error->message)),
					  DT_NOEND);
	FreeErrorData(error);
}

/*
 * hand_out: hand out deliveries as the subscription's owner sees their events;
 * returns how many were dealt with.
 *
 * Those of events that are gone are cancelled, unreadable ones become dead.
 */
static int
hand_out(Fetch *fetch, const DeliveryList *list)
{
	Batch		batch = {.list = list};

	if (list->n == 0)
		return 0;
	fetch->batch = &batch;
	batch.gone = palloc(sizeof(Datum) * list->n);
	if (fetch->log == NULL)
	{
		/* the log was dropped, and all its events with it */
		for (; batch.at < list->n; batch.at++)
			batch.gone[batch.ngone++] = Int64GetDatum(list->items[batch.at].seq);
	}
	while (batch.at < list->n && !is_full(fetch))
	{
		ErrorData  *error;

		fetch->delivery = &list->items[batch.at];
		error = try_as_owner(fetch, put_batch);
		if (error)
		{
			fail_unreadable(fetch, error);
			batch.at++;
		}
	}
	(void) queue_cancel(fetch->subscription->id, batch.gone, batch.ngone);
	fetch->nexamined += batch.at;
	pfree(batch.gone);
	return batch.at;
}

/*
 * has_enough: has the call handed out or examined as many as it may?
 */
static bool
has_enough(const Fetch *fetch)
{
	return is_full(fetch) || fetch->nexamined >= Max(fetch->max, FETCH_BATCH);
}

/*
 * fetch_deliveries: hand out retries, then generations, until the call has
 * enough or nothing is left.  Within SPI.
 */
static void
fetch_deliveries(Fetch *fetch)
{
	FetchPosition *position = fetch->position;
	DeliveryList list = {0};

	list.items = palloc(sizeof(Delivery) * Min(fetch->max, FETCH_BATCH));
	do
	{
		list.max = Min(fetch->max - fetch->n, FETCH_BATCH);
		generation_find_retries(position, &list);
		(void) hand_out(fetch, &list);
	} while (list.n == list.max && !has_enough(fetch));
	while (!has_enough(fetch))
	{
		CHECK_FOR_INTERRUPTS();
		if (DatumGetPointer(position->current) == NULL &&
			!generation_begin(position))
			break;
		list.max = Min(fetch->max - fetch->n, FETCH_BATCH);
		generation_find_new(position, &list);
		generation_advance(position, &list, hand_out(fetch, &list));
	}
}

/*
 * open_log: prepare to read events of the log, if it still exists.
 */
static void
open_log(Fetch *fetch)
{
	Oid			log = fetch->subscription->log;

	if (get_rel_relkind(log) == '\0')
		return;
	fetch->log = log_open(log, AccessShareLock);
	subscription_require_readable(fetch->log->rel, fetch->subscription->owner);
	fetch->partitions = partitions_to_read(fetch->log);
}

/*
 * fetch_from: put the subscription's next deliveries into the result.
 */
static void
fetch_from(Fetch *fetch)
{
	fetch->event_desc = lookup_rowtype_tupdesc_copy(eventlog_type_oid("event"),
													-1);
	fetch->event_context = AllocSetContextCreate(CurrentMemoryContext,
												 "eventlog event",
												 ALLOCSET_DEFAULT_SIZES);
	fetch->position =
		position_copy(fetch->subscription->id, fetch->consumer->position);
	sql_connect();
	open_log(fetch);
	fetch_deliveries(fetch);
	if (fetch->log)
		log_close(fetch->log, AccessShareLock);
	SPI_finish();
	consumer_set_position(fetch->consumer, fetch->position);
	MemoryContextDelete(fetch->event_context);
}

/*
 * eventlog.fetch(name text, max int, max_bytes bigint, log regclass)
 * returns table (seq bigint, attempts int, event eventlog.event)
 */
Datum
eventlog_fetch(PG_FUNCTION_ARGS)
{
	Subscription *subscription = subscription_require(fcinfo, 0, 3);
	Fetch		fetch = {.subscription = subscription};

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max must not be null")));
	if (PG_GETARG_INT32(1) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max must be 1 or more: %d", PG_GETARG_INT32(1))));
	if (!PG_ARGISNULL(2) && PG_GETARG_INT64(2) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_bytes must be 1 or more: " INT64_FORMAT,
						PG_GETARG_INT64(2)),
				 errhint("NULL means no limit.")));
	fetch.consumer = consumer_require(subscription);
	bell_disarm(subscription);
	InitMaterializedSRF(fcinfo, 0);
	if (subscription->paused || subscription_is_orphan(subscription))
		return (Datum) 0;

	fetch.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	fetch.max = Min(PG_GETARG_INT32(1), MAX_FETCH);
	fetch.max_bytes = PG_ARGISNULL(2) ? PG_INT64_MAX : PG_GETARG_INT64(2);
	fetch.consumer->fetching = GetCurrentSubTransactionId();
	fetch_from(&fetch);
	fetch.consumer->fetching = InvalidSubTransactionId;
	return (Datum) 0;
}
