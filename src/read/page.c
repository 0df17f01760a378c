/*
 * page.c
 *		A page of events from the partitions of a log.
 *
 * 1.  By indexes, or by SQL
 *
 * Partitions are read one by one, the newest first, by their indexes
 * (newest.c), until the page is full.  Rights are our own duty then: the
 * caller needs SELECT on the whole log, and no row-level security may be in
 * force.  A partition that is foreign, of another access method, or without
 * its primary key is read by a statement of its own, with the filter, the
 * order and a LIMIT.
 *
 * Where the caller has rights to some columns only, or policies apply, or the
 * page would not fit in work_mem, one SQL statement reads it all.  PostgreSQL
 * plans and runs it as the caller.  Both ways use the same snapshot and give
 * the same answer.
 *
 * 2.  Locks
 *
 * One snapshot has one answer, however often it is asked.  So the locks on
 * the log and on its default partition are kept to the end of the
 * transaction, as those of a SELECT are: no partition is dropped or detached
 * meanwhile, and no event is moved out of the default partition, which takes
 * ACCESS EXCLUSIVE on it.  The lock on each partition that contributed events
 * is kept, too, or it could be truncated.  Other partitions are let go, so
 * that a log of many partitions needs few locks.
 *
 * 3.  The default partition
 *
 * Its events can be of any time.  They are found first, and merged into those
 * of the other partitions.
 */
#include "read/read.h"

#include "access/detoast.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#define SQL_BATCH	10			/* events of a statement in memory at a time */

/*
 * PageScan: a page on its way.
 */
typedef struct PageScan
{
	const EventLog *log;
	const Filter *filter;
	const EventPage *page;
	EventRange	range;
	int			skip;			/* events still to be passed over */
	int			remaining;		/* events still wanted */
	PartitionReader rest;		/* the default partition */
	FoundList	rest_found;		/* its newest events … */
	int			rest_next;		/* … and the next of them to be put */
	MemoryContext context;
	MemoryContext search;		/* reset with each partition */
	MemoryContext row;			/* reset with each event that is put */
	EventSink	sink;
	void	   *arg;
	PageReport *report;			/* NULL: not asked for */
} PageScan;

/*
 * put_row: pass over the event in the slot, or hand it on.
 *
 * What the sink allocates is let go: a page of large events is not all in
 * memory.
 */
static void
put_row(PageScan *scan, PartitionReader *reader)
{
	MemoryContext outer;

	if (scan->skip > 0)
		scan->skip--;
	else if (scan->remaining > 0)
	{
		outer = MemoryContextSwitchTo(scan->row);
		scan->sink(reader, scan->arg);
		MemoryContextSwitchTo(outer);
		MemoryContextReset(scan->row);
		scan->remaining--;
	}
}

/*
 * put_found: the same for an event that was found; its row is fetched only to
 * be handed on.
 */
static void
put_found(PageScan *scan, PartitionReader *reader, const FoundEvent *found)
{
	if (scan->skip == 0 && scan->remaining > 0 &&
		!reader_fetch(reader, found->place))
		elog(ERROR, "could not fetch a row of \"%s\" that was found",
			 RelationGetRelationName(reader->rel));
	put_row(scan, reader);
}

/*
 * put_rest: what the default partition has that is newer than key; all of it
 * if key is NULL.
 */
static void
put_rest(PageScan *scan, const EventKey *key)
{
	for (; scan->rest_next < scan->rest_found.n; scan->rest_next++)
	{
		FoundEvent *next = &scan->rest_found.items[scan->rest_next];

		if (key && compare_keys(&next->key, key) < 0)
			break;
		put_found(scan, &scan->rest, next);
	}
}

/*
 * range_in: what a partition may have of the page's range, without bounds
 * that it has itself.
 */
static EventRange
range_in(const PageScan *scan, const Partition *partition)
{
	EventRange	range = scan->range;

	if (partition->lower >= range.lower)
		range.lower = DT_NOBEGIN;
	if (partition->upper <= range.upper.occurred_at)
		range.upper.occurred_at = DT_NOEND;
	return range;
}

/*
 * find_in: the newest events of a partition, as many as the page lacks; false
 * if they have to be read by SQL.
 */
static bool
find_in(PageScan *scan, const Partition *partition, PartitionReader *reader,
		FoundList *found)
{
	EventRange	range = range_in(scan, partition);
	BufferUsage before = pgBufferUsage;
	instr_time	begun;
	int			passed;

	INSTR_TIME_SET_CURRENT(begun);
	/* nobody looks at events that are passed over, if nothing is merged in */
	passed = scan->filter->only_window && found != &scan->rest_found &&
		scan->rest_found.n == 0 ? scan->skip : 0;
	found->n = 0;
	found->skip = passed;
	found->need = scan->skip - passed + scan->remaining;
	if (!reader_open(reader, partition->oid, GetActiveSnapshot()))
		return false;
	if (reader->rel == NULL)
		return true;
	find_newest(reader, scan->filter, &range, found);
	passed -= found->skip;
	scan->skip -= passed;
	reader->contributed = found->n > 0 || passed > 0;
	if (scan->report)
		report_partition(scan->report, scan->filter, reader, &before, begun);
	return true;
}

/*
 * put_fetched: the events in SPI_tuptable, and what the default partition has
 * before each.
 */
static void
put_fetched(PageScan *scan)
{
	PartitionReader reader = {0};

	for (int col = 0; col < EVENT_NCOLUMNS; col++)
		reader.attnum[col] = col + 1;
	reader.slot = MakeSingleTupleTableSlot(SPI_tuptable->tupdesc,
										   &TTSOpsHeapTuple);
	for (uint64 i = 0; i < SPI_tuptable->numvals; i++)
	{
		EventKey	key;

		ExecStoreHeapTuple(SPI_tuptable->vals[i], reader.slot, false);
		key = reader_key(&reader);
		put_rest(scan, &key);
		put_row(scan, &reader);
	}
	ExecDropSingleTupleTableSlot(reader.slot);
}

/*
 * put_by_sql: the newest events of a partition, as many as the page lacks, by
 * a statement.
 */
static void
put_by_sql(PageScan *scan, const Partition *partition)
{
	StringInfoData sql;
	Portal		portal;
	uint64		n;
	uint64		rows = 0;

	initStringInfo(&sql);
	for (int col = 0; col < EVENT_NCOLUMNS; col++)
		appendStringInfo(&sql, "%s e.%s", col > 0 ? "," : "SELECT",
						 event_columns[col].name);
	append_partition(&sql, scan->log, partition);
	filter_to_sql(scan->filter, &sql);
	if (scan->page->after)
		append_after(&sql, scan->page->after);
	appendStringInfo(&sql, " ORDER BY e.occurred_at DESC, e.id DESC LIMIT %d",
					 scan->skip + scan->remaining);
	sql_connect();
	portal = SPI_cursor_open_with_args(NULL, sql.data, 0, NULL, NULL, NULL,
									   true, 0);
	MemoryContextSwitchTo(scan->context);	/* the default partition's reader
											 * outlives SPI_finish() */
	do
	{
		CHECK_FOR_INTERRUPTS();
		SPI_cursor_fetch(portal, true, SQL_BATCH);
		n = SPI_processed;
		rows += n;
		put_fetched(scan);
		SPI_freetuptable(SPI_tuptable);
	} while (n > 0 && scan->remaining > 0);
	SPI_cursor_close(portal);
	SPI_finish();
	if (scan->report)
		report_statement(scan->report, partition->oid, rows);
}

/*
 * put_partition: the events of a partition, and what the default partition
 * has between them.
 */
static void
put_partition(PageScan *scan, const Partition *partition, FoundList *found)
{
	PartitionReader reader;
	bool		readable;

	MemoryContextSwitchTo(scan->search);
	readable = find_in(scan, partition, &reader, found);
	for (int i = 0; readable && i < found->n; i++)
	{
		put_rest(scan, &found->items[i].key);
		put_found(scan, &reader, &found->items[i]);
	}
	reader_close(&reader);
	MemoryContextSwitchTo(scan->context);
	MemoryContextReset(scan->search);
	if (!readable)
		put_by_sql(scan, partition);
}

/*
 * put_partitions: the newest first, until the page is full.
 */
static void
put_partitions(PageScan *scan, const PartitionList *list)
{
	FoundList	found = {.context = scan->context};
	int			noutside = 0;
	int			nspared = 0;

	for (int i = list->n - 1; i >= 0; i--)
	{
		CHECK_FOR_INTERRUPTS();
		if (!partition_in_range(&list->items[i], &scan->range))
			noutside++;
		else if (scan->remaining == 0)
			nspared++;
		else
			put_partition(scan, &list->items[i], &found);
	}
	put_rest(scan, NULL);
	if (scan->report)
	{
		scan->report->noutside = noutside;
		scan->report->nspared = nspared;
	}
}

/*
 * fits_in_memory: may so many events that were found be kept, of the default
 * partition and of another one?  A list of them grows to twice what it needs.
 */
static bool
fits_in_memory(const EventPage *page)
{
	int64		most = Min(work_mem * INT64CONST(1024) / 4, MaxAllocSize) /
		sizeof(FoundEvent);

	return page->limit >= 0 && page->offset <= most - page->limit;
}

/*
 * read_page: hand the events of a page to sink, newest first, under the
 * active snapshot; report what it took, unless report is NULL.
 *
 * False if it has to be read by one statement; nothing was handed over then.
 */
bool
read_page(const EventLog *log, const Filter *filter, const EventPage *page,
		  EventSink sink, void *arg, PageReport *report)
{
	PageScan	scan = {
		.log = log,.filter = filter,.page = page,.skip = page->offset,
		.remaining = page->limit,.context = CurrentMemoryContext,
		.sink = sink,.arg = arg,.report = report
	};
	Partition	rest = {InvalidOid, DT_NOBEGIN, DT_NOEND};
	PartitionList *list;

	if (!may_read_indexes(log) || !fits_in_memory(page))
		return false;
	if (page->limit == 0 || filter->min_level > filter->max_level)
		return true;
	scan.range = range_of_page(filter, page->after);
	list = partitions_to_read(log);
	scan.rest_found.context = scan.context;
	rest.oid = list->default_oid;
	if (OidIsValid(rest.oid) &&
		!find_in(&scan, &rest, &scan.rest, &scan.rest_found))
		return false;
	scan.search = create_search_context();
	scan.row = AllocSetContextCreate(scan.context, "eventlog row",
									 ALLOCSET_DEFAULT_SIZES);
	put_partitions(&scan, list);
	MemoryContextDelete(scan.row);
	MemoryContextDelete(scan.search);
	reader_close(&scan.rest);
	return true;
}

/*
 * read_event_in: hand the event to sink if the partition has it; false if
 * that has to be found out by SQL.
 */
static bool
read_event_in(Oid partition, const EventKey *key, EventSink sink, void *arg,
			  bool *found)
{
	PartitionReader reader;

	if (!reader_open(&reader, partition, GetActiveSnapshot()))
		return false;
	*found = reader.rel && reader_find(&reader, key);
	if (*found)
		sink(&reader, arg);
	reader.contributed = *found;
	reader_close(&reader);
	return true;
}

/*
 * read_event: hand the event with this id to sink, if there is one; false if
 * it has to be read by SQL.  The list is from partitions_to_read().
 */
bool
read_event(const EventLog *log, const PartitionList *list,
		   const pg_uuid_t *id, EventSink sink, void *arg)
{
	EventKey	key = {.occurred_at = id_get_time(id),.id = *id};
	const Partition *partition = partition_find(list, key.occurred_at);
	bool		found = false;

	if (!may_read_indexes(log) ||
		(partition &&
		 !read_event_in(partition->oid, &key, sink, arg, &found)))
		return false;
	return found || !OidIsValid(list->default_oid) ||
		read_event_in(list->default_oid, &key, sink, arg, &found);
}

/*
 * event_values: the row in the slot as the columns of an eventlog.event.
 *
 * Values that are stored out of line are fetched, while the partition is
 * locked.
 */
void
event_values(PartitionReader *reader, Datum *values, bool *nulls)
{
	for (int col = 0; col < EVENT_NCOLUMNS; col++)
	{
		values[col] = slot_getattr(reader->slot, reader->attnum[col],
								   &nulls[col]);
		if (nulls[col])
			continue;
		if (col == EVENT_LEVEL)
			values[col] =
				ObjectIdGetDatum(level_enum_oid(DatumGetTextPP(values[col])));
		else if (TupleDescAttr(reader->slot->tts_tupleDescriptor,
							   reader->attnum[col] - 1)->attlen == -1 &&
				 VARATT_IS_EXTERNAL(DatumGetPointer(values[col])))
			values[col] =
				PointerGetDatum(detoast_external_attr((struct varlena *)
													  DatumGetPointer(values[col])));
	}
}

/*
 * put_event: a sink: the event into the result of a set-returning function.
 */
void
put_event(PartitionReader *reader, void *arg)
{
	ReturnSetInfo *rsinfo = arg;
	Datum		values[EVENT_NCOLUMNS];
	bool		nulls[EVENT_NCOLUMNS];

	event_values(reader, values, nulls);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}
