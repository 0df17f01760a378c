/*
 * plan.c
 *		Which way events are read: by the log's indexes, or by SQL.
 *
 * By its indexes (scan.c), partition by partition, newest first, until the page
 * is full.  Rights are our own duty then: SELECT on the whole log as the
 * caller, and no row-level security in force.  What the default partition
 * holds can be of any time: its newest events are found first and merged in.
 *
 * By SQL where that may not be or cannot be: rights to columns only, policies,
 * partitions that are foreign, or of another access method, or lack an index,
 * pages that would not fit in work_mem.  One statement, planned and run by
 * PostgreSQL as the caller: rights are the executor's work.  Constants, so that
 * partitions are pruned when planned; all names and operators qualified, so
 * that no search_path matters.
 *
 * Both under the same snapshot, and with the same answer.
 */
#include "reader.h"

#include "access/detoast.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "tcop/dest.h"
#include "executor/tstoreReceiver.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

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
 *
 * The statement returns the columns of the result: a receiver that fetches
 * values stored out of line converts nothing.
 */
uint64
sql_into_result(const char *sql, ParamListInfo params, bool read_only,
				ReturnSetInfo *rsinfo)
{
	DestReceiver *dest = CreateDestReceiver(DestTuplestore);
	SPIExecuteOptions options = {0};
	int			result;

	SetTuplestoreDestReceiverParams(dest, rsinfo->setResult,
									rsinfo->econtext->ecxt_per_query_memory,
									true, NULL, NULL);
	options.params = params;
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

/*
 * may_scan: may the caller's events be read from the indexes?
 */
static bool
may_scan(const EventLog *log)
{
	return eventlog_scan_method != SCAN_SQL &&
		pg_class_aclcheck(log->oid, GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
		check_enable_rls(log->oid, InvalidOid, true) != RLS_ENABLED;
}

/*
 * fits_in_memory: may so many found events be kept, of the default partition
 * and of another one at a time?
 */
static bool
fits_in_memory(const EventPage *page)
{
	int64		most = Min(work_mem * INT64CONST(1024) / 2, MaxAllocSize) /
	sizeof(FoundEvent);

	return page->limit >= 0 && page->offset <= most - page->limit;
}

/*
 * PageScan: a page on its way.
 */
typedef struct PageScan
{
	const Filter *filter;
	EventRange	range;
	Snapshot	snapshot;
	int			skip;			/* events still to be passed over */
	int			remaining;		/* events still wanted */
	ScanHabit	habit;
	OpenPartition rest;			/* the default partition */
	FoundList	rest_found;		/* its newest events … */
	int			rest_next;		/* … not yet put from here on */
	EventSink	sink;
	void	   *arg;
} PageScan;

/*
 * range_of_page: what is older than `after` and in the filter's window.
 */
static EventRange
range_of_page(const Filter *filter, const EventPage *page)
{
	EventRange	range = {0};

	range.lower = filter->since;
	range.upper.occurred_at = filter->before;
	if (page->after)
	{
		EventKey	after;

		after.occurred_at = id_get_time(page->after);
		after.id = *page->after;
		if (compare_keys(&after, &range.upper) < 0)
			range.upper = after;
	}
	return range;
}

/*
 * put_found: pass over the event or hand it on.
 */
static void
put_found(PageScan *scan, OpenPartition *open, const FoundEvent *found)
{
	bool		all_dead = false;

	if (scan->remaining == 0)
		return;
	if (scan->skip > 0)
	{
		scan->skip--;
		return;
	}
	if (!fetch_row(open, &found->tid, &all_dead))
		elog(ERROR, "could not fetch a row of \"%s\" that was found",
			 RelationGetRelationName(open->rel));
	scan->sink(open, scan->arg);
	scan->remaining--;
}

/*
 * put_rest: what the default partition has that is newer than key; all of it
 * if key is NULL.
 */
static void
put_rest(PageScan *scan, const EventKey *key)
{
	while (scan->rest_next < scan->rest_found.n && scan->remaining > 0)
	{
		FoundEvent *next = &scan->rest_found.items[scan->rest_next];

		if (key && compare_keys(&next->key, key) < 0)
			break;
		put_found(scan, &scan->rest, next);
		scan->rest_next++;
	}
}

/*
 * find_in: the newest events of a partition, as many as the page lacks; false
 * when it may not be scanned.
 */
static bool
find_in(PageScan *scan, Oid partition, OpenPartition *open, FoundList *found)
{
	memset(found, 0, sizeof(*found));
	if (!open_partition(partition, scan->snapshot, open))
		return false;
	if (open->rel == NULL)
		return true;
	found->need = scan->skip + scan->remaining;
	found->items = palloc(sizeof(FoundEvent) * found->need);
	find_newest(open, scan->filter, scan->range, &scan->habit, found);
	return true;
}

static bool
is_in_range(const Partition *partition, const EventRange *range)
{
	EventKey	first = {0};

	first.occurred_at = partition->lower;
	return partition->upper > range->lower &&
		compare_keys(&first, &range->upper) < 0;
}

/*
 * scan_partitions: newest first, until the page is full; false when one may
 * not be scanned.
 */
static bool
scan_partitions(PageScan *scan, const PartitionList *list)
{
	for (int i = list->n - 1; i >= 0 && scan->remaining > 0; i--)
	{
		OpenPartition open;
		FoundList	found;

		if (!is_in_range(&list->items[i], &scan->range))
			continue;
		if (!find_in(scan, list->items[i].oid, &open, &found))
			return false;
		for (int j = 0; j < found.n; j++)
		{
			put_rest(scan, &found.items[j].key);
			put_found(scan, &open, &found.items[j]);
		}
		close_partition(&open);
		if (found.items)
			pfree(found.items);
	}
	put_rest(scan, NULL);
	return true;
}

/*
 * scan_page: hand a page's events to sink, newest first, by the indexes under
 * the active snapshot.
 *
 * False when that cannot be; some events may have been handed over then.
 */
bool
scan_page(const EventLog *log, const Filter *filter, const EventPage *page,
		  EventSink sink, void *arg)
{
	PageScan	scan = {0};
	PartitionList *list;
	bool		complete;

	if (!may_scan(log) || !fits_in_memory(page))
		return false;
	scan.filter = filter;
	scan.range = range_of_page(filter, page);
	scan.snapshot = GetActiveSnapshot();
	scan.skip = page->offset;
	scan.remaining = page->limit;
	scan.sink = sink;
	scan.arg = arg;
	if (page->limit == 0 || filter->min_level > filter->max_level)
		return true;

	list = list_partitions(log->rel);
	if (OidIsValid(list->default_oid) &&
		!find_in(&scan, list->default_oid, &scan.rest, &scan.rest_found))
		return false;
	complete = scan_partitions(&scan, list);
	close_partition(&scan.rest);
	return complete;
}

/*
 * scan_classes: tell sink how many events of each class match, partition by
 * partition, by the class index alone; false when that cannot tell, or not as
 * soon as a statement, and some may have been told of then.
 */
bool
scan_classes(const EventLog *log, const Filter *filter, ClassSink sink,
			 void *arg)
{
	EventPage	page = {0};
	EventRange	range = range_of_page(filter, &page);
	PartitionList *list;
	uint64		query = 0;
	bool		complete = true;

	if (!may_scan(log) || !is_by_class(filter))
		return false;
	if (filter->min_level > filter->max_level)
		return true;
	list = list_partitions(log->rel);
	for (int i = list->n; i >= 0 && complete; i--)
	{
		Oid			partition = i == list->n ? list->default_oid :
		list->items[i].oid;
		OpenPartition open;
		ClassList	classes = {0};
		bool		listed;

		CHECK_FOR_INTERRUPTS();
		if (!OidIsValid(partition) ||
			(i < list->n && !is_in_range(&list->items[i], &range)))
			continue;
		if (!open_partition(partition, GetActiveSnapshot(), &open))
			return false;
		if (open.rel)
		{
			listed = class_list(&open, filter, &query, &classes);
			complete = skip_count(&open, filter, &range,
								  listed ? &classes : NULL, sink, arg);
		}
		close_partition(&open);
	}
	return complete;
}

/*
 * scan_event: hand the event with this id to sink, if there is one; false when
 * that cannot be done by the index.
 */
bool
scan_event(const EventLog *log, const PartitionList *list,
		   const pg_uuid_t *id, EventSink sink, void *arg)
{
	EventKey	key;
	const Partition *partition;
	OpenPartition open;
	Oid			oid;

	key.occurred_at = id_get_time(id);
	key.id = *id;
	if (!may_scan(log))
		return false;
	partition = partition_at(list, key.occurred_at);
	oid = partition ? partition->oid : list->default_oid;
	if (!OidIsValid(oid))
		return true;
	if (!open_partition(oid, GetActiveSnapshot(), &open))
		return false;
	if (open.rel && find_event(&open, &key))
		sink(&open, arg);
	close_partition(&open);
	return true;
}

/*
 * event_values: the row in the partition's slot as the columns of an
 * eventlog.event.
 *
 * Values that are stored out of line are fetched here, while the partition is
 * locked.
 */
void
event_values(OpenPartition *open, Datum *values, bool *nulls)
{
	for (int col = 0; col < EVENT_NCOLUMNS; col++)
	{
		AttrNumber	attnum = open->indexes.attnum[col];
		Form_pg_attribute att =
		TupleDescAttr(open->slot->tts_tupleDescriptor, attnum - 1);

		values[col] = slot_getattr(open->slot, attnum, &nulls[col]);
		if (nulls[col])
			continue;
		if (col == EVENT_LEVEL)
			values[col] =
				ObjectIdGetDatum(level_enum_oid(DatumGetTextPP(values[col])));
		else if (att->attlen == -1 &&
				 VARATT_IS_EXTERNAL(DatumGetPointer(values[col])))
			values[col] =
				PointerGetDatum(detoast_external_attr((struct varlena *)
													  DatumGetPointer(values[col])));
	}
}

/*
 * put_event: a sink: the event into a set-returning function's result.
 */
void
put_event(OpenPartition *open, void *arg)
{
	ReturnSetInfo *rsinfo = arg;
	Datum		values[EVENT_NCOLUMNS];
	bool		nulls[EVENT_NCOLUMNS];

	event_values(open, values, nulls);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}
