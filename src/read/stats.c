/*
 * stats.c
 *		eventlog.count, types and histogram: events counted, as the caller.
 */
#include "read/read.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#define BAR_WIDTH	40
#define MAX_HISTOGRAM	100000	/* rows, empty buckets included */

PG_FUNCTION_INFO_V1(eventlog_count);
PG_FUNCTION_INFO_V1(eventlog_types);
PG_FUNCTION_INFO_V1(eventlog_histogram);
PG_FUNCTION_INFO_V1(eventlog_bucket);

/*
 * begin_stats: the statement "SELECT <columns> FROM log WHERE <filter>".
 */
static EventLog *
begin_stats(FunctionCallInfo fcinfo, int first, const char *columns,
			Filter *filter, StringInfo sql)
{
	EventLog   *log;

	eventlog_require_name();
	filter_from_args(fcinfo, first, filter);
	log = log_open(log_resolve(fcinfo, first + FILTER_NARGS), AccessShareLock);
	initStringInfo(sql);
	appendStringInfo(sql, "SELECT %s FROM %s e WHERE true", columns,
					 qualified_name(log->oid));
	filter_to_sql(filter, sql);
	return log;
}

static StringInfo
reset_sql(StringInfo sql)
{
	resetStringInfo(sql);
	return sql;
}

static int64
count_by_sql(const EventLog *log, const Filter *filter, const char *sql,
			 const char *shards)
{
	int64		count;
	bool		isnull;
	int			level;

	level = begin_log_sql(log, filter);
	if (SPI_execute(sql, true, 0) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not count events: %s", sql);
	count = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
										SPI_tuptable->tupdesc, 1, &isnull));
	end_log_sql(log, shards, level);
	return count;
}

/*
 * eventlog.count(<filter>, log regclass) returns bigint
 */
Datum
eventlog_count(PG_FUNCTION_ARGS)
{
	StringInfoData sql;
	Filter		filter;
	EventLog   *log = begin_stats(fcinfo, 0, "pg_catalog.count(*)", &filter,
								  &sql);
	int64		count;

	if (!read_count(log, &filter, &count))
	{
		char	   *shards = NULL;
		char	   *pushed = shards_stats_sql(log, &filter,
											  "pg_catalog.sum(t)::pg_catalog.int8",
											  "count", "", &shards);
		char	   *parts = pushed ? NULL :
			parts_sql(log, &filter, "pg_catalog.count(*) AS n", "");

		if (parts)
			appendStringInfo(reset_sql(&sql),
							 "SELECT pg_catalog.sum(x.n)::pg_catalog.int8"
							 " FROM (%s) x", parts);
		count = count_by_sql(log, &filter, pushed ? pushed : sql.data,
							 pushed ? shards : NULL);
	}
	log_close(log, NoLock);
	PG_RETURN_INT64(count);
}

/*
 * compare_types: by type, in bytes, then by level.
 */
static int
compare_types(const void *a, const void *b)
{
	const char *x = (*(TypeCount *const *) a)->key;
	const char *y = (*(TypeCount *const *) b)->key;
	int			c = strcmp(x + 1, y + 1);

	return c != 0 ? c : x[0] - y[0];
}

/*
 * put_types: the counts, in order.
 */
static void
put_types(HTAB *types, ReturnSetInfo *rsinfo)
{
	int			n = 0;
	TypeCount **counts = palloc(sizeof(TypeCount *) *
								Max(hash_get_num_entries(types), 1));
	TypeCount  *count;
	HASH_SEQ_STATUS status;

	hash_seq_init(&status, types);
	while ((count = hash_seq_search(&status)) != NULL)
		counts[n++] = count;
	qsort(counts, n, sizeof(TypeCount *), compare_types);
	for (int i = 0; i < n; i++)
	{
		text	   *level = cstring_to_text(level_names[counts[i]->key[0] - 1]);
		Datum		values[4];
		bool		nulls[4] = {0};

		if (counts[i]->events == 0)
			continue;
		values[0] = CStringGetTextDatum(counts[i]->key + 1);
		values[1] = ObjectIdGetDatum(level_enum_oid(level));
		values[2] = Int64GetDatum(counts[i]->events);
		values[3] = TimestampTzGetDatum(counts[i]->newest);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
}

/*
 * eventlog.types(<filter>, log regclass)
 * returns table (event_type, level, events, last_occurred_at)
 */
Datum
eventlog_types(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	StringInfoData sql;
	Filter		filter;
	HTAB	   *types;
	int			level;
	EventLog   *log = begin_stats(fcinfo, 0,
								  "e.event_type, e.level::eventlog.level,"
								  " pg_catalog.count(*),"
								  " pg_catalog.max(e.occurred_at)", &filter,
								  &sql);

	InitMaterializedSRF(fcinfo, 0);
	if ((types = read_types(log, &filter)) != NULL)
		put_types(types, rsinfo);
	else
	{
		char	   *shards = NULL;
		char	   *pushed = shards_stats_sql(log, &filter,
											  "t.event_type, t.level,"
											  " pg_catalog.sum(t.events)::pg_catalog.int8,"
											  " pg_catalog.max(t.last_occurred_at)",
											  "types", "", &shards);
		char	   *parts = pushed ? NULL :
			parts_sql(log, &filter,
					  "e.event_type, e.level, pg_catalog.count(*) AS n,"
					  " pg_catalog.max(e.occurred_at) AS newest",
					  " GROUP BY e.event_type, e.level");

		if (parts)
			appendStringInfo(reset_sql(&sql),
							 "SELECT e.event_type, e.level::eventlog.level,"
							 " pg_catalog.sum(e.n)::pg_catalog.int8,"
							 " pg_catalog.max(e.newest) FROM (%s) e", parts);
		appendStringInfoString(&sql, " GROUP BY e.event_type, 2"
							   " ORDER BY e.event_type COLLATE pg_catalog.\"C\", 2");
		level = begin_log_sql(log, &filter);
		(void) sql_into_result(pushed ?
							   psprintf("%s GROUP BY 1, 2 ORDER BY t.event_type COLLATE pg_catalog.\"C\", 2",
										pushed) : sql.data, NULL, true, rsinfo);
		end_log_sql(log, pushed ? shards : NULL, level);
	}
	log_close(log, NoLock);
	return (Datum) 0;
}

/*
 * eventlog._bucket(width interval, t timestamptz) returns timestamptz: the
 * start of the grid's cell that holds t.
 */
Datum
eventlog_bucket(PG_FUNCTION_ARGS)
{
	TimestampTz lower;
	TimestampTz upper;

	grid_require_valid(PG_GETARG_INTERVAL_P(0), "width");
	id_require_time("t", PG_GETARG_TIMESTAMPTZ(1));
	grid_find_cell(PG_GETARG_INTERVAL_P(0), PG_GETARG_TIMESTAMPTZ(1),
				   &lower, &upper);
	PG_RETURN_TIMESTAMPTZ(lower);
}

/*
 * put_bucket: one row of a histogram; level is ignored when there is no
 * event.
 */
static void
put_bucket(ReturnSetInfo *rsinfo, TimestampTz bucket, Datum level,
		   int64 events, int64 most)
{
	int			width = events > 0 ? Max(1, events * BAR_WIDTH / most) : 0;
	char		bar[BAR_WIDTH + 1];
	Datum		values[4];
	bool		nulls[4] = {false, events == 0, false, false};

	memset(bar, '#', width);
	bar[width] = '\0';
	values[0] = TimestampTzGetDatum(bucket);
	values[1] = level;
	values[2] = Int64GetDatum(events);
	values[3] = CStringGetTextDatum(bar);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	pfree(DatumGetPointer(values[3]));
}

/*
 * refuse_histogram: an error for one with too many rows to look at.
 */
static void
refuse_histogram(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("the histogram would have more than %d rows",
					MAX_HISTOGRAM),
			 errhint("Choose a greater width, or a narrower window.")));
}

/*
 * require_size: an error when the counted buckets in SPI_tuptable and the
 * empty ones between them are too many.
 */
static void
require_size(const Interval *width)
{
	int64		rows = SPI_processed;
	TimestampTz next = DT_NOEND;
	TimestampTz lower;
	bool		isnull;

	for (uint64 i = 0; i < SPI_processed && rows <= MAX_HISTOGRAM; i++)
	{
		TimestampTz bucket =
			DatumGetTimestampTz(SPI_getbinval(SPI_tuptable->vals[i],
											  SPI_tuptable->tupdesc, 1, &isnull));

		CHECK_FOR_INTERRUPTS();
		for (; next < bucket && rows <= MAX_HISTOGRAM; rows++)
			grid_find_cell(width, next, &lower, &next);
		grid_find_cell(width, bucket, &lower, &next);
	}
	if (rows > MAX_HISTOGRAM)
		refuse_histogram();
}

/*
 * put_histogram: the counted buckets in SPI_tuptable, and the empty ones
 * between them.
 */
static void
put_histogram(ReturnSetInfo *rsinfo, const Interval *width)
{
	TupleDesc	desc = SPI_tuptable->tupdesc;
	int64		most = 0;
	TimestampTz next = 0;
	TimestampTz lower;
	bool		isnull;

	for (uint64 i = 0; i < SPI_processed; i++)
		most = Max(most, DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i],
													 desc, 3, &isnull)));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TimestampTz bucket = DatumGetTimestampTz(SPI_getbinval(tuple, desc, 1,
															   &isnull));

		while (i > 0 && next < bucket)
		{
			CHECK_FOR_INTERRUPTS();
			put_bucket(rsinfo, next, (Datum) 0, 0, most);
			grid_find_cell(width, next, &lower, &next);
		}
		put_bucket(rsinfo, bucket, SPI_getbinval(tuple, desc, 2, &isnull),
				   DatumGetInt64(SPI_getbinval(tuple, desc, 3, &isnull)), most);
		grid_find_cell(width, bucket, &lower, &next);
	}
}

/*
 * eventlog.histogram(width interval, <filter>, log regclass)
 * returns table (bucket, level, events, bar)
 */
Datum
eventlog_histogram(PG_FUNCTION_ARGS)
{
	StringInfoData sql;
	char	   *ordered;
	Filter		filter;
	EventLog   *log;
	Interval   *width;
	char	   *shards = NULL;
	char	   *pushed;
	char	   *grid;
	int			level;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("width must not be null")));
	width = PG_GETARG_INTERVAL_P(0);
	grid_require_valid(width, "width");
	grid = quote_literal_cstr(interval_text(width));
	log = begin_stats(fcinfo, 1,
					  psprintf("eventlog._bucket(%s, e.occurred_at) AS bucket,"
							   " e.level, pg_catalog.count(*) AS events", grid),
					  &filter, &sql);
	/* a cast to the enum takes longer than counting: not for each event */
	ordered = psprintf("SELECT b.bucket, b.level::eventlog.level, b.events"
					   " FROM (%s GROUP BY 1, 2) b ORDER BY 1, 2", sql.data);

	InitMaterializedSRF(fcinfo, 0);
	level = begin_log_sql(log, &filter);
	pushed = shards_stats_sql(log, &filter,
							  "t.bucket, t.level,"
							  " pg_catalog.sum(t.events)::pg_catalog.int8",
							  "histogram",
							  psprintf("width => %s::pg_catalog.interval, ",
									   grid), &shards);
	if (pushed)
		ordered = psprintf("%s WHERE t.level IS NOT NULL"
						   " GROUP BY 1, 2 ORDER BY 1, 2", pushed);
	if (SPI_execute(ordered, true, MAX_HISTOGRAM + 1) != SPI_OK_SELECT)
		elog(ERROR, "could not count events: %s", ordered);
	require_size(width);
	put_histogram((ReturnSetInfo *) fcinfo->resultinfo, width);
	end_log_sql(log, pushed ? shards : NULL, level);
	log_close(log, NoLock);
	return (Datum) 0;
}
