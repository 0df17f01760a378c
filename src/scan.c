/*
 * scan.c
 *		The newest events of one partition that match a filter, by whichever of
 *		its indexes is best.
 *
 * 1. Two ways in
 *
 * The ordered way reads an index that is in the order asked for, (occurred_at,
 * id) or, where a filter column has an index of its own, (column, occurred_at,
 * id), backward from the newest, and looks at each row.  It is best when many
 * rows match: a page is full after few.  It is endless when few do.
 *
 * The skip scan (skip.c) goes from class to class by the class index.  It is
 * best when few classes are wanted, and endless only when a class is full of
 * rows that a filter outside the class columns refuses.  Where such a column has
 * an index, the skip scan goes slice by slice of time, the newest first: the
 * slice's rows are taken from that index, and no others are fetched.
 *
 * 2. Never worse than about twice the better
 *
 * No statistics say which way is better, so they race: one for a budget, then
 * the other of what is left for a budget like it, then the first from where it
 * had come to with four times as much, and so on.  What is spent on the losing
 * way is a fixed part of what the winning one takes.  The ordered way begins,
 * unless it is known that few classes are wanted, or a type makes that likely,
 * or the skip scan has won in a newer partition.
 *
 * Where the classes of the partition are known and none of them is wanted,
 * that is all.
 */
#include "reader.h"

#define FIRST_BUDGET	1000
#define FIRST_SLICE		250		/* rows */
#define MAX_SLICE		100000
#define BUDGET_GROWTH	4
#define FEW_CLASSES		40		/* whose newest events are found as soon as
								 * those of a dense filter */
#define FEW_BUDGET		(2 * FEW_CLASSES * COST_SEEK)

static void
add_found(FoundList *found, const FoundEvent *event)
{
	found->items[found->n++] = *event;
}

/*
 * scan_ordered: the ordered way, for a budget.
 *
 * True when that is all: the page is full or the range at its end.  If not,
 * *range is what is left.
 */
static bool
scan_ordered(OpenPartition *open, const Filter *filter, EventRange *range,
			 int64 budget, FoundList *found)
{
	EventColumn column;
	Oid			index = index_by_column(open, filter, &column);
	const text *prefix[1] = {filter->equal[column]};
	Walk		walk;
	bool		more;

	if (OidIsValid(index))
		walk_open(&walk, open, index, 1, COST_ROW_FAR, budget);
	else
		walk_open(&walk, open, open->indexes.by_time, 0, COST_ROW_NEAR,
				  budget);
	more = walk_seek(&walk, prefix, range);
	while (more && found->n < found->need)
	{
		/* an updated row has several entries of one key: read all or none */
		if (walk.budget <= 0 &&
			compare_keys(&walk.entry->key, &range->upper) < 0)
			break;
		if (walk_is_chosen(&walk, filter, !filter->only_window))
			add_found(found, walk.entry);
		range->upper = walk.entry->key;
		more = walk_next(&walk);
	}
	walk_close(&walk);
	return !more || found->n == found->need;
}

/*
 * skip_slices: the skip scan of one slice after another.
 *
 * True when that is all.  If not, *range is what is left.
 */
static bool
skip_slices(OpenPartition *open, const Filter *filter, EventRange *range,
			const ClassList *list, int64 budget, FoundList *found)
{
	bool		all = false;

	for (int n = FIRST_SLICE; !all && found->n < found->need;
		 n = Min(n * 2, MAX_SLICE))
	{
		EventRange	slice = *range;
		RowSet	   *rows = rows_collect(open, filter, &slice, n, &budget, &all);
		bool		done = budget > 0 && skip_scan(open, filter, &slice, list,
												   rows, &budget, found);

		rows_free(rows);
		if (!done)
			return false;
		range->upper.occurred_at = slice.lower;
		memset(&range->upper.id, 0, UUID_LEN);
	}
	return true;
}

/*
 * scan_by_class: the skip scan, in the way that suits the filter, for a budget.
 */
static bool
scan_by_class(OpenPartition *open, const Filter *filter, EventRange *range,
			  const ClassList *list, int64 budget, FoundList *found)
{
	if (rows_can_help(open, filter))
		return skip_slices(open, filter, range, list, budget, found);
	return skip_scan(open, filter, range, list, NULL, &budget, found);
}

/*
 * race: both ways in turn, with growing budgets, until one comes to its end.
 */
static void
race(OpenPartition *open, const Filter *filter, EventRange *range,
	 const ClassList *list, ScanHabit *habit, FoundList *found)
{
	int64		budget = Max(FIRST_BUDGET, habit->budget);

	for (;;)
	{
		if (!habit->by_class &&
			scan_ordered(open, filter, range, budget, found))
			break;
		habit->by_class = true;
		if (scan_by_class(open, filter, range, list, budget, found))
			break;
		habit->by_class = false;
		budget *= BUDGET_GROWTH;
	}
	habit->budget = budget;
}

/*
 * find_newest: the newest events of a partition that match, newest first,
 * added to *found until it is full.
 */
void
find_newest(OpenPartition *open, const Filter *filter, EventRange range,
			ScanHabit *habit, FoundList *found)
{
	ClassList	classes;
	ClassList  *list = NULL;
	int64		first = filter->event_type ? FIRST_BUDGET : 0;

	if (eventlog_scan_method == SCAN_ORDERED ||
		(eventlog_scan_method == SCAN_AUTO && !has_class_filter(filter)))
	{
		(void) scan_ordered(open, filter, &range, PG_INT64_MAX, found);
		return;
	}
	if (class_list(open, filter, &habit->query, &classes))
	{
		list = &classes;
		first = list->n <= FEW_CLASSES ? FEW_BUDGET : 0;
	}
	if (eventlog_scan_method == SCAN_SKIP)
		(void) scan_by_class(open, filter, &range, list, PG_INT64_MAX, found);
	else if (!(list && list->n == 0) &&
			 !(first > 0 && !habit->by_class &&
			   scan_by_class(open, filter, &range, list, first, found)))
		race(open, filter, &range, list, habit, found);
	if (list)
		pfree(list->items);
}

/*
 * find_event: the row of the event with this key into the partition's slot.
 */
bool
find_event(OpenPartition *open, const EventKey *key)
{
	Walk		walk;
	bool		found = false;

	walk_open(&walk, open, open->indexes.by_time, 0, 0, PG_INT64_MAX);
	for (bool more = walk_seek_event(&walk, key);
		 more && !found && compare_keys(&walk.entry->key, key) == 0;
		 more = walk_next(&walk))
		found = walk_fetch(&walk);
	walk_close(&walk);
	return found;
}
