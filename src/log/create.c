/*
 * create.c
 *		eventlog.create_log and eventlog.alter_log: creating, repairing
 *		and changing logs.
 *
 * A log is created by statements that its owner could run, as its owner.
 * Ownership is checked before the table is locked, since waiting for a lock
 * holds up writers, and again under the lock, since the owner may have changed
 * in between.
 */
#include "log/log.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "commands/comment.h"
#include "commands/defrem.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#define MAX_SINCE	1000		/* partitions that one call creates for the
								 * past */

PG_FUNCTION_INFO_V1(eventlog_create_log);
PG_FUNCTION_INFO_V1(eventlog_alter_log);

/*
 * comment_log: add comments to the table and its columns, the latter from
 * eventlog.event.
 */
static void
comment_log(const char *log)
{
	Oid			event = get_typ_typrelid(eventlog_type_oid("event"));

	run_sql(psprintf("COMMENT ON TABLE %s IS"
					 " 'event log, read by eventlog.list; see the view eventlog.logs'",
					 log), SPI_OK_UTILITY);
	for (int col = 0; col < EVENT_NCOLUMNS; col++)
	{
		char	   *comment = GetComment(event, RelationRelationId, col + 1);

		if (comment != NULL)
			run_sql(psprintf("COMMENT ON COLUMN %s.%s IS %s", log,
							 event_columns[col].name,
							 quote_literal_cstr(comment)), SPI_OK_UTILITY);
	}
}

/*
 * create_table: create the partitioned table, with its primary key,
 * constraints and triggers, and its default partition.
 */
static void
create_table(const char *name, Oid schema)
{
	const char *schema_name = get_namespace_name(schema);
	char	   *log = quote_qualified_identifier(schema_name, name);
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
	comment_log(log);
	log_add_level_check(log);
	log_add_check(log);

	default_name = ChooseRelationName(name, NULL, "default", schema, false);
	run_sql(psprintf("CREATE TABLE %s PARTITION OF %s DEFAULT",
					 quote_qualified_identifier(schema_name, default_name),
					 log),
			SPI_OK_UTILITY);
	log_add_fill_trigger(log);
	log_add_queue_trigger(log);
}

/*
 * before_adoption: refuse a table of another owner before it is locked, since
 * waiting for the lock would hold up its writers.
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
 * find_existing: find and lock the table of that name; InvalidOid if there is
 * none.
 */
static Oid
find_existing(RangeVar *name)
{
	Oid			relid = RangeVarGetRelidExtended(name, ShareRowExclusiveLock,
												 RVR_MISSING_OK,
												 before_adoption, NULL);

	/* the owner may have changed while we waited for the lock */
	before_adoption(name, relid, InvalidOid, NULL);
	return relid;
}

/*
 * examine_existing: find out what must be repaired to make a table a log
 * (again); an error if it cannot become one, or already is one.  Also gives
 * the table's owner.
 *
 * A table can become a log if DROP EXTENSION ...  CASCADE, or its owner,
 * removed parts of the log that it was.
 */
static List *
examine_existing(Oid relid, Oid *owner)
{
	Relation	rel = relation_open(relid, NoLock);
	List	   *damage = damage_find(rel);
	const Damage *fatal = repair_find_obstacle(damage);

	if (fatal && log_has_trigger(rel))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("log \"%s\" cannot be repaired: %s",
						RelationGetRelationName(rel), fatal->text),
				 fatal->part == PART_COLUMN ?
				 errhint("Restore the name and type of the column, then call eventlog.create_log again.") : 0,
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
	if (!repair_is_needed(damage) && !indexes_are_missing(relid))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("log \"%s\" already exists",
						RelationGetRelationName(rel)),
				 damage == NIL ? 0 :
				 errdetail("It is damaged in a way that eventlog.create_log cannot repair: %s.",
						   ((Damage *) linitial(damage))->text),
				 damage == NIL ?
				 errhint("Change its settings with eventlog.alter_log.") : 0));
	*owner = rel->rd_rel->relowner;
	relation_close(rel, NoLock);
	return damage;
}

/*
 * require_room: raise an error if the partitions from `since` to now cannot be
 * created.
 */
static void
require_room(const PartitionList *list, const LogSettings *settings,
			 TimestampTz since, TimestampTz now)
{
	if (partition_count_gaps(list, settings, since, now,
							 MAX_SINCE + 1) > MAX_SINCE)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("more than %d partitions would be needed from %s on", MAX_SINCE,
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
 * premake_partitions: create the missing partitions from `since` (DT_NOEND:
 * the current one) on, and those ahead.  Within SPI, as the log's owner, with
 * the log locked.
 *
 * Ranges for which the default partition contains events are left to maintain,
 * which moves the events.
 */
static void
premake_partitions(Oid relid, TimestampTz since)
{
	EventLog   *log = log_open(relid, NoLock);
	LogSettings settings = log->settings;
	PartitionList *list = partition_list_own(log->rel);
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz until = partition_horizon(&settings, now);
	TimestampTz at = Min(since, now);
	TimestampTz lower;

	log_close(log, NoLock);
	if (since < now)
	{
		grid_find_cell(&settings.partition_interval, since, &at, &lower);
		require_room(list, &settings, at, now);
	}
	while (partition_next_gap(list, until, &at))
	{
		CHECK_FOR_INTERRUPTS();
		partition_free_range(list, &settings.partition_interval, at, &lower,
							 &at);
		if (partition_find_detaching(list, lower) == NULL &&
			!(OidIsValid(list->default_oid) &&
			  time_scan_finds_rows(list->default_oid, lower, at)))
			partition_create(relid, lower, at);
	}
}

/*
 * require_argument: raise an error if an argument is NULL.
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
 * become_owner: act as the log's owner, if that is another role; returns
 * whether it is.  The caller is a superuser or a member of that role.
 *
 * So no code of the owner runs as a superuser, and new partitions belong to
 * the owner of the log.
 */
static bool
become_owner(Identity *saved, Oid owner)
{
	if (owner == GetUserId())
		return false;
	switch_user(saved, owner);
	return true;
}

/*
 * since_from_args: the time from which on partitions are wanted; DT_NOEND if
 * none is given.
 */
static TimestampTz
since_from_args(FunctionCallInfo fcinfo, int argno)
{
	if (PG_NARGS() <= argno || PG_ARGISNULL(argno))
		return DT_NOEND;
	id_require_time("since", PG_GETARG_TIMESTAMPTZ(argno));
	return PG_GETARG_TIMESTAMPTZ(argno);
}

/*
 * indexes_from_array: turn an array of column names into flags; an error for a
 * name that is not a filter column.
 */
static void
indexes_from_array(ArrayType *columns, bool *wanted)
{
	Datum	   *names;
	bool	   *nulls;
	int			n;

	memset(wanted, false, sizeof(bool) * EVENT_NCOLUMNS);
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
					 errmsg("not a filter column: %s",
							name ? quote_literal_cstr(shown_value(DatumGetTextPP(names[i]))) :
							"NULL"),
					 errhint("Filter columns are event_type, level, resource_id, resource_type, source_service, source_host, category, user_id and request_id.")));
		wanted[col] = true;
	}
}

/*
 * require_permanent: refuse temporary logs.  Such a log belongs to one
 * session, but its subscriptions would concern all writers.
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
 * eventlog.create_log(name text, partition_interval interval, retention
 * interval, premake int, indexes text[], since timestamptz, on_expiry text,
 * archive_schema text) returns regclass
 *
 * Runs as the caller, who becomes the owner.  An existing table is made a log,
 * or repaired, as its owner, who may be another role if the caller is a
 * superuser or a member of it.  Such a table keeps its settings, if it has
 * any, and its indexes.
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
	settings_require_valid(&settings);
	indexes_from_array(PG_GETARG_ARRAYTYPE_P(4), indexes);

	name = makeRangeVarFromNameList(textToQualifiedNameList(PG_GETARG_TEXT_PP(0)));
	schema = RangeVarGetCreationNamespace(name);
	require_permanent(schema);
	name->schemaname = get_namespace_name(schema);

	sql_connect();
	relid = find_existing(name);
	(void) settings_set_expiry(fcinfo, 6, &settings, owner);
	if (OidIsValid(relid))
		damage = examine_existing(relid, &owner);
	is_other = become_owner(&self, owner);
	if (OidIsValid(relid))
	{
		repair_log(relid, damage, &settings);
		indexes_change(relid, NULL);
	}
	else
	{
		create_table(name->relname, schema);
		relid = get_relname_relid(name->relname, schema);
		settings_write(qualified_name(relid), &settings);
		indexes_add(relid, indexes);
	}
	premake_partitions(relid, since);
	if (is_other)
		restore_user(&self);
	SPI_finish();
	PG_RETURN_OID(relid);
}

/*
 * settings_from_args: apply the arguments of alter_log; returns whether any
 * was given.
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
	settings_require_valid(settings);
	return !PG_ARGISNULL(1) || !PG_ARGISNULL(2) || !PG_ARGISNULL(3);
}

/*
 * open_to_alter: open a log to change it; the caller must own it or be a
 * member of the owner.
 *
 * This is checked before locking, so that nobody else can hold up writers, and
 * again under the lock, since the owner may have changed in between.
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
 * eventlog.alter_log(log regclass, partition_interval interval, retention
 * interval, premake int, indexes text[], since timestamptz, on_expiry text,
 * archive_schema text) returns void
 *
 * Building indexes takes longest, so the lock for changing settings, which
 * writers wait for, is taken after that.
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
	set_settings |= settings_set_expiry(fcinfo, 6, &settings, owner);
	if (set_indexes)
		indexes_from_array(PG_GETARG_ARRAYTYPE_P(4), indexes);
	log_close(log, NoLock);

	sql_connect();
	switch_user(&self, owner);
	if (set_indexes)
		indexes_change(relid, indexes);
	if (set_settings)
		settings_write(qualified_name(relid), &settings);
	if (since != DT_NOEND)
		premake_partitions(relid, since);
	restore_user(&self);
	SPI_finish();
	PG_RETURN_VOID();
}
