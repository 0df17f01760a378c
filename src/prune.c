/*
 * prune.c
 *		Upkeep of the queue, a part of maintain: what is owed of events that are
 *		gone is cancelled, what has been dead for long is removed, and so is what
 *		belongs to no subscription or no log any more.
 *
 * All of it goes in batches that are committed, and waits for nobody: rows that
 * an open ack or fail has locked are left for the next call.  Within the SPI of
 * a procedure.
 */
#include "queue.h"
#include "reader.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define PRUNE_BATCH	1000

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

	if (!queue_event_time(id, &key.occurred_at))
		return true;
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
	Subscription *subscription;
	MemoryContext batch;		/* reset for each batch */
	int64		after;			/* seq */
	int			n;				/* of the batch */
	int			ngone;
	Datum		seqs[PRUNE_BATCH];
	pg_uuid_t	ids[PRUNE_BATCH];
	Datum		gone[PRUNE_BATCH];
} Prune;

/*
 * read_batch: what is owed next.
 */
static void
read_batch(Prune *prune)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, INT8OID, INT4OID};
	Datum		values[3];
	bool		isnull;

	values[0] = Int32GetDatum(prune->subscription->id);
	values[1] = Int64GetDatum(prune->after);
	values[2] = Int32GetDatum(PRUNE_BATCH);
	prune->n = run_owned(&plan,
						 "SELECT seq, event_id FROM eventlog._queue"
						 " WHERE subscription OPERATOR(pg_catalog.=) $1"
						 " AND seq OPERATOR(pg_catalog.>) $2"
						 " ORDER BY seq LIMIT $3", 3, types, values, NULL);
	for (int i = 0; i < prune->n; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;

		prune->seqs[i] = SPI_getbinval(row, desc, 1, &isnull);
		prune->ids[i] = *DatumGetUUIDP(SPI_getbinval(row, desc, 2, &isnull));
		prune->after = DatumGetInt64(prune->seqs[i]);
	}
	SPI_freetuptable(SPI_tuptable);
}

/*
 * find_gone: an upkeep step: which events of the batch are gone.
 *
 * The log is looked into after the queue was read, so that the event of
 * whatever was found owed is there to be seen.  The default partition is locked
 * before that, so that no row is moved out of it between the snapshot and the
 * list of partitions.  As the log's owner: to load what belongs to an index can
 * run functions of that role.
 */
static void
find_gone(void *arg)
{
	Prune	   *prune = arg;
	EventLog   *log = log_try_open(prune->subscription->log, AccessShareLock);
	Oid			default_oid;
	Snapshot	snapshot;
	PartitionList *list;

	prune->ngone = 0;
	if (log == NULL)
		return;					/* it has gone meanwhile */
	default_oid = list_partitions(log->rel)->default_oid;
	if (OidIsValid(default_oid))
		LockRelationOid(default_oid, AccessShareLock);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	list = list_partitions(log->rel);
	for (int i = 0; i < prune->n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (event_is_gone(list, &prune->ids[i], snapshot))
			prune->gone[prune->ngone++] = prune->seqs[i];
	}
	UnregisterSnapshot(snapshot);
	log_close(log, AccessShareLock);
}

/*
 * cancel_gone: cancel them; how many.  None while somebody else is settling
 * deliveries of this subscription: that is left for the next call.
 */
static int64
cancel_gone(Prune *prune)
{
	static SPIPlanPtr lock = NULL;
	static SPIPlanPtr look = NULL;
	static SPIPlanPtr cancel = NULL;
	static const Oid types[] = {INT4OID, INT8ARRAYOID};
	Datum		values[2];
	int64		n;

	if (prune->ngone == 0)
		return 0;
	values[0] = Int32GetDatum(prune->subscription->id);
	values[1] = PointerGetDatum(construct_array(prune->gone, prune->ngone,
												INT8OID, 8, FLOAT8PASSBYVAL,
												TYPALIGN_DOUBLE));
	if (run_owned(&lock, "SELECT FROM eventlog._tally"
				  " WHERE subscription OPERATOR(pg_catalog.=) $1"
				  " FOR UPDATE SKIP LOCKED", 1, types, values, NULL) == 0 &&
		run_owned(&look, "SELECT FROM eventlog._tally"
				  " WHERE subscription OPERATOR(pg_catalog.=) $1",
				  1, types, values, NULL) > 0)
		return 0;
	n = run_owned(&cancel,
				  "DELETE FROM eventlog._queue WHERE ctid OPERATOR(pg_catalog.=)"
				  " ANY (ARRAY(SELECT ctid FROM eventlog._queue"
				  " WHERE subscription OPERATOR(pg_catalog.=) $1"
				  " AND seq OPERATOR(pg_catalog.=) ANY ($2)"
				  " FOR UPDATE SKIP LOCKED))",
				  2, types, values, NULL);
	if (n > 0)
		queue_tally(prune->subscription->id, 0, n, NULL);
	return n;
}

/*
 * cancel_all_gone: batch by batch.
 */
static void
cancel_all_gone(Prune *prune, Oid owner)
{
	MemoryContext outer = CurrentMemoryContext;
	int64		n = 0;

	do
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(prune->batch);
		read_batch(prune);
		if (attempt(prune->subscription->log, owner, find_gone, prune,
					"look for events that are owed and gone") != STEP_TAKEN)
			prune->n = prune->ngone = 0;
		n += cancel_gone(prune);
		MemoryContextSwitchTo(outer);
		MemoryContextReset(prune->batch);
		SPI_commit();
	} while (prune->n == PRUNE_BATCH);
	if (n > 0)
		ereport(NOTICE,
				(errmsg("cancelled %lld deliveries of events that are gone, of subscription \"%s\"",
						(long long) n, prune->subscription->name)));
}

/*
 * remove_dead: what has been dead for too long.
 */
static void
remove_dead(const Subscription *subscription)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, INT4OID, INT4OID};
	Datum		values[3];
	int64		n;
	int64		total = 0;

	values[0] = Int32GetDatum(subscription->id);
	values[1] = Int32GetDatum(eventlog_dead_retention);
	values[2] = Int32GetDatum(PRUNE_BATCH);
	do
	{
		CHECK_FOR_INTERRUPTS();
		n = run_owned(&plan,
					  "DELETE FROM eventlog._queue WHERE ctid OPERATOR(pg_catalog.=)"
					  " ANY (ARRAY(SELECT ctid FROM eventlog._queue"
					  " WHERE subscription OPERATOR(pg_catalog.=) $1"
					  " AND next_attempt_at OPERATOR(pg_catalog.=) 'infinity'"
					  " AND failed_at OPERATOR(pg_catalog.<) (pg_catalog.clock_timestamp()"
					  " OPERATOR(pg_catalog.-) pg_catalog.make_interval(secs => $2))"
					  " LIMIT $3 FOR UPDATE SKIP LOCKED))",
					  3, types, values, NULL);
		SPI_commit();
		total += n;
	} while (n == PRUNE_BATCH);
	if (total > 0)
		ereport(NOTICE,
				(errmsg("removed %lld deliveries dead for long of subscription \"%s\"",
						(long long) total, subscription->name)));
}

/*
 * subscriptions_now: the subscriptions of a log, each a copy.
 */
static List *
subscriptions_now(Oid log)
{
	Relation	rel;
	SysScanDesc scan = subscription_scan(&rel, log, NULL, NULL);
	List	   *found = NIL;
	HeapTuple	row;

	while (scan && HeapTupleIsValid(row = systable_getnext(scan)))
	{
		Subscription *subscription = palloc(sizeof(Subscription));

		CHECK_FOR_INTERRUPTS();
		if (subscription_read(row, RelationGetDescr(rel), subscription))
			found = lappend(found, subscription);
		else
			pfree(subscription);
	}
	owned_scan_end(scan, rel);
	return found;
}

/*
 * queue_problems: what is wrong with a log's subscriptions, as C strings.
 */
List *
queue_problems(Oid log)
{
	List	   *problems = NIL;
	ListCell   *cell;

	foreach(cell, subscriptions_now(log))
	{
		Subscription *subscription = lfirst(cell);

		if (subscription_is_orphan(subscription))
			problems = lappend(problems,
							   psprintf("the owner of subscription \"%s\" is gone",
										subscription->name));
	}
	return problems;
}

/*
 * queue_prune: what is owed to the subscriptions of one log.
 */
void
queue_prune(Oid log)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(outer, "eventlog prune",
												  ALLOCSET_DEFAULT_SIZES);
	EventLog   *open = log_try_open(log, AccessShareLock);
	Oid			owner;
	List	   *subscriptions;
	ListCell   *cell;

	if (open == NULL)
		return;
	owner = open->owner;
	log_close(open, AccessShareLock);
	MemoryContextSwitchTo(context);
	subscriptions = subscriptions_now(log);
	foreach(cell, subscriptions)
	{
		Prune	   *prune = palloc0(sizeof(Prune));

		prune->subscription = lfirst(cell);
		prune->after = PG_INT64_MIN;
		prune->batch = AllocSetContextCreate(context, "eventlog prune batch",
											 ALLOCSET_DEFAULT_SIZES);
		if (subscription_is_orphan(prune->subscription))
			ereport(WARNING,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("the owner of subscription \"%s\" of %s is gone",
							prune->subscription->name, qualified_name(log)),
					 errdetail("It counts as paused."),
					 errhint("Give it to another role with eventlog.alter_subscription, or drop it with eventlog.unsubscribe.")));
		remove_dead(prune->subscription);
		cancel_all_gone(prune, owner);
		MemoryContextDelete(prune->batch);
		pfree(prune);
	}
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
}

/*
 * next_owed: the least subscription above *id that something is owed to; false
 * when there is none.
 */
static bool
next_owed(int *id)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID};
	Datum		value = Int32GetDatum(*id);
	bool		found;
	bool		isnull;

	found = run_owned(&plan,
					  "SELECT subscription FROM eventlog._queue"
					  " WHERE subscription OPERATOR(pg_catalog.>) $1"
					  " ORDER BY subscription LIMIT 1",
					  1, types, &value, NULL) > 0;
	if (found)
		*id = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0],
										  SPI_tuptable->tupdesc, 1, &isnull));
	SPI_freetuptable(SPI_tuptable);
	return found;
}

/*
 * sweep_owed: what is owed to a subscription, if there is none of that number.
 * The subscription is looked for after what it is owed was seen.
 */
static void
sweep_owed(int id)
{
	static SPIPlanPtr look = NULL;
	static SPIPlanPtr sweep = NULL;
	static const Oid types[] = {INT4OID, INT4OID};
	Datum		values[2];

	values[0] = Int32GetDatum(id);
	values[1] = Int32GetDatum(PRUNE_BATCH);
	if (run_owned(&look, "SELECT FROM eventlog._subscription"
				  " WHERE id OPERATOR(pg_catalog.=) $1", 1, types, values,
				  NULL) > 0)
		return;
	while (run_owned(&sweep,
					 "DELETE FROM eventlog._queue WHERE ctid OPERATOR(pg_catalog.=)"
					 " ANY (ARRAY(SELECT ctid FROM eventlog._queue"
					 " WHERE subscription OPERATOR(pg_catalog.=) $1"
					 " LIMIT $2 FOR UPDATE SKIP LOCKED))",
					 2, types, values, NULL) == PRUNE_BATCH)
	{
		SPI_commit();
		CHECK_FOR_INTERRUPTS();
	}
	SPI_commit();
}

#define WITHOUT_LOG \
	" WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c" \
	" WHERE c.oid OPERATOR(pg_catalog.=) s.log::pg_catalog.oid)"

/*
 * queue_sweep_orphans: subscriptions whose log is gone, and what was owed to a
 * subscription while it was dropped.  Once a call of maintain, for all logs.
 */
void
queue_sweep_orphans(void)
{
	static SPIPlanPtr look = NULL;
	static SPIPlanPtr subscriptions = NULL;
	static SPIPlanPtr tallies = NULL;
	int			id = PG_INT32_MIN;

	/* a DELETE, of no row too, makes all sessions read the table again */
	if (run_owned(&look, "SELECT FROM eventlog._subscription s" WITHOUT_LOG
				  " LIMIT 1", 0, NULL, NULL, NULL) > 0)
		(void) run_owned(&subscriptions,
						 "DELETE FROM eventlog._subscription WHERE id OPERATOR(pg_catalog.=)"
						 " ANY (ARRAY(SELECT s.id FROM eventlog._subscription s"
						 WITHOUT_LOG " FOR UPDATE OF s SKIP LOCKED))",
						 0, NULL, NULL, NULL);
	(void) run_owned(&tallies,
					 "DELETE FROM eventlog._tally WHERE subscription OPERATOR(pg_catalog.=)"
					 " ANY (ARRAY(SELECT t.subscription FROM eventlog._tally t"
					 " WHERE NOT EXISTS (SELECT FROM eventlog._subscription s"
					 " WHERE s.id OPERATOR(pg_catalog.=) t.subscription)"
					 " FOR UPDATE OF t SKIP LOCKED))", 0, NULL, NULL, NULL);
	SPI_commit();
	while (next_owed(&id))
	{
		CHECK_FOR_INTERRUPTS();
		sweep_owed(id);
	}
}
