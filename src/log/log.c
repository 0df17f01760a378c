/*
 * log.c
 *		A log: a table that belongs to a user, is partitioned by range of
 *		occurred_at, has the columns of an event, and carries its
 *		settings.
 *
 * Anybody can make a table look like a log.  So its shape and its settings are
 * checked each time a log is opened. damage.c explains what is wrong with a
 * damaged log; create.c creates logs.
 */
#include "log/log.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_trigger.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"

/*
 * log_trigger_functions: the functions of a log's triggers.
 */
static void
log_trigger_functions(Oid *functions)
{
	functions[0] = eventlog_trigger_function(SETTINGS_FUNCTION);
	functions[1] = eventlog_trigger_function("_fill");
	functions[2] = eventlog_trigger_function("_owe");
}

/*
 * has_log_columns: does a table have the columns of an event, with NOT NULL
 * where readers rely on it?  Also gives their attribute numbers.
 *
 * Readers never find a null in those columns, even if somebody made the table
 * look like a log: a partition cannot drop a NOT NULL of its parent.
 */
static bool
has_log_columns(Relation rel, AttrNumber *attnum)
{
	TupleDesc	desc = RelationGetDescr(rel);

	if (!event_map_columns(desc, attnum))
		return false;
	for (int col = 0; col < EVENT_NCOLUMNS; col++)
	{
		if (event_columns[col].not_null && col != EVENT_CREATED_AT &&
			!TupleDescAttr(desc, attnum[col] - 1)->attnotnull)
			return false;
	}
	return true;
}

/*
 * shape_of_log: fill in *log; false if rel is not a log.
 */
static bool
shape_of_log(Relation rel, EventLog *log)
{
	log->oid = RelationGetRelid(rel);
	log->owner = rel->rd_rel->relowner;
	log->rel = rel;
	return rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE &&
		rel->rd_rel->relpersistence != RELPERSISTENCE_TEMP &&
		settings_find(rel, &log->settings) == SETTINGS_FOUND &&
		has_log_columns(rel, log->attnum) &&
		partition_is_by_time(rel, log->attnum[EVENT_OCCURRED_AT]);
}

/*
 * log_try_open: open a log; NULL if the table is not a log, or was dropped.
 */
EventLog *
log_try_open(Oid relid, LOCKMODE lockmode)
{
	EventLog   *log;
	Relation	rel = try_relation_open(relid, lockmode);

	if (rel == NULL)
		return NULL;
	log = palloc0(sizeof(EventLog));
	if (shape_of_log(rel, log))
		return log;
	relation_close(rel, lockmode);
	pfree(log);
	return NULL;
}

/*
 * log_has_trigger: does a table have any of a log's triggers, so that it is or
 * was meant to be a log?
 */
bool
log_has_trigger(Relation rel)
{
	Oid			functions[3];
	TriggerDesc *triggers;

	log_trigger_functions(functions);
	triggers = rel->trigdesc;	/* no catalog access from here on */
	for (int i = 0; triggers && i < triggers->numtriggers; i++)
	{
		for (int j = 0; j < lengthof(functions); j++)
		{
			if (OidIsValid(functions[j]) &&
				triggers->triggers[i].tgfoid == functions[j])
				return true;
		}
	}
	return false;
}

/*
 * refuse_relation: raise an error for a table that is not a log; for a damaged
 * log, it says what is wrong.
 */
static void
refuse_relation(Relation rel)
{
	char	   *reason = NULL;

	if (rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE &&
		log_has_trigger(rel))
		reason = damage_describe_fatal(RelationGetRelid(rel));
	if (reason)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("log \"%s\" is damaged: %s",
						RelationGetRelationName(rel), reason),
				 errhint("Call eventlog.create_log with the name of the log to repair what can be repaired.")));
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("\"%s\" is not a log", RelationGetRelationName(rel)),
			 errhint("Logs are created by eventlog.create_log and listed in the view eventlog.logs.")));
}

/*
 * log_open: open a log; an error if the table is not a log.
 *
 * Checks no privileges: callers that read or write without SQL must do so.
 */
EventLog *
log_open(Oid relid, LOCKMODE lockmode)
{
	EventLog   *log = palloc0(sizeof(EventLog));
	Relation	rel = try_relation_open(relid, lockmode);

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("log with OID %u does not exist", relid)));
	if (!shape_of_log(rel, log))
		refuse_relation(rel);
	return log;
}

/*
 * log_close: close a log, and release the lock unless lockmode is NoLock.
 */
void
log_close(EventLog *log, LOCKMODE lockmode)
{
	relation_close(log->rel, lockmode);
	pfree(log);
}

/*
 * log_require_usage: raise an error unless the current role has USAGE on a
 * table's schema, as it would need to name the table in a statement.
 */
void
log_require_usage(Oid relid)
{
	Oid			schema = get_rel_namespace(relid);
	AclResult	acl;

	if (!OidIsValid(schema))
		return;					/* opening the table will fail */
	acl = compat_schema_aclcheck(schema, GetUserId(), ACL_USAGE);
	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, OBJECT_SCHEMA, get_namespace_name(schema));
}

/*
 * log_resolve: the log in argument argno, or else eventlog.default_log.  The
 * caller must be able to name it in SQL.
 */
Oid
log_resolve(FunctionCallInfo fcinfo, int argno)
{
	RangeVar   *name;
	Oid			relid;

	if (!PG_ARGISNULL(argno))
	{
		log_require_usage(PG_GETARG_OID(argno));
		return PG_GETARG_OID(argno);
	}
	name = makeRangeVarFromNameList(compat_name_list(eventlog_default_log));
	relid = RangeVarGetRelid(name, NoLock, true);
	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("log \"%s\" does not exist", eventlog_default_log),
				 errdetail("It is the value of eventlog.default_log."),
				 errhint("Create it with SELECT eventlog.create_log(%s).",
						 quote_literal_cstr(eventlog_default_log))));
	return relid;
}

/*
 * log_list_all: the OIDs of all logs in this database, including damaged ones:
 * all partitioned tables that have a log's trigger of their own.
 */
List *
log_list_all(void)
{
	List	   *found = NIL;
	List	   *result = NIL;
	ListCell   *cell;
	Oid			functions[3];
	Relation	rel;
	SysScanDesc scan;
	HeapTuple	tuple;

	log_trigger_functions(functions);
	rel = table_open(TriggerRelationId, AccessShareLock);
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);

		if (!OidIsValid(trigger->tgparentid) &&
			(trigger->tgfoid == functions[0] ||
			 trigger->tgfoid == functions[1] ||
			 trigger->tgfoid == functions[2]))
			found = lappend_oid(found, trigger->tgrelid);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);

	list_sort(found, list_oid_cmp);
	list_deduplicate_oid(found);
	foreach(cell, found)
	{
		if (get_rel_relkind(lfirst_oid(cell)) == RELKIND_PARTITIONED_TABLE)
			result = lappend_oid(result, lfirst_oid(cell));
	}
	return result;
}
