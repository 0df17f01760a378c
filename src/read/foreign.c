/*
 * foreign.c
 *		Statements that have each foreign partition of a log count its own
 *		events.
 *
 * PostgreSQL counts the rows of a partitioned table above its partitions, so
 * all events of a foreign one would have to come here.  Counted partition by
 * partition, each by a statement of its own that the partitions' counts are
 * added up from, the other server counts them.
 */
#include "read/read.h"

#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"

/*
 * may_name: may the caller read a partition under its own name, and sees there
 * what the log shows?
 */
static bool
may_name(Oid partition)
{
	return pg_class_aclcheck(partition, GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
		check_enable_rls(partition, InvalidOid, true) != RLS_ENABLED;
}

static void
append_part(StringInfo sql, Oid partition, const Filter *filter,
			const char *columns, const char *group)
{
	appendStringInfo(sql, "%sSELECT %s FROM %s e WHERE true",
					 sql->len > 0 ? " UNION ALL " : "", columns,
					 qualified_name(partition));
	filter_to_sql(filter, sql);
	appendStringInfoString(sql, group);
}

/*
 * parts_sql: the answers of all partitions in the filter's window to a SELECT
 * of these columns with that GROUP BY, as a statement; NULL when no partition
 * is foreign, or the caller may not name them all.
 */
char *
parts_sql(const EventLog *log, const Filter *filter, const char *columns,
		  const char *group)
{
	PartitionList *list = partitions_to_read(log);
	StringInfoData sql;
	bool		any = false;

	if (is_distributed(log->oid) || eventlog_scan_method == SCAN_SQL ||
		check_enable_rls(log->oid, InvalidOid, true) == RLS_ENABLED)
		return NULL;
	initStringInfo(&sql);
	for (int i = -1; i < list->n; i++)
	{
		Oid			partition = i < 0 ? list->default_oid : list->items[i].oid;

		if (!OidIsValid(partition) ||
			(i >= 0 && (list->items[i].upper <= filter->since ||
						list->items[i].lower >= filter->before)))
			continue;
		if (!may_name(partition))
			return NULL;
		any |= get_rel_relkind(partition) == RELKIND_FOREIGN_TABLE;
		append_part(&sql, partition, filter, columns, group);
	}
	return any ? sql.data : NULL;
}
