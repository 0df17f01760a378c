/*
 * drop.c
 *		Dropping or detaching partitions, and the locks for that.
 *
 * A transaction that drops tables looks through all of shared buffers, once,
 * when it commits, and waits for the disk.  So while nobody waits for the log,
 * a step drops several partitions (drop_together).  It ends as soon as
 * somebody does, so nobody waits longer than for the drop of one.
 */
#include "upkeep/upkeep.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define MAX_TOGETHER_MS	3000	/* a step begins no more drops after this
								 * time, nor after … */
#define STEP_PART		20		/* … this part of eventlog.step_timeout */

/*
 * drop_lock_referrers: lock the referring tables, after those of the log.
 */
void
drop_lock_referrers(List *keys, LOCKMODE mode)
{
	ListCell   *cell;

	foreach(cell, keys)
	{
		const ForeignKey *key = lfirst(cell);

		upkeep_lock(key->referrer, mode);
	}
}

/*
 * drop_lock_partition: take the locks for drop_partition(), in order; the log
 * is already locked.  Returns the foreign keys that refer to the partition.
 */
List *
drop_lock_partition(const PartitionList *list, const Partition *item)
{
	List	   *keys;

	if (OidIsValid(list->default_oid))
		upkeep_lock(list->default_oid, AccessExclusiveLock);
	upkeep_lock(item->oid, AccessExclusiveLock);
	keys = foreign_key_list(item->oid);
	drop_lock_referrers(keys, AccessExclusiveLock);
	return keys;
}

/*
 * drop_partition: drop a partition of a log that is locked; an error if a row
 * refers to one of its events.  Within a step.
 */
void
drop_partition(Oid log, const PartitionList *list, const Partition *item)
{
	List	   *keys = drop_lock_partition(list, item);
	char	   *name = qualified_name(item->oid);

	if (keys != NIL)
		run_sql(psprintf("ALTER TABLE %s DETACH PARTITION %s",
						 qualified_name(log), name), SPI_OK_UTILITY);
	run_sql(psprintf("DROP %sTABLE %s",
					 get_rel_relkind(item->oid) == RELKIND_FOREIGN_TABLE ?
					 "FOREIGN " : "", name), SPI_OK_UTILITY);
}

/*
 * detach_partition: make a partition of a log that is locked a table of its
 * own, and move it into a schema, unless its name is empty.  Within a step.
 */
void
detach_partition(Oid log, const PartitionList *list, const Partition *item,
				 const char *schema)
{
	char	   *name = qualified_name(item->oid);

	(void) drop_lock_partition(list, item);
	run_sql(psprintf("ALTER TABLE %s DETACH PARTITION %s", qualified_name(log),
					 name), SPI_OK_UTILITY);
	if (schema[0] != '\0')
		run_sql(psprintf("ALTER TABLE %s SET SCHEMA %s", name,
						 quote_identifier(schema)), SPI_OK_UTILITY);
}

/*
 * has_waiters: does somebody wait for a table that this transaction has
 * locked?
 */
static bool
has_waiters(Oid relid)
{
	LOCKTAG		tag;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, relid);
	return LockHasWaiters(&tag, AccessExclusiveLock, false);
}

/*
 * LaterDrop: the drop of a partition after the first one of a step.
 */
typedef struct LaterDrop
{
	DropOne		drop;
	void	   *arg;
	Oid			partition;
	bool		done;
} LaterDrop;

static void
drop_later(void *arg)
{
	LaterDrop  *call = arg;

	call->done = call->drop(call->arg, call->partition, false);
}

/*
 * try_later: drop another partition in a subtransaction; false if that was not
 * possible, and then nothing has been done.
 */
static bool
try_later(DropOne drop, void *arg, Oid partition)
{
	LaterDrop	call = {
		.drop = drop,.arg = arg,.partition = partition
	};
	ErrorData  *error = try_in_subtransaction(drop_later, &call);

	if (error == NULL)
		return call.done;
	if (upkeep_is_cancel(error))
		ReThrowError(error);
	FreeErrorData(error);
	return false;
}

/*
 * drop_together: drop partitions of a log that is locked, from the one
 * numbered run->first in run->list on, until somebody waits or one of them
 * cannot be dropped.  Within a step.
 *
 * `drop` is called for each of them.  It returns whether it is done with it,
 * calls drop_note() if it has dropped it, and raises an error if it cannot: an
 * error about the first one is that of the step.  Sets run->n to the number
 * that are done with.
 */
void
drop_together(DropRun *run, const UpkeepTarget *target, DropOne drop, void *arg)
{
	Oid			default_oid = target->partitions->default_oid;
	int			ms = eventlog_step_timeout > 0 ?
		Min(eventlog_step_timeout / STEP_PART, MAX_TOGETHER_MS) : MAX_TOGETHER_MS;
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms);

	run->n = run->ndropped = 0;
	if (OidIsValid(default_oid))
		upkeep_lock(default_oid, AccessExclusiveLock);
	if (!drop(arg, run->list->items[run->first].oid, true))
		return;
	for (run->n = 1; run->n < MAX_TOGETHER && !run->alone; run->n++)
	{
		CHECK_FOR_INTERRUPTS();
		if (run->first + run->n >= run->list->n ||
			is_distributed(target->log) ||
			GetCurrentTimestamp() >= until ||
			has_waiters(target->log) ||
			(OidIsValid(default_oid) && has_waiters(default_oid)) ||
			!try_later(drop, arg, run->list->items[run->first + run->n].oid))
			return;
	}
}

/*
 * drop_in_step: take a step that calls drop_together().
 *
 * If it fails after the first partition, because that of another one took too
 * long, it is tried again with the first one alone, and so are later steps.
 */
StepResult
drop_in_step(DropRun *run, UpkeepTarget *target, UpkeepStep step, void *arg,
			 const char *failure)
{
	StepResult	result;

	run->n = run->ndropped = 0;
	result = run_upkeep_step(target, AccessExclusiveLock, step, arg, failure);
	if (result != STEP_TAKEN && run->n > 0 && !run->alone)
	{
		run->alone = true;
		result = run_upkeep_step(target, AccessExclusiveLock, step, arg,
								 failure);
	}
	if (result != STEP_TAKEN)
		run->n = run->ndropped = 0;
	return result;
}

/*
 * drop_note: note that a partition was dropped, to be reported after the
 * commit.
 */
void
drop_note(DropRun *run, const Partition *item, const char *name, int64 rows)
{
	DroppedPartition *dropped = &run->dropped[run->ndropped++];

	dropped->at = run->first + run->n;
	dropped->name = MemoryContextStrdup(run->context, name);
	dropped->lower = item->lower;
	dropped->upper = item->upper;
	dropped->rows = rows;
}
