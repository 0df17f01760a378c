/*
 * json.c
 *		An event as JSON: the nested form that applications and webhooks
 *		get.
 *
 * It is written as text, and eventlog.to_json parses that text into jsonb.  A
 * webhook's body needs no jsonb, and building one would cost more than reading
 * and sending an event.
 */
#include "log/log.h"

#include "access/htup_details.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"
#include "utils/uuid.h"

PG_FUNCTION_INFO_V1(eventlog_json);
PG_FUNCTION_INFO_V1(eventlog_to_json);
PG_FUNCTION_INFO_V1(eventlog_utc);

/*
 * Member: the text before a value, and the column of the value.
 */
typedef struct Member
{
	const char *before;			/* of the value */
	EventColumn column;
} Member;

static const Member members[] = {
	{"{\"generated_uuid\": ", EVENT_ID},
	{", \"created_at\": ", EVENT_CREATED_AT},
	{", \"event\": {\"type\": ", EVENT_TYPE},
	{", \"level\": ", EVENT_LEVEL},
	{", \"message\": ", EVENT_MESSAGE},
	{", \"category\": ", EVENT_CATEGORY},
	{", \"details\": ", EVENT_DETAILS},
	{", \"timestamp\": ", EVENT_OCCURRED_AT},
	{", \"resource\": {\"id\": ", EVENT_RESOURCE_ID},
	{", \"type\": ", EVENT_RESOURCE_TYPE},
	{", \"user_id\": ", EVENT_USER_ID},
	{"}, \"source\": {\"servicename\": ", EVENT_SOURCE_SERVICE},
	{", \"hostid\": ", EVENT_SOURCE_HOST},
	{", \"base_url\": ", EVENT_BASE_URL},
	{", \"request_id\": ", EVENT_REQUEST_ID},
};

#define AFTER_MEMBERS	"}}}"

/*
 * append_utc: append a time as ISO 8601 in UTC with six digits.
 */
static void
append_utc(StringInfo to, TimestampTz t)
{
	struct pg_tm tm;
	fsec_t		fsec;

	if (TIMESTAMP_NOT_FINITE(t))
		appendStringInfoString(to, TIMESTAMP_IS_NOBEGIN(t) ? "-infinity" :
							   "infinity");
	else
	{
		utc_fields(t, &tm, &fsec);
		appendStringInfo(to, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ",
						 tm.tm_year, tm.tm_mon, tm.tm_mday, tm.tm_hour,
						 tm.tm_min, tm.tm_sec, (int) fsec);
	}
}

static void
append_hex(StringInfo to, const pg_uuid_t *id)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < UUID_LEN; i++)
	{
		appendStringInfoCharMacro(to, digits[id->data[i] >> 4]);
		appendStringInfoCharMacro(to, digits[id->data[i] & 0xf]);
	}
}

/*
 * append_value: append a column's value as JSON.
 */
static void
append_value(StringInfo to, EventColumn column, Datum value)
{
	switch (column)
	{
		case EVENT_ID:
			appendStringInfoChar(to, '"');
			append_hex(to, DatumGetUUIDP(value));
			appendStringInfoChar(to, '"');
			break;
		case EVENT_CREATED_AT:
		case EVENT_OCCURRED_AT:
			appendStringInfoChar(to, '"');
			append_utc(to, DatumGetTimestampTz(value));
			appendStringInfoChar(to, '"');
			break;
		case EVENT_LEVEL:
			escape_json(to, DatumGetCString(DirectFunctionCall1(enum_out,
																value)));
			break;
		case EVENT_DETAILS:
			{
				Jsonb	   *details = DatumGetJsonbP(value);

				(void) JsonbToCString(to, &details->root, VARSIZE(details));
				break;
			}
		default:
			escape_json(to, TextDatumGetCString(value));
			break;
	}
}

/*
 * append_event: append the nested form of a composite eventlog.event.
 */
static void
append_event(StringInfo to, HeapTupleHeader event)
{
	TupleDesc	desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(event),
											  HeapTupleHeaderGetTypMod(event));
	HeapTupleData tuple = {
		.t_len = HeapTupleHeaderGetDatumLength(event),.t_data = event
	};
	Datum		values[EVENT_NCOLUMNS];
	bool		nulls[EVENT_NCOLUMNS];

	if (desc->natts != EVENT_NCOLUMNS)
		elog(ERROR, "eventlog.event has %d columns", desc->natts);
	heap_deform_tuple(&tuple, desc, values, nulls);
	for (int i = 0; i < lengthof(members); i++)
	{
		EventColumn column = members[i].column;

		appendStringInfoString(to, members[i].before);
		if (nulls[column])
			appendStringInfoString(to, "null");
		else
			append_value(to, column, values[column]);
	}
	appendStringInfoString(to, AFTER_MEMBERS);
	ReleaseTupleDesc(desc);
}

/*
 * eventlog.event_json(event eventlog.event) returns json
 */
Datum
eventlog_json(PG_FUNCTION_ARGS)
{
	StringInfoData json;

	initStringInfo(&json);
	append_event(&json, PG_GETARG_HEAPTUPLEHEADER(0));
	PG_RETURN_TEXT_P(cstring_to_text_with_len(json.data, json.len));
}

/*
 * eventlog.to_json(event eventlog.event) returns jsonb
 */
Datum
eventlog_to_json(PG_FUNCTION_ARGS)
{
	StringInfoData json;

	initStringInfo(&json);
	append_event(&json, PG_GETARG_HEAPTUPLEHEADER(0));
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

/*
 * eventlog.utc(t timestamptz) returns text
 */
Datum
eventlog_utc(PG_FUNCTION_ARGS)
{
	StringInfoData text;

	initStringInfo(&text);
	append_utc(&text, PG_GETARG_TIMESTAMPTZ(0));
	PG_RETURN_TEXT_P(cstring_to_text_with_len(text.data, text.len));
}
