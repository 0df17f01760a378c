/*
 * build.c
 *		The indexes of a log that are built one partition at a time.
 */
#include "upkeep/upkeep.h"

#include "executor/spi.h"
#include "miscadmin.h"

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
void
build_indexes(Upkeep *upkeep)
{
	step_through_indexes(upkeep, renew_next_index);
	step_through_indexes(upkeep, build_next_index);
	step_through_indexes(upkeep, renew_next_index);
}
