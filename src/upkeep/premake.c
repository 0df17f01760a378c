/*
 * premake.c
 *		Creating partitions ahead, and moving events of the default
 *		partition into partitions of their own.
 *
 * Events leave the default partition range by range (see move.c).  Anybody who
 * may write can write events of any time, so the work of one call is limited.
 * It creates at most MAX_MOVES partitions.  Events later than the partitions
 * made ahead get partitions as long as the log has fewer than MAX_FAR_AHEAD of
 * those.  From then on they stay in the default partition, unless a cell of
 * the grid has DENSE_CELL or more of them: partitions for a few events each
 * would not expire for a long time.
 */
#include "upkeep/upkeep.h"

#include "access/relation.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define MOVE_BATCH		50000	/* events, while writers wait; about 1 s */
#define MAX_MOVES		100		/* partitions for events of the default one,
								 * per call */
#define MAX_FAILURES	3		/* of steps of one kind for a log */
#define MAX_FAR_AHEAD	20		/* partitions for few events each */
#define DENSE_CELL		500		/* events that always get a partition */
#define MAX_LOOK		100000	/* future events that are examined */

/*
 * range_of: the range of a new partition for `at`; false if there already is
 * one, or one there is being detached.
 */
static bool
range_of(const UpkeepTarget *target, TimestampTz at, TimestampTz *lower,
		 TimestampTz *upper)
{
	const PartitionList *list = target->partitions;

	if (partition_find(list, at) != NULL ||
		partition_find_detaching(list, at) != NULL)
		return false;
	partition_free_range(list, &target->settings.partition_interval, at, lower,
						 upper);
	return true;
}

/*
 * nth_time: the time of the row MOVE_BATCH rows after the first one of a
 * range, in that direction; false if there are fewer.
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
 * cut_range: if the default partition has too many events of a range to move
 * them while writers wait, reduce the range around `at`.
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
 * fill_partition: create a partition and move events of its range from the
 * default partition, which is locked, to it; returns how many.
 */
static int64
fill_partition(Oid log, Oid default_oid, TimestampTz lower, TimestampTz upper)
{
	char	   *obstacle;
	Tuplestorestate *store;
	TupleDesc	desc;
	int64		rows;

	if (is_distributed(log))
		return shards_fill_partition(log, default_oid, lower, upper);
	obstacle = move_find_obstacle(log, default_oid);
	if (obstacle != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg_internal("%s", obstacle)));
	store = move_take_rows(default_oid, lower, upper, &desc, &rows);
	move_put_rows(partition_create(log, lower, upper), store, desc, rows);
	tuplestore_end(store);
	return rows;
}

/*
 * lock_for_attach: take the locks for an ATTACH, in order; the log is already
 * locked.
 *
 * A writer chooses a partition before locking it.  A writer that has chosen
 * the default partition and waits for it while another partition is attached
 * gets an error, since the row no longer belongs there.  If that can happen,
 * because events of the range arrive now or may do so, writers must wait
 * before choosing: for the log itself.  Partitions ahead are created without
 * that.
 */
static void
lock_for_attach(const Upkeep *upkeep, Oid default_oid)
{
	List	   *keys = foreign_key_list(upkeep->target.log);

	if (OidIsValid(default_oid))
	{
		if (upkeep->at <= GetCurrentTimestamp() ||
			partition_has_rows(default_oid))
			upkeep_lock(upkeep->target.log, ShareRowExclusiveLock);
		upkeep_lock(default_oid, AccessExclusiveLock);
	}
	drop_lock_referrers(keys, ShareRowExclusiveLock);
}

/*
 * make_partition: a step that creates the partition for upkeep->at, and moves
 * events of its range from the default partition to it.
 */
static void
make_partition(void *arg)
{
	Upkeep	   *upkeep = arg;
	Oid			relid = upkeep->target.log;
	Oid			default_oid = upkeep->target.partitions->default_oid;
	TimestampTz lower;
	TimestampTz upper;

	upkeep->rows = 0;
	if (!range_of(&upkeep->target, upkeep->at, &lower, &upper))
		return;					/* another session has created it */

	lock_for_attach(upkeep, default_oid);
	if (OidIsValid(default_oid) &&
		time_scan_finds_rows(default_oid, lower, upper))
	{
		if (!is_distributed(relid))
			cut_range(default_oid, upkeep->at, &lower, &upper);
		upkeep->rows = fill_partition(relid, default_oid, lower, upper);
	}
	else
		(void) partition_create(relid, lower, upper);
	ereport(NOTICE,
			(errmsg("created a partition of %s from %s to %s",
					qualified_name(relid), utc_literal(lower),
					utc_literal(upper)),
			 upkeep->rows > 0 ?
			 errdetail("%lld events were moved into it from the default partition.",
					   (long long) upkeep->rows) : 0));
}

/*
 * upkeep_premake: create the missing partitions among the current one and
 * those that the log wants ahead.
 */
void
upkeep_premake(Upkeep *upkeep)
{
	TimestampTz at = upkeep->now;
	TimestampTz until = partition_horizon(&upkeep->target.settings, at);
	int			failures = 0;

	while (failures < MAX_FAILURES &&
		   partition_next_gap(upkeep->list, until, &at))
	{
		StepResult	result;
		TimestampTz lower;

		upkeep->at = at;
		result = run_upkeep_step(&upkeep->target, ShareUpdateExclusiveLock,
								 make_partition, upkeep,
								 "could not create the next partition of log %s");
		if (result == STEP_LOCKED)
			break;
		failures += result == STEP_FAILED;
		partition_free_range(upkeep->list,
							 &upkeep->target.settings.partition_interval, at,
							 &lower, &at);
	}
}

/*
 * worth_a_partition: how many events later than the horizon get a partition of
 * their own.
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
 * find_dense_cell: find the first cell of the grid, from upkeep->from on, of
 * which the default partition has enough events for a partition.
 */
static void
find_dense_cell(Upkeep *upkeep, Relation rel, int enough)
{
	TimeScan   *scan = time_scan_begin(rel, upkeep->from, EVENT_END_TIME,
									   ForwardScanDirection);
	TimestampTz end = DT_NOBEGIN;
	int64		n = 0;

	while (!upkeep->found && upkeep->nexamined < MAX_LOOK &&
		   time_scan_next(scan))
	{
		TimestampTz t = time_scan_time(scan);
		TimestampTz lower;

		if (t >= end)
		{
			upkeep->sparse += n;
			n = 0;
			upkeep->at = t;
			grid_find_cell(&upkeep->target.settings.partition_interval, t,
						   &lower, &end);
		}
		n++;
		upkeep->nexamined++;
		upkeep->found = n == enough;
	}
	if (!upkeep->found)
		upkeep->sparse += n;
	upkeep->next = end;
	time_scan_end(scan);
}

/*
 * find_in_default: find the time of an event in the open default partition
 * that should be moved, from upkeep->from on.
 */
static void
find_in_default(Upkeep *upkeep, Relation rel)
{
	const LogSettings *settings = &upkeep->target.settings;
	TimestampTz horizon = partition_horizon(settings, GetCurrentTimestamp());
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
			grid_find_cell(&settings->partition_interval, upkeep->at, &lower,
						   &upkeep->next);
		}
		else
			upkeep->from = horizon;
		time_scan_end(scan);
	}
	if (!upkeep->found)
		find_dense_cell(upkeep, rel,
						worth_a_partition(upkeep->target.partitions,
										  horizon));
}

/*
 * find_default_rows: a step that finds the next events of the default
 * partition to be moved.
 */
static void
find_default_rows(void *arg)
{
	Upkeep	   *upkeep = arg;
	Oid			default_oid = upkeep->target.partitions->default_oid;

	upkeep->found = false;
	if (OidIsValid(default_oid) && is_distributed(upkeep->target.log))
	{
		TimestampTz horizon = partition_horizon(&upkeep->target.settings,
												GetCurrentTimestamp());

		shards_find_in_default(upkeep, default_oid, horizon,
							   worth_a_partition(upkeep->target.partitions,
												 horizon));
	}
	else if (OidIsValid(default_oid) && relation_has_rows(default_oid))
	{
		Relation	rel = relation_open(default_oid, AccessShareLock);

		find_in_default(upkeep, rel);
		relation_close(rel, NoLock);
	}
}

/*
 * report_left: report which events stay in the default partition, and why.
 */
static void
report_left(const Upkeep *upkeep, int moves)
{
	if (moves == MAX_MOVES)
		ereport(NOTICE,
				(errmsg("created %d partitions of %s for events in the default partition",
						moves, upkeep->name),
				 errhint("The next calls will move the remaining events.")));
	if (upkeep->sparse > 0)
		ereport(NOTICE,
				(errmsg("left %lld events in the default partition of %s",
						(long long) upkeep->sparse, upkeep->name),
				 errdetail("They are later than the partitions made ahead, with fewer than %d events in each partition_interval.",
						   DENSE_CELL)));
}

/*
 * upkeep_empty_default: move the events of the default partition into
 * partitions of their own, oldest first.
 *
 * If a range cannot be moved, later ones still are.  What others have locked
 * is left to the next call.
 */
void
upkeep_empty_default(Upkeep *upkeep)
{
	int			moves = 0;
	int			failures = 0;

	upkeep->from = EVENT_MIN_TIME;
	if (!upkeep->target.settings.detaches)
		upkeep->from = Max(partition_expiry(&upkeep->target.settings,
											upkeep->now), EVENT_MIN_TIME);
	upkeep->nexamined = upkeep->sparse = 0;
	while (moves < MAX_MOVES && failures < MAX_FAILURES)
	{
		StepResult	result;

		CHECK_FOR_INTERRUPTS();
		upkeep->found = false;
		(void) run_upkeep_step(&upkeep->target, AccessShareLock,
							   find_default_rows, upkeep,
							   "could not examine the default partition of log %s");
		if (!upkeep->found)
			break;
		result = run_upkeep_step(&upkeep->target, ShareUpdateExclusiveLock,
								 make_partition, upkeep,
								 "could not move events out of the default partition of log %s");
		if (result == STEP_LOCKED)
			break;
		moves += result == STEP_TAKEN;
		failures += result == STEP_FAILED;
		upkeep->from = result == STEP_FAILED || upkeep->rows == 0 ?
			upkeep->next : upkeep->at;
	}
	report_left(upkeep, moves);
}
