/*
 * role.c
 *		Acting as another role: as whoever owns a log or a subscription, and as
 *		the extension's owner.
 *
 * The extension's own tables are read and written as the extension's owner,
 * in two ways: kept statements of our own, and scans by an index.  No role
 * but the extension's owner and the role that made the extension has rights
 * on these tables, so whoever calls these functions has checked what the
 * caller may do.
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
 * switch_user: act as user until restore_user(), as VACUUM does.
 *
 * In a security-restricted context with an empty path: whatever code of that
 * role runs meanwhile (triggers, CHECK functions, index expressions) runs with
 * that role's rights and cannot get out of them.  Settings changed meanwhile
 * with set_local() end with it.  An error ends it too, with its
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
 * restore_user: be who one was before switch_user().
 */
void
restore_user(const Identity *saved)
{
	AtEOXact_GUC(false, saved->guc_level);
	SetUserIdAndSecContext(saved->user, saved->context);
}

/*
 * set_local: a setting for the innermost GUC nest level.
 */
void
set_local(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

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
 * begin_owned_scan: the rows of a table whose column, the index's first, has
 * this value, in the order of the index.  NULL when there is no such table,
 * as while the extension is being dropped.  A snapshot of NULL is a fresh
 * one.
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
