/*
 * check.c
 *		Which values the columns of an event may have: eventlog._check.
 *
 * It is called by a CHECK constraint of a log, which also holds where triggers
 * do not fire, as on a logical subscriber.
 */
#include "log/log.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(eventlog_check);

const EventColumn check_columns[CHECK_NCOLUMNS] = {
	EVENT_ID, EVENT_OCCURRED_AT, EVENT_TYPE, EVENT_RESOURCE_ID,
	EVENT_RESOURCE_TYPE, EVENT_SOURCE_SERVICE, EVENT_SOURCE_HOST,
	EVENT_CATEGORY, EVENT_USER_ID, EVENT_REQUEST_ID, EVENT_BASE_URL,
	EVENT_MESSAGE, EVENT_DETAILS
};

/*
 * The id of the row that _check has examined last.
 */
static pg_uuid_t last_checked;

/*
 * event_check_function: the variant of eventlog._check for so many columns;
 * InvalidOid if there is none.
 */
Oid
event_check_function(int ncolumns)
{
	Oid			types[CHECK_NCOLUMNS];

	for (int i = 0; i < ncolumns; i++)
		types[i] = event_columns[check_columns[i]].type;
	return eventlog_function_oid("_check", ncolumns, types);
}

/*
 * require_event_type: raise an error unless the type consists of words of
 * [a-z0-9_-], joined by dots.
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
				 errmsg("invalid event_type \"%.*s\"",
						pg_mbcliplen(type, len, 300), type),
				 len > event_columns[EVENT_TYPE].max_bytes ?
				 errdetail("It has %d bytes.", len) : 0,
				 errhint("An event type has 1 to 255 bytes: words of a-z, 0-9, _ and -, joined by single dots.")));
}

/*
 * require_length: raise an error if a value is too long.  The size is known
 * without detoasting.
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
				 errmsg("%s is too long: %zu bytes, at most %d are allowed",
						event_columns[column].name, len, max),
				 start == NULL ? 0 :
				 errdetail("It begins with \"%.*s\".",
						   pg_mbcliplen(VARDATA_ANY(start),
										VARSIZE_ANY_EXHDR(start), SHOWN_BYTES),
						   VARDATA_ANY(start))));
	}
}

/*
 * check_value: check one column that is not null.
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
		id_require_time("occurred_at", DatumGetTimestampTz(value));
	else
		require_length(column, value);
}

/*
 * eventlog._check(id, occurred_at, event_type, resource_id, resource_type,
 * source_service, source_host, category, user_id, request_id, base_url,
 * message, details) returns boolean
 *
 * Returns true, or raises an error that names the column and the value.  Nulls
 * are left to NOT NULL constraints.  Logs made before version 1.0 call it
 * without the last three.
 */
Datum
eventlog_check(PG_FUNCTION_ARGS)
{
	EventErrorContext subject;

	if (PG_NARGS() != CHECK_NCOLUMNS && PG_NARGS() != CHECK_OLD_NCOLUMNS)
		elog(ERROR, "eventlog._check called with %d arguments", PG_NARGS());
	event_push_error_context(&subject, InvalidOid);
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
	event_pop_error_context(&subject);
	PG_RETURN_BOOL(true);
}

/*
 * event_last_checked: the id of the row that _check has examined last.  It is
 * the row inserted last, unless code of a user has inserted others since.
 */
pg_uuid_t
event_last_checked(void)
{
	return last_checked;
}
