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
 * the shape and the arguments are checked each time a log is opened, and
 * relation_is_log() tells without an error.
 */
#include "eventlog.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_partitioned_table.h"
#include "catalog/pg_trigger.h"
#include "commands/defrem.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#define SETTINGS_TRIGGER	"eventlog_settings"
#define SETTINGS_FUNCTION	"_settings"
#define INTERVAL_FORMAT		"%d months %d days " INT64_FORMAT " microseconds"

/* bounds of the settings; such a retention lies in what a timestamp can be */
#define MIN_TIME_WIDTH		USECS_PER_MINUTE	/* as names tell */
#define MAX_KEEP_YEARS		1000
#define MAX_KEEP_DAYS		(MAX_KEEP_YEARS * 366)
#define MAX_PREMAKE			1000
#define MAX_SINCE			1000	/* partitions that one call makes for the past */

PG_FUNCTION_INFO_V1(eventlog_settings);
PG_FUNCTION_INFO_V1(eventlog_create_log);
PG_FUNCTION_INFO_V1(eventlog_alter_log);

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
static bool
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
 * relation_is_log: the same question without an error.
 */
bool
relation_is_log(Oid relid)
{
	EventLog   *log = log_try_open(relid, AccessShareLock);

	if (log == NULL)
		return false;
	log_close(log, AccessShareLock);
	return true;
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
 * qualified_name: schema.table, quoted for SQL.
 */
char *
qualified_name(Oid relid)
{
	char	   *name = get_rel_name(relid);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
									  name);
}

/*
 * require_settings: refuse what cannot be kept to.
 */
static void
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

/*
 * add_fill_trigger, add_queue_trigger: fill in, and owe, row by row, in every
 * partition.
 */
void
add_fill_trigger(const char *log)
{
	run_sql(psprintf("CREATE TRIGGER eventlog_fill"
					 " BEFORE INSERT OR UPDATE ON %s FOR EACH ROW"
					 " EXECUTE FUNCTION eventlog._fill()", log),
			SPI_OK_UTILITY);
}

void
add_queue_trigger(const char *log)
{
	run_sql(psprintf("CREATE TRIGGER eventlog_queue"
					 " AFTER INSERT ON %s FOR EACH ROW"
					 " EXECUTE FUNCTION eventlog._owe()", log),
			SPI_OK_UTILITY);
}

/*
 * add_check: the constraint that a row is an event.  Its name sorts before
 * the level's, so that its better errors come first.
 */
void
add_check(const char *log)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "ALTER TABLE %s ADD CONSTRAINT " EVENT_CHECK " CHECK"
					 " (eventlog._check(", log);
	for (int i = 0; i < CHECK_NCOLUMNS; i++)
		appendStringInfo(&sql, "%s%s", i > 0 ? ", " : "",
						 event_columns[check_columns[i]].name);
	appendStringInfoString(&sql, "))");
	run_sql(sql.data, SPI_OK_UTILITY);
}

/*
 * add_level_check: the constraint on the level, which needs nothing of the
 * extension.
 */
void
add_level_check(const char *log)
{
	run_sql(psprintf("ALTER TABLE %s ADD CONSTRAINT " LEVEL_CHECK
					 " CHECK (level OPERATOR(pg_catalog.=) ANY (ARRAY["
					 "'debug', 'info', 'warning', 'error', 'critical']))", log),
			SPI_OK_UTILITY);
}

/*
 * create_table: the partitioned table, its keys, constraints and triggers, and
 * its default partition.
 */
static void
create_table(const char *name, Oid schema)
{
	const char *schema_name = get_namespace_name(schema);
	char	   *log = quote_qualified_identifier(schema_name, name);
	char	   *class_index;
	char	   *default_name;
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE TABLE %s (", log);
	for (int col = 0; col < EVENT_NCOLUMNS; col++)
	{
		const EventColumnInfo *info = &event_columns[col];

		appendStringInfo(&sql, "%s %s%s%s%s%s, ", info->name,
						 format_type_be_qualified(info->type),
						 info->collate_c ? " COLLATE pg_catalog.\"C\"" : "",
						 info->not_null ? " NOT NULL" : "",
						 info->default_value ? " DEFAULT " : "",
						 info->default_value ? info->default_value : "");
	}
	appendStringInfoString(&sql, "PRIMARY KEY (occurred_at, id))"
						   " PARTITION BY RANGE (occurred_at)");
	run_sql(sql.data, SPI_OK_UTILITY);
	add_level_check(log);
	add_check(log);

	/* the class index: see the README, "How it works" */
	class_index = ChooseRelationName(name, "class", "idx", schema, false);
	run_sql(psprintf("CREATE INDEX %s ON %s (event_type, level,"
					 " source_service, resource_type, occurred_at, id)",
					 quote_identifier(class_index), log),
			SPI_OK_UTILITY);
	default_name = ChooseRelationName(name, NULL, "default", schema, false);
	run_sql(psprintf("CREATE TABLE %s PARTITION OF %s DEFAULT",
					 quote_qualified_identifier(schema_name, default_name),
					 log),
			SPI_OK_UTILITY);
	add_fill_trigger(log);
	add_queue_trigger(log);
}

/*
 * before_adoption: what is somebody else's is refused before it is locked:
 * whoever waits for the lock holds up those who write.
 */
static void
before_adoption(const RangeVar *name, Oid relid, Oid old_relid, void *arg)
{
	if (OidIsValid(relid) && !compat_relation_owned(relid, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation \"%s\" already exists", name->relname),
				 errdetail("It belongs to another role."),
				 errhint("Choose another name.")));
}

/*
 * find_existing: the table of that name, locked; InvalidOid when there is none.
 */
static Oid
find_existing(RangeVar *name)
{
	Oid			relid = RangeVarGetRelidExtended(name, ShareRowExclusiveLock,
												 RVR_MISSING_OK,
												 before_adoption, NULL);

	/* it may have got another owner while we waited for the lock */
	before_adoption(name, relid, InvalidOid, NULL);
	return relid;
}

/*
 * examine_existing: what is to be mended of a table, so that it is a log
 * (again); an error when it cannot be one, or is one already.  Gives the
 * table's owner.
 *
 * A table can become a log when it lost the extension's parts to DROP EXTENSION
 * … CASCADE, or some part to its owner.
 */
static List *
examine_existing(Oid relid, Oid *owner)
{
	Relation	rel = relation_open(relid, NoLock);
	List	   *damage = log_damage(rel);
	const Damage *fatal = damage_beyond_mending(damage);

	if (fatal && has_log_trigger(rel))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("log \"%s\" cannot be mended: %s",
						RelationGetRelationName(rel), fatal->text),
				 fatal->part == PART_COLUMN ?
				 errhint("Give the column its name and type back, then call eventlog.create_log again.") : 0,
				 fatal->part == PART_COLUMN ?
				 errtablecolname(rel, event_columns[fatal->column].name) :
				 errtable(rel)));
	if (fatal)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation \"%s\" already exists and cannot become a log",
						RelationGetRelationName(rel)),
				 errdetail("A log is partitioned by range of occurred_at and has the columns of eventlog.event."),
				 errhint("Choose another name.")));
	if (!damage_to_mend(damage))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("log \"%s\" already exists",
						RelationGetRelationName(rel)),
				 errhint("Change its settings with eventlog.alter_log.")));
	*owner = rel->rd_rel->relowner;
	relation_close(rel, NoLock);
	return damage;
}

/*
 * count_gaps: how many partitions are missing from one time to another.
 */
static int
count_gaps(const PartitionList *list, const LogSettings *settings,
		   TimestampTz from, TimestampTz until)
{
	TimestampTz lower;
	int			n = 0;

	while (n <= MAX_SINCE && next_gap(list, until, &from))
	{
		CHECK_FOR_INTERRUPTS();
		free_range(list, &settings->partition_interval, from, &lower, &from);
		n++;
	}
	return n;
}

/*
 * require_room: an error when partitions from `since` to now cannot be made.
 */
static void
require_room(const PartitionList *list, const LogSettings *settings,
			 TimestampTz since, TimestampTz now)
{
	if (count_gaps(list, settings, since, now) > MAX_SINCE)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("more than %d partitions from %s on", MAX_SINCE,
						utc_literal(since)),
				 errhint("Choose a later time, or a longer partition_interval.")));
	if (!OidIsValid(list->default_oid))
		return;
	run_sql(psprintf("SELECT FROM ONLY %s WHERE occurred_at"
					 " OPERATOR(pg_catalog.>=) '%s' AND occurred_at"
					 " OPERATOR(pg_catalog.<) '%s' LIMIT 1",
					 qualified_name(list->default_oid), utc_literal(since),
					 utc_literal(now)), SPI_OK_SELECT);
	if (SPI_processed > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the default partition %s holds events from %s on",
						qualified_name(list->default_oid), utc_literal(since)),
				 errhint("CALL eventlog.maintain() moves them into partitions of their own.")));
}

/*
 * premake_partitions: the partitions from `since` on (DT_NOEND: from the
 * current one), and those ahead, unless they are there.  Within SPI, as the
 * log's owner, the log locked.
 */
static void
premake_partitions(Oid relid, TimestampTz since)
{
	EventLog   *log = log_open(relid, NoLock);
	LogSettings settings = log->settings;
	PartitionList *list = list_partitions(log->rel);
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz until = premade_until(&settings, now);
	TimestampTz at = Min(since, now);
	TimestampTz lower;

	log_close(log, NoLock);
	if (since < now)
	{
		grid_cell(&settings.partition_interval, since, &at, &lower);
		require_room(list, &settings, at, now);
	}
	while (next_gap(list, until, &at))
	{
		CHECK_FOR_INTERRUPTS();
		free_range(list, &settings.partition_interval, at, &lower, &at);
		create_partition(relid, lower, at);
	}
}

/*
 * require_argument: an error for a NULL where none may be.
 */
static void
require_argument(FunctionCallInfo fcinfo, int argno, const char *name)
{
	if (PG_ARGISNULL(argno))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
}

/*
 * become_owner: act as a log's owner, if that is another role, as it can be
 * where the caller is a superuser or a member of it; did that have to be?
 *
 * So none of the owner's code runs as a superuser, and new partitions belong to
 * whom the log does.
 */
static bool
become_owner(Identity *saved, Oid owner)
{
	if (owner == GetUserId())
		return false;
	become(saved, owner);
	return true;
}

/*
 * since_from_args: the time from which on partitions are wanted; DT_NOEND when
 * none is given.
 */
static TimestampTz
since_from_args(FunctionCallInfo fcinfo, int argno)
{
	if (PG_NARGS() <= argno || PG_ARGISNULL(argno))
		return DT_NOEND;
	require_event_time("since", PG_GETARG_TIMESTAMPTZ(argno));
	return PG_GETARG_TIMESTAMPTZ(argno);
}

/*
 * require_permanent: a temporary log is one session's, but its subscriptions
 * would be every writer's.
 */
static void
require_permanent(Oid schema)
{
	if (isAnyTempNamespace(schema))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("a log cannot be temporary"),
				 errhint("Name a schema that is not temporary.")));
}

/*
 * eventlog.create_log(name text, partition_interval interval,
 * retention interval, premake int, indexes text[], since timestamptz)
 * returns regclass
 *
 * As the caller, who becomes the owner; a table that is there is made a log, or
 * mended, as its owner, who may be another role where the caller is a superuser
 * or member.  Such a table keeps its indexes, and its settings if it has any.
 */
Datum
eventlog_create_log(PG_FUNCTION_ARGS)
{
	LogSettings settings = {0};
	bool		indexes[EVENT_NCOLUMNS];
	TimestampTz since = since_from_args(fcinfo, 5);
	RangeVar   *name;
	Oid			owner = GetUserId();
	Identity	self;
	bool		is_other;
	Oid			schema;
	Oid			relid;
	List	   *damage = NIL;

	eventlog_require_name();
	require_argument(fcinfo, 0, "name");
	require_argument(fcinfo, 1, "partition_interval");
	require_argument(fcinfo, 3, "premake");
	require_argument(fcinfo, 4, "indexes");
	settings.partition_interval = *PG_GETARG_INTERVAL_P(1);
	if (!PG_ARGISNULL(2))
		settings.retention = *PG_GETARG_INTERVAL_P(2);
	settings.premake = PG_GETARG_INT32(3);
	require_settings(&settings);
	indexes_from_array(PG_GETARG_ARRAYTYPE_P(4), indexes);

	name = makeRangeVarFromNameList(textToQualifiedNameList(PG_GETARG_TEXT_PP(0)));
	schema = RangeVarGetCreationNamespace(name);
	require_permanent(schema);
	name->schemaname = get_namespace_name(schema);

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	relid = find_existing(name);
	if (OidIsValid(relid))
		damage = examine_existing(relid, &owner);
	is_other = become_owner(&self, owner);
	if (OidIsValid(relid))
		log_mend(relid, damage, &settings);
	else
	{
		create_table(name->relname, schema);
		relid = get_relname_relid(name->relname, schema);
		write_settings(qualified_name(relid), &settings);
		add_indexes(relid, indexes);
	}
	premake_partitions(relid, since);
	if (is_other)
		become_again(&self);
	SPI_finish();
	PG_RETURN_OID(relid);
}

/*
 * settings_from_args: change what alter_log is given; true when anything is.
 */
static bool
settings_from_args(FunctionCallInfo fcinfo, LogSettings *settings)
{
	if (!PG_ARGISNULL(1))
		settings->partition_interval = *PG_GETARG_INTERVAL_P(1);
	if (!PG_ARGISNULL(2))
		settings->retention = *PG_GETARG_INTERVAL_P(2);
	if (!PG_ARGISNULL(3))
		settings->premake = PG_GETARG_INT32(3);
	require_settings(settings);
	return !PG_ARGISNULL(1) || !PG_ARGISNULL(2) || !PG_ARGISNULL(3);
}

/*
 * open_to_alter: open a log to change it, as its owner or a member of that
 * role, which is looked at before the lock, so that nobody else can hold up
 * writers, and under it, since the owner may have changed meanwhile.
 */
static EventLog *
open_to_alter(Oid relid)
{
	EventLog   *log;

	if (!compat_relation_owned(relid, GetUserId()) &&
		get_rel_name(relid) != NULL)
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(relid));
	log = log_open(relid, ShareUpdateExclusiveLock);
	if (!compat_relation_owned(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE,
					   RelationGetRelationName(log->rel));
	return log;
}

/*
 * eventlog.alter_log(log regclass, partition_interval interval,
 * retention interval, premake int, indexes text[], since timestamptz)
 * returns void
 *
 * The lock that changes of settings need, which writers wait for, is taken
 * last: building indexes takes longest.
 */
Datum
eventlog_alter_log(PG_FUNCTION_ARGS)
{
	Oid			relid = log_resolve(fcinfo, 0);
	TimestampTz since = since_from_args(fcinfo, 5);
	bool		indexes[EVENT_NCOLUMNS];
	bool		set_indexes = PG_NARGS() > 4 && !PG_ARGISNULL(4);
	bool		set_settings;
	EventLog   *log;
	LogSettings settings;
	Identity	self;
	Oid			owner;

	eventlog_require_name();
	log = open_to_alter(relid);
	owner = log->owner;
	settings = log->settings;
	set_settings = settings_from_args(fcinfo, &settings);
	if (set_indexes)
		indexes_from_array(PG_GETARG_ARRAYTYPE_P(4), indexes);
	log_close(log, NoLock);

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	become(&self, owner);
	if (set_indexes)
		change_indexes(relid, indexes);
	if (set_settings)
		write_settings(qualified_name(relid), &settings);
	if (since != DT_NOEND)
		premake_partitions(relid, since);
	become_again(&self);
	SPI_finish();
	PG_RETURN_VOID();
}
