/*
 * maintain.c
 *		CALL eventlog.maintain: partitions ahead, the default partition
 *		emptied, expired events dropped, dead deliveries removed.
 *
 * Each thing done is a step of its own in a transaction of its own (see
 * step.c), and each step looks again, under its lock, whether it is still
 * to be done: so it is safe to call twice at once, and to break off.
 *
 * Events leave the default partition range by range (see move.c).  Anybody who
 * may write can write events of any time, so what one call makes of them is
 * bounded.  It makes at most MAX_MOVES partitions.  Events that are further
 * ahead than the partitions made in advance get partitions as long as the log
 * has fewer than MAX_FAR_AHEAD of those.  From then on they stay in the default
 * partition, unless there are DENSE_CELL or more in one cell of the grid: a
 * partition for each few of them would not expire for long.
 */
#include "upkeep/upkeep.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(eventlog_maintain);

#define EXPIRE_BATCH	10000
#define REFERRED_BATCH	1000	/* where foreign keys are looked at */
#define MOVE_BATCH		50000	/* events, while writers wait; about 1 s */
#define MAX_MOVES		100		/* partitions out of the default in one call */
#define MAX_FAILURES	3		/* of steps of one kind for a log */
#define MAX_FAR_AHEAD	20		/* partitions for few events each */
#define DENSE_CELL		500		/* events that are worth one all the same */
#define MAX_LOOK		100000	/* events far ahead that are looked at */

/*
 * Upkeep: one log's upkeep, and what its next step is about.
 */
typedef struct Upkeep
{
	UpkeepTarget target;
	MemoryContext context;		/* of what was learnt by the last look */
	PartitionList *list;		/* NULL: it is no log, or damaged */
	char	   *name;
	char	   *damage;			/* why it cannot be used, or NULL */
	LogSettings settings;
	bool		has_keys;		/* do foreign keys refer to it? */
	TimestampTz now;			/* when the upkeep of this log began */
	Oid			partition;		/* to expire */
	bool		got_log;		/* was the log's own lock to be had? */
	bool		referred;		/* do rows refer to the partition's events? */
	TimestampTz at;				/* a partition is to be made for this time */
	TimestampTz from;			/* events before it stay where they are */
	TimestampTz next;			/* where the grid's cell of `at` ends */
	int64		done;			/* rows that the step took care of */
	int64		looked;			/* events far ahead that were looked at … */
	int64		sparse;			/* … and stay in the default partition */
	bool		found;
} Upkeep;

/*
 * range_of: the range that a new partition for `at` shall have; false when
 * there is one already, or one there is being detached.
 */
static bool
range_of(const EventLog *log, const PartitionList *list, TimestampTz at,
		 TimestampTz *lower, TimestampTz *upper)
{
	if (partition_at(list, at) != NULL || detaching_at(list, at) != NULL)
		return false;
	free_range(list, &log->settings.partition_interval, at, lower, upper);
	return true;
}

/*
 * nth_time: the time of the row that is MOVE_BATCH rows away from a range's
 * first one in a direction; false when there are fewer.
 */
static bool
nth_time(Relation rel, TimestampTz lower, TimestampTz upper,
		 ScanDirection direction, TimestampTz *t)
{
	TimeScan   *scan;
	int			n = 0;

	if (lower >= upper)
		return false;
	scan = time_scan_begin(rel, lower, upper, direction);
	while (n <= MOVE_BATCH && time_scan_next(scan))
		n++;
	if (n > MOVE_BATCH)
		*t = time_scan_time(scan);
	time_scan_end(scan);
	return n > MOVE_BATCH;
}

/*
 * cut_range: where the default partition has too much of a range to be moved
 * while writers wait, take less of it, around `at`.
 */
static void
cut_range(Oid default_oid, TimestampTz at, TimestampTz *lower,
		  TimestampTz *upper)
{
	Relation	rel = relation_open(default_oid, NoLock);
	TimestampTz t;

	if (nth_time(rel, at + 1, *upper, ForwardScanDirection, &t))
		*upper = t;
	if (nth_time(rel, *lower, at, BackwardScanDirection, &t))
		*lower = t + 1;
	relation_close(rel, NoLock);
}

/*
 * fill_partition: make a partition and move there what the default partition
 * holds of its range; how many rows.  The default partition is locked.
 */
static int64
fill_partition(Oid log, Oid default_oid, TimestampTz lower, TimestampTz upper)
{
	char	   *obstacle = move_obstacle(log, default_oid);
	Tuplestorestate *store;
	TupleDesc	desc;
	int64		rows;

	if (obstacle != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg_internal("%s", obstacle)));
	store = take_rows(default_oid, lower, upper, &desc, &rows);
	put_rows(create_partition(log, lower, upper), store, desc, rows);
	tuplestore_end(store);
	return rows;
}

/*
 * lock_for_attach: the locks of an ATTACH, in order, the parent being locked.
 *
 * A writer chooses a partition before locking it.  Who has chosen the default
 * partition and waits for it while another one is attached is refused then: the
 * row belongs there no more.  So where that can be, because events of the range
 * are or will have been coming, writers are kept from choosing: all wait for the
 * log itself.  Partitions ahead are made without that.
 */
static void
lock_for_attach(const Upkeep *upkeep, Oid default_oid)
{
	List	   *keys = foreign_keys_to(upkeep->target.log);

	if (OidIsValid(default_oid))
	{
		if (upkeep->at <= GetCurrentTimestamp() ||
			relation_has_rows(default_oid))
			lock_for_step(upkeep->target.log, ShareRowExclusiveLock);
		lock_for_step(default_oid, AccessExclusiveLock);
	}
	lock_referrers(keys, ShareRowExclusiveLock);
}

/*
 * make_partition: a step: the partition for upkeep->at, with what the default
 * partition holds of its range.
 */
static void
make_partition(void *arg)
{
	Upkeep	   *upkeep = arg;
	Oid			relid = upkeep->target.log;
	EventLog   *log = log_open_owned(relid, ShareUpdateExclusiveLock);
	PartitionList *list = list_own_partitions(log->rel);
	TimestampTz lower;
	TimestampTz upper;
	bool		wanted = range_of(log, list, upkeep->at, &lower, &upper);

	upkeep->done = 0;
	log_close(log, NoLock);
	if (!wanted)
		return;					/* somebody else was faster */

	lock_for_attach(upkeep, list->default_oid);
	if (OidIsValid(list->default_oid) &&
		has_rows_between(list->default_oid, lower, upper))
	{
		cut_range(list->default_oid, upkeep->at, &lower, &upper);
		upkeep->done = fill_partition(relid, list->default_oid, lower, upper);
	}
	else
		(void) create_partition(relid, lower, upper);
	ereport(NOTICE,
			(errmsg("made a partition of %s for %s to %s",
					qualified_name(relid), utc_literal(lower),
					utc_literal(upper)),
			 upkeep->done > 0 ?
			 errdetail("%lld events were moved there from the default partition.",
					   (long long) upkeep->done) : 0));
}

/*
 * expired_item: the partition that is to expire, if it is still there and has
 * expired; else NULL.
 */
static const Partition *
expired_item(const Upkeep *upkeep, const EventLog *log,
			 const PartitionList *list)
{
	TimestampTz expiry = expiry_time(&log->settings, GetCurrentTimestamp());

	for (int i = 0; i < list->n; i++)
	{
		if (list->items[i].oid == upkeep->partition)
			return list->items[i].upper <= expiry ? &list->items[i] : NULL;
	}
	return NULL;
}

/*
 * drop_expired: a step: drop upkeep->partition if it has expired.
 */
static void
drop_expired(void *arg)
{
	Upkeep	   *upkeep = arg;
	EventLog   *log;
	PartitionList *list;
	const Partition *item;
	char	   *name;

	upkeep->got_log = false;
	log = log_open_owned(upkeep->target.log, AccessExclusiveLock);
	upkeep->got_log = true;
	list = list_own_partitions(log->rel);
	item = expired_item(upkeep, log, list);
	log_close(log, NoLock);
	if (item == NULL)
		return;
	name = qualified_name(item->oid);
	drop_partition(upkeep->target.log, list, item);
	ereport(NOTICE,
			(errmsg("dropped expired partition %s of %s to %s", name,
					utc_literal(item->lower), utc_literal(item->upper))));
}

/*
 * look_for_references: a step: is upkeep->partition one whose events other
 * tables refer to?
 */
static void
look_for_references(void *arg)
{
	Upkeep	   *upkeep = arg;
	EventLog   *log = log_open_owned(upkeep->target.log, AccessShareLock);
	PartitionList *list = list_own_partitions(log->rel);

	upkeep->got_log = true;
	if (expired_item(upkeep, log, list) != NULL)
		upkeep->referred = partition_is_referred(upkeep->partition,
												 foreign_keys_to(upkeep->partition));
	log_close(log, NoLock);
}

/*
 * delete_sql: DELETE the expired events of a table that no foreign key keeps: a
 * batch of them, by ctid, where the table is an ordinary one.
 */
static char *
delete_sql(Oid relid, TimestampTz expiry)
{
	List	   *keys = foreign_keys_to(relid);
	char	   *name = qualified_name(relid);
	StringInfoData rows;

	initStringInfo(&rows);
	appendStringInfo(&rows, "e.occurred_at OPERATOR(pg_catalog.<) '%s'",
					 utc_literal(expiry));
	append_unreferred(&rows, keys);
	if (get_rel_relkind(relid) != RELKIND_RELATION)
		return psprintf("DELETE FROM %s e WHERE %s", name, rows.data);
	return psprintf("DELETE FROM ONLY %s WHERE ctid OPERATOR(pg_catalog.=) ANY"
					" (ARRAY(SELECT e.ctid FROM ONLY %s e WHERE %s LIMIT %d))",
					name, name, rows.data,
					keys != NIL ? REFERRED_BATCH : EXPIRE_BATCH);
}

/*
 * delete_expired: a step: delete a batch of expired events from
 * upkeep->partition, which is the default or an expired one.
 */
static void
delete_expired(void *arg)
{
	Upkeep	   *upkeep = arg;
	EventLog   *log = log_open_owned(upkeep->target.log, RowExclusiveLock);
	PartitionList *list = list_own_partitions(log->rel);
	TimestampTz expiry = Min(expiry_time(&log->settings, GetCurrentTimestamp()),
							 expiry_time(&log->settings, upkeep->now));

	upkeep->done = 0;
	upkeep->referred = false;
	if (!TIMESTAMP_IS_NOBEGIN(expiry) &&
		(upkeep->partition == list->default_oid ||
		 expired_item(upkeep, log, list) != NULL))
	{
		upkeep->done = delete_shipped(delete_sql(upkeep->partition, expiry));
		upkeep->referred = upkeep->done == 0 && upkeep->has_keys &&
			has_rows_between(upkeep->partition, EVENT_MIN_TIME, expiry);
	}
	log_close(log, NoLock);
}

/*
 * worth_a_partition: how many events beyond the horizon are worth a partition.
 */
static int
worth_a_partition(const PartitionList *list, TimestampTz horizon)
{
	int			far_ahead = 0;

	for (int i = list->n - 1; i >= 0 && list->items[i].lower >= horizon; i--)
		far_ahead++;
	return far_ahead < MAX_FAR_AHEAD ? 1 : DENSE_CELL;
}

/*
 * find_dense_cell: find the first cell of the grid from upkeep->from on, all
 * ahead, of which the default partition has enough events for a partition.
 */
static void
find_dense_cell(Upkeep *upkeep, const EventLog *log, Relation rel, int enough)
{
	TimeScan   *scan = time_scan_begin(rel, upkeep->from, EVENT_END_TIME,
									   ForwardScanDirection);
	TimestampTz end = DT_NOBEGIN;
	int64		n = 0;

	while (!upkeep->found && upkeep->looked < MAX_LOOK && time_scan_next(scan))
	{
		TimestampTz t = time_scan_time(scan);
		TimestampTz lower;

		if (t >= end)
		{
			upkeep->sparse += n;
			n = 0;
			upkeep->at = t;
			grid_cell(&log->settings.partition_interval, t, &lower, &end);
		}
		n++;
		upkeep->looked++;
		upkeep->found = n == enough;
	}
	if (!upkeep->found)
		upkeep->sparse += n;
	upkeep->next = end;
	time_scan_end(scan);
}

/*
 * find_in_default: find the time of an event in the open default partition that
 * is to be moved, from upkeep->from on.
 */
static void
find_in_default(Upkeep *upkeep, const EventLog *log,
				const PartitionList *list, Relation rel)
{
	TimestampTz horizon = premade_until(&log->settings, GetCurrentTimestamp());
	TimestampTz lower;
	TimeScan   *scan;

	if (upkeep->from < horizon)
	{
		scan = time_scan_begin(rel, upkeep->from, horizon,
							   ForwardScanDirection);
		upkeep->found = time_scan_next(scan);
		if (upkeep->found)
		{
			upkeep->at = time_scan_time(scan);
			grid_cell(&log->settings.partition_interval, upkeep->at, &lower,
					  &upkeep->next);
		}
		else
			upkeep->from = horizon;
		time_scan_end(scan);
	}
	if (!upkeep->found)
		find_dense_cell(upkeep, log, rel, worth_a_partition(list, horizon));
}

/*
 * find_default_rows: a step: which events of the default partition are to be
 * moved next?
 */
static void
find_default_rows(void *arg)
{
	Upkeep	   *upkeep = arg;
	EventLog   *log = log_open_owned(upkeep->target.log, AccessShareLock);
	PartitionList *list = list_own_partitions(log->rel);

	upkeep->found = false;
	if (OidIsValid(list->default_oid) && relation_has_rows(list->default_oid))
	{
		Relation	rel = relation_open(list->default_oid, AccessShareLock);

		find_in_default(upkeep, log, list, rel);
		relation_close(rel, NoLock);
	}
	log_close(log, NoLock);
}

/*
 * look: a step, of the caller's: what the log is like now.
 */
static void
look(void *arg)
{
	Upkeep	   *upkeep = arg;
	MemoryContext outer;
	EventLog   *log;

	lock_for_step(upkeep->target.log, AccessShareLock);
	log = log_try_open(upkeep->target.log, NoLock);
	outer = MemoryContextSwitchTo(upkeep->context);
	if (log == NULL)
	{
		upkeep->damage = log_unusable(upkeep->target.log);
		if (upkeep->damage != NULL)
			upkeep->name = qualified_name(upkeep->target.log);
		MemoryContextSwitchTo(outer);
		return;
	}
	upkeep->name = qualified_name(upkeep->target.log);
	upkeep->target.owner = log->owner;
	upkeep->settings = log->settings;
	upkeep->has_keys = foreign_keys_to(upkeep->target.log) != NIL;
	upkeep->list = list_own_partitions(log->rel);
	MemoryContextSwitchTo(outer);
	log_close(log, AccessShareLock);
}

/*
 * look_at: look at the log; false when that cannot be for now.
 */
static bool
look_at(Upkeep *upkeep)
{
	UpkeepTarget target = upkeep->target;
	StepResult	result;

	MemoryContextReset(upkeep->context);
	upkeep->list = NULL;
	upkeep->name = upkeep->damage = NULL;
	target.owner = GetUserId();
	result = attempt(&target, look, upkeep, "look at the partitions");
	SPI_commit();
	upkeep->target.told = target.told;
	upkeep->target.impatient = target.impatient;
	return result == STEP_TAKEN;
}

/*
 * make_ahead: what is missing of the current partition and of as many ahead as
 * the log wants.
 */
static void
make_ahead(Upkeep *upkeep)
{
	TimestampTz at = upkeep->now;
	TimestampTz until = premade_until(&upkeep->settings, at);
	int			failures = 0;

	while (failures < MAX_FAILURES && next_gap(upkeep->list, until, &at))
	{
		StepResult	result;
		TimestampTz lower;

		upkeep->at = at;
		result = attempt(&upkeep->target, make_partition, upkeep,
						 "make the next partition");
		SPI_commit();
		if (result == STEP_LOCKED)
			break;
		failures += result == STEP_FAILED;
		free_range(upkeep->list, &upkeep->settings.partition_interval, at,
				   &lower, &at);
	}
}

/*
 * most_batches: how many batches the rows of a table can fill.  Code of the
 * owner's that inserts while rows are deleted must not keep upkeep busy for ever.
 */
static int64
most_batches(Oid relid, int batch)
{
	Relation	rel = try_relation_open(relid, AccessShareLock);
	int64		rows = 0;

	if (rel == NULL)
		return 0;
	if (rel->rd_rel->relkind == RELKIND_RELATION)
		rows = (int64) RelationGetNumberOfBlocks(rel) * MaxHeapTuplesPerPage;
	relation_close(rel, AccessShareLock);
	return rows / batch + 1;
}

/*
 * count_batches: a step: how many batches there can be, into upkeep->looked.
 */
static void
count_batches(void *arg)
{
	Upkeep	   *upkeep = arg;

	upkeep->looked = most_batches(upkeep->partition, REFERRED_BATCH);
}

/*
 * delete_all_expired: delete the expired events of one table, batch by batch,
 * and tell how many.
 */
static void
delete_all_expired(Upkeep *upkeep, Oid partition)
{
	int64		expired = 0;

	upkeep->partition = partition;
	upkeep->looked = 0;
	upkeep->referred = false;
	(void) attempt(&upkeep->target, count_batches, upkeep,
				   "delete expired events");
	SPI_commit();
	for (int64 i = upkeep->looked; i > 0; i--)
	{
		CHECK_FOR_INTERRUPTS();
		upkeep->done = 0;
		(void) attempt(&upkeep->target, delete_expired, upkeep,
					   "delete expired events");
		SPI_commit();
		if (upkeep->done == 0)
			break;
		expired += upkeep->done;
	}
	if (expired > 0)
		ereport(NOTICE,
				(errmsg("deleted %lld expired events from partition %s",
						(long long) expired,
						get_rel_name(partition) ?
						qualified_name(partition) : "that was dropped")));
}

/*
 * tell_referred: of upkeep->partition, that expired events in it stay.
 */
static void
tell_referred(const Upkeep *upkeep)
{
	if (get_rel_name(upkeep->partition) == NULL ||
		get_rel_name(upkeep->target.log) == NULL)
		return;
	ereport(WARNING,
			(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
			 errmsg("expired events of partition %s were kept: other tables refer to them",
					qualified_name(upkeep->partition)),
			 errdetail("Foreign keys: %s.",
					   foreign_key_names(foreign_keys_to(upkeep->target.log))),
			 errhint("Delete the rows that refer to them.")));
}

/*
 * expire_default: delete the expired events of the default partition.
 */
static void
expire_default(Upkeep *upkeep)
{
	if (OidIsValid(upkeep->list->default_oid) &&
		!TIMESTAMP_IS_NOBEGIN(expiry_time(&upkeep->settings, upkeep->now)))
	{
		delete_all_expired(upkeep, upkeep->list->default_oid);
		if (upkeep->referred)
			tell_referred(upkeep);
	}
}

/*
 * tell_left: of the default partition, which events stay there on purpose.
 */
static void
tell_left(const Upkeep *upkeep, int moves)
{
	if (moves == MAX_MOVES)
		ereport(NOTICE,
				(errmsg("made %d partitions of %s for events in the default partition",
						moves, upkeep->name),
				 errhint("What is left there is moved by the next calls.")));
	if (upkeep->sparse > 0)
		ereport(NOTICE,
				(errmsg("left %lld events in the default partition of %s",
						(long long) upkeep->sparse, upkeep->name),
				 errdetail("They are further ahead than its partitions, and fewer than %d in each partition_interval.",
						   DENSE_CELL)));
}

/*
 * empty_default: move the rows of the default partition to partitions of their
 * own, oldest first.
 *
 * A range that cannot be moved does not keep those after it from it; what the
 * locks of others are in the way of is left for another call.
 */
static void
empty_default(Upkeep *upkeep)
{
	int			moves = 0;
	int			failures = 0;

	upkeep->from = Max(expiry_time(&upkeep->settings, upkeep->now),
					   EVENT_MIN_TIME);
	upkeep->looked = upkeep->sparse = 0;
	while (moves < MAX_MOVES && failures < MAX_FAILURES)
	{
		StepResult	result;

		CHECK_FOR_INTERRUPTS();
		upkeep->found = false;
		(void) attempt(&upkeep->target, find_default_rows, upkeep,
					   "look into the default partition");
		SPI_commit();			/* keep no lock that another one waits for */
		if (!upkeep->found)
			break;
		result = attempt(&upkeep->target, make_partition, upkeep,
						 "move events out of the default partition");
		SPI_commit();
		if (result == STEP_LOCKED)
			break;
		moves += result == STEP_TAKEN;
		failures += result == STEP_FAILED;
		upkeep->from = result == STEP_FAILED || upkeep->done == 0 ?
			upkeep->next : upkeep->at;
	}
	tell_left(upkeep, moves);
}

/*
 * keep_referred: where rows refer to the events of upkeep->partition, delete
 * what may be deleted; STEP_TAKEN when nothing refers to it any more.
 */
static StepResult
keep_referred(Upkeep *upkeep)
{
	for (bool deleted = false;; deleted = true)
	{
		StepResult	result;

		upkeep->got_log = upkeep->referred = false;
		result = attempt(&upkeep->target, look_for_references, upkeep,
						 "drop an expired partition");
		SPI_commit();
		if (result != STEP_TAKEN || !upkeep->referred)
			return result;
		if (deleted)
			break;
		delete_all_expired(upkeep, upkeep->partition);
	}
	tell_referred(upkeep);
	return STEP_FAILED;
}

/*
 * expire_partition: drop a partition that has expired, if it can be.
 */
static StepResult
expire_partition(Upkeep *upkeep, Oid partition)
{
	StepResult	result = STEP_TAKEN;

	upkeep->partition = partition;
	if (upkeep->has_keys)
		result = keep_referred(upkeep);
	if (result == STEP_TAKEN)
		result = attempt(&upkeep->target, drop_expired, upkeep,
						 "drop an expired partition");
	SPI_commit();
	return result;
}

/*
 * drop_all_expired: by their real bounds, oldest first.
 *
 * What cannot be locked does not keep those after it from being dropped, unless
 * it is the log itself.
 */
static void
drop_all_expired(Upkeep *upkeep)
{
	PartitionList *list = upkeep->list;
	TimestampTz expiry = expiry_time(&upkeep->settings, upkeep->now);

	for (int i = 0; i < list->n && list->items[i].upper <= expiry; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (expire_partition(upkeep, list->items[i].oid) == STEP_LOCKED &&
			!upkeep->got_log)
			break;
	}
}

/*
 * renew_next_index: a step: make one index that a log of an older version lacks,
 * or drop one that it needs no more.
 */
static void
renew_next_index(void *arg)
{
	Upkeep	   *upkeep = arg;
	Oid			relid = upkeep->target.log;

	log_close(log_open_owned(relid, ShareUpdateExclusiveLock), NoLock);
	upkeep->done = lacks_indexes(relid);
	set_locally("max_parallel_maintenance_workers", "0");	/* no planner */
	if (upkeep->done > 0)
		renew_index(relid);
}

/*
 * build_next_index: a step: an index that alter_log or renew_next_index() has
 * added, on one of the partitions that lack it.
 */
static void
build_next_index(void *arg)
{
	Upkeep	   *upkeep = arg;
	EventLog   *log = log_open_owned(upkeep->target.log,
									 ShareUpdateExclusiveLock);
	Oid			index;
	const char *what;
	List	   *missing = index_to_build(log, list_partitions(log->rel), &index,
										 &what);

	upkeep->done = 0;
	log_close(log, NoLock);
	if (missing == NIL)
		return;
	set_locally("max_parallel_maintenance_workers", "0");	/* no planner */
	build_index(upkeep->target.log, index, linitial_oid(missing));
	upkeep->done = 1;
	ereport(NOTICE,
			(errmsg("built the index on %s of partition %s", what,
					qualified_name(linitial_oid(missing)))));
}

/*
 * step_through_indexes: take a step until it finds nothing more to do.
 *
 * Our indexes are on plain columns, so that to build one takes as long as the
 * partition is large, and runs no code of the owner's: but for the planner, which
 * looks at all indexes of a table to choose how many workers build one.
 */
static void
step_through_indexes(Upkeep *upkeep, UpkeepStep step)
{
	StepResult	result;

	upkeep->target.trusted = true;
	do
	{
		CHECK_FOR_INTERRUPTS();
		upkeep->done = 0;
		result = attempt(&upkeep->target, step, upkeep, "build an index");
		SPI_commit();
	} while (result == STEP_TAKEN && upkeep->done > 0);
	upkeep->target.trusted = false;
}

/*
 * build_indexes: those that alter_log has added, or that a log of an older
 * version lacks, partition by partition.
 */
static void
build_indexes(Upkeep *upkeep)
{
	step_through_indexes(upkeep, renew_next_index);
	step_through_indexes(upkeep, build_next_index);
	step_through_indexes(upkeep, renew_next_index);
}

/*
 * maintain_log: all of it, for one log that was looked at.
 */
static void
maintain_log(Upkeep *upkeep)
{
	upkeep->now = GetCurrentTimestamp();
	make_ahead(upkeep);
	expire_default(upkeep);
	empty_default(upkeep);
	if (!look_at(upkeep) || upkeep->list == NULL)
		return;
	drop_all_expired(upkeep);
	build_indexes(upkeep);
	queue_prune(&upkeep->target);
}

/*
 * begin_upkeep, end_upkeep: of one log; what is remembered of it, and what its
 * upkeep leaves behind, outlives the transactions and goes in the end.
 */
static MemoryContext
begin_upkeep(Upkeep *upkeep, Oid log)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "eventlog upkeep",
												  ALLOCSET_DEFAULT_SIZES);

	memset(upkeep, 0, sizeof(Upkeep));
	upkeep->target.log = log;
	upkeep->context = AllocSetContextCreate(context, "eventlog upkeep look",
											ALLOCSET_DEFAULT_SIZES);
	return MemoryContextSwitchTo(context);
}

static void
end_upkeep(MemoryContext outer)
{
	MemoryContext context = MemoryContextSwitchTo(outer);

	MemoryContextDelete(context);
}

/*
 * maintain_all: every log whose owner the caller is a member of.
 */
static void
maintain_all(void)
{
	ListCell   *cell;

	foreach(cell, all_logs())
	{
		Upkeep		upkeep;
		MemoryContext outer = begin_upkeep(&upkeep, lfirst_oid(cell));

		CHECK_FOR_INTERRUPTS();
		if (!look_at(&upkeep))
			;					/* told */
		else if (upkeep.damage != NULL)
			ereport(WARNING,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("skipping log %s, which is damaged: %s",
							upkeep.name, upkeep.damage),
					 errhint("eventlog.create_log mends what can be mended.")));
		else if (upkeep.list == NULL)
			;					/* dropped meanwhile */
		else if (has_privs_of_role(GetUserId(), upkeep.target.owner))
			maintain_log(&upkeep);
		else
			ereport(WARNING,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("skipping log %s: only its owner can maintain it",
							upkeep.name)));
		end_upkeep(outer);
	}
}

/*
 * maintain_one: a log that the caller names; an error where it cannot be.
 */
static void
maintain_one(Oid relid)
{
	Upkeep		upkeep;
	MemoryContext outer = begin_upkeep(&upkeep, relid);

	if (!look_at(&upkeep))
		;						/* told */
	else if (upkeep.list == NULL)
		log_close(log_open(relid, AccessShareLock), AccessShareLock);
	else if (!has_privs_of_role(GetUserId(), upkeep.target.owner))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(relid));
	else
		maintain_log(&upkeep);
	end_upkeep(outer);
}

/*
 * eventlog.maintain(log regclass)
 */
Datum
eventlog_maintain(PG_FUNCTION_ARGS)
{
	require_autocommit(fcinfo, "maintain");
	require_read_write("eventlog.maintain");
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect_ext failed");
	SPI_commit();				/* what was deferred is the caller's */
	if (PG_ARGISNULL(0))
		maintain_all();
	else
		maintain_one(PG_GETARG_OID(0));
	queue_sweep();
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * count_expired: how many partitions retention is overdue for.
 */
static int
count_expired(const PartitionList *list, TimestampTz expiry)
{
	int			n = 0;

	while (n < list->n && list->items[n].upper <= expiry)
		n++;
	return n;
}

/*
 * default_problems: what is wrong with the default partition, which is locked,
 * as a list of strings.
 */
List *
default_problems(const EventLog *log, Oid default_oid, TimestampTz now)
{
	List	   *problems = NIL;
	TimestampTz expiry = Max(expiry_time(&log->settings, now), EVENT_MIN_TIME);
	TimestampTz horizon = Max(premade_until(&log->settings, now), expiry);
	bool		is_ordinary = get_rel_relkind(default_oid) == RELKIND_RELATION;
	char	   *obstacle = !is_ordinary || relation_has_rows(default_oid) ?
	move_obstacle(log->oid, default_oid) : NULL;

	if (obstacle != NULL)
	{
		if (is_ordinary)
			problems = lappend(problems, "events in the default partition");
		return lappend(problems, psprintf("events cannot be moved: %s", obstacle));
	}
	if (has_rows_between(default_oid, EVENT_MIN_TIME, expiry))
		problems = lappend(problems, "expired events in the default partition");
	if (has_rows_between(default_oid, expiry, horizon))
		problems = lappend(problems, "events in the default partition");
	if (has_rows_between(default_oid, horizon, EVENT_END_TIME))
		problems = lappend(problems, "future events in the default partition");
	return problems;
}

/*
 * partition_problems: what upkeep has not done yet about the other partitions,
 * and why it may not, likewise.  Takes no lock on any table.
 */
List *
partition_problems(const EventLog *log, const PartitionList *list,
				   TimestampTz now)
{
	int			expired = count_expired(list, expiry_time(&log->settings, now));
	List	   *keys = expired > 0 ? foreign_keys_to(log->oid) : NIL;
	List	   *problems = NIL;

	if (expired > 0)
		problems = lappend(problems,
						   psprintf("retention overdue for %d partitions",
									expired));
	if (keys != NIL)
		problems = lappend(problems,
						   psprintf("foreign keys can keep expired events: %s",
									foreign_key_names(keys)));
	for (int i = 0; i < list->ndetaching; i++)
		problems = lappend(problems,
						   psprintf("partition %s is being detached; ALTER TABLE ... DETACH PARTITION ... FINALIZE completes that",
									qualified_name(list->detaching[i].oid)));
	return problems;
}
