/*
 * lists.c
 *		The newest events by posting lists, under a certificate from BRIN.
 *
 * Rows in all lists are fetched from the greatest pointer down.  When the
 * page is full, BRIN is asked in which blocks there may be anything newer
 * than its oldest event; only those are left to be read.  BRIN may be asked
 * again, when twice as many rows have been fetched: the page has become newer
 * meanwhile.  Where the range is only a part of the table, BRIN shows first
 * which blocks it is in.
 *
 * If too much is left, the rows are not in the order of time, and the caller
 * finds another way.
 */
#include "read/search.h"

#include "miscadmin.h"

#define NEXT_CHECK	256			/* rows, where a check would not pay yet */
#define TOO_MUCH	500.0		/* µs that may always be spent */

/*
 * blocks_left: in the runs, up to a block.
 */
static int64
blocks_left(const Search *search, BlockNumber here)
{
	const BlockRuns *runs = &search->runs;
	int64		blocks = 0;

	for (int i = 0; i < runs->n && runs->runs[i].low <= here; i++)
		blocks += Min(runs->runs[i].high, here) - runs->runs[i].low + 1;
	return blocks;
}

/*
 * rows_per_block: how many rows a block has that are in all lists, by those
 * fetched down to a block.
 */
static double
rows_per_block(const Search *search, BlockNumber here)
{
	return Min(search->hits / Max((double) search->start - here + 1, 1),
			   search->reader->rows_per_block);
}

/*
 * too_far: having come to a block, does it take too long to fetch the rows
 * that are left, compared with what else could be done?
 */
static bool
too_far(const Search *search, BlockNumber here)
{
	const PartitionReader *reader = search->reader;
	double		rows = ((double) search->start - here + 1) *
		reader->rows_per_block;
	double		match = (search->found->n + 1) / Max(rows, search->hits + 1);
	double		left = blocks_left(search, here) *
		rows_per_block(search, here) * COST_ROW;

	return !search->forced && left > TOO_MUCH &&
		left > 3 * search_cost_by_places(search, match);
}

/*
 * is_check_due: would BRIN cost less than the rows in what is left to be
 * read?
 */
static bool
is_check_due(const Search *search, BlockNumber here)
{
	const PartitionReader *reader = search->reader;
	double		newer = Max((double) search->newest_block - here, 0);

	return search->forced ||
		blocks_left(search, here) * rows_per_block(search, here) * COST_ROW >
		newer * COST_BLOCK +
		(double) reader->nblocks / reader->pages_per_range * COST_RANGE;
}

/*
 * certify: having come to a block, ask BRIN what is left to be read; false if
 * it is too much.
 */
static bool
certify(Search *search, BlockNumber here)
{
	(void) search_sort(search);
	blocks_of_time(search->reader, search->worst.occurred_at,
				   search->range->upper.occurred_at, here, &search->runs);
	search->certified = true;
	search->next_check = search->hits * 2;
	return !too_far(search, here);
}

/*
 * read_runs: the rows in all lists, in the runs of blocks that are left; for
 * a budget of rows, as long as they are not from BRIN.
 */
static Outcome
read_runs(Search *search, int64 budget)
{
	BlockRuns  *runs = &search->runs;
	bool		can_tell = blocks_can_tell(search->reader);
	RowPlace	place;

	while ((place = lists_meet(search->lists, search->n)) != 0)
	{
		BlockNumber here = place_block(place);

		CHECK_FOR_INTERRUPTS();
		while (runs->n > 0 && here < runs->runs[runs->n - 1].low)
			runs->n--;
		if (runs->n == 0)
			break;
		if (here > runs->runs[runs->n - 1].high)
		{
			list_seek(&search->lists[0],
					  last_place_of(runs->runs[runs->n - 1].high));
			continue;
		}
		if (search->hits++ == 0)
			search->start = here;
		search_row(search, place);
		list_seek(&search->lists[0], place - 1);
		if (can_tell && search->hits >= search->next_check &&
			search->found->n >= search->found->need)
		{
			if (!is_check_due(search, here))
				search->next_check = search->hits + NEXT_CHECK;
			else if (!certify(search, here))
				return TOO_FAR;
		}
		if (search->hits >= budget && !search->certified)
			return OVER_BUDGET;
	}
	return COMPLETE;
}

/*
 * is_cut: is the range only a part of the table, apart from a few blocks?
 */
static bool
is_cut(const Search *search)
{
	const PartitionReader *reader = search->reader;

	return blocks_can_tell(reader) &&
		(search_has_window(search) ||
		 (int64) search->newest_block + 2 * reader->pages_per_range <
		 reader->nblocks);
}

/*
 * by_lists: from the beginning of the lists, for a budget of rows fetched
 * before BRIN is asked.
 */
Outcome
by_lists(Search *search, int64 budget)
{
	Outcome		outcome;

	search->reader->stats.way = blocks_can_tell(search->reader) ?
		"posting lists, certified by BRIN" : "posting lists";
	search_restart(search);
	search->found->n = 0;
	search->full = false;
	search->certified = false;
	search->hits = 0;
	search->start = 0;
	search->next_check = search->found->need;
	if (is_cut(search))
		blocks_of_time(search->reader, search->range->lower,
					   search->range->upper.occurred_at, MaxBlockNumber,
					   &search->runs);
	else
		blocks_all(&search->runs);
	outcome = read_runs(search, budget);
	(void) search_sort(search);
	return outcome;
}
