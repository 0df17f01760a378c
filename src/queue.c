/*
 * queue.c
 *		What is owed: the trigger that owes an event to each subscription that
 *		wants it, dead deliveries owed again, and what is swept up.
 *
 * One small row per event and subscription, in the transaction of the event
 * and so with its fate.  No payload: the event is read when it is handed out.
 * The rows are put into eventlog._queue directly, not by SQL: a writer needs no
 * right on it, no role is switched, and a row takes microseconds.
 *
 * Anyone may attach eventlog._owe to a table of theirs.  It trusts nothing
 * about that table: the log is found from the catalog (only a log's owner can
 * make a table a partition of it), the columns by name and type, and what is
 * owed is an id, which the consumer looks up in the log with the rights of the
 * subscription's owner.
 */
#include "queue.h"
#include "reader.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/partition.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#define PRUNE_BATCH	1000
#define SWEEP_BATCH	10000

/* columns of eventlog._queue */
enum
{
	QUEUE_SUBSCRIPTION = 1, QUEUE_SEQ, QUEUE_XID, QUEUE_EVENT_ID,
	QUEUE_ATTEMPTS, QUEUE_NEXT_ATTEMPT_AT, QUEUE_FAILED_AT, QUEUE_LAST_ERROR,
	QUEUE_NCOLUMNS = QUEUE_LAST_ERROR
};

PG_FUNCTION_INFO_V1(eventlog_owe);
PG_FUNCTION_INFO_V1(eventlog_retry);

/*
 * LogOfTable: the log that a table is part of.
 */
typedef struct LogOfTable
{
	Oid			table;			/* hash key */
	Oid			log;
} LogOfTable;

static HTAB *logs_of_tables = NULL;

/*
 * log_of_table: the topmost table that this one is a partition of, or itself.
 */
static Oid
log_of_table(Relation rel)
{
	Oid			table = RelationGetRelid(rel);
	Oid			log = table;
	LogOfTable *entry;

	if (!rel->rd_rel->relispartition)
		return table;
	if (logs_of_tables == NULL)
		logs_of_tables = relation_cache("eventlog logs of tables",
										sizeof(LogOfTable));
	entry = hash_search(logs_of_tables, &table, HASH_FIND, NULL);
	if (entry)
		return entry->log;
	log = llast_oid(get_partition_ancestors(table));
	entry = hash_search(logs_of_tables, &table, HASH_ENTER, NULL);
	entry->log = log;
	return log;
}

/*
 * queue_insert: owe an event to a subscription.
 *
 * What is no id of an event is refused here, whatever the table it is from:
 * all who read the queue look for the time in it.
 */
void
queue_insert(int subscription, const pg_uuid_t *event_id)
{
	Relation	rel = table_open(eventlog_relation_oid("_queue"),
								 RowExclusiveLock);
	EState	   *estate = CreateExecutorState();
	ResultRelInfo *result = makeNode(ResultRelInfo);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel),
													&TTSOpsHeapTuple);
	Datum		values[QUEUE_NCOLUMNS] = {0};
	bool		nulls[QUEUE_NCOLUMNS];
	HeapTuple	row;

	(void) id_get_time(event_id);
	if (RelationGetDescr(rel)->natts != QUEUE_NCOLUMNS)
		elog(ERROR, "eventlog._queue has %d columns",
			 RelationGetDescr(rel)->natts);
	memset(nulls, true, sizeof(nulls));
	nulls[QUEUE_SUBSCRIPTION - 1] = nulls[QUEUE_SEQ - 1] =
		nulls[QUEUE_XID - 1] = nulls[QUEUE_EVENT_ID - 1] =
		nulls[QUEUE_ATTEMPTS - 1] = false;
	values[QUEUE_SUBSCRIPTION - 1] = Int32GetDatum(subscription);
	values[QUEUE_SEQ - 1] =
		Int64GetDatum(nextval_internal(eventlog_relation_oid("_queue_seq"),
									   false));
	values[QUEUE_XID - 1] =
		FullTransactionIdGetDatum(GetTopFullTransactionId());
	values[QUEUE_EVENT_ID - 1] = UUIDPGetDatum(event_id);
	values[QUEUE_ATTEMPTS - 1] = Int32GetDatum(0);

	row = heap_form_tuple(RelationGetDescr(rel), values, nulls);
	ExecStoreHeapTuple(row, slot, false);
	InitResultRelInfo(result, rel, 1, NULL, 0);
	ExecOpenIndices(result, false);
	table_tuple_insert(rel, slot, GetCurrentCommandId(true), 0, NULL);
	(void) compat_insert_index_tuples(result, slot, estate);
	ExecCloseIndices(result);
	ExecDropSingleTupleTableSlot(slot);
	heap_freetuple(row);
	pfree(result);
	FreeExecutorState(estate);
	table_close(rel, RowExclusiveLock);
	bell_owes(subscription);
}

/*
 * column_of: a column of the row that a trigger fired for.
 */
static Datum
column_of(const TriggerData *trigdata, EventColumn column)
{
	TupleDesc	desc = RelationGetDescr(trigdata->tg_relation);
	Datum		value;
	bool		isnull;

	value = slot_getattr(trigdata->tg_trigslot, find_column(desc, column),
						 &isnull);
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("%s of an event must not be null",
						event_columns[column].name)));
	return value;
}

/*
 * eventlog._owe(): AFTER INSERT FOR EACH ROW
 */
Datum
eventlog_owe(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	const Subscription *subscription;
	int			next = 0;
	Oid			log;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_AFTER(trigdata->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigdata->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("eventlog._owe is a trigger AFTER INSERT FOR EACH ROW")));

	if (subscriptions_load() == 0)
		return PointerGetDatum(NULL);
	log = log_of_table(trigdata->tg_relation);
	while ((subscription = subscription_next(log, &next)) != NULL)
	{
		if (subscription_wants(subscription,
							   DatumGetTextPP(column_of(trigdata, EVENT_TYPE)),
							   DatumGetTextPP(column_of(trigdata, EVENT_LEVEL))))
			queue_insert(subscription->id,
						 DatumGetUUIDP(column_of(trigdata, EVENT_ID)));
	}
	return PointerGetDatum(NULL);
}

/*
 * eventlog.retry(name text, seq bigint) returns bigint
 */
Datum
eventlog_retry(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, INT8OID};
	Subscription *subscription = subscription_require(fcinfo, 0);
	Datum		values[2];
	char		nulls[] = "  ";
	int64		n;

	values[0] = Int32GetDatum(subscription->id);
	if (PG_ARGISNULL(1))
		nulls[1] = 'n';
	else
		values[1] = PG_GETARG_DATUM(1);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	n = run_owned(&plan,
				  "UPDATE eventlog._queue SET attempts = 0,"
				  " next_attempt_at = pg_catalog.clock_timestamp()"
				  " WHERE subscription OPERATOR(pg_catalog.=) $1"
				  " AND next_attempt_at OPERATOR(pg_catalog.=) 'infinity'"
				  " AND ($2 IS NULL OR seq OPERATOR(pg_catalog.=) $2)",
				  2, types, values, nulls);
	SPI_finish();
	if (n > 0)
		bell_owes(subscription->id);
	PG_RETURN_INT64(n);
}

/*
 * event_is_gone: has the log no event of this id any more?  A partition that
 * cannot be looked into without SQL is believed to have it.
 */
static bool
event_is_gone(const PartitionList *list, const pg_uuid_t *id,
			  Snapshot snapshot)
{
	EventKey	key;
	const Partition *partition;
	OpenPartition open;
	Oid			oid;
	bool		found;

	key.occurred_at = id_get_time(id);
	key.id = *id;
	partition = partition_at(list, key.occurred_at);
	oid = partition ? partition->oid : list->default_oid;
	if (!OidIsValid(oid))
		return true;
	if (!open_partition(oid, snapshot, &open))
		return false;
	found = open.rel && find_event(&open, &key);
	close_partition(&open);
	return !found;
}

/*
 * Prune: a sweep through what is owed to one subscription.
 */
typedef struct Prune
{
	int			subscription;
	Oid			log;
	int64		removed;		/* by the last step */
	int64		after;			/* seq */
	int			n;				/* of the last batch */
	int			ngone;
	Datum		gone[PRUNE_BATCH];
} Prune;

/*
 * find_gone: the next batch of what is owed, and which of its events are gone.
 *
 * The log is looked into after the queue was read, so that the event of
 * whatever was found owed is there to be seen.  The default partition is locked
 * before that, so that no row is moved out of it between the snapshot and the
 * list of partitions.  As the log's owner: to load what belongs to an index can
 * run functions of that role.
 */
static void
find_gone(Prune *prune, Oid log)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, INT8OID, INT4OID};
	Datum		values[3];
	Snapshot	snapshot;
	EventLog   *open;
	PartitionList *list;
	Oid			default_oid;
	Identity	self;

	values[0] = Int32GetDatum(prune->subscription);
	values[1] = Int64GetDatum(prune->after);
	values[2] = Int32GetDatum(PRUNE_BATCH);
	prune->n = run_owned(&plan,
						 "SELECT seq, event_id FROM eventlog._queue"
						 " WHERE subscription OPERATOR(pg_catalog.=) $1"
						 " AND seq OPERATOR(pg_catalog.>) $2"
						 " ORDER BY seq LIMIT $3", 3, types, values, NULL);
	prune->ngone = 0;
	open = log_try_open(log, AccessShareLock);
	if (open == NULL)
	{
		prune->n = 0;			/* the log has gone meanwhile */
		return;
	}
	become(&self, open->owner);
	default_oid = list_partitions(open->rel)->default_oid;
	if (OidIsValid(default_oid))
		LockRelationOid(default_oid, AccessShareLock);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	list = list_partitions(open->rel);
	for (int i = 0; i < prune->n; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;
		Datum		seq = SPI_getbinval(row, desc, 1, &isnull);

		prune->after = DatumGetInt64(seq);
		if (event_is_gone(list, DatumGetUUIDP(SPI_getbinval(row, desc, 2, &isnull)),
						  snapshot))
			prune->gone[prune->ngone++] = seq;
	}
	SPI_freetuptable(SPI_tuptable);
	UnregisterSnapshot(snapshot);
	if (OidIsValid(default_oid))
		UnlockRelationOid(default_oid, AccessShareLock);
	become_again(&self);
	log_close(open, AccessShareLock);
}

/*
 * keep_unlocked: of the deliveries that are to be cancelled, leave out those
 * that somebody is acknowledging or failing right now: that settles them, and
 * upkeep waits for nobody.
 */
static void
keep_unlocked(Prune *prune)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, INT8ARRAYOID};
	Datum		values[2];
	bool		isnull;

	values[0] = Int32GetDatum(prune->subscription);
	values[1] = PointerGetDatum(construct_array(prune->gone, prune->ngone,
												INT8OID, sizeof(int64),
												FLOAT8PASSBYVAL,
												TYPALIGN_DOUBLE));
	prune->ngone = run_owned(&plan,
							 "SELECT seq FROM eventlog._queue"
							 " WHERE subscription OPERATOR(pg_catalog.=) $1"
							 " AND seq OPERATOR(pg_catalog.=) ANY ($2)"
							 " FOR UPDATE SKIP LOCKED", 2, types, values, NULL);
	for (int i = 0; i < prune->ngone; i++)
		prune->gone[i] = SPI_getbinval(SPI_tuptable->vals[i],
									   SPI_tuptable->tupdesc, 1, &isnull);
}

/*
 * prune_gone: a step: cancel what is owed of events that are gone, of a batch.
 */
static void
prune_gone(void *arg)
{
	Prune	   *prune = arg;

	prune->removed = prune->n = 0;
	find_gone(prune, prune->log);
	if (prune->ngone > 0)
		keep_unlocked(prune);
	prune->removed = queue_cancel(prune->subscription, prune->gone,
								  prune->ngone);
}

/*
 * prune_dead: a step: remove a batch of what is dead for too long.
 */
static void
prune_dead(void *arg)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, INT4OID, INT4OID};
	Prune	   *prune = arg;
	Datum		values[3];

	values[0] = Int32GetDatum(prune->subscription);
	values[1] = Int32GetDatum(eventlog_dead_retention);
	values[2] = Int32GetDatum(SWEEP_BATCH);
	prune->removed = 0;
	prune->removed = run_owned(&plan,
							   "DELETE FROM eventlog._queue"
							   " WHERE ctid OPERATOR(pg_catalog.=) ANY (ARRAY("
							   "SELECT ctid FROM eventlog._queue"
							   " WHERE subscription OPERATOR(pg_catalog.=) $1"
							   " AND next_attempt_at OPERATOR(pg_catalog.=) 'infinity'"
							   " AND failed_at OPERATOR(pg_catalog.<) (pg_catalog.clock_timestamp()"
							   " OPERATOR(pg_catalog.-) pg_catalog.make_interval(secs => $2))"
							   " LIMIT $3 FOR UPDATE SKIP LOCKED))",
							   3, types, values, NULL);
}

/*
 * prune_subscription: what is owed of events that are gone is cancelled, batch
 * by batch, and what is dead for too long removed.
 */
static void
prune_subscription(UpkeepTarget *target, const Subscription *subscription)
{
	Prune	   *prune = palloc0(sizeof(Prune));
	StepResult	result;
	int64		n = 0;

	prune->subscription = subscription->id;
	prune->log = subscription->log;
	do
	{
		CHECK_FOR_INTERRUPTS();
		(void) attempt(target, prune_dead, prune, "remove dead deliveries");
		SPI_commit();
		n += prune->removed;
	} while (prune->removed == SWEEP_BATCH);
	if (n > 0)
		ereport(NOTICE,
				(errmsg("removed %lld expired dead deliveries of subscription \"%s\"",
						(long long) n, subscription->name)));
	n = 0;
	do
	{
		CHECK_FOR_INTERRUPTS();
		result = attempt(target, prune_gone, prune,
						 "cancel deliveries of deleted events");
		SPI_commit();
		n += result == STEP_TAKEN ? prune->removed : 0;
	} while (result == STEP_TAKEN && prune->n == PRUNE_BATCH);
	if (n > 0)
		ereport(NOTICE,
				(errmsg("cancelled %lld deliveries of deleted events of subscription \"%s\"",
						(long long) n, subscription->name)));
	pfree(prune);
}

/*
 * queue_prune: a part of maintain, within its SPI; commits as it goes.
 */
void
queue_prune(UpkeepTarget *target)
{
	const Subscription *subscription;
	List	   *found = NIL;
	ListCell   *cell;
	int			next = 0;

	(void) subscriptions_load();
	while ((subscription = subscription_next(target->log, &next)) != NULL)
	{
		Subscription *own = palloc(sizeof(Subscription));

		*own = *subscription;
		own->name = pstrdup(subscription->name);
		found = lappend(found, own);
	}
	foreach(cell, found)
		prune_subscription(target, lfirst(cell));
}

/*
 * sweep_batch: a step: remove a batch of what is owed to subscriptions that are
 * gone.  These are found by hopping from one to the next in the index.
 */
static void
sweep_batch(void *arg)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID};
	int64	   *removed = arg;
	Datum		values[1];

	values[0] = Int32GetDatum(SWEEP_BATCH);
	*removed = 0;
	*removed = run_owned(&plan,
						 "DELETE FROM eventlog._queue"
						 " WHERE ctid OPERATOR(pg_catalog.=) ANY (ARRAY("
						 "WITH RECURSIVE s(id) AS (SELECT pg_catalog.min(subscription)"
						 " FROM eventlog._queue UNION ALL SELECT"
						 " (SELECT pg_catalog.min(n.subscription) FROM eventlog._queue n"
						 " WHERE n.subscription OPERATOR(pg_catalog.>) s.id)"
						 " FROM s WHERE s.id IS NOT NULL),"
						 " gone(id) AS MATERIALIZED (SELECT s.id FROM s"
						 " WHERE s.id IS NOT NULL AND NOT EXISTS (SELECT"
						 " FROM eventlog._subscription x"
						 " WHERE x.id OPERATOR(pg_catalog.=) s.id))"
						 " SELECT q.ctid FROM gone, LATERAL (SELECT o.ctid"
						 " FROM eventlog._queue o"
						 " WHERE o.subscription OPERATOR(pg_catalog.=) gone.id"
						 " LIMIT $1 FOR UPDATE SKIP LOCKED) q LIMIT $1))",
						 1, types, values, NULL);
}

/*
 * queue_sweep: remove what was owed to subscriptions while they were dropped, of
 * all logs; a part of maintain, within its SPI; commits as it goes.
 */
void
queue_sweep(void)
{
	UpkeepTarget target = {0};
	int64		removed;

	target.owner = GetUserId();
	do
	{
		CHECK_FOR_INTERRUPTS();
		if (attempt(&target, sweep_batch, &removed,
					"remove deliveries of dropped subscriptions") != STEP_TAKEN)
			removed = 0;
		SPI_commit();
	} while (removed == SWEEP_BATCH);
}
