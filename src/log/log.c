/*
 * log.c
 *		A log: a table of the user's own that is partitioned by range of
 *		occurred_at, has the columns of an event, and carries the settings.
 *
 * The settings are the arguments of a trigger of the log, eventlog_settings:
 * so they follow it through rename, dump and restore, and go with it.  It is a
 * TRUNCATE trigger because such a one stands on the parent alone: to change
 * them touches no partition, and it costs no writer anything.  What has this
 * trigger (and the right shape) is a log; nothing else knows of it.
 *
 * Anybody can put such a trigger on a table of theirs, with any arguments.  So
 * the shape and the arguments are checked each time a log is opened.  What is
 * wrong with a damaged log is told by damage.c; logs are made in create.c.
 */
#include "log/log.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_partitioned_table.h"
#include "catalog/pg_trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

#define SETTINGS_TRIGGER	"eventlog_settings"
#define SETTINGS_FUNCTION	"_settings"
#define INTERVAL_FORMAT		"%d months %d days " INT64_FORMAT " microseconds"

/* bounds of the settings; such a retention lies in what a timestamp can be */
#define MIN_TIME_WIDTH		USECS_PER_MINUTE	/* as names tell */
#define MAX_KEEP_YEARS		1000
#define MAX_KEEP_DAYS		(MAX_KEEP_YEARS * 366)
#define MAX_PREMAKE			1000

PG_FUNCTION_INFO_V1(eventlog_settings);

/*
 * eventlog._settings(): a trigger for its arguments' sake.
 */
Datum
eventlog_settings(PG_FUNCTION_ARGS)
{
	return PointerGetDatum(NULL);
}

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
 * parse_interval: read back what format_interval() wrote, nothing else.
 */
static bool
parse_interval(const char *string, Interval *interval)
{
	int			end = 0;

	return sscanf(string, INTERVAL_FORMAT "%n", &interval->month,
				  &interval->day, &interval->time, &end) == 3 &&
		string[end] == '\0' && end > 0;
}

/*
 * parse_premake: likewise.
 */
static bool
parse_premake(const char *string, int *premake)
{
	int			end = 0;

	return sscanf(string, "%d%n", premake, &end) == 1 && string[end] == '\0';
}

/*
 * is_width, is_retention, is_premake: can the setting be kept to?
 */
static bool
is_width(const Interval *width)
{
	return is_grid(width) &&
		(width->month > 0 || width->day > 0 || width->time >= MIN_TIME_WIDTH);
}

static bool
is_retention(const Interval *keep)
{
	return keep->month >= 0 && keep->day >= 0 && keep->time >= 0 &&
		keep->month <= MAX_KEEP_YEARS * MONTHS_PER_YEAR &&
		keep->day <= MAX_KEEP_DAYS &&
		keep->time <= MAX_KEEP_DAYS * USECS_PER_DAY;
}

static bool
is_premake(int premake)
{
	return premake >= 0 && premake <= MAX_PREMAKE;
}

static char *
format_interval(const Interval *interval)
{
	return psprintf(INTERVAL_FORMAT, interval->month, interval->day,
					interval->time);
}

/*
 * read_settings: the settings from a trigger's arguments; false unless they are
 * such as create_log would write.
 *
 * Whoever wrote others by hand must not make the upkeep of all logs fail, or
 * never end.
 */
static bool
read_settings(const Trigger *trigger, LogSettings *settings)
{
	return trigger->tgnargs == 3 &&
		parse_interval(trigger->tgargs[0], &settings->partition_interval) &&
		parse_interval(trigger->tgargs[1], &settings->retention) &&
		parse_premake(trigger->tgargs[2], &settings->premake) &&
		is_width(&settings->partition_interval) &&
		is_retention(&settings->retention) &&
		is_premake(settings->premake);
}

/*
 * find_settings: the settings on an open table.
 *
 * The relation's list of triggers is valid until the next look at a catalog:
 * so the function is looked up before, and nothing while the list is read.
 */
SettingsState
find_settings(Relation rel, LogSettings *settings)
{
	Oid			function = eventlog_trigger_function(SETTINGS_FUNCTION);
	TriggerDesc *triggers = rel->trigdesc;
	SettingsState state = SETTINGS_MISSING;

	if (triggers == NULL || !OidIsValid(function))
		return SETTINGS_MISSING;
	for (int i = 0; i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];

		if (trigger->tgfoid != function)
			continue;
		if (read_settings(trigger, settings))
			return SETTINGS_FOUND;
		state = SETTINGS_INVALID;
	}
	return state;
}

/*
 * is_partitioned_by_time: is rel partitioned by range of occurred_at alone?
 *
 * The catalog tells.  The relation cache would simplify the expressions of a
 * key and so run functions of the table's owner, whoever only looks.
 */
bool
is_partitioned_by_time(Relation rel, AttrNumber occurred_at)
{
	HeapTuple	tuple = SearchSysCache1(PARTRELID,
										ObjectIdGetDatum(RelationGetRelid(rel)));
	Form_pg_partitioned_table key;
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	key = (Form_pg_partitioned_table) GETSTRUCT(tuple);
	result = key->partstrat == PARTITION_STRATEGY_RANGE &&
		key->partnatts == 1 && occurred_at != InvalidAttrNumber &&
		key->partattrs.values[0] == occurred_at;
	ReleaseSysCache(tuple);
	return result;
}

/*
 * has_log_columns: the columns of an event, of which those that say what it is
 * are NOT NULL; where they stand.
 *
 * So no reader meets a null there, also where somebody made a table look like
 * a log: partitions cannot be laxer than their parent.
 */
static bool
has_log_columns(Relation rel, AttrNumber *attnum)
{
	TupleDesc	desc = RelationGetDescr(rel);

	if (!map_event_columns(desc, attnum))
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
 * shape_of_log: fill in *log; false when rel is none.
 */
static bool
shape_of_log(Relation rel, EventLog *log)
{
	log->oid = RelationGetRelid(rel);
	log->owner = rel->rd_rel->relowner;
	log->rel = rel;
	return rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE &&
		rel->rd_rel->relpersistence != RELPERSISTENCE_TEMP &&
		find_settings(rel, &log->settings) == SETTINGS_FOUND &&
		has_log_columns(rel, log->attnum) &&
		is_partitioned_by_time(rel, log->attnum[EVENT_OCCURRED_AT]);
}

/*
 * log_try_open: open a log; NULL when the table is none, or gone.
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
 * has_log_trigger: does a table carry any trigger of a log's, so that it is or
 * was meant to be one?
 */
bool
has_log_trigger(Relation rel)
{
	Oid			functions[3];
	TriggerDesc *triggers;

	log_trigger_functions(functions);
	triggers = rel->trigdesc;	/* no look at a catalog from here on */
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
 * refuse_relation: an error for a table that is no log; for a damaged log, one
 * that tells the damage.
 */
static void
refuse_relation(Relation rel)
{
	char	   *reason = NULL;

	if (rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE &&
		has_log_trigger(rel))
		reason = log_unusable(RelationGetRelid(rel));
	if (reason)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("log \"%s\" is damaged: %s",
						RelationGetRelationName(rel), reason),
				 errhint("eventlog.create_log mends what can be mended.")));
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("\"%s\" is not a log", RelationGetRelationName(rel)),
			 errhint("Logs are made by eventlog.create_log; the view eventlog.logs lists them.")));
}

/*
 * log_open: open a log; an error when the table is none.
 *
 * Checks no rights: whoever reads or writes by it without SQL does.
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
 * log_close: close it, letting the lock go unless lockmode is NoLock.
 */
void
log_close(EventLog *log, LOCKMODE lockmode)
{
	relation_close(log->rel, lockmode);
	pfree(log);
}

/*
 * log_require_usage: an error unless the current role has USAGE on the schema
 * of a table, as it would need to name the table in a statement.
 */
void
log_require_usage(Oid relid)
{
	Oid			schema = get_rel_namespace(relid);
	AclResult	acl;

	if (!OidIsValid(schema))
		return;					/* whoever opens the table says so */
	acl = compat_schema_aclcheck(schema, GetUserId());
	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, OBJECT_SCHEMA, get_namespace_name(schema));
}

/*
 * log_resolve: the log that argument argno names, or eventlog.default_log.
 * The caller must be able to name it.
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
				 errdetail("It is what eventlog.default_log names."),
				 errhint("SELECT eventlog.create_log(%s)",
						 quote_literal_cstr(eventlog_default_log))));
	return relid;
}

/*
 * all_logs: the Oids of all logs in this database, damaged ones included: of
 * each partitioned table that has a log's trigger of its own.
 */
List *
all_logs(void)
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

/*
 * require_settings: refuse what cannot be kept to.
 */
void
require_settings(const LogSettings *settings)
{
	require_grid(&settings->partition_interval, "partition_interval");
	if (!is_width(&settings->partition_interval))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("partition_interval must be at least one minute")));
	if (!is_retention(&settings->retention))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("retention must not be negative, nor longer than %d years",
						MAX_KEEP_YEARS),
				 errhint("'90 days' keeps ninety days, '0' keeps for ever.")));
	if (!is_premake(settings->premake))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("premake must be between 0 and %d: %d", MAX_PREMAKE,
						settings->premake)));
}

/*
 * write_settings: keep them on the table.
 */
void
write_settings(const char *log, const LogSettings *settings)
{
	run_sql(psprintf("CREATE OR REPLACE TRIGGER " SETTINGS_TRIGGER
					 " BEFORE TRUNCATE ON %s FOR EACH STATEMENT"
					 " EXECUTE FUNCTION eventlog." SETTINGS_FUNCTION
					 "('%s', '%s', '%d')", log,
					 format_interval(&settings->partition_interval),
					 format_interval(&settings->retention),
					 settings->premake),
			SPI_OK_UTILITY);
}
