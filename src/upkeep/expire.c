/*
 * expire.c
 *		Removing events that a log's retention no longer keeps: dropping
 *		partitions, and deleting single events from the default partition
 *		and from partitions that other tables refer to.
 */
#include "upkeep/upkeep.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#define EXPIRE_BATCH	10000
#define REFERRED_BATCH	1000	/* if foreign keys must be checked */

/*
 * expired_item: a partition if it still exists and has expired; else NULL.
 */
static const Partition *
expired_item(const Upkeep *upkeep, Oid partition)
{
	const Partition *item = partition_with_oid(upkeep->target.partitions,
											   partition);
	TimestampTz expiry = partition_expiry(&upkeep->target.settings,
										  GetCurrentTimestamp());

	return item != NULL && item->upper <= expiry ? item : NULL;
}

/*
 * drop_expired: drop a partition, or detach it, if it has expired.  If foreign
 * keys refer to the log, only the first one of a step was examined
 * (keep_referred).  A step detaches one.
 */
static bool
drop_expired(void *arg, Oid partition, bool first)
{
	Upkeep	   *upkeep = arg;
	const Partition *item = expired_item(upkeep, partition);
	char	   *name;

	if (item == NULL)
		return first;
	if (!first && (upkeep->has_keys || upkeep->target.settings.detaches))
		return false;
	name = qualified_name(item->oid);
	if (upkeep->target.settings.detaches)
	{
		detach_partition(upkeep->target.log, upkeep->target.partitions, item,
						 upkeep->target.settings.archive_schema);
		ereport(NOTICE,
				(errmsg("detached expired partition %s of %s to %s", name,
						utc_literal(item->lower), utc_literal(item->upper)),
				 errdetail("It is table %s now.", qualified_name(item->oid))));
		return true;
	}
	drop_partition(upkeep->target.log, upkeep->target.partitions, item);
	drop_note(&upkeep->run, item, name, 0);
	return true;
}

/*
 * drop_some: a step that drops partitions from the first one of upkeep->run
 * on, if they have expired.
 */
static void
drop_some(void *arg)
{
	Upkeep	   *upkeep = arg;

	drop_together(&upkeep->run, &upkeep->target, drop_expired, upkeep);
}

/*
 * find_references: a step that checks whether other tables refer to events of
 * upkeep->partition.
 */
static void
find_references(void *arg)
{
	Upkeep	   *upkeep = arg;

	if (expired_item(upkeep, upkeep->partition) != NULL)
		upkeep->referred = foreign_key_is_used(upkeep->partition,
											   foreign_key_list(upkeep->partition));
}

/*
 * delete_sql: DELETE expired events of a table that no foreign key protects; a
 * batch of them, by ctid, if it is an ordinary table.
 */
static char *
delete_sql(Oid relid, TimestampTz expiry)
{
	List	   *keys = foreign_key_list(relid);
	char	   *name = qualified_name(relid);
	StringInfoData rows;

	initStringInfo(&rows);
	appendStringInfo(&rows, "e.occurred_at OPERATOR(pg_catalog.<) '%s'",
					 utc_literal(expiry));
	foreign_key_append_unreferred(&rows, keys);
	if (get_rel_relkind(relid) != RELKIND_RELATION || is_distributed(relid))
		return psprintf("DELETE FROM %s e WHERE %s", name, rows.data);
	return psprintf("DELETE FROM ONLY %s WHERE ctid OPERATOR(pg_catalog.=) ANY"
					" (ARRAY(SELECT e.ctid FROM ONLY %s e WHERE %s LIMIT %d))",
					name, name, rows.data,
					keys != NIL ? REFERRED_BATCH : EXPIRE_BATCH);
}

/*
 * delete_expired: a step that deletes a batch of expired events from
 * upkeep->partition, the default or an expired one.
 */
static void
delete_expired(void *arg)
{
	Upkeep	   *upkeep = arg;
	const LogSettings *settings = &upkeep->target.settings;
	TimestampTz expiry =
		Min(partition_expiry(settings, GetCurrentTimestamp()),
			partition_expiry(settings, upkeep->now));

	upkeep->rows = 0;
	upkeep->referred = false;
	if (!TIMESTAMP_IS_NOBEGIN(expiry) && !settings->detaches &&
		(upkeep->partition == upkeep->target.partitions->default_oid ||
		 expired_item(upkeep, upkeep->partition) != NULL))
	{
		upkeep->rows = delete_shipped(delete_sql(upkeep->partition, expiry));
		upkeep->referred = upkeep->rows == 0 && upkeep->has_keys &&
			time_scan_finds_rows(upkeep->partition, EVENT_MIN_TIME, expiry);
	}
}

/*
 * most_batches: how many batches the rows of a table can fill.
 *
 * Code of the owner that inserts rows while others are deleted must not keep
 * upkeep busy forever.
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
 * count_batches: a step that sets upkeep->max_batches.
 */
static void
count_batches(void *arg)
{
	Upkeep	   *upkeep = arg;

	upkeep->max_batches = most_batches(upkeep->partition, REFERRED_BATCH);
}

/*
 * delete_all_expired: delete the expired events of one table in batches, and
 * report how many.
 */
static void
delete_all_expired(Upkeep *upkeep, Oid partition)
{
	int64		expired = 0;

	upkeep->partition = partition;
	upkeep->max_batches = 0;
	upkeep->referred = false;
	(void) run_upkeep_step(&upkeep->target, NoLock, count_batches, upkeep,
						   "could not delete expired events of log %s");
	for (int64 i = upkeep->max_batches; i > 0; i--)
	{
		CHECK_FOR_INTERRUPTS();
		upkeep->rows = 0;
		(void) run_upkeep_step(&upkeep->target, RowExclusiveLock,
							   delete_expired, upkeep,
							   "could not delete expired events of log %s");
		if (upkeep->rows == 0)
			break;
		expired += upkeep->rows;
	}
	if (expired == 0)
		return;
	if (get_rel_name(partition) == NULL)
		ereport(NOTICE,
				(errmsg("deleted %lld expired events from a partition that was dropped",
						(long long) expired)));
	else
		ereport(NOTICE,
				(errmsg("deleted %lld expired events from partition %s",
						(long long) expired, qualified_name(partition))));
}

/*
 * report_referred: report that expired events of upkeep->partition are kept.
 */
static void
report_referred(const Upkeep *upkeep)
{
	if (get_rel_name(upkeep->partition) == NULL ||
		get_rel_name(upkeep->target.log) == NULL)
		return;
	ereport(WARNING,
			(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
			 errmsg("expired events of partition %s were kept: other tables refer to them",
					qualified_name(upkeep->partition)),
			 errdetail("Foreign keys: %s.",
					   foreign_key_list_names(foreign_key_list(upkeep->target.log))),
			 errhint("Delete the rows that refer to them.")));
}

/*
 * upkeep_expire_default: delete expired events of the default partition.  A
 * log that detaches what has expired has them moved instead, and loses none.
 */
void
upkeep_expire_default(Upkeep *upkeep)
{
	if (OidIsValid(upkeep->list->default_oid) &&
		!upkeep->target.settings.detaches &&
		!TIMESTAMP_IS_NOBEGIN(partition_expiry(&upkeep->target.settings,
											   upkeep->now)))
	{
		delete_all_expired(upkeep, upkeep->list->default_oid);
		if (upkeep->referred)
			report_referred(upkeep);
	}
}

/*
 * drop_failure: the beginning of a WARNING.
 */
static const char *
drop_failure(const Upkeep *upkeep)
{
	return upkeep->target.settings.detaches ?
		"could not detach an expired partition of log %s" :
		"could not drop an expired partition of log %s";
}

/*
 * keep_referred: if rows refer to events of upkeep->partition, delete the
 * other events, unless expired events are to be kept; STEP_TAKEN if nothing
 * refers to it any more.
 */
static StepResult
keep_referred(Upkeep *upkeep)
{
	for (bool deleted = false;; deleted = true)
	{
		StepResult	result;

		upkeep->referred = false;
		result = run_upkeep_step(&upkeep->target, AccessShareLock,
								 find_references, upkeep,
								 drop_failure(upkeep));
		if (result != STEP_TAKEN || !upkeep->referred)
			return result;
		if (deleted || upkeep->target.settings.detaches)
			break;
		delete_all_expired(upkeep, upkeep->partition);
	}
	report_referred(upkeep);
	return STEP_FAILED;
}

/*
 * expire_from: drop expired partitions from a given one on, if that is
 * possible; sets upkeep->run.n to the number that are done with.
 */
static StepResult
expire_from(Upkeep *upkeep, int first)
{
	DropRun    *run = &upkeep->run;
	StepResult	result = STEP_TAKEN;

	upkeep->partition = upkeep->list->items[first].oid;
	run->first = first;
	run->n = 0;
	if (upkeep->has_keys)
		result = keep_referred(upkeep);
	if (result == STEP_TAKEN)
		result = drop_in_step(run, &upkeep->target, drop_some, upkeep,
							  drop_failure(upkeep));
	for (int i = 0; result == STEP_TAKEN && i < run->ndropped; i++)
		ereport(NOTICE,
				(errmsg("dropped expired partition %s of %s to %s",
						run->dropped[i].name,
						utc_literal(run->dropped[i].lower),
						utc_literal(run->dropped[i].upper))));
	return result;
}

/*
 * upkeep_expire_partitions: drop expired partitions by their real bounds,
 * oldest first.
 *
 * If one cannot be locked, later ones still are dropped, unless it is the log
 * itself that cannot be locked.
 */
void
upkeep_expire_partitions(Upkeep *upkeep)
{
	PartitionList *list = upkeep->list;
	TimestampTz expiry =
		partition_expiry(&upkeep->target.settings, upkeep->now);

	upkeep->run.list = list;
	upkeep->run.context = upkeep->context;
	for (int i = 0; i < list->n && list->items[i].upper <= expiry;
		 i += Max(upkeep->run.n, 1))
	{
		CHECK_FOR_INTERRUPTS();
		if (expire_from(upkeep, i) == STEP_LOCKED &&
			!upkeep->target.log_locked)
			break;
	}
}
