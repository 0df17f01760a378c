/*
 * filter.c
 *		The one filter, the same wherever events are chosen: from a function's
 *		arguments, to SQL, and on the values of a row.
 *
 * Arguments, in this order from argument `first` on: event_type, level,
 * min_level, resource_type, resource_id, user_id, source_service,
 * source_host, category, request_id (text), since, before (timestamptz).
 */
#include "read/read.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* arguments from the fourth to the tenth */
static const EventColumn equal_columns[] = {
	EVENT_RESOURCE_TYPE, EVENT_RESOURCE_ID, EVENT_USER_ID,
	EVENT_SOURCE_SERVICE, EVENT_SOURCE_HOST, EVENT_CATEGORY, EVENT_REQUEST_ID
};

/*
 * levels_from_args: the range that level and min_level leave, possibly empty.
 */
static void
levels_from_args(FunctionCallInfo fcinfo, int level_arg, int min_level_arg,
				 Filter *filter)
{
	filter->min_level = LEVEL_DEBUG;
	filter->max_level = LEVEL_CRITICAL;
	if (!PG_ARGISNULL(level_arg))
	{
		filter->min_level = level_require(PG_GETARG_TEXT_PP(level_arg));
		filter->max_level = filter->min_level;
	}
	if (!PG_ARGISNULL(min_level_arg))
		filter->min_level = Max(filter->min_level,
								level_require(PG_GETARG_TEXT_PP(min_level_arg)));
}

/*
 * filter_from_args: read the filter from a function's arguments.
 */
void
filter_from_args(FunctionCallInfo fcinfo, int first, Filter *filter)
{
	int			since_arg = first + FILTER_NARGS - 2;
	int			before_arg = first + FILTER_NARGS - 1;

	if (PG_NARGS() < first + FILTER_NARGS)
		elog(ERROR, "filter expected from argument %d, %d given", first,
			 PG_NARGS());
	memset(filter, 0, sizeof(*filter));
	filter->only_window = true;
	for (int i = 0; i < FILTER_NARGS; i++)
	{
		if (PG_ARGISNULL(first + i))
			continue;
		filter->given = true;
		if (first + i < since_arg)
			filter->only_window = false;
	}

	if (!PG_ARGISNULL(first))
		filter->event_type = PG_GETARG_TEXT_PP(first);
	levels_from_args(fcinfo, first + 1, first + 2, filter);
	for (int i = 0; i < lengthof(equal_columns); i++)
	{
		if (!PG_ARGISNULL(first + 3 + i))
			filter->equal[equal_columns[i]] = PG_GETARG_TEXT_PP(first + 3 + i);
	}
	filter->since = PG_ARGISNULL(since_arg) ? DT_NOBEGIN :
		PG_GETARG_TIMESTAMPTZ(since_arg);
	filter->before = PG_ARGISNULL(before_arg) ? DT_NOEND :
		PG_GETARG_TIMESTAMPTZ(before_arg);
	if (filter->since >= filter->before)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("since must be earlier than before"),
				 errdetail("since is %s, before is %s.",
						   utc_literal(filter->since),
						   utc_literal(filter->before)),
				 errhint("The window is since <= occurred_at < before.")));
}

static void
append_and(StringInfo sql, const char *column, const char *operator,
		   const char *value, const char *type)
{
	appendStringInfo(sql, " AND e.%s OPERATOR(pg_catalog.%s) %s::pg_catalog.%s",
					 column, operator, quote_literal_cstr(value), type);
}

static void
append_levels(const Filter *filter, StringInfo sql)
{
	if (filter->min_level > filter->max_level)
		appendStringInfoString(sql, " AND false");
	else if (filter->min_level > LEVEL_DEBUG ||
			 filter->max_level < LEVEL_CRITICAL)
	{
		appendStringInfoString(sql,
							   " AND e.level OPERATOR(pg_catalog.=) ANY ('{");
		for (int level = filter->min_level; level <= filter->max_level; level++)
			appendStringInfo(sql, "%s%s",
							 level > filter->min_level ? "," : "",
							 level_names[level]);
		appendStringInfoString(sql, "}'::pg_catalog.text[])");
	}
}

/*
 * filter_to_sql: append the filter as conditions on the alias e, each with
 * AND before it.  Constants, so that the planner prunes partitions.
 */
void
filter_to_sql(const Filter *filter, StringInfo sql)
{
	if (filter->event_type)
		append_and(sql, "event_type", "^@",
				   text_to_cstring(filter->event_type), "text");
	append_levels(filter, sql);
	for (int col = 0; col < EVENT_NCOLUMNS; col++)
	{
		if (filter->equal[col])
			append_and(sql, event_columns[col].name, "=",
					   text_to_cstring(filter->equal[col]), "text");
	}
	if (!TIMESTAMP_IS_NOBEGIN(filter->since))
		append_and(sql, "occurred_at", ">=", utc_literal(filter->since),
				   "timestamptz");
	if (!TIMESTAMP_IS_NOEND(filter->before))
		append_and(sql, "occurred_at", "<", utc_literal(filter->before),
				   "timestamptz");
}

/*
 * filters_column: does the filter restrict a column?
 */
bool
filters_column(const Filter *filter, EventColumn column)
{
	if (column == EVENT_TYPE)
		return filter->event_type && VARSIZE_ANY_EXHDR(filter->event_type) > 0;
	if (column == EVENT_LEVEL)
		return filter->min_level > LEVEL_DEBUG ||
			filter->max_level < LEVEL_CRITICAL;
	return filter->equal[column] != NULL;
}

/*
 * column_matches: does the filter want this value of a column that it
 * restricts?  NULL is a null, which it does not want.
 */
bool
column_matches(const Filter *filter, EventColumn column, const text *value)
{
	const text *wanted = column == EVENT_TYPE ? filter->event_type :
		filter->equal[column];
	int			len;

	if (value == NULL)
		return false;
	if (column == EVENT_LEVEL)
	{
		int			level = level_find(VARDATA_ANY(value),
									   VARSIZE_ANY_EXHDR(value));

		return level >= filter->min_level && level <= filter->max_level;
	}
	len = VARSIZE_ANY_EXHDR(wanted);
	if (column == EVENT_TYPE ? VARSIZE_ANY_EXHDR(value) < len :
		VARSIZE_ANY_EXHDR(value) != len)
		return false;
	return memcmp(VARDATA_ANY(value), VARDATA_ANY(wanted), len) == 0;
}
