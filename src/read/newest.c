/*
 * newest.c
 *		The newest events of one partition that match a filter.
 *
 * 1. Three loops
 *
 * By time: the index by time from the newest down, each row looked at.  Best
 * where many rows match; a row beside the last one costs 0.05 µs, one from
 * anywhere 1.1 to 1.4.
 *
 * By lists: the posting lists of the filter's columns and classes, met by row
 * pointer from the greatest down, and only rows fetched that are in all of
 * them.  Best where few rows match.  Row pointers are not times, so when is a
 * page certain?  When the lists have ended; or when BRIN shows in which
 * blocks there may still be something newer than the worst of a full page
 * (the certificate, see blocks.c) and those have been read.
 *
 * By slices: the index by time again, but of a slice of it only those pointers
 * are fetched that are in all lists, which are read into sets for that.  For
 * partitions whose rows lie in no order of time, and where BRIN may not be
 * asked.
 *
 * All three are exact on their own: each looks at every row that could be on
 * the page, under the caller's snapshot, and checks it against the whole
 * filter.  What is chosen between them is only time.
 *
 * 2. Which
 *
 * No statistics are trusted.  The lists are opened, and the one that is empty
 * answers at once; so does a class index with none of the classes that are
 * wanted.  Some entries of the index by time tell whether the rows lie in the
 * order of time.  Then filters that seem to be dense are tried by time, for a
 * small budget.  The lists' first pointers tell how dense each is, and so
 * which of them is worth meeting: a pointer costs 12 ns, a row up to 1.5 µs.
 * Where the certificate shows that too much is left to be read, the rest is
 * chosen by what the ways would cost.
 *
 * 3. From where, to where
 *
 * A range of time is exact in the index by time.  By lists it is a condition
 * on the rows; but where reading begins in the middle, behind a cursor, the
 * index by time tells near which block, and what lies above that is read
 * last, if BRIN says that there may be any.
 *
 * The range ends at its newest row that is visible, which the index by time
 * tells.  So rows that were deleted and not vacuumed yet are passed over
 * once, by that index, whose entries of dead rows are marked; lists keep
 * theirs, for what is fetched later than it is read cannot be marked.
 */
#include "read/read.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"

/* what things cost, in µs */
#define COST_POINTER	0.012	/* of a list, or of the index by time */
#define COST_PROBE		0.025	/* such a one, and looked up in a set */
#define COST_ROW		1.5		/* a row from anywhere */
#define COST_RANGE		0.1		/* of BRIN */
#define COST_BLOCK		0.025	/* in BRIN's answer */
#define COST_SET		0.0005	/* a block's word in a set */

#define FEW_DESCENTS	10		/* that many are tried before anything else, … */
#define SOME_DESCENTS	50		/* … more beside a sparse list, … */
#define MORE_DESCENTS	90		/* … or where no class was found */
#define ORDER_SAMPLE	64		/* entries that tell the order */
#define ORDER_BLOCKS	256		/* that far apart they may be, … */
#define ORDER_PART		16		/* … or within that part of the table */
#define TRY_ORDERED		384		/* rows tried by time, in order, … */
#define TRY_DISORDERED	128		/* … or not, … */
#define TRY_WINDOW		3000	/* … or in a window, in order … */
#define TRY_SPREAD		500		/* … or not */
#define TRY_SINGLE		300		/* rows of a single list tried */
#define DENSE			0.2		/* as many matching rows are read by time */
#define FEW				0.05	/* a list of so few is sparse */
#define SPARSE			0.01	/* so few are looked at without the classes */
#define DEAD_PART		16		/* a dead row's part of a live one's budget */
#define FIRST_CHECK		128		/* rows, in a window that may end soon */
#define TOO_MUCH		500.0	/* µs that may always be spent */
#define FIRST_SLICE		256
#define MAX_SLICE		(1 << 18)
#define MIN_SLICES		20000	/* entries */
#define MAX_LISTS		(EVENT_NCOLUMNS + 1)

/*
 * Search: a partition searched for its newest events.
 */
typedef struct Search
{
	OpenPartition *open;
	const Filter *filter;
	const EventRange *range;
	EventRange	narrowed;		/* what there is of it */
	FoundList  *found;
	int			n;				/* lists */
	PostingList lists[MAX_LISTS];
	bool		in_order;
	double		range_rows;		/* estimate: rows in a window */
	BlockNumber top;			/* reading begins there, or at the end */
	bool		forced;			/* the loop is not a matter of choice */

	/* reading by lists */
	BlockRuns	runs;			/* what is left to be read, if certified */
	bool		certified;
	int64		hits;			/* rows fetched */
	int64		next_check;
	BlockNumber start;			/* of the first of them */
} Search;

typedef enum Outcome
{
	COMPLETE,
	OVER_BUDGET,
	TOO_FAR						/* too much is left, in too many places */
} Outcome;

/*
 * add_found: an event that is older than all others.
 */
static void
add_found(FoundList *found, const EventKey *key, RowPlace place)
{
	if (found->n == found->max)
	{
		found->max = Min(Max(128, found->max * 2), found->need);
		found->items = found->items ?
			repalloc_huge(found->items, sizeof(FoundEvent) * found->max) :
			MemoryContextAlloc(found->context,
							   sizeof(FoundEvent) * found->max);
	}
	found->items[found->n].key = *key;
	found->items[found->n].place = place;
	found->n++;
}

/*
 * offer_found: an event of any time, into the heap of the newest ones so far,
 * whose oldest is on top.
 */
static void
offer_found(FoundList *found, const EventKey *key, RowPlace place)
{
	FoundEvent *items;
	FoundEvent	event = {*key, place};
	int			i;

	if (found->n < found->need)
	{
		add_found(found, key, place);
		items = found->items;
		for (i = found->n - 1;
			 i > 0 && compare_keys(key, &items[(i - 1) / 2].key) < 0;
			 i = (i - 1) / 2)
			items[i] = items[(i - 1) / 2];
		items[i] = event;
		return;
	}
	items = found->items;
	if (compare_keys(key, &items[0].key) <= 0)
		return;
	for (i = 0;;)
	{
		int			child = 2 * i + 1;

		if (child >= found->n)
			break;
		if (child + 1 < found->n &&
			compare_keys(&items[child + 1].key, &items[child].key) < 0)
			child++;
		if (compare_keys(key, &items[child].key) <= 0)
			break;
		items[i] = items[child];
		i = child;
	}
	items[i] = event;
}

static int
compare_found(const void *a, const void *b)
{
	return compare_keys(&((const FoundEvent *) b)->key,
						&((const FoundEvent *) a)->key);
}

static bool
is_full(const FoundList *found)
{
	return found->n == found->need;
}

/*
 * by_time: the loop by time, for a budget of rows looked at in vain; true when
 * that is all.
 *
 * Dead rows are passed over cheaply, and their entries marked, so that the
 * next to come this way is faster.
 */
static bool
by_time(Search *search, int64 budget)
{
	OpenPartition *open = search->open;
	FoundList  *found = search->found;
	IndexScanDesc scan = begin_time_scan(open, search->range, found->skip > 0);
	TupleTableSlot *slot = row_slot(open);
	ItemPointer tid = NULL;

	found->n = 0;
	found->skip -= pass_over(open, scan, BackwardScanDirection, found->skip);
	if (found->skip > 0)
		budget = 0;
	budget = Min(budget, PG_INT64_MAX / DEAD_PART) * DEAD_PART;
	while (!is_full(found) && budget > 0 &&
		   (tid = index_getnext_tid(scan, BackwardScanDirection)) != NULL)
	{
		RowPlace	place = place_of(tid);

		CHECK_FOR_INTERRUPTS();
		open->stats.entries++;
		open->stats.fetched++;
		budget--;
		if (!index_fetch_heap(scan, slot))
			continue;
		if (row_matches(search->filter, open))
		{
			EventKey	key = row_key(open);

			add_found(found, &key, place);
		}
		else
			budget -= DEAD_PART - 1;
	}
	ExecClearTuple(slot);
	index_endscan(scan);
	return tid == NULL || is_full(found);
}

/*
 * all_by_time: the same without a budget.
 */
static void
all_by_time(Search *search)
{
	search->open->stats.way = "the index by time";
	(void) by_time(search, PG_INT64_MAX);
}

/*
 * skip_dead: go on to the first entry of a row that is visible; false when
 * there is none.
 *
 * The entries of dead rows are marked on the way, so that the next to come
 * here is faster.  The range ends at the visible row from now on: lists still
 * have the dead rows above it, which need not be fetched.
 */
static bool
skip_dead(Search *search, IndexScanDesc scan)
{
	OpenPartition *open = search->open;
	TupleTableSlot *slot = row_slot(open);
	TimestampTz newest;

	do
	{
		CHECK_FOR_INTERRUPTS();
		if (index_getnext_tid(scan, BackwardScanDirection) == NULL)
			return false;
		open->stats.entries++;
		open->stats.fetched++;
	} while (!index_fetch_heap(scan, slot));
	newest = row_key(open).occurred_at;
	ExecClearTuple(slot);
	if (newest < search->range->upper.occurred_at - 1)
	{
		search->narrowed.lower = search->range->lower;
		search->narrowed.upper.occurred_at = newest + 1;
		search->range = &search->narrowed;
	}
	return true;
}

/*
 * estimate_range: about how many rows a window has, by the time that the
 * scan's entry stands behind the newest one, n entries before.
 */
static void
estimate_range(Search *search, IndexScanDesc scan, int n)
{
	TimestampTz newest = search->range->upper.occurred_at;
	TimestampTz t;

	search->range_rows = n;
	if (n < ORDER_SAMPLE || TIMESTAMP_IS_NOBEGIN(search->range->lower))
		return;
	search->open->stats.fetched++;
	if (!index_fetch_heap(scan, row_slot(search->open)))
		return;
	t = row_key(search->open).occurred_at;
	ExecClearTuple(search->open->slot);
	search->range_rows *= ((double) newest - search->range->lower) /
		Max((double) newest - t, 1);
}

/*
 * look_at_order: do the newest rows of the range lie near each other?  And
 * where does reading begin that is not to begin at the end?  False when the
 * range has no rows.
 */
static bool
look_at_order(Search *search)
{
	OpenPartition *open = search->open;
	IndexScanDesc scan = begin_time_scan(open, search->range, false);
	BlockNumber low;
	BlockNumber high;
	ItemPointer tid;
	bool		any = skip_dead(search, scan);
	int			n;

	measure_table(open);
	low = high = any ? ItemPointerGetBlockNumber(&scan->xs_heaptid) : 0;
	for (n = 1; any && n < ORDER_SAMPLE; n++)
	{
		tid = index_getnext_tid(scan, BackwardScanDirection);
		if (tid == NULL)
			break;
		low = Min(low, ItemPointerGetBlockNumber(tid));
		high = Max(high, ItemPointerGetBlockNumber(tid));
	}
	open->stats.entries += n - 1;
	estimate_range(search, scan, n);
	index_endscan(scan);
	search->in_order = high - low <= ORDER_BLOCKS ||
		high - low < open->nblocks / ORDER_PART;
	search->top = MaxBlockNumber;
	if (!TIMESTAMP_IS_NOEND(search->range->upper.occurred_at) &&
		can_certify(open))
		search->top = high + 2 * open->indexes.pages_per_range;
	return any;
}

/*
 * look_at_row: fetch the row at a place, and offer it if it matches.
 */
static void
look_at_row(Search *search, RowPlace place)
{
	OpenPartition *open = search->open;
	EventKey	key;

	open->stats.fetched++;
	if (search->hits++ == 0)
		search->start = place_block(place);
	if (!fetch_row(open, place))
		return;
	if (search->lists[0].n > 0)
		pgstat_count_heap_fetch(search->lists[0].streams[0].scan->indexRelation);
	if (!row_matches(search->filter, open))
		return;
	key = row_key(open);
	if (key_in_range(&key, search->range))
		offer_found(search->found, &key, place);
}

/*
 * joint_density: which part of the rows is in all lists, were the columns
 * independent.
 */
static double
joint_density(const Search *search)
{
	double		density = 1;

	for (int i = 0; i < search->n; i++)
		density *= search->lists[i].density;
	return Max(density, 1 / (search->open->rows_per_block *
							 Max((double) search->open->nblocks, 1)));
}

/*
 * cheapest_otherwise: what the page would cost by time or by slices.
 */
static double
cheapest_otherwise(const Search *search, double density)
{
	double		rows = search->found->need / density;

	return Min(rows * COST_ROW,
			   rows * COST_PROBE + search->found->need * COST_ROW);
}

/*
 * is_certificate_due: is it worth its price at a block?
 *
 * Not where the rest of the lists is cheaper.
 */
static bool
is_certificate_due(Search *search, BlockNumber here)
{
	const OpenPartition *open = search->open;
	double		seen = Max((double) search->start - here + 1, 1);
	double		per_block = Min(search->hits / seen, open->rows_per_block);
	double		newer = Min((double) search->top, open->nblocks) - here;

	if (search->forced)
		return true;
	if (here * per_block * COST_ROW <
		(double) open->nblocks / open->indexes.pages_per_range * COST_RANGE +
		Max(newer, 0) * COST_BLOCK)
	{
		search->next_check = search->hits + 256;
		return false;
	}
	return true;
}

/*
 * trim_runs: leave what is to be read below a block.  *above is how much lies
 * above where reading began.
 */
static void
trim_runs(Search *search, BlockNumber here, int64 *above)
{
	BlockRuns  *runs = &search->runs;

	*above = 0;
	runs->blocks = 0;
	for (int i = 0; i < runs->n; i++)
	{
		struct BlockRun *run = &runs->runs[i];

		if (run->high > search->top)
			*above += run->high - Max(run->low, search->top + 1) + 1;
		run->high = Min(run->high, here);
		if (run->low <= here)
			runs->blocks += run->high - run->low + 1;
	}
	while (runs->n > 0 && runs->runs[runs->n - 1].low > here)
		runs->n--;
}

/*
 * certify: ask BRIN what is left to be read, having come to a block; false
 * when that is too much.
 */
static bool
certify(Search *search, BlockNumber here)
{
	OpenPartition *open = search->open;
	FoundList  *found = search->found;
	int64		above;
	double		seen = Max(((double) search->start - here + 1) *
						   open->rows_per_block, 1);
	double		hit = Min(search->hits / seen, 1);
	double		match = Min(hit, Max((double) found->n / seen,
									 1 / (seen + 1)));
	double		left;

	blocks_of_time(open, is_full(found) ? found->items[0].key.occurred_at :
				   search->range->lower,
				   search->range->upper.occurred_at, 0,
				   search->top < open->nblocks ? MaxBlockNumber : here,
				   &search->runs);
	trim_runs(search, here, &above);
	search->certified = true;
	search->next_check = search->hits * 2;
	left = (search->runs.blocks + above) *
		open->rows_per_block * hit * COST_ROW;
	if (search->runs.n > 0)
	{
		for (int i = 0; i < search->n; i++)
			left += (here - search->runs.runs[0].low) * open->rows_per_block *
				search->lists[i].density * COST_POINTER;
	}
	return search->forced || left <= TOO_MUCH ||
		left <= 3 * cheapest_otherwise(search, match);
}

/*
 * is_to_be_read: is a place in what is left to be read?  If not, *next is the
 * place to go on at, 0 for none.
 */
static bool
is_to_be_read(Search *search, RowPlace place, RowPlace *next)
{
	BlockRuns  *runs = &search->runs;
	BlockNumber block = place_block(place);

	if (!search->certified)
		return true;
	while (runs->n > 0 && block < runs->runs[runs->n - 1].low)
		runs->n--;
	*next = runs->n > 0 ? last_place_of(runs->runs[runs->n - 1].high) : 0;
	return runs->n > 0 && block <= runs->runs[runs->n - 1].high;
}

/*
 * read_lists: rows that are in all lists, down from the block at the top,
 * until nothing is left to be read; for a budget of rows before it is certain
 * how much that is.
 */
static Outcome
read_lists(Search *search, int64 budget)
{
	bool		can_ask = can_certify(search->open);
	RowPlace	place;

	while ((place = lists_meet(search->lists, search->n)) != 0)
	{
		RowPlace	next = place - 1;
		BlockNumber here = place_block(place);

		CHECK_FOR_INTERRUPTS();
		if (here > search->top)
			next = last_place_of(search->top);
		else if (is_to_be_read(search, place, &next))
		{
			next = place - 1;
			look_at_row(search, place);
			if (can_ask && search->hits >= search->next_check &&
				(is_full(search->found) ||
				 !TIMESTAMP_IS_NOBEGIN(search->range->lower)) &&
				is_certificate_due(search, here) && !certify(search, here))
				return TOO_FAR;
			if (search->hits >= budget && !search->certified)
				return OVER_BUDGET;
		}
		if (next == 0)
			break;
		for (int i = 0; i < search->n; i++)
			list_seek(&search->lists[i], next);
	}
	return COMPLETE;
}

/*
 * begin_lists: nothing has been read of them.
 */
static void
begin_lists(Search *search, bool restart)
{
	for (int i = 0; restart && i < search->n; i++)
		list_restart(&search->lists[i]);
	search->found->n = 0;
	search->certified = false;
	search->hits = 0;
	search->next_check = TIMESTAMP_IS_NOBEGIN(search->range->lower) ?
		search->found->need : Min(search->found->need, FIRST_CHECK);
}

/*
 * read_above: what lies above the block where reading began, if there may be
 * any that belongs on the page.
 */
static Outcome
read_above(Search *search)
{
	OpenPartition *open = search->open;
	FoundList  *found = search->found;

	if (search->top >= open->nblocks)
		return COMPLETE;
	blocks_of_time(open, is_full(found) ? found->items[0].key.occurred_at :
				   search->range->lower,
				   search->range->upper.occurred_at, search->top + 1,
				   MaxBlockNumber, &search->runs);
	if (search->runs.n == 0)
		return COMPLETE;
	if (!search->forced &&
		search->runs.blocks * open->rows_per_block * joint_density(search) *
		COST_ROW > TOO_MUCH +
		3 * cheapest_otherwise(search, joint_density(search)))
		return TOO_FAR;
	for (int i = 0; i < search->n; i++)
		list_restart(&search->lists[i]);
	search->top = MaxBlockNumber;
	search->certified = true;
	search->next_check = PG_INT64_MAX;
	return read_lists(search, PG_INT64_MAX);
}

/*
 * by_lists: the loop by lists, which stand at their beginning.
 */
static Outcome
by_lists(Search *search, int64 budget)
{
	BlockNumber top = search->top;
	Outcome		outcome;

	search->open->stats.way = can_certify(search->open) ?
		"posting lists, certified by BRIN" : "posting lists";
	begin_lists(search, false);
	outcome = read_lists(search, budget);
	if (outcome == COMPLETE)
		outcome = read_above(search);
	search->top = top;
	if (outcome == COMPLETE)
		qsort(search->found->items, search->found->n, sizeof(FoundEvent),
			  compare_found);
	return outcome;
}

/*
 * all_of_lists: the same without a certificate, to the lists' end.
 */
static void
all_of_lists(Search *search)
{
	search->open->stats.way = "posting lists";
	search->top = MaxBlockNumber;
	begin_lists(search, true);
	search->next_check = PG_INT64_MAX;
	(void) read_lists(search, PG_INT64_MAX);
	qsort(search->found->items, search->found->n, sizeof(FoundEvent),
		  compare_found);
}

/*
 * read_slice: the next entries of the index by time; how many.  *low is the
 * lowest place of them.
 */
static int
read_slice(Search *search, IndexScanDesc scan, RowPlace *slice, int size,
		   RowPlace *low)
{
	int			n = 0;
	ItemPointer tid;

	*low = PG_UINT64_MAX;
	while (n < size &&
		   (tid = index_getnext_tid(scan, BackwardScanDirection)) != NULL)
	{
		slice[n] = place_of(tid);
		*low = Min(*low, slice[n]);
		n++;
	}
	search->open->stats.entries += n;
	return n;
}

static bool
in_all_sets(const Search *search, RowPlace place)
{
	for (int i = 0; i < search->n; i++)
	{
		if (!list_set_has(&search->lists[i], place))
			return false;
	}
	return true;
}

/*
 * next_size: how large a slice is likely to fill the page.
 */
static int
next_size(const FoundList *found, int64 entries, int size)
{
	double		wanted = found->n > 0 ?
	(double) entries / found->n * (found->need - found->n) * 1.2 + 16 :
	size * 4.0;

	return Max(FIRST_SLICE / 2, Min(Min(wanted, size * 4.0), MAX_SLICE));
}

/*
 * read_slices: slice by slice, for a budget of entries; true when that is all.
 */
static bool
read_slices(Search *search, int64 budget)
{
	OpenPartition *open = search->open;
	FoundList  *found = search->found;
	RowPlace   *slice = palloc(sizeof(RowPlace) * MAX_SLICE);
	IndexScanDesc scan = begin_time_scan(open, search->range, false);
	int			size = FIRST_SLICE;
	int			n = size;
	int64		entries = 0;

	while (!is_full(found) && n == size && entries < budget)
	{
		RowPlace	low;

		if (entries > 0)
			size = next_size(found, entries, size);
		CHECK_FOR_INTERRUPTS();
		n = read_slice(search, scan, slice, size, &low);
		entries += n;
		for (int i = 0; i < search->n && n > 0; i++)
			list_read_down(&search->lists[i], low);
		for (int i = 0; i < n && !is_full(found); i++)
		{
			EventKey	key;

			if (!in_all_sets(search, slice[i]))
				continue;
			open->stats.fetched++;
			if (!fetch_row(open, slice[i]))
				continue;
			pgstat_count_heap_fetch(scan->indexRelation);
			if (!row_matches(search->filter, open))
				continue;
			key = row_key(open);
			add_found(found, &key, slice[i]);
		}
	}
	index_endscan(scan);
	pfree(slice);
	return is_full(found) || n < size;
}

/*
 * by_slices: the loop by slices, for a budget; false when it did not come to
 * its end, or has not the memory.
 */
static bool
by_slices(Search *search, int64 budget)
{
	begin_lists(search, true);
	for (int i = 0; i < search->n; i++)
	{
		if (!list_begin_set(&search->lists[i]))
			return false;
	}
	search->open->stats.way = "slices of time, looked up in posting lists";
	return read_slices(search, budget);
}

/*
 * by_cost: the way that should be the cheapest, where no certificate helps.
 *
 * By time and by slices, twice as much is read as it should take: if it has
 * not done then, what matches is old, and the lists are read to their end.
 */
static void
by_cost(Search *search)
{
	OpenPartition *open = search->open;
	double		density = joint_density(search);
	double		rows = open->rows_per_block * Max((double) open->nblocks, 1);
	double		part = Min(search->found->need / density, rows);
	double		all = rows * density * COST_ROW;
	double		time = part * COST_ROW;
	double		slices = part * COST_PROBE + search->found->need * COST_ROW +
	open->nblocks * COST_SET * search->n;

	for (int i = 0; i < search->n; i++)
	{
		all += rows * search->lists[i].density * COST_POINTER;
		slices += rows * search->lists[i].density * COST_POINTER;
	}
	if (all > time || all > slices)
	{
		open->stats.way = "the index by time";
		if (time < slices ? by_time(search, 2 * part) :
			by_slices(search, Max(2 * part, MIN_SLICES)))
			return;
	}
	all_of_lists(search);
}

/*
 * close_lists: all from the nth on.
 */
static void
close_lists(Search *search, int from)
{
	for (int i = from; i < search->n; i++)
		list_close(&search->lists[i]);
	search->n = Min(search->n, from);
}

/*
 * open_columns: the lists of columns with an index of their own; false when
 * one is empty.
 *
 * A column of the classes is left to the classes.
 */
static bool
open_columns(Search *search, const ClassIndexShape *shape)
{
	for (int col = 0; col < EVENT_NCOLUMNS; col++)
	{
		bool		is_class = false;

		for (int i = 0; shape && i < shape->ncolumns; i++)
			is_class |= shape->columns[i] == col;
		if (is_class || search->filter->equal[col] == NULL ||
			!OidIsValid(search->open->indexes.by_column[col].oid))
			continue;
		list_of_column(&search->lists[search->n], search->open, col,
					   search->filter->equal[col]);
		if (list_place(&search->lists[search->n++]) == 0)
			return false;
	}
	return true;
}

/*
 * keep_worthwhile: the sparsest list first, and of the others those that are
 * cheaper to meet than the rows they spare are to fetch.
 */
static void
keep_worthwhile(Search *search)
{
	PostingList *lists = search->lists;
	double		joint;

	for (int i = 1; i < search->n; i++)
	{
		for (int j = i; j > 0 && lists[j].density < lists[j - 1].density; j--)
		{
			PostingList list = lists[j];

			lists[j] = lists[j - 1];
			lists[j - 1] = list;
		}
	}
	joint = lists[0].density;
	for (int i = 1; i < search->n; i++)
	{
		double		density = lists[i].density;

		if (joint <= 0 || density <= 0)
			continue;
		if (COST_POINTER / joint > COST_ROW * (1 / density - 1))
		{
			close_lists(search, i);
			return;
		}
		joint *= density;
	}
}

/*
 * in_window: does the range end somewhere, so that the index by time may come
 * to that end soon?
 */
static bool
in_window(const Search *search)
{
	return !TIMESTAMP_IS_NOBEGIN(search->range->lower);
}

/*
 * try_by_time: some rows by time, where that may be enough: a few, or (long)
 * as many as a small partition has, or a short window.
 */
static bool
try_by_time(Search *search, bool long_try)
{
	int64		budget = search->in_order ? TRY_ORDERED : TRY_DISORDERED;

	if (long_try)
		budget = search->in_order ? TRY_WINDOW : TRY_SPREAD;
	search->open->stats.way = "the index by time";
	return by_time(search, budget);
}

/*
 * is_short: will the index by time come to a window's end soon?
 */
static bool
is_short(const Search *search)
{
	return search->range_rows <= TRY_WINDOW;
}

static bool
is_small(const Search *search)
{
	return search->open->nblocks * search->open->rows_per_block <= TRY_WINDOW;
}

/*
 * by_lists_or_cost: with all lists open.
 */
static void
by_lists_or_cost(Search *search)
{
	double		density;

	keep_worthwhile(search);
	density = joint_density(search);
	if (density > DENSE)
		all_by_time(search);
	else if (density > FEW && in_window(search) &&
			 try_by_time(search, true))
		return;
	else if (!search->in_order || !can_certify(search->open) ||
			 by_lists(search, PG_INT64_MAX) != COMPLETE)
		by_cost(search);
}

/*
 * search_classes: where the filter asks for classes, which the finder finds.
 */
static void
search_classes(Search *search, ClassFinder *finder)
{
	bool		many = !find_classes(finder, FEW_DESCENTS);

	/* what is not among the first ones is rare, or not there at all */
	if (many && finder->n == 0)
		many = !find_classes(finder, MORE_DESCENTS);
	if (!many && finder->n == 0)
		return;
	if (!look_at_order(search) ||
		(in_window(search) && try_by_time(search, is_short(search))))
		return;
	/* in a window, or beside a sparse list, some more are worth finding */
	if (many && (in_window(search) ||
				 (search->n > 0 && joint_density(search) < FEW)))
		many = !find_classes(finder, SOME_DESCENTS);
	if (!many && finder->n == 0)
		return;
	if (many && try_by_time(search, in_window(search) || is_small(search)))
		return;
	/* many classes: a sparse column may do without them */
	if (many && search->n > 0 && search->in_order &&
		by_lists(search, TRY_SINGLE) == COMPLETE)
		return;
	if (many && search->n > 0 && !search->in_order &&
		joint_density(search) < SPARSE)
	{
		by_lists_or_cost(search);
		return;
	}
	if (search->n > 0)
		begin_lists(search, many);
	search->found->n = 0;
	(void) find_classes(finder, INT_MAX);
	if (finder->n == 0)
		return;
	if (list_of_classes(&search->lists[search->n], search->open, finder))
	{
		search->n++;
		if (list_place(&search->lists[search->n - 1]) == 0)
			return;
	}
	if (search->n > 0)
		by_lists_or_cost(search);
	else
		all_by_time(search);
}

/*
 * search_columns: where it asks for columns with indexes of their own alone.
 */
static void
search_columns(Search *search)
{
	if (look_at_order(search) &&
		!(in_window(search) && try_by_time(search, is_short(search))))
		by_lists_or_cost(search);
}

/*
 * search_forced: by one of the loops alone, for tests.
 */
static void
search_forced(Search *search, ClassFinder *finder)
{
	if (finder)
	{
		(void) find_classes(finder, INT_MAX);
		if (finder->n == 0)
			return;
		if (list_of_classes(&search->lists[search->n], search->open, finder))
			search->n++;
	}
	search->forced = true;
	if (!look_at_order(search))
		return;
	if (search->n == 0)
		all_by_time(search);
	else if (eventlog_scan_method == SCAN_LISTS)
		(void) by_lists(search, PG_INT64_MAX);
	else if (!by_slices(search, PG_INT64_MAX))
		all_of_lists(search);
}

/*
 * find_newest: the newest events of a partition that match, newest first, as
 * many as *found needs.
 */
void
find_newest(OpenPartition *open, const Filter *filter,
			const EventRange *range, FoundList *found)
{
	Search		search = {
		.open = open,.filter = filter,.range = range,.found = found
	};
	ClassFinder finder = {0};
	ClassIndex	which;
	bool		by_class = has_class_filter(filter) &&
	choose_class_index(open, filter, false, &which);

	search.top = MaxBlockNumber;
	found->n = 0;
	if (filter->only_window || eventlog_scan_method == SCAN_TIME)
	{
		all_by_time(&search);
		open->stats.kept += found->n;
		return;
	}
	open->stats.way = "nothing of the kind is there";
	if (open_columns(&search, by_class ? &class_indexes[which] : NULL))
	{
		if (by_class)
			begin_finder(&finder, open, filter, which);
		if (eventlog_scan_method != SCAN_AUTO)
			search_forced(&search, by_class ? &finder : NULL);
		else if (by_class)
			search_classes(&search, &finder);
		else if (search.n > 0)
			search_columns(&search);
		else
			all_by_time(&search);
		end_finder(&finder);
	}
	close_lists(&search, 0);
	open->stats.kept += found->n;
}

/*
 * find_newest_of_class: the same of one class that was found.
 */
bool
find_newest_of_class(const ClassFinder *finder, const EventRange *range,
					 const EventClass *class, FoundList *found)
{
	Search		search = {
		.open = finder->open,.filter = finder->filter,.range = range,
		.found = found
	};

	found->n = 0;
	list_of_class(&search.lists[0], finder, class);
	search.n = 1;
	if (!look_at_order(&search))
		;						/* all are dead */
	else if (!search.in_order || !can_certify(finder->open) ||
			 by_lists(&search, PG_INT64_MAX) != COMPLETE)
		all_of_lists(&search);
	close_lists(&search, 0);
	return found->n > 0;
}
