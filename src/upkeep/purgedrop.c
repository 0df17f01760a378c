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
 * rows_to_drop: the number of rows in a locked partition.
 */
static int64
rows_to_drop(Oid partition)
{
	Relation	rel;
	int64		rows;

	if (is_distributed(partition))
		return sql_number(psprintf("SELECT pg_catalog.count(*) FROM %s",
								   qualified_name(partition)));
	rel = relation_open(partition, NoLock);
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
 * drop_purged: drop one partition, and create it again unless it lies in the
 * past, so that writers still have a partition.  False if it must be examined
 * before (check_droppable).
 */
static bool
drop_purged(void *arg, Oid partition, bool first)
{
	Purge	   *purge = arg;
	PartitionList *list = purge->target.partitions;
	const Partition *item = partition_with_oid(list, partition);
	bool		ahead;
	char	   *name;
	int64		rows;

	if (item == NULL)
		return true;
	if (!is_inside(purge, item) ||
		get_rel_relkind(partition) != RELKIND_RELATION)
		return first;
	ahead = item->upper > GetCurrentTimestamp();
	if ((drop_lock_partition(list, item) != NIL || ahead) &&
		!(purge->droppable && purge->partition == partition))
		return false;
	name = qualified_name(partition);
	rows = rows_to_drop(partition);
	drop_partition(purge->log, list, item);
	if (ahead)
		(void) partition_create(purge->log, item->lower, item->upper);
	drop_note(&purge->run, item, name, rows);
	return true;
}

/*
 * drop_some: a step that drops partitions from the first one of purge->run on.
 */
static void
drop_some(void *arg)
{
	Purge	   *purge = arg;

	drop_together(&purge->run, &purge->target, drop_purged, purge);
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
	purge->has_keys = foreign_key_list(purge->log) != NIL;
	log_close(log, NoLock);
}

/*
 * examine: find out whether the partition may be dropped.
 */
static StepResult
examine(Purge *purge, const Partition *item)
{
	purge->partition = item->oid;
	purge->ahead = item->upper > GetCurrentTimestamp();
	return run_upkeep_step(&purge->target, AccessShareLock, check_droppable,
						   purge,
						   "could not examine a partition of log %s");
}

/*
 * count_inside: how many of the first n partitions are inside the window.
 */
static int
count_inside(const Purge *purge, int n)
{
	int			count = 0;

	for (int i = 0; i < n; i++)
		count += is_inside(purge, &purge->list->items[i]);
	return count;
}

/*
 * report_dropped: report the partitions that a step has dropped.
 */
static void
report_dropped(Purge *purge)
{
	for (int i = 0; i < purge->run.ndropped; i++)
	{
		const DroppedPartition *dropped = &purge->run.dropped[i];

		purge->deleted += dropped->rows;
		purge->dropped += dropped->rows;
		ereport(NOTICE,
				(errmsg("purged %lld events with partition %s",
						(long long) dropped->rows, dropped->name),
				 errdetail("This is partition %d of %d inside the window.",
						   count_inside(purge, dropped->at + 1),
						   purge->ninside)));
	}
}

/*
 * drop_run: drop partitions from a given one on; sets purge->run.n to the
 * number that are done with.
 *
 * Only one that needs it is examined before: that takes a transaction.
 */
static StepResult
drop_run(Purge *purge, int first)
{
	const Partition *item = &purge->list->items[first];
	StepResult	result;

	purge->run.first = first;
	purge->droppable = false;
	for (bool examined = purge->has_keys || item->upper > GetCurrentTimestamp();;
		 examined = true)
	{
		if (examined)
		{
			purge->run.n = 0;
			result = examine(purge, item);
			if (result != STEP_TAKEN || !purge->droppable)
				return result;
		}
		result = drop_in_step(&purge->run, &purge->target, drop_some, purge,
							  "could not drop a purged partition of log %s");
		if (result != STEP_TAKEN || purge->run.n > 0 || examined)
			break;
	}
	if (result == STEP_TAKEN)
		report_dropped(purge);
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
	purge->run.list = list;
	purge->run.context = purge->context;
	if (list != NULL)
		purge->ninside = count_inside(purge, list->n);
	for (int i = 0; list != NULL && i < list->n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!is_inside(purge, &list->items[i]) ||
			get_rel_relkind(list->items[i].oid) != RELKIND_RELATION)
			continue;
		if (drop_run(purge, i) == STEP_LOCKED && !purge->target.log_locked)
			break;
		i += Max(purge->run.n, 1) - 1;
	}
	if (list != NULL)
		partition_list_free(list);
}
