/*
 * eventsql.c
 *		Parts of statements that read events.
 */
#include "read/read.h"

#include "utils/builtins.h"

/*
 * append_event_select: SELECT the columns of eventlog.event FROM log e, with a
 * WHERE that further conditions go on with AND.
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
 * append_event_key: AND it is the event with this id.  The time in the id
 * finds the partition.
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
 * append_after: only what stands behind the event with this id, whether or not
 * there is one.
 */
void
append_after(StringInfo sql, const pg_uuid_t *after)
{
	char	   *t = utc_literal(id_get_time(after));

	/* the first condition is for pruning partitions */
	appendStringInfo(sql,
					 " AND e.occurred_at OPERATOR(pg_catalog.<=) '%s'::pg_catalog.timestamptz"
					 " AND (e.occurred_at, e.id) OPERATOR(pg_catalog.<)"
					 " ('%s'::pg_catalog.timestamptz, '%s'::pg_catalog.uuid)",
					 t, t,
					 DatumGetCString(DirectFunctionCall1(uuid_out,
														 UUIDPGetDatum(after))));
}
