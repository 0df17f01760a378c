/*
 * eventsql.c
 *		Parts of statements that read events, and the frame that they run in.
 */
#include "read/read.h"

#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/guc.h"

/*
 * append_event_select: SELECT the columns of eventlog.event FROM log e, with
 * a WHERE to which conditions can be added with AND.
 */
void
append_event_select(StringInfo sql, Oid log)
{
	eventlog_require_name();
	appendStringInfoString(sql, "SELECT ");
	for (int col = 0; col < EVENT_NCOLUMNS; col++)
		appendStringInfo(sql, "%se.%s%s", col > 0 ? ", " : "",
						 event_columns[col].name,
						 col == EVENT_LEVEL ? "::eventlog.level" : "");
	appendStringInfo(sql, " FROM %s e WHERE true", qualified_name(log));
}

/*
 * append_event_key: add the condition that it is the event with this id.  The
 * time in the id selects the partition.
 */
void
append_event_key(StringInfo sql, const pg_uuid_t *id)
{
	appendStringInfo(sql,
					 " AND e.occurred_at OPERATOR(pg_catalog.=) '%s'::pg_catalog.timestamptz"
					 " AND e.id OPERATOR(pg_catalog.=) '%s'::pg_catalog.uuid",
					 utc_literal(id_get_time(id)),
					 DatumGetCString(DirectFunctionCall1(uuid_out,
														 UUIDPGetDatum(id))));
}

/*
 * append_after: add the condition that the event comes after the one with
 * this id in the order of a page, whether or not that exists.
 */
void
append_after(StringInfo sql, const pg_uuid_t *after)
{
	char	   *t = utc_literal(id_get_time(after));

	/* the first condition prunes partitions */
	appendStringInfo(sql,
					 " AND e.occurred_at OPERATOR(pg_catalog.<=) '%s'::pg_catalog.timestamptz"
					 " AND (e.occurred_at, e.id) OPERATOR(pg_catalog.<)"
					 " ('%s'::pg_catalog.timestamptz, '%s'::pg_catalog.uuid)",
					 t, t,
					 DatumGetCString(DirectFunctionCall1(uuid_out,
														 UUIDPGetDatum(after))));
}

/*
 * begin_log_sql: connect to SPI for a statement on the log that has this
 * filter; the result is what end_log_sql() wants.
 */
int
begin_log_sql(const EventLog *log, const Filter *filter)
{
	sql_connect();
	return reach_default(log, filter->since, filter->before);
}

/*
 * end_log_sql: the statement has been run. `shards` is what end_shards()
 * wants, NULL when the shards were not asked.
 */
void
end_log_sql(const EventLog *log, const char *shards, int level)
{
	end_shards(log, shards);
	AtEOXact_GUC(false, level);
	SPI_finish();
}
