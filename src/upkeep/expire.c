/*
 * expire.c
 *		Events that the log's retention keeps no longer: partitions dropped, and
 *		single events deleted where other tables refer to a partition, and from
 *		the default one.
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
#define REFERRED_BATCH	1000	/* where foreign keys are looked at */

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
void
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
void
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
