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

static int64
count_by_sql(const EventLog *log, const Filter *filter, const char *sql)
{
	int64		count;
	bool		isnull;
	int			level;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	level = reach_default(log, filter->since, filter->before);
	if (SPI_execute(sql, true, 0) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not count events: %s", sql);
	AtEOXact_GUC(false, level);
	count = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
										SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
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

	if (!scan_count(log, &filter, &count))
		count = count_by_sql(log, &filter, sql.data);
	log_close(log, NoLock);
	PG_RETURN_INT64(count);
}

/*
 * TypeCount: a row of what types returns, of one class at first.
 */
typedef struct TypeCount
{
	text	   *event_type;
	int			level;
	int64		events;
	TimestampTz newest;
} TypeCount;

typedef struct TypeCounts
{
	bool		odd;			/* a class that no event should be of */
	int			n;
	int			max;
	TypeCount  *items;
} TypeCounts;

/*
 * add_type: a sink for scan_classes().
 */
static void
add_type(void *arg, text *const *class, int64 events, TimestampTz newest)
{
	TypeCounts *counts = arg;
	TypeCount  *item;
	int			level = class[1] ? level_find(VARDATA_ANY(class[1]),
											  VARSIZE_ANY_EXHDR(class[1])) : -1;

	if (class[0] == NULL || level < 0)
	{
		counts->odd = true;
		return;
	}
	if (counts->n == counts->max)
	{
		counts->max = Max(256, counts->max * 2);
		counts->items = counts->items ?
			repalloc_huge(counts->items, sizeof(TypeCount) * counts->max) :
			palloc(sizeof(TypeCount) * counts->max);
	}
	item = &counts->items[counts->n++];
	item->event_type = DatumGetTextPCopy(PointerGetDatum(class[0]));
	item->level = level;
	item->events = events;
	item->newest = newest;
}

/*
 * compare_types: by type, in bytes, then by level.
 */
static int
compare_types(const void *a, const void *b)
{
	const TypeCount *x = a;
	const TypeCount *y = b;
	int			c = compare_text_c(x->event_type, y->event_type);

	return c != 0 ? c : x->level - y->level;
}

/*
 * put_types: the counts, summed up by type and level.
 */
static void
put_types(TypeCounts *counts, ReturnSetInfo *rsinfo)
{
	TypeCount  *items = counts->items;

	if (counts->n > 0)
		qsort(items, counts->n, sizeof(TypeCount), compare_types);
	for (int i = 0; i < counts->n; i++)
	{
		Datum		values[4];
		bool		nulls[4] = {0};

		if (i + 1 < counts->n && compare_types(&items[i], &items[i + 1]) == 0)
		{
			items[i + 1].events += items[i].events;
			items[i + 1].newest = Max(items[i + 1].newest, items[i].newest);
			continue;
		}
		values[0] = PointerGetDatum(items[i].event_type);
		values[1] = ObjectIdGetDatum(level_enum_oid(cstring_to_text(level_names[items[i].level])));
		values[2] = Int64GetDatum(items[i].events);
		values[3] = TimestampTzGetDatum(items[i].newest);
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
	TypeCounts	counts = {0};
	int			level;
	EventLog   *log = begin_stats(fcinfo, 0,
								  "e.event_type, e.level::eventlog.level,"
								  " pg_catalog.count(*),"
								  " pg_catalog.max(e.occurred_at)", &filter,
								  &sql);

	InitMaterializedSRF(fcinfo, 0);
	if (scan_classes(log, &filter, add_type, &counts) && !counts.odd)
		put_types(&counts, rsinfo);
	else
	{
		appendStringInfoString(&sql, " GROUP BY e.event_type, 2"
							   " ORDER BY e.event_type COLLATE pg_catalog.\"C\", 2");
		if (SPI_connect() != SPI_OK_CONNECT)
			elog(ERROR, "SPI_connect failed");
		level = reach_default(log, filter.since, filter.before);
		(void) sql_into_result(sql.data, NULL, true, rsinfo);
		AtEOXact_GUC(false, level);
		SPI_finish();
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
 * put_bucket: one row of a histogram; level is ignored when there is no event.
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
 * refuse_histogram: an error for one that nobody can look at.
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
	Filter		filter;
	EventLog   *log;
	Interval   *width;
	int			level;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("width must not be null")));
	width = PG_GETARG_INTERVAL_P(0);
	grid_require_valid(width, "width");
	log = begin_stats(fcinfo, 1,
					  psprintf("eventlog._bucket('%d months %d days " INT64_FORMAT
							   " microseconds', e.occurred_at),"
							   " e.level::eventlog.level, pg_catalog.count(*)",
							   width->month, width->day, width->time),
					  &filter, &sql);
	appendStringInfoString(&sql, " GROUP BY 1, 2 ORDER BY 1, 2");

	InitMaterializedSRF(fcinfo, 0);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	level = reach_default(log, filter.since, filter.before);
	if (SPI_execute(sql.data, true, MAX_HISTOGRAM + 1) != SPI_OK_SELECT)
		elog(ERROR, "could not count events: %s", sql.data);
	AtEOXact_GUC(false, level);
	require_size(width);
	put_histogram((ReturnSetInfo *) fcinfo->resultinfo, width);
	SPI_finish();
	log_close(log, NoLock);
	return (Datum) 0;
}
