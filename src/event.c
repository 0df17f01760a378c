/*
 * event.c
 *		The columns of an event, what may stand in them, and the trigger that
 *		fills in what a writer leaves out.
 *
 * Two rooms share the work.  The trigger eventlog._fill (BEFORE ROW) makes the
 * id and lower-cases the level; it is all that a writer pays for besides the
 * insert itself, so it looks at three columns only.  Whether the row is an
 * event is for eventlog._check, in the log's CHECK constraint: that holds
 * where triggers do not fire, as on a logical subscriber.
 */
#include "eventlog.h"

#include "access/htup_details.h"
#include "access/toast_internals.h"
#include "access/detoast.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/inval.h"
#include "utils/syscache.h"

const EventColumnInfo event_columns[EVENT_NCOLUMNS] = {
	[EVENT_ID] = {"id", UUIDOID, 0, false, "NOT NULL"},
	[EVENT_TYPE] = {"event_type", TEXTOID, 255, true, "NOT NULL"},
	[EVENT_LEVEL] = {"level", TEXTOID, 0, true, "NOT NULL DEFAULT 'info'"},
	[EVENT_RESOURCE_ID] = {"resource_id", TEXTOID, 1024, true, ""},
	[EVENT_RESOURCE_TYPE] = {"resource_type", TEXTOID, 255, true, ""},
	[EVENT_SOURCE_SERVICE] = {"source_service", TEXTOID, 255, true, ""},
	[EVENT_SOURCE_HOST] = {"source_host", TEXTOID, 255, true, ""},
	[EVENT_OCCURRED_AT] = {"occurred_at", TIMESTAMPTZOID, 0, false,
	"NOT NULL DEFAULT pg_catalog.clock_timestamp()"},
	[EVENT_MESSAGE] = {"message", TEXTOID, 0, false, ""},
	[EVENT_CATEGORY] = {"category", TEXTOID, 255, true, ""},
	[EVENT_DETAILS] = {"details", JSONBOID, 0, false, ""},
	[EVENT_USER_ID] = {"user_id", TEXTOID, 1024, true, ""},
	[EVENT_BASE_URL] = {"base_url", TEXTOID, 0, false, ""},
	[EVENT_REQUEST_ID] = {"request_id", TEXTOID, 255, true, ""},
	[EVENT_CREATED_AT] = {"created_at", TIMESTAMPTZOID, 0, false,
	"NOT NULL DEFAULT pg_catalog.clock_timestamp()"},
};

const char *const level_names[EVENT_NLEVELS] = {
	"debug", "info", "warning", "error", "critical"
};

PG_FUNCTION_INFO_V1(eventlog_fill);
PG_FUNCTION_INFO_V1(eventlog_check);

/*
 * level_find: which level a name is, in any case; -1 if none.
 */
int
level_find(const char *name, int len)
{
	for (int level = 0; level < EVENT_NLEVELS; level++)
	{
		if (strlen(level_names[level]) == len &&
			pg_strncasecmp(level_names[level], name, len) == 0)
			return level;
	}
	return -1;
}

/*
 * level_require: the same, with an error that lists the valid ones.
 */
EventLevel
level_require(const text *name)
{
	int			level = level_find(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));

	if (level < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown level \"%s\"", text_to_cstring(name)),
				 errhint("Levels are debug, info, warning, error and critical.")));
	return (EventLevel) level;
}

/*
 * The values of eventlog.level, until the enum's rows in the catalog change;
 * InvalidOid: not looked up yet.
 */
static Oid	level_oids[EVENT_NLEVELS];

static void
forget_level_oids(Datum arg, int cacheid, uint32 hashvalue)
{
	memset(level_oids, 0, sizeof(level_oids));
}

static Oid
lookup_level_oid(EventLevel level)
{
	static bool registered = false;
	Oid			value;

	if (!registered)
	{
		CacheRegisterSyscacheCallback(ENUMOID, forget_level_oids, (Datum) 0);
		registered = true;
	}
	value = GetSysCacheOid2(ENUMTYPOIDNAME, Anum_pg_enum_oid,
							ObjectIdGetDatum(eventlog_type_oid("level")),
							CStringGetDatum(level_names[level]));
	if (!OidIsValid(value))
		elog(ERROR, "eventlog.level lacks \"%s\"", level_names[level]);
	return value;
}

/*
 * level_enum_oid: the value of eventlog.level of that name.
 */
Oid
level_enum_oid(const text *name)
{
	EventLevel	level = level_require(name);

	if (!OidIsValid(level_oids[level]))
		level_oids[level] = lookup_level_oid(level);
	return level_oids[level];
}

/*
 * map_event_columns: where each column of an event stands in a table; false
 * when one is missing or of another type.
 */
bool
map_event_columns(TupleDesc desc, AttrNumber *attnum)
{
	for (int col = 0; col < EVENT_NCOLUMNS; col++)
	{
		attnum[col] = InvalidAttrNumber;

		for (int i = 0; i < desc->natts; i++)
		{
			/* usually they stand in order: start where it would be */
			int			at = (col + i) % desc->natts;
			Form_pg_attribute att = TupleDescAttr(desc, at);

			if (!att->attisdropped &&
				att->atttypid == event_columns[col].type &&
				strcmp(NameStr(att->attname), event_columns[col].name) == 0)
			{
				attnum[col] = at + 1;
				break;
			}
		}
		if (attnum[col] == InvalidAttrNumber)
			return false;
	}
	return true;
}

/*
 * require_event_type: an error unless words of [a-z0-9_-], joined by dots.
 */
static void
require_event_type(const char *type, int len)
{
	bool		in_word = false;
	bool		valid = len <= event_columns[EVENT_TYPE].max_bytes;

	for (int i = 0; i < len && valid; i++)
	{
		char		c = type[i];

		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			c == '_' || c == '-')
			in_word = true;
		else if (c == '.' && in_word)
			in_word = false;
		else
			valid = false;
	}
	if (!valid || !in_word)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid event_type \"%.*s\"%s",
						pg_mbcliplen(type, len, 300), type,
						len > event_columns[EVENT_TYPE].max_bytes ?
						psprintf(" of %d bytes", len) : ""),
				 errhint("An event type is 1 to 255 bytes: words of a-z, 0-9, _ and -, joined by single dots.")));
}

/*
 * require_length: an error when a text column holds more than it may.
 */
static void
require_length(EventColumn column, Datum value)
{
	int			max = event_columns[column].max_bytes;
	Size		len = toast_raw_datum_size(value) - VARHDRSZ;

	if (len > max)
	{
		text	   *start = DatumGetTextPP(value);

		ereport(ERROR,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("%s is too long: %zu bytes, at most %d are kept",
						event_columns[column].name, len, max),
				 errdetail("It begins with \"%.*s\".",
						   pg_mbcliplen(VARDATA_ANY(start),
										VARSIZE_ANY_EXHDR(start), 60),
						   VARDATA_ANY(start))));
	}
}

/*
 * eventlog._check(id, occurred_at, event_type, resource_id, resource_type,
 * source_service, source_host, category, user_id, request_id) returns boolean
 *
 * True, or an error that names the column and the value.  NULLs are for the
 * NOT NULL constraints.
 */
Datum
eventlog_check(PG_FUNCTION_ARGS)
{
	static const EventColumn limited[] = {
		EVENT_RESOURCE_ID, EVENT_RESOURCE_TYPE, EVENT_SOURCE_SERVICE,
		EVENT_SOURCE_HOST, EVENT_CATEGORY, EVENT_USER_ID, EVENT_REQUEST_ID
	};

	if (PG_NARGS() != 3 + lengthof(limited))
		elog(ERROR, "eventlog._check called with %d arguments", PG_NARGS());
	if (!PG_ARGISNULL(1))
		require_event_time("occurred_at", PG_GETARG_TIMESTAMPTZ(1));
	if (!PG_ARGISNULL(0) && !PG_ARGISNULL(1))
		id_require_match(PG_GETARG_UUID_P(0), PG_GETARG_TIMESTAMPTZ(1));
	if (!PG_ARGISNULL(2))
	{
		text	   *type = PG_GETARG_TEXT_PP(2);

		require_event_type(VARDATA_ANY(type), VARSIZE_ANY_EXHDR(type));
	}
	for (int i = 0; i < lengthof(limited); i++)
	{
		if (!PG_ARGISNULL(3 + i))
			require_length(limited[i], PG_GETARG_DATUM(3 + i));
	}
	PG_RETURN_BOOL(true);
}

/*
 * FilledRow: a row on its way in, and what _fill changes of it.
 */
typedef struct FilledRow
{
	TupleDesc	desc;
	HeapTuple	tuple;
	int			nchanged;
	int			attnum[2];
	Datum		values[2];
	bool		nulls[2];
} FilledRow;

/*
 * find_column: a column that a trigger works on; it may be on any table.
 */
AttrNumber
find_column(TupleDesc desc, EventColumn column)
{
	for (int i = 0; i < desc->natts; i++)
	{
		int			at = (column + i) % desc->natts;
		Form_pg_attribute att = TupleDescAttr(desc, at);

		if (!att->attisdropped &&
			att->atttypid == event_columns[column].type &&
			strcmp(NameStr(att->attname), event_columns[column].name) == 0)
			return at + 1;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("the table has no column \"%s\" of type %s",
					event_columns[column].name,
					format_type_be(event_columns[column].type)),
			 errhint("eventlog's triggers are for the tables that eventlog.create_log makes.")));
}

static void
change(FilledRow *row, AttrNumber attnum, Datum value)
{
	row->attnum[row->nchanged] = attnum;
	row->values[row->nchanged] = value;
	row->nulls[row->nchanged] = false;
	row->nchanged++;
}

/*
 * fill_id: an id of the event's time, where none was given.
 */
static void
fill_id(FilledRow *row)
{
	AttrNumber	id_at = find_column(row->desc, EVENT_ID);
	AttrNumber	time_at = find_column(row->desc, EVENT_OCCURRED_AT);
	bool		no_id;
	bool		no_time;
	TimestampTz occurred_at;
	pg_uuid_t  *id;

	(void) heap_getattr(row->tuple, id_at, row->desc, &no_id);
	occurred_at = DatumGetTimestampTz(heap_getattr(row->tuple, time_at,
												   row->desc, &no_time));
	if (no_time)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("occurred_at of an event must not be null"),
				 errhint("Leave it out for the clock, give occurred_at => eventlog.id_time(id), or use eventlog.emit.")));
	if (!no_id)
		return;					/* that they agree is for _check */
	require_event_time("occurred_at", occurred_at);
	id = palloc(sizeof(pg_uuid_t));
	id_make(id, occurred_at, NULL);
	change(row, id_at, UUIDPGetDatum(id));
}

/*
 * fill_level: the level as it is kept, in lower case.
 */
static void
fill_level(FilledRow *row)
{
	AttrNumber	attnum = find_column(row->desc, EVENT_LEVEL);
	bool		isnull;
	Datum		value = heap_getattr(row->tuple, attnum, row->desc, &isnull);
	text	   *given;
	const char *kept;

	if (isnull)
		return;					/* for NOT NULL */
	given = DatumGetTextPP(value);
	kept = level_names[level_require(given)];
	if (memcmp(VARDATA_ANY(given), kept, VARSIZE_ANY_EXHDR(given)) != 0)
		change(row, attnum, CStringGetTextDatum(kept));
}

/*
 * require_unmoved: an UPDATE may not change when an event happened, nor which
 * one it is.
 */
static void
require_unmoved(TupleDesc desc, HeapTuple old, HeapTuple new,
				EventColumn column)
{
	AttrNumber	attnum = find_column(desc, column);
	Form_pg_attribute att = TupleDescAttr(desc, attnum - 1);
	bool		was_null;
	bool		is_null;
	Datum		was = heap_getattr(old, attnum, desc, &was_null);
	Datum		is = heap_getattr(new, attnum, desc, &is_null);

	if (was_null != is_null ||
		(!is_null && !datumIsEqual(was, is, att->attbyval, att->attlen)))
		ereport(ERROR,
				(errcode(ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION),
				 errmsg("%s of an event cannot be changed",
						event_columns[column].name),
				 errhint("Delete the event and emit another.")));
}

/*
 * eventlog._fill(): BEFORE INSERT OR UPDATE FOR EACH ROW
 */
Datum
eventlog_fill(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	FilledRow	row = {0};

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_BEFORE(trigdata->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigdata->tg_event) ||
		TRIGGER_FIRED_BY_DELETE(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("eventlog._fill is a trigger BEFORE INSERT OR UPDATE FOR EACH ROW")));

	row.desc = RelationGetDescr(trigdata->tg_relation);
	if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event))
	{
		row.tuple = trigdata->tg_newtuple;
		require_unmoved(row.desc, trigdata->tg_trigtuple, row.tuple, EVENT_ID);
		require_unmoved(row.desc, trigdata->tg_trigtuple, row.tuple,
						EVENT_OCCURRED_AT);
	}
	else
	{
		row.tuple = trigdata->tg_trigtuple;
		fill_id(&row);
	}
	fill_level(&row);

	if (row.nchanged > 0)
		row.tuple = heap_modify_tuple_by_cols(row.tuple, row.desc,
											  row.nchanged, row.attnum,
											  row.values, row.nulls);
	return PointerGetDatum(row.tuple);
}
