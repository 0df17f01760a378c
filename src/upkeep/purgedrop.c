/*
 * purgedrop.c
 *		Dropping the partitions that lie wholly inside the window of a
 *		purge.
 */
#include "upkeep/upkeep.h"

#include "access/relation.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/timestamp.h"

/*
 * check_droppable: a step that decides whether purge->partition is dropped.
 *
 * A partition that other tables refer to is left to the batches.  An empty one
 * of the future is kept, since it would be created again.
 */
static void
check_droppable(void *arg)
{
	Purge	   *purge = arg;
	Relation	rel = try_relation_open(purge->partition, AccessShareLock);

	purge->droppable = false;
	if (rel != NULL)
	{
		relation_close(rel, NoLock);
		purge->droppable =
			(!purge->ahead || partition_has_rows(purge->partition)) &&
			!foreign_key_is_used(purge->partition,
								 foreign_key_list(purge->partition));
	}
}

/*
 * rows_to_drop: the number of rows in the locked partition.
 */
static int64
rows_to_drop(const Purge *purge)
{
	Relation	rel;
	int64		rows;

	if (is_distributed(purge->partition))
		return shell_number(psprintf("SELECT pg_catalog.count(*) FROM %s",
									 qualified_name(purge->partition)));
	rel = relation_open(purge->partition, NoLock);
	rows = count_rows(rel);
	relation_close(rel, NoLock);
	return rows;
}

/*
 * is_inside: is the whole partition inside the window?
 */
static bool
is_inside(const Purge *purge, const Partition *partition)
{
	return partition->lower >= purge->filter.since &&
		partition->upper <= purge->filter.before;
}

/*
 * drop_purged: a step that drops one partition, and creates it again unless it
 * lies in the past, so that writers still have a partition.
 */
static void
drop_purged(void *arg)
{
	Purge	   *purge = arg;
	PartitionList *list = purge->target.partitions;

	for (int i = 0; i < list->n; i++)
	{
		Partition  *item = &list->items[i];
		char	   *name;
		int64		rows;

		if (item->oid != purge->partition || !is_inside(purge, item))
			continue;
		drop_lock_partition(list, item);
		name = qualified_name(item->oid);
		rows = rows_to_drop(purge);
		drop_partition(purge->log, list, item);
		if (item->upper > GetCurrentTimestamp())
			(void) partition_create(purge->log, item->lower, item->upper);
		purge->deleted += rows;
		purge->dropped += rows;
		ereport(NOTICE,
				(errmsg("purged %lld events with partition %s",
						(long long) rows, name),
				 errdetail("This is partition %d of %d inside the window.",
						   purge->nth, purge->ninside)));
	}
}

/*
 * purge_may_drop: may the purge drop partitions inside the window?
 */
bool
purge_may_drop(const Purge *purge)
{
	return purge->as_owner && purge->filter.only_window &&
		check_enable_rls(purge->log, purge->target.owner, true) != RLS_ENABLED;
}

/*
 * read_partitions: a step that reads the list of partitions into purge->list.
 */
static void
read_partitions(void *arg)
{
	Purge	   *purge = arg;
	EventLog   *log = upkeep_open_log(purge->log, AccessShareLock);
	MemoryContext outer = MemoryContextSwitchTo(purge->context);

	purge->list = partition_list_own(log->rel);
	MemoryContextSwitchTo(outer);
	log_close(log, NoLock);
}

/*
 * drop_one: drop a partition inside the window, in a transaction of its own.
 */
static StepResult
drop_one(Purge *purge, const Partition *item)
{
	StepResult	result;

	purge->partition = item->oid;
	purge->ahead = item->upper > GetCurrentTimestamp();
	result = run_upkeep_step(&purge->target, AccessShareLock, check_droppable,
							 purge,
							 "could not examine a partition of log %s");
	if (result != STEP_TAKEN || !purge->droppable)
		return result;
	result = run_upkeep_step(&purge->target, AccessExclusiveLock, drop_purged,
							 purge,
							 "could not drop a purged partition of log %s");
	return result;
}

/*
 * purge_drop_partitions: drop all partitions inside the window.
 *
 * What cannot be locked soon is left to the batches, and all of it if that is
 * the log itself.
 */
void
purge_drop_partitions(Purge *purge)
{
	PartitionList *list;

	(void) run_upkeep_step(&purge->target, NoLock, read_partitions, purge,
						   "could not examine the partitions of log %s");
	list = purge->list;
	for (int i = 0; list != NULL && i < list->n; i++)
		purge->ninside += is_inside(purge, &list->items[i]);
	for (int i = 0; list != NULL && i < list->n; i++)
	{
		Partition  *item = &list->items[i];

		CHECK_FOR_INTERRUPTS();
		if (!is_inside(purge, item))
			continue;
		purge->nth++;
		if (get_rel_relkind(item->oid) == RELKIND_RELATION &&
			drop_one(purge, item) == STEP_LOCKED && !purge->target.log_locked)
			break;
	}
	if (list != NULL)
		partition_list_free(list);
}
