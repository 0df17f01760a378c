/*
 * plan.c
 *		Reading events the SQL way: one statement, planned and run by
 *		PostgreSQL as the caller, under the calling query's snapshot.
 *
 * Rights and row-level security are the executor's work here.  Statements are
 * written out with constants, so that partitions are pruned when planned, and
 * with every name and operator qualified, so that no search_path matters.
 */
#include "eventlog.h"

#include "executor/spi.h"
#include "tcop/dest.h"
#include "executor/tstoreReceiver.h"
#include "utils/builtins.h"

/*
 * append_event_select: SELECT the columns of eventlog.event FROM log e, with a
 * WHERE that further conditions go on with AND.
 */
void
append_event_select(StringInfo sql, Oid log)
{
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

/*
 * sql_into_result: run a statement that returns rows into a set-returning
 * function's result; how many.  Within SPI.
 */
uint64
sql_into_result(const char *sql, bool read_only, ReturnSetInfo *rsinfo)
{
	DestReceiver *dest = CreateDestReceiver(DestTuplestore);
	SPIExecuteOptions options = {0};
	int			result;

	SetTuplestoreDestReceiverParams(dest, rsinfo->setResult,
									rsinfo->econtext->ecxt_per_query_memory,
									true, rsinfo->setDesc,
									"wrong columns from a log");
	options.read_only = read_only;
	options.dest = dest;
	result = SPI_execute_extended(sql, &options);
	if (result < 0)
		elog(ERROR, "SPI_execute_extended failed: %s: %s",
			 SPI_result_code_string(result), sql);
	dest->rDestroy(dest);
	return SPI_processed;
}

/*
 * run_sql: run a statement of our own making within SPI; anything but the
 * expected result code is an error.
 */
void
run_sql(const char *sql, int expected)
{
	int			result = SPI_execute(sql, false, 0);

	if (result != expected)
		elog(ERROR, "SPI_execute failed: %s: %s",
			 SPI_result_code_string(result), sql);
}
