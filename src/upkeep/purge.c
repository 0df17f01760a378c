/*
 * purge.c
 *		eventlog.purge: removing events at scale.
 *
 * It commits as it goes.  It drops whole partitions if the filter is only a
 * window and the caller may drop them (purgedrop.c), and deletes other events
 * in batches, newest first, pausing while others write.
 *
 * If the caller has the rights of the log's owner, it acts as the owner in a
 * security-restricted operation, so that a superuser's purge does not run code
 * of the owner as a superuser.  Otherwise it acts as the caller.
 */
#include "upkeep/upkeep.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "common/int.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(eventlog_purge);

#define MAX_BATCH	1000000

/*
 * while others write, a purge …
 */
#define CHOICE			1000	/* … chooses so many events at once, … */
#define SLICE			200		/* … deletes so many by one statement, … */
#define PAUSE_PERCENT	200		/* … and pauses for this percentage of its
								 * time … */
#define MAX_WORKED		100L	/* … of at most so many ms: more was spent
								 * waiting for a lock */

enum
{
	PURGE_BATCH_SIZE = CLEAR_LOG,
	PURGE_LOG,
	PURGE_DELETED
};

/*
 * pause_for_writers: let writers proceed; purged events are old, and their
 * removal can wait.
 *
 * since: when the work began; set to the time when it continues.
 */
static void
pause_for_writers(TimestampTz *since)
{
	long		worked = Min((GetCurrentTimestamp() - *since) / 1000, MAX_WORKED);

	if (worked < 1)
		return;
	upkeep_sleep(worked * PAUSE_PERCENT / 100);
	*since = GetCurrentTimestamp();
}

/*
 * delete_choice: choose the next n events and delete them, at once or in
 * slices; returns how many there were.
 */
static int
delete_choice(Purge *purge, int n, bool sliced)
{
	TimestampTz since = GetCurrentTimestamp();
	ChosenKeys *keys = delete_choose_keys(purge->log, &purge->filter,
										  purge->has_after ? &purge->after :
										  NULL, n);
	List	   *sparing = purge->as_owner && keys->n > 0 ?
		foreign_key_list(purge->log) : NIL;
	int			step = sliced ? SLICE : n;

	if (keys->n == 0)
		return 0;
	for (int i = 0; i < keys->n; i += step)
	{
		ChosenKeys	slice = {
			.n = Min(step, keys->n - i),
			.times = keys->times + i,
			.ids = keys->ids + i
		};

		purge->deleted += delete_by_keys(purge->log, &purge->filter, &slice,
										 sparing, NULL);
		purge->chosen += slice.n;
		if (sliced)
			pause_for_writers(&since);
	}
	if (!purge->has_after)
		purge->newest = id_get_time(DatumGetUUIDP(keys->ids[0]));
	purge->has_after = true;
	purge->after = *DatumGetUUIDP(keys->ids[keys->n - 1]);
	return keys->n;
}

/*
 * delete_batch: delete a batch, in small pieces while others write; false if
 * there is nothing more.
 */
static bool
delete_batch(Purge *purge)
{
	int			left = purge->batch_size;

	while (left > 0)
	{
		bool		others = MinimumActiveBackends(1);
		int			n = others ? Min(left, CHOICE) : left;

		if (delete_choice(purge, n, others) < n)
			return false;
		left -= n;
	}
	return true;
}

/*
 * report_progress: report how many events were deleted, how fast, and how much
 * of the range of time is done: batches go from the newest event to the
 * oldest.
 */
static void
report_progress(const Purge *purge)
{
	TimestampTz at = id_get_time(&purge->after);
	double		range = Max(purge->newest - purge->oldest, 1);
	double		done = Min((purge->newest - at) / range, 0.99);
	double		seconds = (GetCurrentTimestamp() - purge->begun) / 1e6;

	ereport(NOTICE,
			(errmsg("purged %lld events so far",
					(long long) purge->deleted),
			 errdetail("This is %d %% of the time range, at %.0f events per second.",
					   (int) (done * 100),
					   purge->deleted / Max(seconds, 0.001))));
}

/*
 * report_unvacuumed: rows that were deleted one by one remain until VACUUM,
 * which a procedure cannot run.
 */
static void
report_unvacuumed(const Purge *purge)
{
	int64		rows = purge->deleted - purge->dropped;

	if (rows >= purge->batch_size)
		ereport(NOTICE,
				(errmsg("purged %lld events one by one; the space they took is not free yet",
						(long long) rows),
				 errhint("VACUUM %s frees it now; autovacuum does when enough of a partition is gone.",
						 qualified_name(purge->log))));
}

/*
 * report_kept: report events that other tables refer to.
 */
static void
report_kept(const Purge *purge)
{
	int64		kept = purge->chosen - (purge->deleted - purge->dropped);
	List	   *keys = purge->as_owner && kept > 0 ?
		foreign_key_list(purge->log) : NIL;

	if (keys != NIL)
		ereport(WARNING,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("could not purge %lld events: other tables refer to them",
						(long long) kept),
				 errdetail("Foreign keys: %s.", foreign_key_list_names(keys))));
}

/*
 * rows_at_most: the largest number of rows that a table can have; PG_INT64_MAX
 * if that cannot be said without waiting.
 */
static int64
rows_at_most(Oid relid)
{
	Relation	rel;
	int64		rows = PG_INT64_MAX;

	if (!ConditionalLockRelationOid(relid, AccessShareLock))
		return rows;
	rel = try_relation_open(relid, NoLock);
	if (rel != NULL && rel->rd_rel->relkind == RELKIND_RELATION)
		rows = (int64) RelationGetNumberOfBlocks(rel) * MaxHeapTuplesPerPage;
	if (rel != NULL)
		relation_close(rel, NoLock);
	UnlockRelationOid(relid, AccessShareLock);
	return rows;
}

/*
 * most_rows: the largest number of rows that a log can have.
 *
 * Triggers that insert events while others are deleted must not keep a purge
 * busy forever.
 */
static int64
most_rows(const EventLog *log)
{
	PartitionList *list = partition_list_own(log->rel);
	int64		sum = 0;

	if (is_distributed(log->oid))
		return PG_INT64_MAX;
	for (int i = -1; i < list->n; i++)
	{
		Oid			oid = i < 0 ? list->default_oid : list->items[i].oid;

		if (OidIsValid(oid) &&
			pg_add_s64_overflow(sum, rows_at_most(oid), &sum))
			return PG_INT64_MAX;
	}
	partition_list_free(list);
	return sum;
}

/*
 * delete_in_batches: delete events in batches, each in a transaction of its
 * own.
 */
static void
delete_in_batches(Purge *purge)
{
	MemoryContext batch = AllocSetContextCreate(CurrentMemoryContext,
												"eventlog purge batch",
												ALLOCSET_DEFAULT_SIZES);
	bool		more = true;

	while (more && purge->chosen <= purge->most)
	{
		MemoryContext outer = MemoryContextSwitchTo(batch);
		Identity	self;

		CHECK_FOR_INTERRUPTS();
		if (purge->as_owner)
		{
			switch_user(&self, purge->target.owner);
			upkeep_fire_triggers_now();
			log_close(upkeep_open_log(purge->log, RowExclusiveLock), NoLock);
		}
		more = delete_batch(purge);
		if (purge->as_owner)
			restore_user(&self);
		MemoryContextSwitchTo(outer);
		MemoryContextReset(batch);
		SPI_commit();
		if (more)
			report_progress(purge);
	}
	if (more)
		ereport(WARNING,
				(errmsg("purge ends after %lld events, more than the log held",
						(long long) purge->chosen),
				 errhint("Check whether a trigger inserts events while others are deleted.")));
	MemoryContextDelete(batch);
}

/*
 * oldest_time: where the window or the log begins.
 */
static TimestampTz
oldest_time(const EventLog *log, const Filter *filter)
{
	PartitionList *list = partition_list(log->rel);
	TimestampTz begin = list->n > 0 ? list->items[0].lower : EVENT_MIN_TIME;

	return Max(Max(filter->since, begin), EVENT_MIN_TIME);
}

/*
 * eventlog.purge(<filter>, everything boolean, batch_size int, log regclass,
 * INOUT deleted bigint)
 */
Datum
eventlog_purge(PG_FUNCTION_ARGS)
{
	Purge		purge = {0};
	TupleDesc	desc;
	EventLog   *log;
	Datum		value;
	bool		isnull = false;

	upkeep_require_autocommit(fcinfo, "purge");
	upkeep_require_read_write("eventlog.purge");
	filter_from_args(fcinfo, 0, &purge.filter);
	clear_require_filter(fcinfo, &purge.filter);
	purge.batch_size = PG_ARGISNULL(PURGE_BATCH_SIZE) ? 0 :
		PG_GETARG_INT32(PURGE_BATCH_SIZE);
	if (purge.batch_size < 1 || purge.batch_size > MAX_BATCH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("batch_size must be between 1 and %d", MAX_BATCH)));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	desc = BlessTupleDesc(desc);

	log = log_open(log_resolve(fcinfo, PURGE_LOG), AccessShareLock);
	purge.log = purge.target.log = log->oid;
	purge.target.owner = log->owner;
	purge.as_owner = has_privs_of_role(GetUserId(), log->owner);
	purge.begun = GetCurrentTimestamp();
	purge.oldest = oldest_time(log, &purge.filter);
	purge.most = most_rows(log);
	log_close(log, AccessShareLock);

	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect_ext failed");
	purge.context = CurrentMemoryContext;
	SPI_commit();				/* deferred triggers of the caller fire as the
								 * caller */
	if (!purge.as_owner)
		clear_require_privilege(purge.log);
	if (purge_may_drop(&purge))
		purge_drop_partitions(&purge);
	delete_in_batches(&purge);
	report_kept(&purge);
	report_unvacuumed(&purge);
	SPI_finish();

	value = Int64GetDatum(purge.deleted);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, &value, &isnull)));
}
