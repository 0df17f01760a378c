/*
 * event.c
 *		The columns of an event, what may stand in them, and the trigger that
 *		fills in what a writer leaves out.
 *
 * Two parts share the work.  The trigger eventlog._fill (BEFORE ROW) makes the
 * id, brings the level into its canonical form and fills in what is null and
 * has a default; it is all that a writer pays for besides the insert itself, so
 * it looks at five columns only.  Whether the row is an
 * event is for eventlog._check, in the log's CHECK constraint: that holds
 * where triggers do not fire, as on a logical subscriber.
 */
#include "log/log.h"

#include "access/htup_details.h"
#include "access/toast_internals.h"
#include "access/detoast.h"
#include "catalog/partition.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#define MAX_BASE_URL	2048
#define MAX_MESSAGE		(1024 * 1024)
#define MAX_DETAILS		(8 * 1024 * 1024)
#define SHOWN_BYTES		60		/* of a value that is refused */

/*
 * The default of id is a null that PostgreSQL keeps in its catalog, so that
 * programs which look for a default there leave the id out and read it back.
 */
const EventColumnInfo event_columns[EVENT_NCOLUMNS] = {
	[EVENT_ID] = {"id", UUIDOID, 0, false, true,
	"(NULL::pg_catalog.text)::pg_catalog.uuid"},
	[EVENT_TYPE] = {"event_type", TEXTOID, 255, true, true, NULL},
	[EVENT_LEVEL] = {"level", TEXTOID, 0, true, true, "'info'"},
	[EVENT_RESOURCE_ID] = {"resource_id", TEXTOID, 1024, true, false, NULL},
	[EVENT_RESOURCE_TYPE] = {"resource_type", TEXTOID, 255, true, false, NULL},
	[EVENT_SOURCE_SERVICE] = {"source_service", TEXTOID, 255, true, false, NULL},
	[EVENT_SOURCE_HOST] = {"source_host", TEXTOID, 255, true, false, NULL},
	[EVENT_OCCURRED_AT] = {"occurred_at", TIMESTAMPTZOID, 0, false, true,
	"pg_catalog.clock_timestamp()"},
	[EVENT_MESSAGE] = {"message", TEXTOID, MAX_MESSAGE, false, false, NULL},
	[EVENT_CATEGORY] = {"category", TEXTOID, 255, true, false, NULL},
	[EVENT_DETAILS] = {"details", JSONBOID, MAX_DETAILS, false, false, NULL},
	[EVENT_USER_ID] = {"user_id", TEXTOID, 1024, true, false, NULL},
	[EVENT_BASE_URL] = {"base_url", TEXTOID, MAX_BASE_URL, false, false, NULL},
	[EVENT_REQUEST_ID] = {"request_id", TEXTOID, 255, true, false, NULL},
	[EVENT_CREATED_AT] = {"created_at", TIMESTAMPTZOID, 0, false, true,
	"pg_catalog.clock_timestamp()"},
};

const EventColumn check_columns[CHECK_NCOLUMNS] = {
	EVENT_ID, EVENT_OCCURRED_AT, EVENT_TYPE, EVENT_RESOURCE_ID,
	EVENT_RESOURCE_TYPE, EVENT_SOURCE_SERVICE, EVENT_SOURCE_HOST,
	EVENT_CATEGORY, EVENT_USER_ID, EVENT_REQUEST_ID, EVENT_BASE_URL,
	EVENT_MESSAGE, EVENT_DETAILS
};

const char *const level_names[EVENT_NLEVELS] = {
	"debug", "info", "warning", "error", "critical"
};

/*
 * The names that the neighbours have for levels: RFC 5424 (syslog),
 * OpenTelemetry, log4j.
 */
static const struct
{
	const char *name;
	EventLevel	level;
}			level_aliases[] = {
	{"trace", LEVEL_DEBUG},
	{"information", LEVEL_INFO},
	{"notice", LEVEL_INFO},
	{"warn", LEVEL_WARNING},
	{"err", LEVEL_ERROR},
	{"crit", LEVEL_CRITICAL},
	{"fatal", LEVEL_CRITICAL},
	{"alert", LEVEL_CRITICAL},
	{"emerg", LEVEL_CRITICAL},
	{"emergency", LEVEL_CRITICAL},
	{"panic", LEVEL_CRITICAL}
};

PG_FUNCTION_INFO_V1(eventlog_fill);
PG_FUNCTION_INFO_V1(eventlog_check);

/*
 * The row that _fill has seen last: most often the one that _check looks at.
 */
static struct
{
	Oid			relid;
	pg_uuid_t	id;
}			last_filled;

/* The id of the row that _check has looked at last. */
static pg_uuid_t last_checked;

/*
 * topmost_table: the table that this one is a partition of, or itself.
 */
Oid
topmost_table(Oid relid)
{
	List	   *ancestors;

	if (!get_rel_relispartition(relid))
		return relid;
	ancestors = get_partition_ancestors(relid);

	/* there is none while a partition is being detached */
	return ancestors == NIL ? relid : llast_oid(ancestors);
}

/*
 * tell_subject: error callback: the table, column and constraint that an error
 * about a value is about.
 *
 * A CHECK function is not told which table it works for.  The row that _fill
 * has seen last is known by its id.
 */
static void
tell_subject(void *arg)
{
	EventSubject *subject = arg;
	int			code = geterrcode();
	Oid			relid = subject->relid;
	char	   *name;

	if (code != ERRCODE_NOT_NULL_VIOLATION &&
		ERRCODE_TO_CATEGORY(code) != ERRCODE_DATA_EXCEPTION)
		return;
	if (!OidIsValid(relid) && subject->id &&
		memcmp(subject->id, &last_filled.id, UUID_LEN) == 0)
		relid = last_filled.relid;
	if (OidIsValid(relid))
		relid = topmost_table(relid);
	name = OidIsValid(relid) ? get_rel_name(relid) : NULL;
	if (name)
	{
		err_generic_string(PG_DIAG_SCHEMA_NAME,
						   get_namespace_name(get_rel_namespace(relid)));
		err_generic_string(PG_DIAG_TABLE_NAME, name);
	}
	err_generic_string(PG_DIAG_COLUMN_NAME,
					   event_columns[subject->column].name);
	if (code != ERRCODE_NOT_NULL_VIOLATION)
		err_generic_string(PG_DIAG_CONSTRAINT_NAME,
						   subject->column == EVENT_LEVEL ?
						   LEVEL_CHECK : EVENT_CHECK);
}

/*
 * begin_subject: from here to end_subject(), errors about a value carry the
 * table, if it is known, and the column in subject->column.
 */
void
begin_subject(EventSubject *subject, Oid relid)
{
	subject->relid = relid;
	subject->id = NULL;
	subject->column = EVENT_ID;
	subject->callback.callback = tell_subject;
	subject->callback.arg = subject;
	subject->callback.previous = error_context_stack;
	error_context_stack = &subject->callback;
}

void
end_subject(EventSubject *subject)
{
	error_context_stack = subject->callback.previous;
}

/*
 * check_function: eventlog._check for so many columns; InvalidOid when there is
 * none.
 */
Oid
check_function(int ncolumns)
{
	Oid			types[CHECK_NCOLUMNS];

	for (int i = 0; i < ncolumns; i++)
		types[i] = event_columns[check_columns[i]].type;
	return eventlog_function_oid("_check", ncolumns, types);
}

static bool
is_name(const char *known, const char *name, int len)
{
	return strlen(known) == len && pg_strncasecmp(known, name, len) == 0;
}

/*
 * level_find: which level a name is, in any case; -1 if none.
 */
int
level_find(const char *name, int len)
{
	for (int level = 0; level < EVENT_NLEVELS; level++)
	{
		if (is_name(level_names[level], name, len))
			return level;
	}
	for (int i = 0; i < lengthof(level_aliases); i++)
	{
		if (is_name(level_aliases[i].name, name, len))
			return level_aliases[i].level;
	}
	return -1;
}

/*
 * shown_value: the beginning of a value, for an error that refuses it: it may
 * be of any length.
 */
char *
shown_value(const text *value)
{
	int			len = VARSIZE_ANY_EXHDR(value);

	if (len <= SHOWN_BYTES)
		return text_to_cstring(value);
	return psprintf("%.*s...", pg_mbcliplen(VARDATA_ANY(value), len, SHOWN_BYTES),
					VARDATA_ANY(value));
}

/*
 * level_require: which level a name is, with an error that lists the valid ones.
 */
EventLevel
level_require(const text *name)
{
	int			level = level_find(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));

	if (level < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown level \"%s\"", shown_value(name)),
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
 * require_length: an error when a column holds more than it may.  The size is
 * known without fetching a value that is stored out of line.
 */
static void
require_length(EventColumn column, Datum value)
{
	int			max = event_columns[column].max_bytes;
	Size		len = toast_raw_datum_size(value) - VARHDRSZ;

	if (len > max)
	{
		text	   *start = event_columns[column].type != TEXTOID ? NULL :
		DatumGetTextPSlice(value, 0, SHOWN_BYTES + MAX_MULTIBYTE_CHAR_LEN);

		ereport(ERROR,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("%s is too long: %zu bytes, at most %d are kept",
						event_columns[column].name, len, max),
				 start == NULL ? 0 :
				 errdetail("It begins with \"%.*s\".",
						   pg_mbcliplen(VARDATA_ANY(start),
										VARSIZE_ANY_EXHDR(start), SHOWN_BYTES),
						   VARDATA_ANY(start))));
	}
}

/*
 * check_value: one column of an event that is not null.
 */
static void
check_value(EventColumn column, Datum value)
{
	if (column == EVENT_TYPE)
	{
		text	   *type = DatumGetTextPP(value);

		require_event_type(VARDATA_ANY(type), VARSIZE_ANY_EXHDR(type));
	}
	else if (column == EVENT_OCCURRED_AT)
		require_event_time("occurred_at", DatumGetTimestampTz(value));
	else
		require_length(column, value);
}

/*
 * eventlog._check(id, occurred_at, event_type, resource_id, resource_type,
 * source_service, source_host, category, user_id, request_id, base_url,
 * message, details) returns boolean
 *
 * True, or an error that names the column and the value.  NULLs are for the
 * NOT NULL constraints.  In logs made before version 1.0 without the last three.
 */
Datum
eventlog_check(PG_FUNCTION_ARGS)
{
	EventSubject subject;

	if (PG_NARGS() != CHECK_NCOLUMNS && PG_NARGS() != CHECK_OLD_NCOLUMNS)
		elog(ERROR, "eventlog._check called with %d arguments", PG_NARGS());
	begin_subject(&subject, InvalidOid);
	if (!PG_ARGISNULL(0))
		subject.id = PG_GETARG_UUID_P(0);
	for (int i = 1; i < PG_NARGS(); i++)
	{
		subject.column = check_columns[i];
		if (!PG_ARGISNULL(i))
			check_value(check_columns[i], PG_GETARG_DATUM(i));
	}
	subject.column = EVENT_ID;
	if (!PG_ARGISNULL(0))
		last_checked = *PG_GETARG_UUID_P(0);
	if (!PG_ARGISNULL(0) && !PG_ARGISNULL(1))
		id_require_match(PG_GETARG_UUID_P(0), PG_GETARG_TIMESTAMPTZ(1));
	end_subject(&subject);
	PG_RETURN_BOOL(true);
}

/*
 * event_last_checked: the id of the row that _check has looked at last: of the
 * one that was inserted last, unless code of a user's has inserted others since.
 */
pg_uuid_t
event_last_checked(void)
{
	return last_checked;
}

/*
 * FilledRow: a row on its way in, and what _fill changes of it.
 */
typedef struct FilledRow
{
	TupleDesc	desc;
	HeapTuple	tuple;
	int			nchanged;
	int			attnum[3];
	Datum		values[3];
	bool		nulls[3];
	EventSubject subject;
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
 * refuse_null: the error of a NOT NULL constraint, for the log and not for the
 * partition.
 */
static void
refuse_null(const FilledRow *row, EventColumn column)
{
	ereport(ERROR,
			(errcode(ERRCODE_NOT_NULL_VIOLATION),
			 errmsg("null value in column \"%s\" of log \"%s\" violates not-null constraint",
					event_columns[column].name,
					get_rel_name(topmost_table(row->subject.relid)))));
}

/*
 * value_of: a column of the row.
 */
static Datum
value_of(FilledRow *row, EventColumn column, AttrNumber *attnum, bool *isnull)
{
	row->subject.column = column;
	*attnum = find_column(row->desc, column);
	return heap_getattr(row->tuple, *attnum, row->desc, isnull);
}

/*
 * is_null: is a column of the row null?  Costs less than its value.
 */
static bool
is_null(FilledRow *row, EventColumn column, AttrNumber *attnum)
{
	row->subject.column = column;
	*attnum = find_column(row->desc, column);
	return heap_attisnull(row->tuple, *attnum, row->desc);
}

/*
 * fill_id: an id of the event's time, where none was given.
 */
static void
fill_id(FilledRow *row)
{
	AttrNumber	attnum;
	bool		isnull;
	TimestampTz occurred_at;
	pg_uuid_t  *id;

	occurred_at = DatumGetTimestampTz(value_of(row, EVENT_OCCURRED_AT, &attnum,
											   &isnull));
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("occurred_at of an event must not be null"),
				 errhint("Leave it out for the clock, give occurred_at => eventlog.id_time(id), or use eventlog.emit.")));
	id = DatumGetUUIDP(value_of(row, EVENT_ID, &attnum, &isnull));
	if (isnull)
	{
		row->subject.column = EVENT_OCCURRED_AT;
		require_event_time("occurred_at", occurred_at);
		id = palloc(sizeof(pg_uuid_t));
		id_make(id, occurred_at, NULL);
		change(row, attnum, UUIDPGetDatum(id));
	}
	last_filled.relid = row->subject.relid;
	last_filled.id = *id;		/* that it matches the time is for _check */
}

/*
 * note_filled: keep in mind which row is being changed, for tell_subject().
 */
static void
note_filled(FilledRow *row)
{
	AttrNumber	attnum;
	bool		isnull;
	Datum		id = value_of(row, EVENT_ID, &attnum, &isnull);

	if (isnull)
		return;
	last_filled.relid = row->subject.relid;
	last_filled.id = *DatumGetUUIDP(id);
}

/*
 * fill_level: the level as it is kept: one of five, in lower case.
 */
static void
fill_level(FilledRow *row, bool is_insert)
{
	AttrNumber	attnum;
	bool		isnull;
	Datum		value = value_of(row, EVENT_LEVEL, &attnum, &isnull);
	text	   *given;
	const char *kept;

	if (isnull && !is_insert)
		refuse_null(row, EVENT_LEVEL);
	if (isnull)
	{
		change(row, attnum, CStringGetTextDatum(level_names[LEVEL_INFO]));
		return;
	}
	given = DatumGetTextPP(value);
	kept = level_names[level_require(given)];
	if (VARSIZE_ANY_EXHDR(given) != strlen(kept) ||
		memcmp(VARDATA_ANY(given), kept, VARSIZE_ANY_EXHDR(given)) != 0)
		change(row, attnum, CStringGetTextDatum(kept));
}

/*
 * fill_created_at: the clock, where a null was given.
 */
static void
fill_created_at(FilledRow *row, bool is_insert)
{
	AttrNumber	attnum;

	if (!is_null(row, EVENT_CREATED_AT, &attnum))
		return;
	if (!is_insert)
		refuse_null(row, EVENT_CREATED_AT);
	change(row, attnum, TimestampTzGetDatum(GetCurrentTimestamp()));
}

/*
 * require_unmoved: an UPDATE may not change when an event happened, nor which
 * one it is.
 */
static void
require_unmoved(FilledRow *row, HeapTuple old, EventColumn column)
{
	AttrNumber	attnum;
	bool		was_null;
	bool		is_null;
	Datum		is = value_of(row, column, &attnum, &is_null);
	Datum		was = heap_getattr(old, attnum, row->desc, &was_null);
	Form_pg_attribute att = TupleDescAttr(row->desc, attnum - 1);

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
	bool		is_insert;
	AttrNumber	attnum;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_BEFORE(trigdata->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigdata->tg_event) ||
		TRIGGER_FIRED_BY_DELETE(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("eventlog._fill is a trigger BEFORE INSERT OR UPDATE FOR EACH ROW")));

	row.desc = RelationGetDescr(trigdata->tg_relation);
	is_insert = TRIGGER_FIRED_BY_INSERT(trigdata->tg_event);
	row.tuple = is_insert ? trigdata->tg_trigtuple : trigdata->tg_newtuple;
	begin_subject(&row.subject, RelationGetRelid(trigdata->tg_relation));
	if (is_insert)
		fill_id(&row);
	else
	{
		require_unmoved(&row, trigdata->tg_trigtuple, EVENT_ID);
		note_filled(&row);
		require_unmoved(&row, trigdata->tg_trigtuple, EVENT_OCCURRED_AT);
	}
	fill_level(&row, is_insert);
	fill_created_at(&row, is_insert);
	if (is_null(&row, EVENT_TYPE, &attnum))
		refuse_null(&row, EVENT_TYPE);
	end_subject(&row.subject);

	if (row.nchanged > 0)
		row.tuple = heap_modify_tuple_by_cols(row.tuple, row.desc,
											  row.nchanged, row.attnum,
											  row.values, row.nulls);
	return PointerGetDatum(row.tuple);
}
