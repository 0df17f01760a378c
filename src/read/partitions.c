/*
 * partitions.c
 *		What of a log is read, and by whom.
 *
 * The list of partitions is read when the default partition is locked: an
 * event that was moved out of it after the snapshot was taken is still seen
 * there.  Hence the default partition is always looked into, also for times
 * that have a partition by now.
 */
#include "read/read.h"

#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#define SEARCH_BLOCK	(1024 * 1024)

/*
 * partitions_to_read: what the log consists of, its default partition locked
 * to the end of the transaction.
 */
PartitionList *
partitions_to_read(const EventLog *log)
{
	PartitionList *list = partition_list(log->rel);
	Oid			locked = InvalidOid;

	while (list->default_oid != locked)
	{
		if (OidIsValid(locked))
			UnlockRelationOid(locked, AccessShareLock);
		locked = list->default_oid;
		if (OidIsValid(locked))
			LockRelationOid(locked, AccessShareLock);
		list = partition_list(log->rel);
	}
	return list;
}

/*
 * has_events_in: may a partition have events of a range that the active
 * snapshot sees?
 */
static bool
has_events_in(Oid partition, EventRange range)
{
	static const Filter any = {
		.max_level = LEVEL_CRITICAL,.since = DT_NOBEGIN,.before = DT_NOEND,
		.only_window = true
	};
	PartitionReader reader;
	FoundList	found = {.need = 1,.context = CurrentMemoryContext};

	if (!reader_open(&reader, partition, GetActiveSnapshot()))
		return true;
	if (reader.rel)
		find_newest(&reader, &any, &range, &found);
	reader_close(&reader);
	return found.n > 0;
}

/*
 * reach_default: make statements on the log look into its default partition,
 * too, until AtEOXact_GUC() is given the nest level that this returns.
 *
 * PostgreSQL leaves it out where other partitions take everything that a
 * statement asks for, and would miss events that were moved out of it after
 * the snapshot was taken.  As long as there are such, nothing is pruned.
 */
int
reach_default(const EventLog *log, TimestampTz lower, TimestampTz upper)
{
	PartitionList *list;
	int			level = NewGUCNestLevel();
	TimestampTz at = lower;
	EventRange	range = {.lower = lower};
	bool		bare = !ActiveSnapshotSet();	/* a procedure between its
												 * statements */

	if (is_distributed(log->oid))
		return level;			/* each shard has a default partition */
	list = partitions_to_read(log);
	range.upper.occurred_at = upper;
	if (bare)
		PushActiveSnapshot(GetTransactionSnapshot());
	if (OidIsValid(list->default_oid) && !partition_next_gap(list, upper, &at) &&
		has_events_in(list->default_oid, range))
	{
		set_local("enable_partition_pruning", "off");
		set_local("constraint_exclusion", "off");
	}
	if (bare)
		PopActiveSnapshot();
	return level;
}

/*
 * may_read_indexes: may the caller's events be read without SQL?
 */
bool
may_read_indexes(const EventLog *log)
{
	return eventlog_scan_method != SCAN_SQL && !is_distributed(log->oid) &&
		pg_class_aclcheck(log->oid, GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
		check_enable_rls(log->oid, InvalidOid, true) != RLS_ENABLED;
}

/*
 * append_partition: FROM a partition e, with a WHERE to which conditions can
 * be added with AND.
 *
 * From the partition itself, so that a foreign server does all of the work;
 * by way of the log where the caller has rights to that alone, or the
 * partition has policies of its own, which do not concern the log's readers.
 */
void
append_partition(StringInfo sql, const EventLog *log,
				 const Partition *partition)
{
	if (pg_class_aclcheck(partition->oid, GetUserId(),
						  ACL_SELECT) == ACLCHECK_OK &&
		check_enable_rls(partition->oid, InvalidOid, true) != RLS_ENABLED)
		appendStringInfo(sql, " FROM %s e WHERE true",
						 qualified_name(partition->oid));
	else
		appendStringInfo(sql,
						 " FROM %s e WHERE e.tableoid OPERATOR(pg_catalog.=) %u"
						 " AND e.occurred_at OPERATOR(pg_catalog.>=) '%s'::pg_catalog.timestamptz"
						 " AND e.occurred_at OPERATOR(pg_catalog.<) '%s'::pg_catalog.timestamptz",
						 qualified_name(log->oid), partition->oid,
						 utc_literal(partition->lower),
						 utc_literal(partition->upper));
}

/*
 * range_of_page: what is older than `after`, if that is given, and in the
 * filter's window.
 */
EventRange
range_of_page(const Filter *filter, const pg_uuid_t *after)
{
	EventRange	range = {.lower = filter->since};

	range.upper.occurred_at = filter->before;
	if (after)
	{
		EventKey	key;

		key.occurred_at = id_get_time(after);
		key.id = *after;
		if (compare_keys(&key, &range.upper) < 0)
			range.upper = key;
	}
	return range;
}

bool
partition_in_range(const Partition *partition, const EventRange *range)
{
	EventKey	first = {.occurred_at = partition->lower};

	return partition->upper > range->lower &&
		compare_keys(&first, &range->upper) < 0;
}

/*
 * create_search_context: for what is reset with each partition.
 *
 * An index scan takes 27 kB, which an allocation set would get from the
 * operating system and give back with each partition.
 */
MemoryContext
create_search_context(void)
{
	return GenerationContextCreate(CurrentMemoryContext, "eventlog search",
								   SEARCH_BLOCK, SEARCH_BLOCK, SEARCH_BLOCK);
}
