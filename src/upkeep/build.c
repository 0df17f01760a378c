/*
 * build.c
 *		Building the indexes of a log one partition at a time.
 */
#include "upkeep/upkeep.h"

#include "executor/spi.h"
#include "miscadmin.h"

/*
 * renew_next_index: a step that creates an index that a log of an older
 * version lacks, or drops one that is no longer needed.
 */
static void
renew_next_index(void *arg)
{
	Upkeep	   *upkeep = arg;
	Oid			relid = upkeep->target.log;

	upkeep->rows = indexes_are_missing(relid);
	set_local("max_parallel_maintenance_workers", "0"); /* do not ask the
														 * planner */
	if (upkeep->rows > 0)
		indexes_renew_next(relid);
}

/*
 * build_next_index: a step that builds an index that alter_log or
 * renew_next_index() has added on one of the partitions that lack it.
 */
static void
build_next_index(void *arg)
{
	Upkeep	   *upkeep = arg;
	EventLog   *log = log_open(upkeep->target.log, NoLock);
	Oid			index;
	const char *what;
	List	   *missing = indexes_find_unbuilt(log, upkeep->target.partitions,
											   &index, &what);

	upkeep->rows = 0;
	log_close(log, NoLock);
	if (missing == NIL)
		return;
	set_local("max_parallel_maintenance_workers", "0"); /* do not ask the
														 * planner */
	indexes_build_part(upkeep->target.log, index, linitial_oid(missing));
	upkeep->rows = 1;
	ereport(NOTICE,
			(errmsg("built the index on %s for partition %s", what,
					qualified_name(linitial_oid(missing)))));
}

/*
 * repeat_step: take a step until it finds nothing more to do.
 *
 * Our indexes are on plain columns, so building one takes time in proportion
 * to the partition and runs no code of the owner, except in the planner, which
 * looks at all indexes of a table to choose the number of workers.
 */
static void
repeat_step(Upkeep *upkeep, UpkeepStep step)
{
	StepResult	result;

	upkeep->target.trusted = true;
	do
	{
		CHECK_FOR_INTERRUPTS();
		upkeep->rows = 0;
		result = run_upkeep_step(&upkeep->target, ShareUpdateExclusiveLock,
								 step, upkeep,
								 "could not build an index of log %s");
	} while (result == STEP_TAKEN && upkeep->rows > 0);
	upkeep->target.trusted = false;
}

/*
 * upkeep_build_indexes: build the indexes that alter_log has added, or that a
 * log of an older version lacks, partition by partition.
 */
void
upkeep_build_indexes(Upkeep *upkeep)
{
	repeat_step(upkeep, renew_next_index);
	repeat_step(upkeep, build_next_index);
	repeat_step(upkeep, renew_next_index);
}
