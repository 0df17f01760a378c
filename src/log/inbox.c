/*
 * inbox.c
 *		eventlog.create_inbox: a view for shippers that insert rows of their
 *		own shape.
 *
 * Its INSTEAD OF trigger writes each row as an event, by eventlog.ingest and
 * with the rights of the inserting role, which needs INSERT on the view and on
 * the log.  The view's condition refers to the log, so the view follows a
 * rename, comes after the log in a dump, and prevents that the log is dropped
 * without CASCADE.
 */
#include "log/log.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/varlena.h"

PG_FUNCTION_INFO_V1(eventlog_create_inbox);
PG_FUNCTION_INFO_V1(eventlog_inbox);
PG_FUNCTION_INFO_V1(eventlog_inbox_level);

/*
 * the shapes, and the columns of their views
 */
static const struct
{
	const char *name;
	const char *columns;
}			shapes[] = {

	{"fluentbit",
	"NULL::text AS tag, NULL::timestamptz AS \"time\", NULL::jsonb AS data"},
	{"vector",
		"NULL::uuid AS id, NULL::text AS event_type, NULL::text AS level,"
		" NULL::text AS message, NULL::text AS resource_id,"
		" NULL::text AS resource_type, NULL::text AS user_id,"
		" NULL::text AS source_service, NULL::text AS source_host,"
		" NULL::text AS base_url, NULL::text AS request_id,"
		" NULL::text AS category, NULL::jsonb AS details,"
		" NULL::timestamptz AS occurred_at, NULL::timestamptz AS \"timestamp\","
		" NULL::text AS host, NULL::text AS service, NULL::text AS severity,"
	" NULL::text AS source_type"},
	{"rsyslog",
		"NULL::text AS message, NULL::int AS facility, NULL::text AS fromhost,"
		" NULL::int AS priority, NULL::timestamptz AS devicereportedtime,"
		" NULL::timestamptz AS receivedat, NULL::int AS infounitid,"
	" NULL::text AS syslogtag"},
	{"syslog-ng",
		"NULL::text AS host, NULL::text AS facility, NULL::text AS priority,"
		" NULL::text AS level, NULL::text AS tag, NULL::text AS datetime,"
	" NULL::text AS program, NULL::text AS pid, NULL::text AS msg"}
};

/*
 * find_shape: the index of the shape with that name; raises an error that
 * lists the shapes if there is none.
 */
static int
find_shape(FunctionCallInfo fcinfo)
{
	char	   *name = PG_ARGISNULL(2) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(2));

	for (int i = 0; i < lengthof(shapes); i++)
	{
		if (strcmp(shapes[i].name, name) == 0)
			return i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown shape of an inbox: \"%s\"",
					shown_value(cstring_to_text(name))),
			 errhint("Shapes are fluentbit, vector, rsyslog and syslog-ng.")));
	return -1;
}

/*
 * eventlog.create_inbox(name text, log regclass, shape text) returns regclass
 *
 * Runs statements that the caller could run; the caller will own the view.
 */
Datum
eventlog_create_inbox(PG_FUNCTION_ARGS)
{
	int			shape = find_shape(fcinfo);
	RangeVar   *name;
	Oid			schema;
	Oid			log;
	char	   *view;

	eventlog_require_name();
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("name must not be null")));
	name = makeRangeVarFromNameList(textToQualifiedNameList(PG_GETARG_TEXT_PP(0)));
	schema = RangeVarGetCreationNamespace(name);
	view = quote_qualified_identifier(get_namespace_name(schema), name->relname);
	log = log_resolve(fcinfo, 1);
	log_close(log_open(log, AccessShareLock), NoLock);

	sql_connect();
	run_sql(psprintf("CREATE VIEW %s AS SELECT %s WHERE %s::pg_catalog.regclass IS NULL",
					 view, shapes[shape].columns,
					 quote_literal_cstr(qualified_name(log))), SPI_OK_UTILITY);
	run_sql(psprintf("CREATE TRIGGER eventlog_inbox INSTEAD OF INSERT ON %s"
					 " FOR EACH ROW EXECUTE FUNCTION eventlog._inbox('%s')",
					 view, shapes[shape].name), SPI_OK_UTILITY);
	run_sql(psprintf("COMMENT ON VIEW %s IS %s", view,
					 quote_literal_cstr(psprintf("inbox of %s, for rows as %s inserts them",
												 qualified_name(log),
												 shapes[shape].name))), SPI_OK_UTILITY);
	SPI_finish();
	PG_RETURN_OID(get_relname_relid(name->relname, schema));
}

/*
 * ingest_row: write a row of a view, as JSON.
 */
static void
ingest_row(Oid view, const char *shape, Datum row)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {TEXTOID, JSONOID, OIDOID};
	Datum		values[] = {CStringGetTextDatum(shape), row, ObjectIdGetDatum(view)};

	eventlog_require_name();
	sql_connect();
	kept_plan(&plan, "SELECT eventlog.ingest("
			  "eventlog._inbox_event($1, $2::pg_catalog.jsonb),"
			  " eventlog._inbox_log($3))", lengthof(types), types);
	if (SPI_execute_plan(plan, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not write a row of an inbox");
	SPI_finish();
}

/*
 * eventlog._inbox(shape): the trigger of an inbox.
 */
Datum
eventlog_inbox(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	Trigger    *trigger;
	Datum		row;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_INSTEAD(data->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(data->tg_event) ||
		data->tg_trigger->tgnargs != 1)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("eventlog._inbox must be the INSTEAD OF INSERT trigger of an inbox"),
				 errhint("Create an inbox with eventlog.create_inbox.")));
	trigger = data->tg_trigger;
	row = heap_copy_tuple_as_datum(data->tg_trigtuple,
								   RelationGetDescr(data->tg_relation));
	ingest_row(RelationGetRelid(data->tg_relation), trigger->tgargs[0],
			   DirectFunctionCall1(row_to_json, row));
	return PointerGetDatum(data->tg_trigtuple);
}

/*
 * eventlog._inbox_level(name text) returns text: the level with this name or
 * number of syslog; NULL if there is none, so that no row is lost.
 */
Datum
eventlog_inbox_level(PG_FUNCTION_ARGS)
{
	text	   *name = PG_GETARG_TEXT_PP(0);
	int			level = level_from_word(VARDATA_ANY(name),
										VARSIZE_ANY_EXHDR(name), false);

	if (level < 0)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(level_names[level]));
}
