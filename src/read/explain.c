/*
 * explain.c
 *		eventlog.explain: what list does for a page, and what it takes.
 *
 * The page is read as list reads it, and thrown away.  Where it is read by one
 * SQL statement, that is PostgreSQL's own EXPLAIN to tell.
 */
#include "read/read.h"

#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(eventlog_explain);

/*
 * note_unindexed: which of the columns that the filter asks for has no index
 * in the partition, neither of its own nor as a part of the classes?
 */
static void
note_unindexed(PageReport *report, const Filter *filter,
			   const OpenPartition *open)
{
	const PartitionIndexes *indexes = &open->indexes;

	for (int col = 0; col < EVENT_NCOLUMNS; col++)
	{
		bool		indexed = OidIsValid(indexes->by_column[col].oid);

		for (int i = 0; i < NCLASS_INDEXES; i++)
		{
			for (int j = 0; j < class_indexes[i].ncolumns; j++)
				indexed |= OidIsValid(indexes->by_class[i].oid) &&
					class_indexes[i].columns[j] == col;
		}
		if (!indexed && filters_column(filter, col))
			report->unindexed = bms_add_member(report->unindexed, col);
	}
}

/*
 * append_columns: their names.
 */
static void
append_columns(StringInfo text, const Bitmapset * columns)
{
	const char *before = "";
	int			col = -1;

	while ((col = bms_next_member(columns, col)) >= 0)
	{
		appendStringInfo(text, "%s%s", before, event_columns[col].name);
		before = ", ";
	}
}

/*
 * report_partition: a partition that was read by its indexes.
 */
void
report_partition(PageReport *report, const Filter *filter,
				 const OpenPartition *open, const BufferUsage * before,
				 instr_time begun)
{
	const ReadStats *stats = &open->stats;
	StringInfo text = &report->text;
	BufferUsage used = {0};
	instr_time	time;

	INSTR_TIME_SET_CURRENT(time);
	INSTR_TIME_SUBTRACT(time, begun);
	BufferUsageAccumDiff(&used, &pgBufferUsage, before);
	report->nread++;
	note_unindexed(report, filter, open);
	appendStringInfo(text, "  ->  %s: %s\n",
					 RelationGetRelationName(open->rel), stats->way);
	if (!bms_is_empty(stats->columns))
	{
		appendStringInfoString(text, "        Posting lists: ");
		append_columns(text, stats->columns);
		if (stats->classes > 0)
			appendStringInfo(text, " (%d classes)", stats->classes);
		appendStringInfoChar(text, '\n');
	}
	appendStringInfo(text, "        Index searches: %d  Entries: " INT64_FORMAT
					 "  BRIN bitmaps: %d\n        Rows fetched: " INT64_FORMAT
					 "  Kept: " INT64_FORMAT "\n",
					 stats->descents, stats->entries, stats->certificates,
					 stats->fetched, stats->kept);
	appendStringInfo(text, "        Buffers: shared hit=%lld read=%lld\n"
					 "        Time: %.3f ms\n",
					 (long long) used.shared_blks_hit,
					 (long long) used.shared_blks_read,
					 INSTR_TIME_GET_MILLISEC(time));
}

/*
 * report_statement: a partition that was read by a statement of its own.
 */
void
report_statement(PageReport *report, Oid partition, uint64 rows)
{
	report->nread++;
	appendStringInfo(&report->text,
					 "  ->  %s: a statement of its own\n"
					 "        Rows fetched: %lld\n",
					 get_rel_name(partition), (long long) rows);
}

/*
 * drop_event: a sink that counts.
 */
static void
drop_event(OpenPartition *open, void *arg)
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
	int			level;

	put_line(rsinfo, psprintf("Page of %s, by one statement",
							  qualified_name(log->oid)));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	level = reach_default(log, filter->since, filter->before);
	(void) sql_into_result(psprintf("EXPLAIN (ANALYZE, BUFFERS) %s",
									page_sql(log, filter, page)),
						   NULL, false, rsinfo);
	AtEOXact_GUC(false, level);
	SPI_finish();
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
	if (!scan_page_reported(log, &filter, &page, drop_event, &events, &report))
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
