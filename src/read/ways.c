/*
 * ways.c
 *		The newest events by the index by time, and by lists read to their end.
 */
#include "read/search.h"

#include <float.h>

#include "access/tableam.h"
#include "miscadmin.h"

/*
 * compare_places: for searching places in descending order.
 */
static int
compare_places(const void *a, const void *b)
{
	RowPlace	x = *(const RowPlace *) a;
	RowPlace	y = *(const RowPlace *) b;

	return x < y ? 1 : x > y ? -1 : 0;
}

/*
 * by_time: the index by time, for a budget of entries; true if that is all.
 * Given places, no other row is fetched.
 *
 * A live row that does not match weighs more than an entry in the budget.  A
 * dead one does not: its entry is marked, and spares the next reader that.
 */
bool
by_time(Search *search, double budget, const RowPlace *places, int nplaces)
{
	PartitionReader *reader = search->reader;
	FoundList  *found = search->found;
	IndexScanDesc scan = reader_scan_time(reader, search->range,
										  found->skip > 0);
	TupleTableSlot *slot = reader_slot(reader);
	ItemPointer tid = NULL;

	reader->stats.way = places ?
		"the index by time, looked up in posting lists" : "the index by time";
	found->n = 0;
	found->skip -= pass_over(reader, scan, BackwardScanDirection, found->skip);
	while (found->skip == 0 && found->n < found->need && budget > 0 &&
		   (tid = index_getnext_tid(scan, BackwardScanDirection)) != NULL)
	{
		RowPlace	place = place_of(tid);
		EventKey	key;

		CHECK_FOR_INTERRUPTS();
		reader->stats.entries++;
		budget--;
		if (places && bsearch(&place, places, nplaces, sizeof(RowPlace),
							  compare_places) == NULL)
			continue;
		reader->stats.fetched++;
		if (!index_fetch_heap(scan, slot))
			continue;
		if (reader_matches(reader, search->filter))
		{
			key = reader_key(reader);
			search_add(search, &key, place);
		}
		else
			budget -= LIVE_WEIGHT - 1;
	}
	ExecClearTuple(slot);
	index_endscan(scan);
	return tid == NULL || found->n == found->need;
}

/*
 * all_by_time: without a budget.
 */
void
all_by_time(Search *search)
{
	(void) by_time(search, DBL_MAX, NULL, 0);
}

/*
 * fetch_all: the rows at n places, the newest ones of them.
 */
static void
fetch_all(Search *search, const RowPlace *places, int n)
{
	search->reader->stats.way = "posting lists";
	search->found->n = 0;
	search->full = false;
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		search_row(search, places[i]);
	}
	(void) search_sort(search);
}

/*
 * by_places: read the lists to their end.
 *
 * Rows are fetched at all places, or looked for in the index by time, for as
 * long as it would take to fetch them all.  Places that do not fit in
 * work_mem are not kept.
 */
void
by_places(Search *search)
{
	int			most = Min(work_mem * INT64CONST(1024) / sizeof(RowPlace),
						   INT_MAX / 2);
	int			max = 1024;
	int			n = 0;
	RowPlace   *places = palloc(sizeof(RowPlace) * max);
	RowPlace	place;
	double		all;

	search_restart(search);
	while (n < most && (place = lists_meet(search->lists, search->n)) != 0)
	{
		if (n == max)
		{
			max *= 2;
			places = repalloc_huge(places, sizeof(RowPlace) * max);
		}
		places[n++] = place;
		list_seek(&search->lists[0], place - 1);
	}
	all = search->forced ? DBL_MAX : n * COST_ROW;
	if (n == most)
		all_by_time(search);
	else if (all <= search_part(search, n / reader_rows(search->reader)) *
			 COST_PROBE + search->found->need * COST_ROW ||
			 !by_time(search, all / COST_PROBE, places, n))
		fetch_all(search, places, n);
	pfree(places);
}
