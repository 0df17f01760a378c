/*
 * role.c
 *		Acting as another role: the owner of a log or a subscription, or
 *		the extension's owner.
 *
 * The extension's own tables are read and written as the extension's owner, in
 * two ways: by saved plans of our own statements, and by index scans.  Only
 * the extension's owner and the role that created the extension have
 * privileges on these tables, so callers of these functions must have checked
 * what the user may do.
 */
#include "eventlog.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/pg_namespace.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/syscache.h"

/*
 * relation_owner: the role that owns a table; InvalidOid if the table is gone.
 */
Oid
relation_owner(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/*
 * eventlog_owner: the role that owns the extension's objects.
 */
Oid
eventlog_owner(void)
{
	Oid			schema = eventlog_schema_oid();
	HeapTuple	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for namespace %u", schema);
	owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	ReleaseSysCache(tuple);
	return owner;
}

/*
 * switch_user: act as another role until restore_user(), as VACUUM does.
 *
 * This is a security-restricted operation with an empty search_path: code of
 * that role that runs meanwhile (triggers, CHECK functions, index expressions)
 * runs with that role's privileges and cannot escape them.  Settings made with
 * set_local() are undone at the end.  An error ends it, too, with its
 * (sub)transaction.  Must not span a commit.
 */
void
switch_user(Identity *saved, Oid user)
{
	GetUserIdAndSecContext(&saved->user, &saved->context);
	SetUserIdAndSecContext(user, saved->context |
						   SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	saved->guc_level = NewGUCNestLevel();
	set_local("search_path", "pg_catalog, pg_temp");
}

/*
 * restore_user: undo switch_user().
 */
void
restore_user(const Identity *saved)
{
	AtEOXact_GUC(false, saved->guc_level);
	SetUserIdAndSecContext(saved->user, saved->context);
}

/*
 * set_local: change a setting until the innermost GUC nest level ends.
 */
void
set_local(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/*
 * run_owned: run one of our own statements as the extension's owner; returns
 * the number of rows.  Within SPI.
 *
 * The text is constant and everything in it is qualified; what a caller
 * provides comes as parameters.  Each statement is written for an index and
 * must use it even if the queue has no statistics, or stale ones from when it
 * was empty: otherwise each fetch could sort the whole queue.
 */
int64
run_owned(SPIPlanPtr *plan, const char *sql, int nargs, const Oid *types,
		  Datum *values, const char *nulls)
{
	Identity	self;
	int			result;

	eventlog_require_name();
	switch_user(&self, eventlog_owner());
	set_local("enable_seqscan", "off");
	set_local("enable_bitmapscan", "off");
	set_local("enable_sort", "off");
	set_local("plan_cache_mode", "force_generic_plan");
	result = SPI_execute_plan(kept_plan(plan, sql, nargs, types), values, nulls,
							  false, 0);
	if (result < 0)
		elog(ERROR, "SPI_execute_plan failed: %s: %s",
			 SPI_result_code_string(result), sql);
	restore_user(&self);
	return SPI_processed;
}

/*
 * begin_owned_scan: scan the rows of one of our tables in which a column, the
 * first one of the index, has this value, in index order.
 *
 * Returns NULL if the table does not exist, as while the extension is being
 * dropped.  A NULL snapshot means a fresh one.
 */
SysScanDesc
begin_owned_scan(Relation *rel, const char *table, const char *index,
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
end_owned_scan(SysScanDesc scan, Relation rel)
{
	if (scan == NULL)
		return;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}
