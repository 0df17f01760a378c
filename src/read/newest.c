/*
 * newest.c
 *		The newest events of one partition that match a filter.
 *
 * 1.  Three ways
 *
 * By time: the index by time from the newest entry down, each row checked.
 * Best where many rows match: a row next to the last one costs 0.05 µs, one
 * from anywhere 1.1 to 1.4.
 *
 * By lists: the posting lists of the filter's columns and classes, met by row
 * pointer from the greatest down; only rows in all of them are fetched.  Best
 * where few rows match.  Row pointers are not times, so when is the page
 * certain?  When the lists end, or when BRIN shows which blocks may still
 * have anything newer than the oldest event of a full page, and those have
 * been read (lists.c).
 *
 * By places: the lists are read to their end, and either all of the rows are
 * fetched, or the index by time is read and only rows in the lists are
 * fetched.  For partitions whose rows are in no order of time, and where BRIN
 * cannot be asked.
 *
 * Each way is exact by itself: it looks at every row that could be on the
 * page, under the caller's snapshot, and checks it against the whole filter.
 * The choice is only about time.
 *
 * 2.  Which
 *
 * No statistics are trusted.  The lists are opened: if one is empty, that is
 * the answer, and so it is if none of the wanted classes is in the index of
 * classes.  A few entries of the index by time show whether the rows are in
 * the order of time.  If the filter wants many classes, it seems to be dense,
 * and some rows are tried by time first.  The first pointers of a list show
 * how dense it is, hence which lists are worth meeting, and what each way
 * should cost.  What turns out to be far dearer is given up for another way.
 *
 * 3.  From where, to where
 *
 * A range of time is exact in the index by time.  For lists it is a condition
 * on the rows; if it begins behind a cursor, somewhere in the middle of the
 * table, BRIN shows which blocks it may have rows in.
 *
 * The range ends at its newest visible row, which the index by time shows.
 * So rows that were deleted and not vacuumed yet are passed over once, by
 * that index, whose dead entries are marked on the way.  Lists keep theirs,
 * since an entry whose row is fetched later than the entry is read cannot be
 * marked.
 */
#include "read/search.h"

#include "access/tableam.h"
#include "miscadmin.h"

#define FEW_CLASSES		10		/* descents before anything else is tried, … */
#define SOME_CLASSES	50		/* … in a window or beside a sparse list, … */
#define MOST_CLASSES	100		/* … and where no class has been found */
#define ORDER_SAMPLE	64		/* entries that show the order */
#define ORDER_BLOCKS	256		/* in order, one is so near the next, … */
#define ORDER_PART		16		/* … or within this part of the table, … */
#define ORDER_FAR		8		/* … but for this part of the entries */
#define TRY_ORDERED		384		/* rows tried by time in vain, in order … */
#define TRY_DISORDERED	128		/* … and not */
#define TRY_COLUMNS		300		/* rows fetched without meeting the classes */
#define SHORT_RANGE		3000	/* rows that are read by time at once */
#define SPARSE			0.05	/* part of the rows */

/*
 * skip_dead: go to the first entry of a visible row; false if there is none.
 *
 * The range ends there from now on: lists still have the dead rows above it,
 * which need not be fetched.
 */
static bool
skip_dead(Search *search, IndexScanDesc scan)
{
	PartitionReader *reader = search->reader;
	TimestampTz newest;

	do
	{
		CHECK_FOR_INTERRUPTS();
		if (index_getnext_tid(scan, BackwardScanDirection) == NULL)
			return false;
		reader->stats.entries++;
		reader->stats.fetched++;
	} while (!index_fetch_heap(scan, reader_slot(reader)));
	newest = reader_key(reader).occurred_at;
	ExecClearTuple(reader->slot);
	if (newest < search->range->upper.occurred_at - 1)
	{
		search->narrowed.lower = search->range->lower;
		search->narrowed.upper.occurred_at = newest + 1;
		search->range = &search->narrowed;
	}
	return true;
}

/*
 * estimate_rows: about how many rows the window has, by the time that the
 * entries of the sample cover, on the last of which the scan is.
 */
static void
estimate_rows(Search *search, IndexScanDesc scan)
{
	TimestampTz newest = search->range->upper.occurred_at;
	TimestampTz oldest;

	search->reader->stats.fetched++;
	if (!index_fetch_heap(scan, reader_slot(search->reader)))
		return;
	oldest = reader_key(search->reader).occurred_at;
	ExecClearTuple(search->reader->slot);
	search->rows = Min(search->rows, ORDER_SAMPLE *
					   ((double) newest - search->range->lower) /
					   Max((double) newest - oldest, 1));
}

/*
 * look_at_order: are the newest rows of the range near each other, and where?
 * False if the range has no rows.
 */
static bool
look_at_order(Search *search)
{
	PartitionReader *reader = search->reader;
	IndexScanDesc scan = reader_scan_time(reader, search->range, false);
	bool		any = skip_dead(search, scan);
	double		rows = reader_rows(reader);
	BlockNumber near = Max(ORDER_BLOCKS, reader->nblocks / ORDER_PART);
	BlockNumber last = 0;
	int			n = 0;
	int			nfar = 0;

	search->newest_block = 0;
	while (any)
	{
		BlockNumber block = ItemPointerGetBlockNumber(&scan->xs_heaptid);

		if (n > 0 && Max(block, last) - Min(block, last) > near)
			nfar++;
		search->newest_block = Max(search->newest_block, block);
		last = block;
		if (++n == ORDER_SAMPLE ||
			index_getnext_tid(scan, BackwardScanDirection) == NULL)
			break;
	}
	reader->stats.entries += n;
	search->in_order = nfar <= n / ORDER_FAR;
	search->rows = n < ORDER_SAMPLE ? n : rows;
	if (n == ORDER_SAMPLE && search_has_window(search))
		estimate_rows(search, scan);
	index_endscan(scan);
	return any;
}

/*
 * open_columns: the lists of columns that have an index, but for those of the
 * class; false if one is empty.
 */
static bool
open_columns(Search *search, const ClassIndexShape *class)
{
	for (int col = 0; col < EVENT_NCOLUMNS; col++)
	{
		bool		in_class = false;

		for (int i = 0; class && i < class->ncolumns; i++)
			in_class |= class->columns[i] == col;
		if (in_class || search->filter->equal[col] == NULL ||
			!OidIsValid(search->reader->indexes[INDEX_BY_COLUMN + col]))
			continue;
		list_open_column(&search->lists[search->n], search->reader, col,
						 search->filter->equal[col]);
		if (list_place(&search->lists[search->n++]) == 0)
			return false;
	}
	return true;
}

static void
close_lists(Search *search, int from)
{
	for (int i = from; i < search->n; i++)
		list_close(&search->lists[i]);
	search->n = Min(search->n, from);
}

/*
 * keep_worthwhile: the sparsest list first, and of the others those that cost
 * less to meet than the rows they spare cost to fetch.
 */
static void
keep_worthwhile(Search *search)
{
	PostingList *lists = search->lists;
	double		density;

	for (int i = 1; i < search->n; i++)
	{
		for (int j = i; j > 0 && lists[j].density < lists[j - 1].density; j--)
		{
			PostingList list = lists[j];

			lists[j] = lists[j - 1];
			lists[j - 1] = list;
		}
	}
	density = lists[0].density;
	for (int i = 1; i < search->n; i++)
	{
		double		met = density * lists[i].density;

		if (met > 0 && COST_POINTER / density >
			COST_ROW * (1 / lists[i].density - 1))
			close_lists(search, i);
		density = met;
	}
}

/*
 * search_lists: with the lists that are open, in the order of what the ways
 * should cost.
 */
static void
search_lists(Search *search)
{
	bool		certain = eventlog_scan_method == SCAN_LISTS ||
		(search->in_order && blocks_can_tell(search->reader) &&
		 eventlog_scan_method != SCAN_PROBE);
	double		density;
	double		part;
	double		time;
	double		lists;

	if (search->n == 0)
	{
		all_by_time(search);
		return;
	}
	keep_worthwhile(search);
	density = search_density(search);
	part = search_part(search, density);
	time = part * (search->in_order ? COST_NEIGHBOUR : COST_ROW);
	lists = search_cost_by_places(search, density);
	if (certain)
		lists = Min(lists, COST_CERTIFIED);
	if (!search->forced && time <= lists &&
		by_time(search, LIVE_WEIGHT * (2 * part + TRY_ORDERED), NULL, 0))
		return;
	if (!certain || by_lists(search, PG_INT64_MAX) != COMPLETE)
		by_places(search);
}

/*
 * try_dense: what costs little where the filter wants many classes, not all
 * of which have been found: some rows by time; or by the lists of columns
 * alone, if they are sparse.
 */
static bool
try_dense(Search *search)
{
	int			rows = search->in_order ? TRY_ORDERED : TRY_DISORDERED;

	if (search->rows <= SHORT_RANGE && search->in_order)
		rows = SHORT_RANGE;
	if (by_time(search, LIVE_WEIGHT * rows, NULL, 0))
		return true;
	if (search->n == 0 || search_density(search) > SPARSE)
		return false;
	if (search->in_order && blocks_can_tell(search->reader))
		return by_lists(search, TRY_COLUMNS) == COMPLETE;
	search_lists(search);
	return true;
}

/*
 * search_classes: with the list of the classes that the filter wants.
 */
static void
search_classes(Search *search, int which)
{
	bool		sparse = search->n > 0 && search_density(search) < SPARSE;
	ClassFinder finder;
	bool		all;

	classes_begin(&finder, search->reader, search->filter, which);
	all = classes_find(&finder, sparse || search_has_window(search) ?
					   SOME_CLASSES : FEW_CLASSES, MOST_CLASSES);
	if ((all && finder.n == 0) || !look_at_order(search))
		;
	else if (search->in_order && search->rows <= SHORT_RANGE &&
			 search_has_window(search))
		all_by_time(search);
	else if (all || search->forced || !try_dense(search))
	{
		search->found->n = 0;
		(void) classes_find(&finder, INT_MAX, INT_MAX);
		if (finder.n > 0 && list_open_classes(&search->lists[search->n],
											  &finder, finder.found, finder.n))
			search->n++;
		if (finder.n > 0)
			search_lists(search);
	}
	classes_end(&finder);
}

/*
 * find_newest: the newest events of a partition that match, newest first, as
 * many as *found needs.
 */
void
find_newest(PartitionReader *reader, const Filter *filter,
			const EventRange *range, FoundList *found)
{
	Search		search = {
		.reader = reader,.filter = filter,.range = range,.found = found,
		.forced = eventlog_scan_method != SCAN_AUTO
	};
	int			which;
	bool		by_class = classes_index(reader, filter, false, &which);

	found->n = 0;
	if (filter->only_window || eventlog_scan_method == SCAN_TIME)
		all_by_time(&search);
	else
	{
		reader->stats.way = "nothing of the kind is there";
		if (!open_columns(&search, by_class ? &class_indexes[which] : NULL))
			;
		else if (by_class)
			search_classes(&search, which);
		else if (search.n == 0 || look_at_order(&search))
			search_lists(&search);
		close_lists(&search, 0);
	}
	reader->stats.kept += found->n;
}

/*
 * newest_of_class: the time of the newest event of a class; DT_NOBEGIN if it
 * has none.
 */
TimestampTz
newest_of_class(const ClassFinder *finder, const EventRange *range,
				const EventClass *class)
{
	FoundList	found = {.need = 1,.context = CurrentMemoryContext};
	Search		search = {
		.reader = finder->reader,.filter = finder->filter,.range = range,
		.found = &found
	};

	if (list_open_classes(&search.lists[0], finder, class, 1))
		search.n = 1;
	if (look_at_order(&search) &&
		(!search.in_order || !blocks_can_tell(finder->reader) ||
		 by_lists(&search, PG_INT64_MAX) != COMPLETE))
		by_places(&search);
	close_lists(&search, 0);
	return found.n > 0 ? found.items[0].key.occurred_at : DT_NOBEGIN;
}
