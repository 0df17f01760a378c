/*
 * reference.c
 *		Foreign keys that refer to a log, and what they allow upkeep to
 *		delete.
 *
 * DROP TABLE refuses to drop a partition of a table that foreign keys refer
 * to, even if no row refers to it; DETACH PARTITION refuses only if a row
 * does.  So such a partition is detached and then dropped.  If rows refer to
 * some of its events, the other events are deleted instead.  This is done by
 * DELETE, so that ON DELETE CASCADE and SET NULL take effect, and spares
 * events that NO ACTION or RESTRICT protect.
 */
#include "log/log.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/*
 * operator_sql: an operator, for SQL under any search_path.
 */
static char *
operator_sql(Oid oid)
{
	HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(oid));
	Form_pg_operator operator;
	char	   *sql;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", oid);
	operator = (Form_pg_operator) GETSTRUCT(tuple);
	sql = psprintf("OPERATOR(%s.%s)",
				   quote_identifier(get_namespace_name(operator->oprnamespace)),
				   NameStr(operator->oprname));
	ReleaseSysCache(tuple);
	return sql;
}

/*
 * refers_sql: the condition that a row of the referring table refers to event
 * e.
 */
static char *
refers_sql(HeapTuple tuple)
{
	Form_pg_constraint constraint = (Form_pg_constraint) GETSTRUCT(tuple);
	AttrNumber	conkey[INDEX_MAX_KEYS];
	AttrNumber	confkey[INDEX_MAX_KEYS];
	Oid			operators[INDEX_MAX_KEYS];
	StringInfoData sql;
	int			n;

	DeconstructFkConstraintRow(tuple, &n, conkey, confkey, operators, NULL,
							   NULL, NULL, NULL);
	initStringInfo(&sql);
	appendStringInfo(&sql, "EXISTS (SELECT FROM %s f WHERE ",
					 qualified_name(constraint->conrelid));
	for (int i = 0; i < n; i++)
	{
		char	   *key = get_attname(constraint->confrelid, confkey[i], false);
		char	   *column = get_attname(constraint->conrelid, conkey[i], false);

		appendStringInfo(&sql, "%se.%s %s f.%s", i > 0 ? " AND " : "",
						 quote_identifier(key), operator_sql(operators[i]),
						 quote_identifier(column));
	}
	appendStringInfoChar(&sql, ')');
	return sql.data;
}

/*
 * constraints_to: the OIDs of the foreign keys that refer to a table.
 *
 * Found by the triggers that foreign keys have on it: pg_constraint has no
 * index for this, and upkeep asks for each partition.
 */
static List *
constraints_to(Oid relid)
{
	Relation	rel = table_open(TriggerRelationId, AccessShareLock);
	List	   *result = NIL;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, TriggerRelidNameIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);

		if (OidIsValid(trigger->tgconstraint))
			result = list_append_unique_oid(result, trigger->tgconstraint);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	list_sort(result, list_oid_cmp);
	return result;
}

/*
 * foreign_key: a constraint as a ForeignKey if it is one that refers to a
 * table; else NULL.
 */
static ForeignKey *
foreign_key(Oid constraint, Oid relid)
{
	HeapTuple	tuple = SearchSysCacheCopy1(CONSTROID,
											ObjectIdGetDatum(constraint));
	Form_pg_constraint form;
	ForeignKey *key;

	if (!HeapTupleIsValid(tuple))
		return NULL;
	form = (Form_pg_constraint) GETSTRUCT(tuple);
	if (form->contype != CONSTRAINT_FOREIGN || form->confrelid != relid ||
		get_rel_name(form->conrelid) == NULL)
		return NULL;
	key = palloc(sizeof(ForeignKey));
	key->name = pstrdup(NameStr(form->conname));
	key->referrer = form->conrelid;
	key->blocks = form->confdeltype == FKCONSTR_ACTION_NOACTION ||
		form->confdeltype == FKCONSTR_ACTION_RESTRICT;
	key->refers = refers_sql(tuple);
	return key;
}

/*
 * foreign_key_list: the foreign keys that refer to a table, in order of
 * creation.
 */
List *
foreign_key_list(Oid relid)
{
	List	   *result = NIL;
	ListCell   *cell;

	foreach(cell, constraints_to(relid))
	{
		ForeignKey *key = foreign_key(lfirst_oid(cell), relid);

		if (key != NULL)
			result = lappend(result, key);
	}
	return result;
}

/*
 * require_readable: raise an error, with a hint, if the log's owner may not
 * read a referring table.  PostgreSQL requires that for DETACH PARTITION, too.
 */
static void
require_readable(const ForeignKey *key)
{
	Oid			schema = get_rel_namespace(key->referrer);
	Oid			user = GetUserId();

	if (!OidIsValid(schema))
		return;					/* dropped concurrently */
	if (compat_schema_aclcheck(schema, user, ACL_USAGE) == ACLCHECK_OK &&
		(pg_class_aclcheck(key->referrer, user, ACL_SELECT) == ACLCHECK_OK ||
		 pg_attribute_aclcheck_all(key->referrer, user, ACL_SELECT,
								   ACLMASK_ANY) == ACLCHECK_OK))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for table %s, which refers to the events",
					qualified_name(key->referrer)),
			 errhint("Grant SELECT on %s, and USAGE on its schema, to %s.",
					 qualified_name(key->referrer),
					 quote_identifier(GetUserNameFromId(user, false)))));
}

/*
 * foreign_key_append_unreferred: append the conditions that no foreign key
 * prevents the DELETE of event e, each with AND before it.
 */
void
foreign_key_append_unreferred(StringInfo sql, List *keys)
{
	ListCell   *cell;

	foreach(cell, keys)
	{
		const ForeignKey *key = lfirst(cell);

		if (!key->blocks)
			continue;
		require_readable(key);
		appendStringInfo(sql, " AND NOT %s", key->refers);
	}
}

/*
 * foreign_key_is_used: does any row refer to an event of a partition?  Within
 * SPI.
 */
bool
foreign_key_is_used(Oid partition, List *keys)
{
	ListCell   *cell;

	foreach(cell, keys)
	{
		const ForeignKey *key = lfirst(cell);

		require_readable(key);
		run_sql(psprintf("SELECT FROM %s e WHERE %s LIMIT 1",
						 qualified_name(partition), key->refers),
				SPI_OK_SELECT);
		if (SPI_processed > 0)
			return true;
	}
	return false;
}

/*
 * foreign_key_list_names: for people: "a" of t, "b" of u.
 */
char *
foreign_key_list_names(List *keys)
{
	StringInfoData names;
	ListCell   *cell;

	initStringInfo(&names);
	foreach(cell, keys)
	{
		const ForeignKey *key = lfirst(cell);

		appendStringInfo(&names, "%s\"%s\" of %s", names.len > 0 ? ", " : "",
						 key->name, get_rel_name(key->referrer) ?
						 qualified_name(key->referrer) : "a dropped table");
	}
	return names.data;
}
