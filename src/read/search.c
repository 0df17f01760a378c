/*
 * search.c
 *		What has been found in a search, and what it should cost to go on.
 *
 * The list of what has been found may grow to twice what the page needs; it
 * is then sorted and cut.
 */
#include "read/search.h"

#include "pgstat.h"

static int
compare_found(const void *a, const void *b)
{
	return compare_keys(&((const FoundEvent *) b)->key,
						&((const FoundEvent *) a)->key);
}

/*
 * search_add: an event that was found.
 */
void
search_add(Search *search, const EventKey *key, RowPlace place)
{
	FoundList  *found = search->found;

	if (found->n == found->max)
	{
		found->max = Max(128, found->max * 2);
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
 * search_sort: put what was found in order, the newest first, and forget what
 * is too much; true if the page is full.
 */
bool
search_sort(Search *search)
{
	FoundList  *found = search->found;

	if (found->n > 0)
		qsort(found->items, found->n, sizeof(FoundEvent), compare_found);
	found->n = Min(found->n, found->need);
	search->full = found->n == found->need;
	if (search->full)
		search->worst = found->items[found->n - 1].key;
	return search->full;
}

/*
 * search_row: fetch the row at a place, and keep it if it belongs among the
 * newest.
 */
void
search_row(Search *search, RowPlace place)
{
	PartitionReader *reader = search->reader;
	FoundList  *found = search->found;
	EventKey	key;

	if (!reader_fetch(reader, place))
		return;
	pgstat_count_heap_fetch(search->lists[0].index);
	if (!reader_matches(reader, search->filter))
		return;
	key = reader_key(reader);
	if (!key_in_range(&key, search->range) ||
		(search->full && compare_keys(&key, &search->worst) <= 0))
		return;
	search_add(search, &key, place);
	if (found->n >= 2 * (int64) found->need)
		(void) search_sort(search);
}

/*
 * search_has_window: does the range end somewhere?
 */
bool
search_has_window(const Search *search)
{
	return !TIMESTAMP_IS_NOBEGIN(search->range->lower);
}

/*
 * search_density: which part of the rows is in all lists, were the columns
 * independent.
 */
double
search_density(const Search *search)
{
	double		density = 1;

	for (int i = 0; i < search->n; i++)
		density *= search->lists[i].density;
	return Max(density, 1 / reader_rows(search->reader));
}

/*
 * search_part: how many of the newest rows have the page, if so many match.
 */
double
search_part(const Search *search, double density)
{
	return Min(search->found->need / Max(density, 1e-9), search->rows);
}

/*
 * search_cost_by_places: what it should take to read the lists to their end,
 * if so many rows are in all of them; and then to fetch them all, or to look
 * for the newest in the index by time.
 */
double
search_cost_by_places(const Search *search, double density)
{
	double		rows = reader_rows(search->reader);
	double		cost = Min(rows * density * COST_ROW,
						   search_part(search, density) * COST_PROBE +
						   search->found->need * COST_ROW);

	for (int i = 0; i < search->n; i++)
		cost += rows * search->lists[i].density * COST_POINTER;
	return cost;
}

/*
 * search_restart: all lists, for a search from the beginning.
 */
void
search_restart(Search *search)
{
	for (int i = 0; i < search->n; i++)
		list_restart(&search->lists[i]);
}
