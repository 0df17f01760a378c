/*
 * maintain.c
 *		CALL eventlog.maintain: create partitions ahead, empty the default
 *		partition, drop expired events, build indexes, prune the queue.
 *
 * Each action is a step in a transaction of its own (see step.c), and each
 * step checks again, under its lock, whether it is still needed.  So maintain
 * can run twice at once, and can be interrupted at any time.
 */
#include "upkeep/upkeep.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(eventlog_maintain);

/*
 * read_log: a step, taken as the caller, that reads the log's state.
 */
static void
read_log(void *arg)
{
	Upkeep	   *upkeep = arg;
	MemoryContext outer;
	EventLog   *log;

	upkeep_lock(upkeep->target.log, AccessShareLock);
	log = log_try_open(upkeep->target.log, NoLock);
	outer = MemoryContextSwitchTo(upkeep->context);
	if (log == NULL)
	{
		upkeep->damage = damage_describe_fatal(upkeep->target.log);
		if (upkeep->damage != NULL)
			upkeep->name = qualified_name(upkeep->target.log);
		MemoryContextSwitchTo(outer);
		return;
	}
	upkeep->name = qualified_name(upkeep->target.log);
	upkeep->target.owner = log->owner;
	upkeep->target.settings = log->settings;
	upkeep->has_keys = foreign_key_list(upkeep->target.log) != NIL;
	upkeep->list = partition_list_own(log->rel);
	MemoryContextSwitchTo(outer);
	log_close(log, AccessShareLock);
}

/*
 * refresh: read the log's state; false if that is impossible now.
 */
static bool
refresh(Upkeep *upkeep)
{
	UpkeepTarget target = upkeep->target;
	StepResult	result;

	MemoryContextReset(upkeep->context);
	upkeep->list = NULL;
	upkeep->name = upkeep->damage = NULL;
	target.owner = GetUserId();
	result =
		run_upkeep_step(&target, NoLock, read_log, upkeep,
						"could not examine the partitions of log %s");
	upkeep->target.last_warning = target.last_warning;
	upkeep->target.impatient = target.impatient;
	return result == STEP_TAKEN;
}

/*
 * maintain_log: all upkeep of one log, after refresh().
 */
static void
maintain_log(Upkeep *upkeep)
{
	upkeep->now = GetCurrentTimestamp();
	if (upkeep_is_elsewhere(upkeep->target.log))
	{
		upkeep_prune_queue(&upkeep->target);
		return;
	}
	if (is_distributed(upkeep->target.log))
		maintain_shards(upkeep);
	upkeep_premake(upkeep);
	upkeep_expire_default(upkeep);
	upkeep_empty_default(upkeep);
	if (!refresh(upkeep) || upkeep->list == NULL)
		return;
	upkeep_expire_partitions(upkeep);
	upkeep_build_indexes(upkeep);
	upkeep_prune_queue(&upkeep->target);
}

/*
 * begin_upkeep, end_upkeep: of one log.  What is known about the log outlives
 * transactions and is freed at the end.
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
 * maintain_all: maintain every log whose owner the caller is a member of.
 */
static void
maintain_all(void)
{
	ListCell   *cell;

	foreach(cell, log_list_all())
	{
		Upkeep		upkeep;
		MemoryContext outer = begin_upkeep(&upkeep, lfirst_oid(cell));

		CHECK_FOR_INTERRUPTS();
		if (!refresh(&upkeep))
			;					/* reported */
		else if (upkeep.damage != NULL)
			ereport(WARNING,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("skipping log %s, which is damaged: %s",
							upkeep.name, upkeep.damage),
					 errhint("Call eventlog.create_log with the name of the log to repair what can be repaired.")));
		else if (upkeep.list == NULL)
			;					/* dropped concurrently */
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
 * maintain_one: maintain the given log; an error if that is not possible.
 */
static void
maintain_one(Oid relid)
{
	Upkeep		upkeep;
	MemoryContext outer = begin_upkeep(&upkeep, relid);

	if (!refresh(&upkeep))
		;						/* reported */
	else if (upkeep.list == NULL)
		log_close(log_open(relid, AccessShareLock), AccessShareLock);
	else if (!has_privs_of_role(GetUserId(), upkeep.target.owner))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(relid));
	else
	{
		if (upkeep_is_elsewhere(relid))
			ereport(NOTICE,
					(errmsg("left the shards of %s alone", upkeep.name),
					 errhint("Call eventlog.maintain for the log on the coordinator.")));
		maintain_log(&upkeep);
	}
	end_upkeep(outer);
}

/*
 * eventlog.maintain(log regclass)
 */
Datum
eventlog_maintain(PG_FUNCTION_ARGS)
{
	upkeep_require_autocommit(fcinfo, "maintain");
	upkeep_require_read_write("eventlog.maintain");
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect_ext failed");
	SPI_commit();				/* deferred triggers of the caller fire as the
								 * caller */
	if (PG_ARGISNULL(0))
		maintain_all();
	else
		maintain_one(PG_GETARG_OID(0));
	upkeep_sweep_queue();
	SPI_finish();
	PG_RETURN_VOID();
}
