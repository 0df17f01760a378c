/*
 * enqueue.c
 *		The trigger that enqueues an event for each subscription that it
 *		matches.
 *
 * It inserts one small row per event and subscription, in the transaction of
 * the event.  The row has no payload: the event is read when it is handed out.
 * Rows are inserted into eventlog._queue directly, not by SQL: writers need no
 * privilege on it, no role is switched, and a row takes microseconds.
 *
 * Anybody may attach eventlog._owe to a table of their own.  It trusts nothing
 * about that table: the log is found in the catalog (only a log's owner can
 * make a table a partition of it), the columns are found by name and type, and
 * what is enqueued is an id, which the consumer looks up in the log with the
 * rights of the subscription's owner.  An id that is no event of the log is
 * delivered to nobody.
 *
 * No index on eventlog._queue is unique.  The role that created the extension
 * restores dumps of that table and its sequence, and no row that it plants may
 * make a writer fail.
 */
#include "queue/queue.h"

#include "access/tableam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_trigger.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/xid8.h"

PG_FUNCTION_INFO_V1(eventlog_owe);

/*
 * LogOfTable: the log that a table is a part of.
 */
typedef struct LogOfTable
{
	Oid			table;			/* hash key */
	Oid			log;
} LogOfTable;

static HTAB *logs_of_tables = NULL;

/*
 * log_of_table: the topmost table that this one is a partition of, or itself.
 * Of a shard, the log that it is a shard of.
 *
 * While a partition is being detached concurrently, it has no ancestors,
 * although it still is a partition.
 */
static Oid
log_of_table(Relation rel)
{
	Oid			table = RelationGetRelid(rel);
	LogOfTable *entry;
	Oid			log;
	int64		shard;

	if (!rel->rd_rel->relispartition)
		return table;
	if (logs_of_tables == NULL)
		logs_of_tables = create_relation_cache("eventlog logs of tables",
											   sizeof(LogOfTable));
	entry = hash_search(logs_of_tables, &table, HASH_FIND, NULL);
	if (entry)
		return entry->log;
	log = find_root_table(table);
	if (may_be_shard(log, &shard))
	{
		Oid			distributed = log_of_shard(log);

		/* Citus fills a new shard before the node knows what it is part of */
		if (!OidIsValid(distributed))
			return log;
		log = distributed;
	}
	entry = hash_search(logs_of_tables, &table, HASH_ENTER, NULL);
	entry->log = log;
	return log;
}

/*
 * queue_open_writer: prepare to insert rows into the queue.
 */
void
queue_open_writer(QueueWriter *writer)
{
	writer->rel = table_open(eventlog_relation_oid("_queue"), RowExclusiveLock);
	if (RelationGetDescr(writer->rel)->natts != QUEUE_NCOLUMNS)
		elog(ERROR, "eventlog._queue has %d columns",
			 RelationGetDescr(writer->rel)->natts);
	writer->sequence = eventlog_relation_oid("_queue_seq");
	writer->estate = CreateExecutorState();
	writer->slot = table_slot_create(writer->rel, NULL);
	writer->result = makeNode(ResultRelInfo);
	InitResultRelInfo(writer->result, writer->rel, 1, NULL, 0);
	ExecOpenIndices(writer->result, false);
}

void
queue_close_writer(QueueWriter *writer)
{
	ExecCloseIndices(writer->result);
	ExecDropSingleTupleTableSlot(writer->slot);
	pfree(writer->result);
	FreeExecutorState(writer->estate);
	table_close(writer->rel, RowExclusiveLock);
}

/*
 * queue_enqueue: enqueue an event for a subscription; false if the id is not
 * one of an event.
 */
bool
queue_enqueue(QueueWriter *writer, Subscription *subscription,
			  const pg_uuid_t *event_id)
{
	TupleTableSlot *slot = writer->slot;
	Datum	   *values = slot->tts_values;
	MemoryContext outer;

	if (!id_is_valid(event_id))
		return false;
	outer = MemoryContextSwitchTo(GetPerTupleMemoryContext(writer->estate));
	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, sizeof(bool) * QUEUE_NCOLUMNS);
	for (int i = QUEUE_SUBSCRIPTION; i <= QUEUE_ATTEMPTS; i++)
		slot->tts_isnull[i - 1] = false;
	values[QUEUE_SUBSCRIPTION - 1] = Int32GetDatum(subscription->id);
	values[QUEUE_SEQ - 1] = Int64GetDatum(nextval_internal(writer->sequence,
														   false));
	values[QUEUE_XID - 1] =
		FullTransactionIdGetDatum(GetTopFullTransactionId());
	values[QUEUE_EVENT_ID - 1] = UUIDPGetDatum(event_id);
	values[QUEUE_ATTEMPTS - 1] = Int32GetDatum(0);
	ExecStoreVirtualTuple(slot);
	table_tuple_insert(writer->rel, slot, GetCurrentCommandId(true), 0, NULL);
	(void) compat_insert_index_tuples(writer->result, slot, writer->estate);
	ExecClearTuple(slot);
	MemoryContextSwitchTo(outer);
	ResetPerTupleExprContext(writer->estate);
	bell_ring_at_commit(subscription);
	return true;
}

/*
 * QueuedEvent: what is needed of the row that the trigger fired for.
 */
typedef struct QueuedEvent
{
	text	   *event_type;
	text	   *level;
	pg_uuid_t  *id;
} QueuedEvent;

/*
 * column_of: a column of the row that the trigger fired for; false if there is
 * none of that name and type, or it is null.
 */
static bool
column_of(const TriggerData *trigdata, EventColumn column, Datum *value)
{
	AttrNumber	attnum =
		event_column_number(RelationGetDescr(trigdata->tg_relation), column);
	bool		isnull;

	if (attnum == InvalidAttrNumber)
		return false;
	*value = slot_getattr(trigdata->tg_trigslot, attnum, &isnull);
	return !isnull;
}

static bool
event_of(const TriggerData *trigdata, QueuedEvent *event)
{
	Datum		type;
	Datum		level;
	Datum		id;

	if (!column_of(trigdata, EVENT_TYPE, &type) ||
		!column_of(trigdata, EVENT_LEVEL, &level) ||
		!column_of(trigdata, EVENT_ID, &id))
		return false;
	event->event_type = DatumGetTextPP(type);
	event->level = DatumGetTextPP(level);
	event->id = DatumGetUUIDP(id);
	return true;
}

/*
 * fires_for_each_row: does a trigger fire now for each inserted row, whatever
 * its contents?
 */
static bool
fires_for_each_row(const Trigger *trigger)
{
	return TRIGGER_TYPE_MATCHES(trigger->tgtype, TRIGGER_TYPE_ROW,
								TRIGGER_TYPE_AFTER, TRIGGER_TYPE_INSERT) &&
		trigger->tgenabled != TRIGGER_DISABLED &&
		trigger->tgenabled !=
		(SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA ?
		 TRIGGER_FIRES_ON_ORIGIN : TRIGGER_FIRES_ON_REPLICA) &&
		trigger->tgqual == NULL;
}

/*
 * is_first: is this the first enabled trigger of its kind on the table?  A
 * second one must not enqueue events again.
 */
static bool
is_first(const TriggerData *trigdata)
{
	TriggerDesc *triggers = trigdata->tg_relation->trigdesc;	/* valid until the next
																 * catalog access */

	for (int i = 0; triggers && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (trigger->tgfoid == trigdata->tg_trigger->tgfoid &&
			fires_for_each_row(trigger))
			return trigger->tgoid == trigdata->tg_trigger->tgoid;
	}
	return true;
}

/*
 * enqueue_event: enqueue the event for each subscription that it matches.
 */
static void
enqueue_event(const TriggerData *trigdata, SubscriptionSet *set)
{
	QueueWriter writer;
	QueuedEvent event;
	bool		is_open = false;

	if (!is_first(trigdata) || !event_of(trigdata, &event))
		return;
	for (int i = 0; i < set->n; i++)
	{
		if (!subscription_wants(&set->items[i], event.event_type, event.level))
			continue;
		if (!is_open)
			queue_open_writer(&writer);
		is_open = true;
		(void) queue_enqueue(&writer, &set->items[i], event.id);
	}
	if (is_open)
		queue_close_writer(&writer);
}

/*
 * eventlog._owe(): AFTER INSERT FOR EACH ROW
 */
Datum
eventlog_owe(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	SubscriptionSet *set;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_AFTER(trigdata->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigdata->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("eventlog._owe is a trigger AFTER INSERT FOR EACH ROW")));

	/* the server that stores the event delivers it */
	if (trigdata->tg_relation->rd_rel->relkind == RELKIND_FOREIGN_TABLE)
		return PointerGetDatum(NULL);
	AcceptInvalidationMessages();	/* before any cache is consulted */
	set = subscription_cache_get(log_of_table(trigdata->tg_relation));
	if (set->n > 0)
		enqueue_event(trigdata, set);
	return PointerGetDatum(NULL);
}
