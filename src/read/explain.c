/*
 * explain.c
 *		eventlog.explain: what list does for a page, and what it takes.
 *
 * The page is read as list reads it, and thrown away.  If one SQL statement
 * reads it, PostgreSQL's own EXPLAIN describes that.
 */
#include "read/read.h"

#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(eventlog_explain);

/*
 * drop_event: a sink that counts.
 */
static void
drop_event(PartitionReader *reader, void *arg)
{
	++*(int64 *) arg;
}

static void
put_line(ReturnSetInfo *rsinfo, const char *line)
{
	Datum		value = CStringGetTextDatum(line);
	bool		isnull = false;

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value, &isnull);
}

static void
put_lines(ReturnSetInfo *rsinfo, char *text)
{
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		put_line(rsinfo, line);
}

/*
 * explain_sql: the same of one statement.
 */
static void
explain_sql(const EventLog *log, const Filter *filter, const EventPage *page,
			ReturnSetInfo *rsinfo)
{
	char	   *shards = NULL;
	char	   *sql = shards_explain_sql(log, filter, page, &shards);
	int			level;

	put_line(rsinfo, psprintf("Page of %s, by %s", qualified_name(log->oid),
							  sql ? "its shards" : "one statement"));
	level = begin_log_sql(log, filter);
	(void) sql_into_result(sql ? sql : psprintf("EXPLAIN (ANALYZE, BUFFERS) %s",
												page_sql(log, filter, page)),
						   NULL, false, rsinfo);
	end_log_sql(log, sql ? shards : NULL, level);
}

/*
 * eventlog.explain(<filter>, page int, page_size int, after uuid, log
 * regclass) returns setof text
 */
Datum
eventlog_explain(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	PageReport	report = {0};
	int64		events = 0;
	Filter		filter;
	EventPage	page;
	EventLog   *log;

	filter_from_args(fcinfo, 0, &filter);
	page_from_args(fcinfo, &page);
	log = log_open(log_resolve(fcinfo, LIST_LOG), AccessShareLock);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	initStringInfo(&report.text);
	if (!read_page(log, &filter, &page, drop_event, &events, &report))
		explain_sql(log, &filter, &page, rsinfo);
	else
	{
		put_line(rsinfo, psprintf("Page of %s, newest first (rows=%lld)",
								  qualified_name(log->oid),
								  (long long) events));
		put_line(rsinfo, psprintf("  Partitions: %d read, %d outside of the window, %d not needed",
								  report.nread, report.noutside,
								  report.nspared));
		put_lines(rsinfo, report.text.data);
		if (!bms_is_empty(report.unindexed))
		{
			resetStringInfo(&report.text);
			appendStringInfoString(&report.text,
								   "  Filter columns without an index: ");
			append_columns(&report.text, report.unindexed);
			put_line(rsinfo, report.text.data);
		}
	}
	log_close(log, NoLock);
	return (Datum) 0;
}
