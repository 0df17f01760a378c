/*
 * reference.c
 *		Foreign keys that refer to a log: what they allow upkeep to drop and to
 *		delete.
 *
 * DROP TABLE refuses a partition of a table that foreign keys refer to,
 * whether or not a row refers to it; DETACH PARTITION refuses only the
 * latter.  So such a partition is detached and then dropped.  Where a row
 * refers to one of its events, the other events are deleted: by DELETE, so
 * that ON DELETE CASCADE and SET NULL do what they say, but for events that
 * NO ACTION and RESTRICT keep.
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
 * operator_sql: an operator, for SQL in any search_path.
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
 * refers_sql: the condition that a row of the referring table refers to the
 * event e.
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
 * constraints_to: the Oids of the foreign keys that refer to a table.
 *
 * By the triggers that they have there: pg_constraint has no index for this,
 * and upkeep asks for each partition.
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
 * foreign_key: what a constraint says, if it is a foreign key that refers to a
 * table, else NULL.
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
 * foreign_key_list: the foreign keys that refer to a table, in the order in
 * which they were made.
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
 * require_readable: an error with a hint where the log's owner may not read a
 * referring table, which PostgreSQL asks for in DETACH PARTITION too.
 */
static void
require_readable(const ForeignKey *key)
{
	Oid			schema = get_rel_namespace(key->referrer);
	Oid			user = GetUserId();

	if (!OidIsValid(schema))
		return;					/* dropped meanwhile */
	if (compat_schema_aclcheck(schema, user) == ACLCHECK_OK &&
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
 * foreign_key_append_unreferred: AND, that no foreign key refuses the DELETE
 * of event e.
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
