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
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_partitioned_table.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "commands/defrem.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "partitioning/partdesc.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
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
 * settings_function: the Oid of eventlog._settings, InvalidOid when it is not
 * there.
 */
static Oid
settings_function(void)
{
	Oid			schema = get_namespace_oid("eventlog", true);
	oidvector  *no_args = buildoidvector(NULL, 0);

	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
						   CStringGetDatum(SETTINGS_FUNCTION),
						   PointerGetDatum(no_args),
						   ObjectIdGetDatum(schema));
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
 * find_settings: the settings on an open table; false when it has none.
 *
 * Settings that create_log would refuse are none: whoever wrote them by hand
 * must not make the upkeep of all logs fail, or never end.
 */
static bool
find_settings(Relation rel, LogSettings *settings)
{
	Oid			function = settings_function();
	TriggerDesc *triggers = rel->trigdesc;	/* valid until the next look at a
											 * catalog: none follows */

	if (triggers == NULL || !OidIsValid(function))
		return false;
	for (int i = 0; i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];

		if (trigger->tgfoid == function && trigger->tgnargs == 3 &&
			parse_interval(trigger->tgargs[0], &settings->partition_interval) &&
			parse_interval(trigger->tgargs[1], &settings->retention) &&
			parse_premake(trigger->tgargs[2], &settings->premake) &&
			is_width(&settings->partition_interval) &&
			is_retention(&settings->retention) &&
			is_premake(settings->premake))
			return true;
	}
	return false;
}

/*
 * is_partitioned_by_time: is rel partitioned by range of occurred_at alone?
 *
 * The catalog tells.  The relation cache would simplify the expressions of a
 * key and so run functions of the table's owner, whoever only looks.
 */
static bool
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
		key->partnatts == 1 && key->partattrs.values[0] == occurred_at;
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
	static const EventColumn needed[] = {
		EVENT_ID, EVENT_TYPE, EVENT_LEVEL, EVENT_OCCURRED_AT
	};
	TupleDesc	desc = RelationGetDescr(rel);

	if (!map_event_columns(desc, attnum))
		return false;
	for (int i = 0; i < lengthof(needed); i++)
	{
		if (!TupleDescAttr(desc, attnum[needed[i]] - 1)->attnotnull)
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
		!RELATION_IS_OTHER_TEMP(rel) &&
		find_settings(rel, &log->settings) &&
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
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a log", RelationGetRelationName(rel)),
				 errhint("Logs are made by eventlog.create_log; the view eventlog.logs lists them.")));
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
 * log_resolve: the log that argument argno names, or eventlog.default_log.
 */
Oid
log_resolve(FunctionCallInfo fcinfo, int argno)
{
	RangeVar   *name;
	Oid			relid;

	if (!PG_ARGISNULL(argno))
		return PG_GETARG_OID(argno);

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
 * all_logs: the Oids of all logs in this database.
 */
List *
all_logs(void)
{
	List	   *result = NIL;
	Oid			function = settings_function();
	Relation	rel = table_open(TriggerRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);

		if (trigger->tgfoid == function)
			result = list_append_unique_oid(result, trigger->tgrelid);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
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
static void
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
 * add_triggers: fill in, and owe, row by row, in every partition.
 */
static void
add_triggers(const char *log)
{
	run_sql(psprintf("CREATE TRIGGER eventlog_fill"
					 " BEFORE INSERT OR UPDATE ON %s FOR EACH ROW"
					 " EXECUTE FUNCTION eventlog._fill()", log),
			SPI_OK_UTILITY);
	run_sql(psprintf("CREATE TRIGGER eventlog_queue"
					 " AFTER INSERT ON %s FOR EACH ROW"
					 " EXECUTE FUNCTION eventlog._owe()", log),
			SPI_OK_UTILITY);
}

/*
 * add_check: the constraint that a row is an event.  Its name sorts before
 * the level's, so that its better errors come first.
 */
static void
add_check(const char *log)
{
	run_sql(psprintf("ALTER TABLE %s ADD CONSTRAINT eventlog_check CHECK"
					 " (eventlog._check(id, occurred_at, event_type,"
					 " resource_id, resource_type, source_service,"
					 " source_host, category, user_id, request_id))", log),
			SPI_OK_UTILITY);
}

/*
 * create_table: the partitioned table, its keys and its default partition.
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
		appendStringInfo(&sql, "%s %s %s %s, ", event_columns[col].name,
						 format_type_be_qualified(event_columns[col].type),
						 event_columns[col].collate_c ?
						 "COLLATE pg_catalog.\"C\"" : "",
						 event_columns[col].constraint);
	appendStringInfoString(&sql, "CONSTRAINT eventlog_level_check CHECK (level"
						   " OPERATOR(pg_catalog.=) ANY (ARRAY["
						   "'debug', 'info', 'warning', 'error', 'critical'])), "
						   "PRIMARY KEY (occurred_at, id))"
						   " PARTITION BY RANGE (occurred_at)");
	run_sql(sql.data, SPI_OK_UTILITY);

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
}

/*
 * adopt_table: an error unless an existing table can be made a log (again).
 *
 * It can when it lost the extension's parts to DROP EXTENSION … CASCADE.  What
 * is somebody else's is refused before it is locked: whoever waits for the
 * lock holds up those who write.  Gives the table's owner.
 */
static Oid
adopt_table(Oid relid)
{
	Relation	rel;
	EventLog	log;
	Oid			owner;

	if (!compat_relation_owned(relid, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation \"%s\" already exists",
						get_rel_name(relid)),
				 errdetail("It belongs to another role."),
				 errhint("Choose another name.")));
	rel = relation_open(relid, ShareRowExclusiveLock);
	if (shape_of_log(rel, &log))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("log \"%s\" already exists",
						RelationGetRelationName(rel)),
				 errhint("Change its settings with eventlog.alter_log.")));
	if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE ||
		!has_log_columns(rel, log.attnum) ||
		!is_partitioned_by_time(rel, log.attnum[EVENT_OCCURRED_AT]))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation \"%s\" already exists and cannot become a log",
						RelationGetRelationName(rel)),
				 errdetail("A log is partitioned by range of occurred_at and has the columns of eventlog.event."),
				 errhint("Choose another name.")));
	owner = rel->rd_rel->relowner;
	relation_close(rel, NoLock);
	return owner;
}

/*
 * add_filter_indexes: an index (column, occurred_at, id) for each name.
 */
static void
add_filter_indexes(const char *log, ArrayType *columns)
{
	Datum	   *names;
	bool	   *nulls;
	int			n;

	if (ARR_NDIM(columns) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("indexes must be a list of column names")));
	deconstruct_array(columns, TEXTOID, -1, false, TYPALIGN_INT,
					  &names, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		char	   *name = nulls[i] ? NULL : TextDatumGetCString(names[i]);
		int			col;

		for (col = 0; name != NULL && col < EVENT_NCOLUMNS; col++)
		{
			if (event_columns[col].collate_c &&
				strcmp(event_columns[col].name, name) == 0)
				break;
		}
		if (name == NULL || col == EVENT_NCOLUMNS)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("no filter column to index: %s",
							name ? quote_literal_cstr(name) : "NULL"),
					 errhint("Filter columns are event_type, level, resource_id, resource_type, source_service, source_host, category, user_id and request_id.")));
		run_sql(psprintf("CREATE INDEX ON %s (%s, occurred_at, id)", log, name),
				SPI_OK_UTILITY);
	}
}

/*
 * premake_partitions: the current partition and those ahead of it, unless they
 * are there.  Within SPI, the log locked.
 */
static void
premake_partitions(Oid relid, const LogSettings *settings)
{
	EventLog   *log = log_open(relid, NoLock);
	PartitionList *list = list_partitions(log->rel);
	TimestampTz at = GetCurrentTimestamp();
	TimestampTz until = premade_until(settings, at);

	log_close(log, NoLock);
	while (next_gap(list, until, &at))
	{
		TimestampTz lower;

		free_range(list, &settings->partition_interval, at, &lower, &at);
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
 * eventlog.create_log(name text, partition_interval interval,
 * retention interval, premake int, indexes text[]) returns regclass
 *
 * As the caller, who becomes the owner; a table that is there is made a log as
 * its owner, who may be another role where the caller is a superuser or member.
 */
Datum
eventlog_create_log(PG_FUNCTION_ARGS)
{
	LogSettings settings = {0};
	RangeVar   *name;
	Oid			owner = GetUserId();
	Identity	self;
	bool		is_other;
	Oid			schema;
	Oid			relid;
	char	   *log;

	require_argument(fcinfo, 0, "name");
	require_argument(fcinfo, 1, "partition_interval");
	require_argument(fcinfo, 3, "premake");
	require_argument(fcinfo, 4, "indexes");
	settings.partition_interval = *PG_GETARG_INTERVAL_P(1);
	if (!PG_ARGISNULL(2))
		settings.retention = *PG_GETARG_INTERVAL_P(2);
	settings.premake = PG_GETARG_INT32(3);
	require_settings(&settings);

	name = makeRangeVarFromNameList(textToQualifiedNameList(PG_GETARG_TEXT_PP(0)));
	schema = RangeVarGetCreationNamespace(name);

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	relid = get_relname_relid(name->relname, schema);
	if (OidIsValid(relid))
		owner = adopt_table(relid);
	else
	{
		create_table(name->relname, schema);
		relid = get_relname_relid(name->relname, schema);
	}
	log = qualified_name(relid);
	is_other = become_owner(&self, owner);
	add_check(log);
	add_triggers(log);
	write_settings(log, &settings);
	add_filter_indexes(log, PG_GETARG_ARRAYTYPE_P(4));
	premake_partitions(relid, &settings);
	if (is_other)
		become_again(&self);
	SPI_finish();
	PG_RETURN_OID(relid);
}

/*
 * eventlog.alter_log(log regclass, partition_interval interval,
 * retention interval, premake int) returns void
 */
Datum
eventlog_alter_log(PG_FUNCTION_ARGS)
{
	Oid			relid = log_resolve(fcinfo, 0);
	EventLog   *log;
	Oid			owner;
	Identity	self;
	bool		is_other;
	LogSettings settings;

	if (!compat_relation_owned(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(relid));
	log = log_open(relid, ShareRowExclusiveLock);
	owner = log->owner;
	settings = log->settings;
	if (!PG_ARGISNULL(1))
		settings.partition_interval = *PG_GETARG_INTERVAL_P(1);
	if (!PG_ARGISNULL(2))
		settings.retention = *PG_GETARG_INTERVAL_P(2);
	if (!PG_ARGISNULL(3))
		settings.premake = PG_GETARG_INT32(3);
	require_settings(&settings);
	log_close(log, NoLock);

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	is_other = become_owner(&self, owner);
	write_settings(qualified_name(relid), &settings);
	if (is_other)
		become_again(&self);
	SPI_finish();
	PG_RETURN_VOID();
}
