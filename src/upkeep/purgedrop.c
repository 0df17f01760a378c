/*
 * purgedrop.c
 *		Partitions that lie wholly inside the window of a purge, dropped.
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
 * look_at_purged: a step: is a partition to be dropped?
 *
 * A partition that other tables refer to is left to the batches, and so is an
 * empty one of the future, which there is no need to make anew.
 */
static void
look_at_purged(void *arg)
{
	Purge	   *purge = arg;
	EventLog   *log;
	Relation	rel;

	purge->got_log = purge->may_drop = false;
	log = log_open_owned(purge->log, AccessShareLock);
	purge->got_log = true;
	rel = try_relation_open(purge->partition, AccessShareLock);
	if (rel != NULL)
	{
		relation_close(rel, NoLock);
		purge->may_drop =
			(!purge->ahead || relation_has_rows(purge->partition)) &&
			!partition_is_referred(purge->partition,
								   foreign_keys_to(purge->partition));
	}
	log_close(log, NoLock);
}

/*
 * rows_to_drop: how many rows the locked partition holds.
 */
static int64
rows_to_drop(const Purge *purge)
{
	Relation	rel = relation_open(purge->partition, NoLock);
	int64		rows = count_rows(rel);

	relation_close(rel, NoLock);
	return rows;
}

/*
 * is_inside: does the purge choose whatever the partition holds?
 */
static bool
is_inside(const Purge *purge, const Partition *partition)
{
	return partition->lower >= purge->filter.since &&
		partition->upper <= purge->filter.before;
}

/*
 * drop_purged: a step: drop one partition, and make it anew unless it is past,
 * so that writers keep a place of their own.
 */
static void
drop_purged(void *arg)
{
	Purge	   *purge = arg;
	EventLog   *log;
	PartitionList *list;

	purge->got_log = false;
	log = log_open_owned(purge->log, AccessExclusiveLock);
	purge->got_log = true;
	list = list_own_partitions(log->rel);
	log_close(log, NoLock);
	for (int i = 0; i < list->n; i++)
	{
		Partition  *item = &list->items[i];
		char	   *name;
		int64		rows;

		if (item->oid != purge->partition || !is_inside(purge, item))
			continue;
		lock_to_drop(list, item);
		name = qualified_name(item->oid);
		rows = rows_to_drop(purge);
		drop_partition(purge->log, list, item);
		if (item->upper > GetCurrentTimestamp())
			(void) create_partition(purge->log, item->lower, item->upper);
		purge->deleted += rows;
		purge->dropped += rows;
		ereport(NOTICE,
				(errmsg("purged %lld events with partition %s",
						(long long) rows, name),
				 errdetail("That is %d of %d partitions inside the window.",
						   purge->nth, purge->ninside)));
	}
}

/*
 * may_drop: does the purge choose whatever a partition holds, and may it drop?
 */
bool
may_drop(const Purge *purge)
{
	return purge->as_owner && purge->filter.only_window &&
		check_enable_rls(purge->log, purge->target.owner, true) != RLS_ENABLED;
}

/*
 * list_to_drop: a step: what the log consists of, into purge->list.
 */
static void
list_to_drop(void *arg)
{
	Purge	   *purge = arg;
	EventLog   *log = log_open_owned(purge->log, AccessShareLock);
	MemoryContext outer = MemoryContextSwitchTo(purge->context);

	purge->list = list_own_partitions(log->rel);
	MemoryContextSwitchTo(outer);
	log_close(log, NoLock);
}

/*
 * drop_one: drop a partition that lies inside the window, in a transaction of
 * its own.
 */
static StepResult
drop_one(Purge *purge, const Partition *item)
{
	StepResult	result;

	purge->partition = item->oid;
	purge->ahead = item->upper > GetCurrentTimestamp();
	result = attempt(&purge->target, look_at_purged, purge,
					 "look at a purged partition");
	SPI_commit();
	if (result != STEP_TAKEN || !purge->may_drop)
		return result;
	result = attempt(&purge->target, drop_purged, purge,
					 "drop a purged partition");
	SPI_commit();
	return result;
}

/*
 * drop_inside: drop what lies wholly inside the window, one partition a
 * transaction.  What cannot be locked soon is left to the batches: all of it, if
 * that is the log itself.
 */
void
drop_inside(Purge *purge)
{
	PartitionList *list;

	(void) attempt(&purge->target, list_to_drop, purge,
				   "look at the partitions");
	SPI_commit();
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
			drop_one(purge, item) == STEP_LOCKED && !purge->got_log)
			break;
	}
	if (list != NULL)
		free_partitions(list);
}
