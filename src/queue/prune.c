/*
 * prune.c
 *		What upkeep removes from the queue, batch by batch: deliveries of
 *		deleted events, old dead deliveries, and what belongs to no
 *		subscription or log any more.
 *
 * It never waits: rows that an open ack or fail has locked are skipped.
 */
#include "queue/queue.h"
#include "read/read.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

/* the deliveries of a subscription that nobody is settling, with a condition */
#define DELETE_UNLOCKED(condition) \
	"DELETE FROM eventlog._queue WHERE ctid OPERATOR(pg_catalog.=)" \
	" ANY (ARRAY(SELECT ctid FROM eventlog._queue" \
	" WHERE subscription OPERATOR(pg_catalog.=) $1" condition \
	" FOR UPDATE SKIP LOCKED))"

/*
 * event_is_gone: does the log no longer have the event with this id?  A
 * partition that can only be read by SQL is assumed to have it.
 */
static bool
event_is_gone(const PartitionList *list, const pg_uuid_t *id,
			  Snapshot snapshot)
{
	EventKey	key;
	const Partition *partition;
	PartitionReader reader;
	Oid			oid;
	bool		found;

	if (!id_find_time(id, &key.occurred_at))
		return true;
	key.id = *id;
	partition = partition_find(list, key.occurred_at);
	oid = partition ? partition->oid : list->default_oid;
	if (!OidIsValid(oid))
		return true;
	if (!reader_open(&reader, oid, snapshot))
		return false;
	found = reader.rel && reader_find(&reader, &key);
	reader_close(&reader);
	return !found;
}

/*
 * read_batch: read the next deliveries.
 */
static void
read_batch(QueuePrune *prune)
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
 * find_gone: find the deliveries of the batch whose events are gone.
 *
 * The log is read after the queue, so that the event of each delivery found
 * can be seen.  The default partition is locked before that, so that no row is
 * moved out of it between taking the snapshot and reading the list of
 * partitions.  This runs as the log's owner, since loading an index can run
 * functions of that role.
 */
static void
find_gone(QueuePrune *prune)
{
	EventLog   *log = log_try_open(prune->subscription->log, AccessShareLock);
	Oid			default_oid;
	Snapshot	snapshot;
	PartitionList *list;

	prune->ngone = 0;
	if (log == NULL)
		return;					/* it was dropped */
	if (log->owner != GetUserId())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the owner of log \"%s\" was changed concurrently",
						RelationGetRelationName(log->rel))));
	default_oid = partition_list(log->rel)->default_oid;
	if (OidIsValid(default_oid))
		LockRelationOid(default_oid, AccessShareLock);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	list = partition_list(log->rel);
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
 * cancel_gone: cancel them; returns how many.  None while another session
 * settles deliveries of this subscription: the next call will do it.
 */
static int64
cancel_gone(QueuePrune *prune)
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
	values[1] = int8_array(prune->gone, prune->ngone);
	if (run_owned(&lock, "SELECT FROM eventlog._tally"
				  " WHERE subscription OPERATOR(pg_catalog.=) $1"
				  " FOR UPDATE SKIP LOCKED", 1, types, values, NULL) == 0 &&
		run_owned(&look, "SELECT FROM eventlog._tally"
				  " WHERE subscription OPERATOR(pg_catalog.=) $1",
				  1, types, values, NULL) > 0)
		return 0;
	n = run_owned(&cancel,
				  DELETE_UNLOCKED(" AND seq OPERATOR(pg_catalog.=) ANY ($2)"),
				  2, types, values, NULL);
	if (n > 0)
		queue_add_statistics(prune->subscription->id, 0, n, NULL);
	return n;
}

/*
 * queue_cancel_deleted_events: a step that cancels the deliveries of deleted
 * events in the next batch.
 */
void
queue_cancel_deleted_events(void *arg)
{
	QueuePrune *prune = arg;

	prune->removed = prune->n = 0;
	read_batch(prune);
	find_gone(prune);
	prune->removed = cancel_gone(prune);
}

/*
 * queue_remove_dead: a step that removes a batch of old dead deliveries.
 */
void
queue_remove_dead(void *arg)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, INT4OID, INT4OID};
	QueuePrune *prune = arg;
	Datum		values[3];

	values[0] = Int32GetDatum(prune->subscription->id);
	values[1] = Int32GetDatum(eventlog_dead_retention);
	values[2] = Int32GetDatum(SWEEP_BATCH);
	prune->removed = 0;
	prune->removed = run_owned(&plan,
							   DELETE_UNLOCKED(" AND next_attempt_at OPERATOR(pg_catalog.=) 'infinity'"
											   " AND failed_at OPERATOR(pg_catalog.<) (pg_catalog.clock_timestamp()"
											   " OPERATOR(pg_catalog.-) pg_catalog.make_interval(secs => $2))"
											   " LIMIT $3"),
							   3, types, values, NULL);
}

#define WITHOUT_LOG \
	" WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c" \
	" WHERE c.oid OPERATOR(pg_catalog.=) s.log::pg_catalog.oid)"

/*
 * queue_remove_orphaned_subscriptions: a step that removes the subscriptions
 * of dropped logs, and statistics without a subscription.
 */
void
queue_remove_orphaned_subscriptions(void *arg)
{
	static SPIPlanPtr look = NULL;
	static SPIPlanPtr subscriptions = NULL;
	static SPIPlanPtr statistics = NULL;

	/* any DELETE, even of no row, makes all sessions read the table again */
	if (run_owned(&look, "SELECT FROM eventlog._subscription s" WITHOUT_LOG
				  " LIMIT 1", 0, NULL, NULL, NULL) > 0)
		(void) run_owned(&subscriptions,
						 "DELETE FROM eventlog._subscription WHERE id OPERATOR(pg_catalog.=)"
						 " ANY (ARRAY(SELECT s.id FROM eventlog._subscription s"
						 WITHOUT_LOG " FOR UPDATE OF s SKIP LOCKED))",
						 0, NULL, NULL, NULL);
	(void) run_owned(&statistics,
					 "DELETE FROM eventlog._tally WHERE subscription OPERATOR(pg_catalog.=)"
					 " ANY (ARRAY(SELECT t.subscription FROM eventlog._tally t"
					 " WHERE NOT EXISTS (SELECT FROM eventlog._subscription s"
					 " WHERE s.id OPERATOR(pg_catalog.=) t.subscription)"
					 " FOR UPDATE OF t SKIP LOCKED))", 0, NULL, NULL, NULL);
}

/*
 * queue_remove_orphaned_deliveries: a step that removes a batch of deliveries
 * without a subscription.  It finds them by skipping from one subscription to
 * the next in the index.
 */
void
queue_remove_orphaned_deliveries(void *arg)
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
