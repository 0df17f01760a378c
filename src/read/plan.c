/*
 * plan.c
 *		Which way events are read: by the log's indexes, or by SQL.
 *
 * By its indexes (newest.c), partition by partition, newest first, until the
 * page is full.  Rights are our own duty then: SELECT on the whole log as the
 * caller, and no row-level security in force.  What the default partition
 * holds can be of any time: its newest events are found first and merged in.
 * A partition that is foreign, of another access method, or lacks an index is
 * read by a statement of its own, with the filter, the order and a LIMIT.
 *
 * By one SQL statement where the caller has rights to some columns only, or
 * policies, or a page would not fit in work_mem.  It is planned and run by
 * PostgreSQL as the caller: rights are the executor's work.  Constants, so
 * that partitions are pruned when planned; all names and operators qualified,
 * so that no search_path matters.
 *
 * Both under the same snapshot, and with the same answer.
 *
 * One snapshot has one answer, however often it is asked.  So the locks on the
 * log and on its default partition are kept to the end of the transaction, as
 * those of a SELECT are: no partition is dropped or detached meanwhile, and no
 * event is moved out of the default partition, which takes ACCESS EXCLUSIVE on
 * it.  The same goes for each partition that contributed to an answer, which
 * could be truncated; one that gave nothing is let go, so that a log of many
 * partitions needs few locks.  The list of partitions is read when the default
 * partition is locked: an event that was moved after the snapshot was taken is
 * still seen where it was.  Hence the default partition is always looked into,
 * also for a time that a partition has been made for since.
 */
#include "read/read.h"

#include "access/detoast.h"
#include "executor/instrument.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "tcop/dest.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define SQL_BATCH	10			/* events of a statement in memory at a time */
#define SEARCH_BLOCK	(1024 * 1024)

/*
 * partitions_to_read: what the log consists of, its default partition locked
 * to the end of the transaction.
 */
PartitionList *
partitions_to_read(const EventLog *log)
{
	PartitionList *list = partition_list(log->rel);
	Oid			locked = InvalidOid;

	while (list->default_oid != locked)
	{
		if (OidIsValid(locked))
			UnlockRelationOid(locked, AccessShareLock);
		locked = list->default_oid;
		if (OidIsValid(locked))
			LockRelationOid(locked, AccessShareLock);
		list = partition_list(log->rel);
	}
	return list;
}

/*
 * has_events_in: may a partition hold events of a range that the active
 * snapshot sees?
 */
static bool
has_events_in(Oid partition, EventRange range)
{
	static const Filter any = {
		.max_level = LEVEL_CRITICAL,.since = DT_NOBEGIN,.before = DT_NOEND,
		.only_window = true
	};
	OpenPartition open;
	FoundList	found = {.need = 1,.context = CurrentMemoryContext};

	if (!open_partition(partition, GetActiveSnapshot(), &open))
		return true;
	if (open.rel)
		find_newest(&open, &any, &range, &found);
	close_partition(&open);
	return found.n > 0;
}

/*
 * reach_default: have statements on the log look into its default partition
 * too, until AtEOXact_GUC() is given the nest level that this returns.
 *
 * PostgreSQL leaves it out where a partition takes all that a statement asks
 * for.  Events that were moved there after the snapshot was taken would be
 * missed, so nothing is pruned as long as there are such.
 */
int
reach_default(const EventLog *log, TimestampTz lower, TimestampTz upper)
{
	PartitionList *list = partitions_to_read(log);
	int			level = NewGUCNestLevel();
	TimestampTz at = lower;
	EventRange	range = {.lower = lower};
	bool		bare = !ActiveSnapshotSet();	/* a procedure between its
												 * statements */

	range.upper.occurred_at = upper;
	if (bare)
		PushActiveSnapshot(GetTransactionSnapshot());
	if (OidIsValid(list->default_oid) &&
		!partition_next_gap(list, upper, &at) &&
		has_events_in(list->default_oid, range))
	{
		set_local("enable_partition_pruning", "off");
		set_local("constraint_exclusion", "off");
	}
	if (bare)
		PopActiveSnapshot();
	return level;
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
 * create_search_context: for what is reset with each partition.
 *
 * An index scan takes 27 kB, which an allocation set would get from the
 * operating system and give back with each partition.
 */
static MemoryContext
create_search_context(MemoryContext parent)
{
	return GenerationContextCreate(parent, "eventlog search", SEARCH_BLOCK,
								   SEARCH_BLOCK, SEARCH_BLOCK);
}

/*
 * PageScan: a page on its way.
 */
typedef struct PageScan
{
	const EventLog *log;
	const Filter *filter;
	const EventPage *page;
	EventRange	range;
	Snapshot	snapshot;
	int			skip;			/* events still to be passed over */
	int			remaining;		/* events still wanted */
	OpenPartition rest;			/* the default partition */
	FoundList	rest_found;		/* its newest events … */
	int			rest_next;		/* … not yet put from here on */
	MemoryContext context;
	MemoryContext search;		/* reset with each partition */
	MemoryContext row;			/* reset with each event that is put */
	EventSink	sink;
	void	   *arg;
	PageReport *report;			/* NULL: not asked for */
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
 * put_event_in_slot: pass over the event or hand it on.
 *
 * What the sink allocates is let go of: a page of large events does not have
 * them all in memory.
 */
static void
put_event_in_slot(PageScan *scan, OpenPartition *open)
{
	MemoryContext outer;

	if (scan->remaining == 0)
		return;
	if (scan->skip > 0)
	{
		scan->skip--;
		return;
	}
	outer = MemoryContextSwitchTo(scan->row);
	scan->sink(open, scan->arg);
	MemoryContextSwitchTo(outer);
	MemoryContextReset(scan->row);
	scan->remaining--;
}

/*
 * put_found: the same of an event that was found, whose row is fetched if it
 * is to be handed on.
 */
static void
put_found(PageScan *scan, OpenPartition *open, const FoundEvent *found)
{
	if (scan->remaining > 0 && scan->skip == 0 &&
		!fetch_row(open, found->place))
		elog(ERROR, "could not fetch a row of \"%s\" that was found",
			 RelationGetRelationName(open->rel));
	put_event_in_slot(scan, open);
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
 *
 * What is allocated goes with the current memory context, but for the events.
 */
static bool
find_in(PageScan *scan, Oid partition, OpenPartition *open, FoundList *found)
{
	BufferUsage before = pgBufferUsage;
	instr_time	begun;
	int			passed;

	INSTR_TIME_SET_ZERO(begun);
	if (scan->report)
		INSTR_TIME_SET_CURRENT(begun);
	found->n = 0;
	/* what is passed over need not be looked at where nothing is merged in */
	found->skip = scan->filter->only_window && found != &scan->rest_found &&
		scan->rest_found.n == 0 ? scan->skip : 0;
	found->need = scan->skip - found->skip + scan->remaining;
	passed = found->skip;
	if (!open_partition(partition, scan->snapshot, open))
		return false;
	if (open->rel == NULL)
		return true;
	find_newest(open, scan->filter, &scan->range, found);
	passed -= found->skip;
	scan->skip -= passed;
	open->contributed = found->n > 0 || passed > 0;
	if (scan->report)
		report_partition(scan->report, scan->filter, open, &before, begun);
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
 * partition_sql: the newest events of a partition, as many as the page lacks.
 *
 * From the partition itself, so that a foreign server does all of the work; by
 * way of the log where the caller has rights to that alone, or the partition
 * has policies of its own, which are none of the log's readers' business.
 */
static char *
partition_sql(const PageScan *scan, const Partition *partition)
{
	bool		direct =
	pg_class_aclcheck(partition->oid, GetUserId(),
					  ACL_SELECT) == ACLCHECK_OK &&
	check_enable_rls(partition->oid, InvalidOid, true) != RLS_ENABLED;
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	for (int col = 0; col < EVENT_NCOLUMNS; col++)
		appendStringInfo(&sql, "%se.%s", col > 0 ? ", " : "",
						 event_columns[col].name);
	appendStringInfo(&sql, " FROM %s e WHERE true",
					 qualified_name(direct ? partition->oid : scan->log->oid));
	filter_to_sql(scan->filter, &sql);
	if (!direct)
		appendStringInfo(&sql,
						 " AND e.occurred_at OPERATOR(pg_catalog.>=) '%s'::pg_catalog.timestamptz"
						 " AND e.occurred_at OPERATOR(pg_catalog.<) '%s'::pg_catalog.timestamptz",
						 utc_literal(partition->lower),
						 utc_literal(partition->upper));
	if (scan->page->after)
		append_after(&sql, scan->page->after);
	appendStringInfo(&sql, " ORDER BY e.occurred_at DESC, e.id DESC LIMIT %d",
					 scan->skip + scan->remaining);
	return sql.data;
}

/*
 * put_fetched: hand on the events in SPI_tuptable, and what the default
 * partition has before each.
 */
static void
put_fetched(PageScan *scan)
{
	TupleDesc	desc = SPI_tuptable->tupdesc;
	OpenPartition open = {0};

	for (int col = 0; col < EVENT_NCOLUMNS; col++)
		open.indexes.attnum[col] = col + 1;
	open.slot = MakeSingleTupleTableSlot(desc, &TTSOpsHeapTuple);
	for (uint64 i = 0; i < SPI_tuptable->numvals; i++)
	{
		EventKey	key;
		bool		isnull;

		ExecStoreHeapTuple(SPI_tuptable->vals[i], open.slot, false);
		key.occurred_at =
			DatumGetTimestampTz(slot_getattr(open.slot, EVENT_OCCURRED_AT + 1,
											 &isnull));
		key.id = *DatumGetUUIDP(slot_getattr(open.slot, EVENT_ID + 1, &isnull));
		put_rest(scan, &key);
		put_event_in_slot(scan, &open);
	}
	ExecDropSingleTupleTableSlot(open.slot);
}

/*
 * scan_by_sql: the same as find_in() and put_found() of a partition that
 * cannot be read by its indexes.
 */
static void
scan_by_sql(PageScan *scan, const Partition *partition)
{
	Portal		portal;
	uint64		n;
	uint64		rows = 0;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	portal = SPI_cursor_open_with_args(NULL, partition_sql(scan, partition), 0,
									   NULL, NULL, NULL, true, 0);
	MemoryContextSwitchTo(scan->context);	/* the default partition's rows
											 * are fetched beyond SPI_finish() */
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
 * scan_partition: put the events of a partition, and what the default
 * partition has between them.
 */
static void
scan_partition(PageScan *scan, const Partition *partition, FoundList *found)
{
	OpenPartition open;
	bool		fit;

	MemoryContextSwitchTo(scan->search);
	fit = find_in(scan, partition->oid, &open, found);
	for (int i = 0; fit && i < found->n; i++)
	{
		put_rest(scan, &found->items[i].key);
		put_found(scan, &open, &found->items[i]);
	}
	if (fit)
		close_partition(&open);
	MemoryContextSwitchTo(scan->context);
	MemoryContextReset(scan->search);
	if (!fit)
		scan_by_sql(scan, partition);
}

/*
 * scan_partitions: newest first, until the page is full.
 */
static void
scan_partitions(PageScan *scan, const PartitionList *list)
{
	FoundList	found = {.context = scan->context};

	for (int i = list->n - 1; i >= 0; i--)
	{
		CHECK_FOR_INTERRUPTS();
		if (!is_in_range(&list->items[i], &scan->range))
		{
			if (scan->report)
				scan->report->noutside++;
		}
		else if (scan->remaining > 0)
			scan_partition(scan, &list->items[i], &found);
		else if (scan->report)
			scan->report->nspared++;
		else
			break;
	}
	put_rest(scan, NULL);
	if (found.items)
		pfree(found.items);
}

/*
 * scan_page: hand a page's events to sink, newest first, by the indexes under
 * the active snapshot.
 *
 * False when that cannot be; none was handed over then.
 */
bool
scan_page(const EventLog *log, const Filter *filter, const EventPage *page,
		  EventSink sink, void *arg)
{
	return scan_page_reported(log, filter, page, sink, arg, NULL);
}

/*
 * scan_page_reported: the same, and report what it took.
 */
bool
scan_page_reported(const EventLog *log, const Filter *filter,
				   const EventPage *page, EventSink sink, void *arg,
				   PageReport *report)
{
	PageScan	scan = {
		.log = log,.filter = filter,.page = page,.sink = sink,.arg = arg,
		.report = report
	};
	PartitionList *list;

	if (!may_scan(log) || !fits_in_memory(page))
		return false;
	scan.range = range_of_page(filter, page);
	scan.snapshot = GetActiveSnapshot();
	scan.skip = page->offset;
	scan.remaining = page->limit;
	if (page->limit == 0 || filter->min_level > filter->max_level)
		return true;

	list = partitions_to_read(log);
	scan.context = CurrentMemoryContext;
	scan.rest_found.context = scan.context;
	if (OidIsValid(list->default_oid) &&
		!find_in(&scan, list->default_oid, &scan.rest, &scan.rest_found))
		return false;
	scan.search = create_search_context(scan.context);
	scan.row = AllocSetContextCreate(scan.context, "eventlog row",
									 ALLOCSET_DEFAULT_SIZES);
	scan_partitions(&scan, list);
	MemoryContextDelete(scan.row);
	MemoryContextDelete(scan.search);
	close_partition(&scan.rest);
	return true;
}

/*
 * is_within: does a partition hold nothing that the window leaves out?
 */
static bool
is_within(const Partition *partition, const Filter *filter)
{
	return partition->lower >= filter->since &&
		partition->upper <= filter->before;
}

/*
 * PartitionCounter: counts in a partition; false when it cannot tell.  within:
 * the partition lies in the filter's window.
 */
typedef bool (*PartitionCounter) (OpenPartition *open, const Filter *filter,
								  const EventRange *range, bool within,
								  bool is_default, void *arg);

/*
 * count_partitions: the default partition, then the others, newest first;
 * false when one cannot be counted by its indexes, and some may have been
 * then.
 */
static bool
count_partitions(const EventLog *log, const Filter *filter,
				 PartitionCounter counter, void *arg)
{
	EventPage	page = {0};
	EventRange	range = range_of_page(filter, &page);
	PartitionList *list;
	MemoryContext search;
	MemoryContext outer;
	bool		complete = true;

	if (!may_scan(log))
		return false;
	if (filter->min_level > filter->max_level)
		return true;
	list = partitions_to_read(log);
	search = create_search_context(CurrentMemoryContext);
	outer = MemoryContextSwitchTo(search);
	for (int i = list->n; i >= 0 && complete; i--)
	{
		bool		is_default = i == list->n;
		Partition	all = {list->default_oid, DT_NOBEGIN, DT_NOEND};
		const Partition *partition = is_default ? &all : &list->items[i];
		OpenPartition open;

		CHECK_FOR_INTERRUPTS();
		if (!OidIsValid(partition->oid) || !is_in_range(partition, &range))
			continue;
		complete = open_partition(partition->oid, GetActiveSnapshot(), &open);
		if (complete && open.rel)
		{
			complete = counter(&open, filter, &range,
							   is_within(partition, filter), is_default, arg);
		}
		close_partition(&open);
		MemoryContextReset(search);
	}
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(search);
	return complete;
}

static bool
add_events(OpenPartition *open, const Filter *filter, const EventRange *range,
		   bool within, bool is_default, void *arg)
{
	int64		events = count_in(open, filter, range, within);

	open->contributed = events > 0;
	*(int64 *) arg += events;
	return true;
}

/*
 * scan_count: how many events match; false when the indexes cannot tell.
 */
bool
scan_count(const EventLog *log, const Filter *filter, int64 *events)
{
	*events = 0;
	return count_partitions(log, filter, add_events, events);
}

typedef struct ClassCount
{
	MemoryContext context;		/* of the sink */
	OpenPartition *open;
	HTAB	   *dated;
	ClassSink	sink;
	void	   *arg;
} ClassCount;

/*
 * tell_sink: a sink for count_classes_in(): what the caller's sink keeps is
 * not the partition's.
 */
static void
tell_sink(void *arg, text *const *class, int64 events, TimestampTz newest)
{
	ClassCount *count = arg;
	MemoryContext search = MemoryContextSwitchTo(count->context);

	count->open->contributed = true;
	count->sink(count->arg, class, events, newest);
	MemoryContextSwitchTo(search);
}

static bool
add_classes(OpenPartition *open, const Filter *filter, const EventRange *range,
			bool within, bool is_default, void *arg)
{
	ClassCount *count = arg;

	count->open = open;
	/* the default partition's events can be newer or older than others */
	return count_classes_in(open, filter, range, within,
							is_default ? NULL : count->dated,
							tell_sink, count);
}

/*
 * scan_classes: tell sink how many events of each class match, partition by
 * partition, and the newest one's time where it can be the newest of all;
 * false when the index of classes cannot tell, and some may have been told of
 * then.
 */
bool
scan_classes(const EventLog *log, const Filter *filter, ClassSink sink,
			 void *arg)
{
	ClassCount	count = {
		.context = CurrentMemoryContext,.dated = begin_dating(),
		.sink = sink,.arg = arg
	};

	return count_partitions(log, filter, add_classes, &count);
}

/*
 * scan_event_in: hand the event to sink if the partition has it; false when
 * that cannot be told by the index.
 */
static bool
scan_event_in(Oid partition, const EventKey *key, EventSink sink, void *arg,
			  bool *found)
{
	OpenPartition open;

	if (!open_partition(partition, GetActiveSnapshot(), &open))
		return false;
	*found = open.rel && find_event(&open, key);
	if (*found)
		sink(&open, arg);
	open.contributed = *found;
	close_partition(&open);
	return true;
}

/*
 * scan_event: hand the event with this id to sink, if there is one; false when
 * that cannot be done by the index.  The list is one of partitions_to_read().
 */
bool
scan_event(const EventLog *log, const PartitionList *list,
		   const pg_uuid_t *id, EventSink sink, void *arg)
{
	EventKey	key;
	const Partition *partition;
	bool		found = false;

	key.occurred_at = id_get_time(id);
	key.id = *id;
	if (!may_scan(log))
		return false;
	partition = partition_find(list, key.occurred_at);
	if (partition && !scan_event_in(partition->oid, &key, sink, arg, &found))
		return false;
	return found || !OidIsValid(list->default_oid) ||
		scan_event_in(list->default_oid, &key, sink, arg, &found);
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
