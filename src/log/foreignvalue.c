/*
 * foreignvalue.c
 *		The fields of events of other systems, read as texts, times, levels and
 *		types.  Errors name the field.
 */
#include "log/log.h"

#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(eventlog_foreign_text);
PG_FUNCTION_INFO_V1(eventlog_foreign_time);
PG_FUNCTION_INFO_V1(eventlog_foreign_level);
PG_FUNCTION_INFO_V1(eventlog_foreign_type);
PG_FUNCTION_INFO_V1(eventlog_foreign_refuse);
PG_FUNCTION_INFO_V1(eventlog_foreign_id);

#define MAX_TYPE_BYTES	255

/*
 * refuse_field: raise an error about the field of the arguments: the third is
 * where in the document the object is.
 */
static void
refuse_field(FunctionCallInfo fcinfo, const char *problem, const char *hint)
{
	char	   *at = text_to_cstring(PG_GETARG_TEXT_PP(2));
	char	   *field = text_to_cstring(PG_GETARG_TEXT_PP(1));

	if (at[0] == '\0' && field[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the event %s", problem)));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("field \"%s%s%s\" of the event %s", at,
					at[0] != '\0' && field[0] != '\0' ? "." : "", field,
					problem),
			 hint ? errhint("%s", hint) : 0));
}

/*
 * shown: the beginning of a value that an error is about.
 */
static char *
shown(const char *value)
{
	return shown_value(cstring_to_text(value));
}

/*
 * eventlog._foreign_text(object jsonb, path text, at text) returns text: a
 * string, number or truth value.
 */
Datum
eventlog_foreign_text(PG_FUNCTION_ARGS)
{
	JsonbValue *value = foreign_find_arg(fcinfo);
	char	   *string = value ? foreign_scalar(value) : NULL;

	if (value == NULL)
		PG_RETURN_NULL();
	if (string == NULL)
		refuse_field(fcinfo, "must be a string", NULL);
	PG_RETURN_TEXT_P(cstring_to_text(string));
}

/*
 * parse_number: read a whole number of n to max digits; moves *at behind it.
 */
static bool
parse_number(const char **at, int min, int max, int *number)
{
	int			n = 0;

	*number = 0;
	while (n < max && (*at)[0] >= '0' && (*at)[0] <= '9')
	{
		*number = *number * 10 + (*at)[0] - '0';
		(*at)++;
		n++;
	}
	return n >= min;
}

static bool
parse_char(const char **at, const char *any)
{
	if (**at == '\0' || strchr(any, **at) == NULL)
		return false;
	(*at)++;
	return true;
}

/*
 * parse_fraction: microseconds; further digits are cut off.
 */
static int
parse_fraction(const char **at)
{
	int			us = 0;
	int			n = 0;

	if (!parse_char(at, "."))
		return 0;
	for (; **at >= '0' && **at <= '9'; (*at)++)
	{
		if (n++ < 6)
			us = us * 10 + **at - '0';
	}
	for (; n < 6; n++)
		us *= 10;
	return us;
}

/*
 * parse_offset: seconds east of UTC; UTC if none is given.
 */
static bool
parse_offset(const char **at, int *seconds)
{
	int			hours;
	int			minutes = 0;
	int			sign = **at == '-' ? -1 : 1;

	*seconds = 0;
	if (**at == '\0' || parse_char(at, "Zz"))
		return true;
	if (!parse_char(at, "+-") || !parse_number(at, 2, 2, &hours))
		return false;
	(void) parse_char(at, ":");
	if (**at != '\0' && !parse_number(at, 2, 2, &minutes))
		return false;
	*seconds = sign * (hours * 60 + minutes) * 60;
	return hours < 24 && minutes < 60;
}

/*
 * parse_rfc3339: 2022-08-24T22:48:45.123456Z; also with a blank for the T and
 * without seconds, as many write it.
 */
static bool
parse_rfc3339(const char *string, TimestampTz *t)
{
	const char *at = string;
	int			year;
	int			month;
	int			day;
	int			hour;
	int			minute;
	int			second = 0;
	int			us = 0;
	int			offset;

	if (!parse_number(&at, 4, 4, &year) || !parse_char(&at, "-") ||
		!parse_number(&at, 2, 2, &month) || !parse_char(&at, "-") ||
		!parse_number(&at, 2, 2, &day) || !parse_char(&at, "Tt ") ||
		!parse_number(&at, 2, 2, &hour) || !parse_char(&at, ":") ||
		!parse_number(&at, 2, 2, &minute))
		return false;
	if (parse_char(&at, ":"))
	{
		if (!parse_number(&at, 2, 2, &second))
			return false;
		us = parse_fraction(&at);
	}
	if (!parse_offset(&at, &offset) || *at != '\0' || year < 1 ||
		month < 1 || month > MONTHS_PER_YEAR ||
		day < 1 || day > day_tab[isleap(year)][month - 1] ||
		hour >= HOURS_PER_DAY || minute >= MINS_PER_HOUR || second > 60)
		return false;
	*t = ((int64) (date2j(year, month, day) - POSTGRES_EPOCH_JDATE) * SECS_PER_DAY +
		  (hour * MINS_PER_HOUR + minute) * SECS_PER_MINUTE + second - offset) *
		USECS_PER_SEC + us;
	return true;
}

/*
 * parse_epoch: seconds, milliseconds, microseconds or nanoseconds since 1970,
 * by their size; seconds may have a fraction.
 */
static bool
parse_epoch(const char *string, TimestampTz *t)
{
	static const int64 unix_epoch = (int64) (UNIX_EPOCH_JDATE - POSTGRES_EPOCH_JDATE) *
		USECS_PER_DAY;
	const char *at = string;
	int64		number = 0;
	int			n = 0;

	for (; *at >= '0' && *at <= '9' && n < 19; at++, n++)
		number = number * 10 + *at - '0';
	if (n == 0 || (*at >= '0' && *at <= '9'))
		return false;
	if (n <= 11)
		number = number * USECS_PER_SEC + parse_fraction(&at);
	else
	{
		int			fraction = parse_fraction(&at);

		if (n <= 14)
			number = number * 1000 + fraction / 1000;
		else if (n > 17)
			number /= 1000;
	}
	*t = number + unix_epoch;
	return *at == '\0';
}

/*
 * eventlog._foreign_time(object jsonb, path text, at text) returns timestamptz
 */
Datum
eventlog_foreign_time(PG_FUNCTION_ARGS)
{
	JsonbValue *value = foreign_find_arg(fcinfo);
	char	   *string = value ? foreign_scalar(value) : NULL;
	TimestampTz t;

	if (value == NULL)
		PG_RETURN_NULL();
	if (string == NULL || value->type == jbvBool ||
		(!parse_rfc3339(string, &t) && !parse_epoch(string, &t)))
		refuse_field(fcinfo, psprintf("is no time: \"%s\"",
									  string ? shown(string) : "an object"),
					 "Times are written as in RFC 3339, \"2022-08-24T22:48:45.123456Z\", or as a number of seconds, milliseconds, microseconds or nanoseconds since 1970.");
	if (t < EVENT_MIN_TIME || t >= EVENT_END_TIME)
		refuse_field(fcinfo, psprintf("is out of range: \"%s\"", shown(string)),
					 "Events happen from 1970 to the end of 9999.");
	PG_RETURN_TIMESTAMPTZ(t);
}

/*
 * eventlog._foreign_level(object jsonb, path text, at text, opentelemetry
 * boolean) returns text
 */
Datum
eventlog_foreign_level(PG_FUNCTION_ARGS)
{
	JsonbValue *value = foreign_find_arg(fcinfo);
	char	   *string = value ? foreign_scalar(value) : NULL;
	bool		opentelemetry = PG_GETARG_BOOL(3);
	int			level;

	if (value == NULL || (opentelemetry && string && strcmp(string, "0") == 0))
		PG_RETURN_NULL();		/* 0: not specified */
	level = string ? level_from_word(string, strlen(string), opentelemetry) : -1;
	if (level < 0)
		refuse_field(fcinfo, psprintf("is no level: \"%s\"",
									  string ? shown(string) : "an object"),
					 "Levels are debug, info, warning, error and critical, their names in syslog and OpenTelemetry, and the numbers of these.");
	PG_RETURN_TEXT_P(cstring_to_text(level_names[level]));
}

/*
 * eventlog._foreign_type(name text) returns text: an event_type made of a
 * name: in lower case, its words separated by dots; NULL if nothing is left.
 */
Datum
eventlog_foreign_type(PG_FUNCTION_ARGS)
{
	text	   *name = PG_GETARG_TEXT_PP(0);
	char	   *type = palloc(MAX_TYPE_BYTES + 1);
	int			n = 0;

	for (int i = 0; i < VARSIZE_ANY_EXHDR(name) && n < MAX_TYPE_BYTES; i++)
	{
		unsigned char c = VARDATA_ANY(name)[i];

		if (c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		if (c == '.' || c == '/' || c == ':' || c == '\\' || c == '$')
		{
			if (n > 0 && type[n - 1] != '.')
				type[n++] = '.';
		}
		else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')
			type[n++] = c;
		else if ((c & 0xc0) != 0x80)	/* once for a character */
			type[n++] = '_';
	}
	while (n > 0 && type[n - 1] == '.')
		n--;
	if (n == 0)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(type, n));
}

/*
 * eventlog._foreign_refuse(object jsonb, path text, at text, problem text)
 * returns text: an error about a field.
 */
Datum
eventlog_foreign_refuse(PG_FUNCTION_ARGS)
{
	refuse_field(fcinfo, text_to_cstring(PG_GETARG_TEXT_PP(3)), NULL);
	PG_RETURN_NULL();
}

/*
 * parse_uuid: with or without dashes.
 */
static bool
parse_uuid(const text *string, pg_uuid_t *id)
{
	int			n = 0;

	for (int i = 0; i < VARSIZE_ANY_EXHDR(string); i++)
	{
		unsigned char c = pg_tolower(VARDATA_ANY(string)[i]);
		int			digit = c >= '0' && c <= '9' ? c - '0' :
			c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

		if (c == '-')
			continue;
		if (digit < 0 || n == 2 * UUID_LEN)
			return false;
		if (n % 2 == 0)
			id->data[n / 2] = digit << 4;
		else
			id->data[n / 2] |= digit;
		n++;
	}
	return n == 2 * UUID_LEN;
}

/*
 * eventlog._foreign_id(id text, occurred_at timestamptz) returns uuid: an id
 * that is an event's of that time, or of any if it is NULL; otherwise NULL.
 */
Datum
eventlog_foreign_id(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));
	TimestampTz t;

	if (PG_ARGISNULL(0) || !parse_uuid(PG_GETARG_TEXT_PP(0), id) ||
		!id_find_time(id, &t) ||
		(!PG_ARGISNULL(1) && t != PG_GETARG_TIMESTAMPTZ(1)))
		PG_RETURN_NULL();
	PG_RETURN_UUID_P(id);
}
