/*
 * owned.c
 *		The extension's own tables, read and written as the extension's owner.
 *
 * Two ways: kept statements of our own, and scans by an index.  No role but the
 * extension's owner and the role that made the extension has rights on these
 * tables, so whoever calls these functions has checked what the caller may do.
 */
#include "queue/queue.h"

#include "access/stratnum.h"
#include "access/table.h"
#include "utils/fmgroids.h"

/*
 * kept_plan: a statement of our own, prepared once a session.
 */
static SPIPlanPtr
kept_plan(SPIPlanPtr *plan, const char *sql, int nargs, const Oid *types)
{
	if (*plan == NULL)
	{
		SPIPlanPtr	made = SPI_prepare(sql, nargs, (Oid *) types);

		if (made == NULL || SPI_keepplan(made) != 0)
			elog(ERROR, "could not prepare: %s", sql);
		*plan = made;
	}
	return *plan;
}

/*
 * run_owned: run such a statement as the extension's owner; how many rows.
 * Within SPI.
 *
 * Its text is ours and everything in it is qualified: what a caller brings
 * comes as parameters.  Each is made for an index, and shall use it also while
 * the queue has no statistics, or those of when it was empty: a sort of all
 * that is owed at each fetch would be the plan then.
 */
int64
run_owned(SPIPlanPtr *plan, const char *sql, int nargs, const Oid *types,
		  Datum *values, const char *nulls)
{
	Identity	self;
	int			result;

	eventlog_require_name();
	become(&self, eventlog_owner());
	set_locally("enable_seqscan", "off");
	set_locally("enable_bitmapscan", "off");
	set_locally("enable_sort", "off");
	set_locally("plan_cache_mode", "force_generic_plan");
	result = SPI_execute_plan(kept_plan(plan, sql, nargs, types), values, nulls,
							  false, 0);
	if (result < 0)
		elog(ERROR, "SPI_execute_plan failed: %s: %s",
			 SPI_result_code_string(result), sql);
	become_again(&self);
	return SPI_processed;
}

/*
 * owned_scan: the rows of a table whose column, the index's first, has this
 * value, in the order of the index.  NULL when there is no such table, as while
 * the extension is being dropped.  A snapshot of NULL is a fresh one.
 */
SysScanDesc
owned_scan(Relation *rel, const char *table, const char *index,
		   AttrNumber column, int value, Snapshot snapshot)
{
	Oid			relid = eventlog_relation_oid(table);
	Oid			index_oid = eventlog_relation_oid(index);
	ScanKeyData key;

	*rel = OidIsValid(relid) ? table_open(relid, AccessShareLock) : NULL;
	if (*rel == NULL)
		return NULL;
	ScanKeyInit(&key, column, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(value));
	return systable_beginscan(*rel, index_oid, OidIsValid(index_oid), snapshot,
							  1, &key);
}

void
owned_scan_end(SysScanDesc scan, Relation rel)
{
	if (scan == NULL)
		return;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}
