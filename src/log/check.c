/*
 * check.c
 *		Which values the columns of an event may have.
 *
 * eventlog._fill checks them all (check_value).  A CHECK constraint of a log
 * calls eventlog._check, which checks that the id and the time of an event
 * belong together, also where triggers do not fire, as on a logical
 * subscriber.
 *
 * The constraint is on these two columns only, because PostgreSQL reads the
 * text of a constraint anew for each statement.  With all columns, that took a
 * sixth of the time of a statement that inserts one event.
 */
#include "log/log.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(eventlog_check);

const EventColumn check_columns[CHECK_OLD_NCOLUMNS] = {
	EVENT_ID, EVENT_OCCURRED_AT, EVENT_TYPE, EVENT_RESOURCE_ID,
	EVENT_RESOURCE_TYPE, EVENT_SOURCE_SERVICE, EVENT_SOURCE_HOST,
	EVENT_CATEGORY, EVENT_USER_ID, EVENT_REQUEST_ID
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
	Oid			types[CHECK_OLD_NCOLUMNS];

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
 * check_value: raise an error unless a column may have this value.
 */
void
check_value(EventColumn column, Datum value)
{
	if (column == EVENT_TYPE)
	{
		text	   *type = DatumGetTextPP(value);

		require_event_type(VARDATA_ANY(type), VARSIZE_ANY_EXHDR(type));
	}
	else if (column == EVENT_OCCURRED_AT)
		id_require_time("occurred_at", DatumGetTimestampTz(value));
	else if (event_columns[column].max_bytes > 0)
		require_length(column, value);
}

/*
 * eventlog._check(id, occurred_at) returns boolean
 *
 * Returns true, or raises an error that names the column and the value.  Nulls
 * are left to NOT NULL constraints.  Logs made before version 1.0 call it with
 * more columns, which _fill has checked.
 */
Datum
eventlog_check(PG_FUNCTION_ARGS)
{
	EventErrorContext subject;

	if (PG_NARGS() < CHECK_NCOLUMNS)
		elog(ERROR, "eventlog._check called with %d arguments", PG_NARGS());
	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(true);
	last_checked = *PG_GETARG_UUID_P(0);
	if (PG_ARGISNULL(1))
		PG_RETURN_BOOL(true);
	event_push_error_context(&subject, InvalidOid);
	subject.id = PG_GETARG_UUID_P(0);
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
