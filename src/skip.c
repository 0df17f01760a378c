/*
 * skip.c
 *		The newest events of a partition by its class index: the skip scan.
 *
 * 1. From class to class
 *
 * The class index (event_type, level, source_service, resource_type,
 * occurred_at, id) is read backward.  The first entry at or below any point is
 * the newest event of a class.  If the class is wanted, the scan reads on
 * within it while entries still beat the worst of the best found so far.  Then
 * it goes to the greatest class below that could be wanted, in one descent: so
 * what it costs is a descent for each class in the way plus about a page of
 * entries, whatever the size of the partition.
 *
 * Where the classes of the partition are known (classlist.c), those that are
 * wanted are read in the order of their newest events, until none of what is
 * left can beat the worst.
 *
 * 2. Filters outside the class columns
 *
 * They are checked on the row.  Where it is known from another index which rows
 * can match (rowset.c), only these are fetched.
 *
 * 3. Memory
 *
 * The heap of the best holds keys and row pointers, no rows: O(page).
 */
#include "reader.h"

#include "lib/binaryheap.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#define COST_CLASS	10			/* that a class map tells */
#define COST_BLOCK	100			/* of a table that is read from end to end */
#define MIN_COUNT_BUDGET	10000

/*
 * has_class_filter: is anything asked of the columns of the class index?
 */
bool
has_class_filter(const Filter *filter)
{
	return filter->event_type || filter->min_level > LEVEL_DEBUG ||
		filter->max_level < LEVEL_CRITICAL ||
		filter->equal[EVENT_SOURCE_SERVICE] ||
		filter->equal[EVENT_RESOURCE_TYPE];
}

/*
 * is_by_class: is all that the filter asks, beside its window, told by classes?
 */
bool
is_by_class(const Filter *filter)
{
	for (int col = 0; col < EVENT_NCOLUMNS; col++)
	{
		if (filter->equal[col] && !is_class_column(col))
			return false;
	}
	return true;
}

/*
 * SkipScan: the best so far, and the class that is being looked at.
 */
typedef struct SkipScan
{
	Walk		walk;
	const Filter *filter;
	const EventRange *range;
	int64		passed;			/* classes, in the way or wanted */

	bool		need_row;		/* a filter is outside the class columns */
	const RowSet *rows;			/* none but these can match; NULL: unknown */

	/* the best, or, where best is NULL, a number for each class */
	int			need;
	binaryheap *best;			/* of FoundEvent, the worst on top */
	FoundEvent *store;
	ClassSink	sink;
	void	   *arg;
	int64		count;
	TimestampTz counted;		/* the newest of these */

	/* the way from class to class */
	text	   *type_end;		/* types below this one can have the prefix */
	int			nlevels;
	text	   *levels[EVENT_NLEVELS];	/* wanted, in descending order */
	text	   *class[CLASS_NCOLUMNS];	/* NULL: the column is null */
	EventKey	newest;			/* of the class, visible or not */
} SkipScan;

static int
compare_found(Datum a, Datum b, void *arg)
{
	/* the root of a binaryheap is the greatest: here the oldest */
	return compare_keys(&((FoundEvent *) DatumGetPointer(b))->key,
						&((FoundEvent *) DatumGetPointer(a))->key);
}

/*
 * prefix_end: the least text above all that begin with prefix.
 *
 * Types are of ASCII, so no prefix that any type has ends in 0xff, and a text
 * of that byte is above all of them.
 */
static text *
prefix_end(const text *prefix)
{
	int			len = prefix ? VARSIZE_ANY_EXHDR(prefix) : 0;
	text	   *end = palloc(VARHDRSZ + len + 1);

	if (prefix)
		memcpy(VARDATA(end), VARDATA_ANY(prefix), len);
	while (len > 0 && (unsigned char) VARDATA(end)[len - 1] == 0xff)
		len--;
	if (len > 0)
		VARDATA(end)[len - 1]++;
	else
		VARDATA(end)[len++] = (char) 0xff;
	SET_VARSIZE(end, VARHDRSZ + len);
	return end;
}

/*
 * is_above: does a class column sort above the value that is wanted of it?
 */
static bool
is_above(const text *value, const text *wanted)
{
	int			len;
	int			c;

	if (value == NULL)
		return true;			/* nulls come last */
	len = Min(VARSIZE_ANY_EXHDR(value), VARSIZE_ANY_EXHDR(wanted));
	c = memcmp(VARDATA_ANY(value), VARDATA_ANY(wanted), len);
	return c > 0 || (c == 0 &&
					 VARSIZE_ANY_EXHDR(value) > VARSIZE_ANY_EXHDR(wanted));
}

/*
 * level_below: the greatest wanted level that sorts before this one; NULL when
 * there is none.
 */
static const text *
level_below(const SkipScan *scan, const text *level)
{
	for (int i = 0; i < scan->nlevels; i++)
	{
		if (is_above(level, scan->levels[i]))
			return scan->levels[i];
	}
	return NULL;
}

/*
 * load_levels: the wanted levels as the index sorts them, the last one first.
 */
static void
load_levels(SkipScan *scan)
{
	static const EventLevel descending[EVENT_NLEVELS] = {
		LEVEL_WARNING, LEVEL_INFO, LEVEL_ERROR, LEVEL_DEBUG, LEVEL_CRITICAL
	};

	for (int i = 0; i < EVENT_NLEVELS; i++)
	{
		if (descending[i] >= scan->filter->min_level &&
			descending[i] <= scan->filter->max_level)
			scan->levels[scan->nlevels++] =
				cstring_to_text(level_names[descending[i]]);
	}
}

/*
 * bound_below: the bound of what is below the first n columns of the class,
 * or, where the filter says which level comes next, at most that one.
 */
static void
bound_below(const SkipScan *scan, int n, ClassBound *bound)
{
	const text *level;

	bound->n = n;
	bound->inclusive = false;
	for (int i = 0; i < n; i++)
		bound->values[i] = scan->class[i];
	if (n != 2)
		return;

	/* all of this level is done */
	level = level_below(scan, scan->class[1]);
	if (level == NULL)
		bound->n = 1;
	else
	{
		bound->values[1] = level;
		bound->inclusive = true;
		if (scan->filter->equal[EVENT_SOURCE_SERVICE])
			bound->values[bound->n++] =
				scan->filter->equal[EVENT_SOURCE_SERVICE];
	}
}

/*
 * class_is_wanted: true, or false and where the next wanted class can be.
 */
static bool
class_is_wanted(const SkipScan *scan, ClassBound *bound)
{
	for (int i = 0; i < CLASS_NCOLUMNS; i++)
	{
		EventColumn column = class_columns[i];
		const text *wanted = scan->filter->equal[column];

		if (column_matches(scan->filter, column, scan->class[i]))
			continue;
		if (column == EVENT_LEVEL)
			bound_below(scan, 2, bound);
		else if (wanted && is_above(scan->class[i], wanted))
		{
			/* it comes further down, under the same columns before it */
			bound->n = i + 1;
			bound->inclusive = true;
			for (int j = 0; j < i; j++)
				bound->values[j] = scan->class[j];
			bound->values[i] = wanted;
		}
		else
			bound_below(scan, Max(i, 1), bound);
		return false;
	}
	return true;
}

/*
 * keep_found: among the best, if there is room or it beats the worst; or
 * counted.
 */
static void
keep_found(SkipScan *scan)
{
	const FoundEvent *entry = scan->walk.entry;
	FoundEvent *found;

	if (scan->best == NULL)
	{
		if (scan->count++ == 0)
			scan->counted = entry->key.occurred_at;
	}
	else if (scan->best->bh_size < scan->need)
	{
		found = &scan->store[scan->best->bh_size];
		*found = *entry;
		binaryheap_add(scan->best, PointerGetDatum(found));
	}
	else
	{
		found = (FoundEvent *) DatumGetPointer(binaryheap_first(scan->best));
		*found = *entry;
		binaryheap_replace_first(scan->best, PointerGetDatum(found));
	}
}

static bool
beats_worst(const SkipScan *scan, const EventKey *key)
{
	FoundEvent *worst;

	if (scan->best == NULL || scan->best->bh_size < scan->need)
		return true;
	worst = (FoundEvent *) DatumGetPointer(binaryheap_first(scan->best));
	return compare_keys(key, &worst->key) > 0;
}

/*
 * is_chosen: is the current entry one of the events?
 */
static bool
is_chosen(SkipScan *scan)
{
	return (scan->rows == NULL ||
			rows_have(scan->rows, &scan->walk.entry->tid)) &&
		walk_is_chosen(&scan->walk, scan->filter, scan->need_row);
}

/*
 * read_class: take the entries of the current class, newest first, while they
 * are in the range and beat the worst.
 */
static void
read_class(SkipScan *scan)
{
	Walk	   *walk = &scan->walk;
	bool		more;

	if (scan->newest.occurred_at < scan->range->lower ||
		!beats_worst(scan, &scan->newest))
		return;
	more = walk_seek(walk, (const text *const *) scan->class, scan->range);
	while (more && walk->budget > 0 && beats_worst(scan, &walk->entry->key))
	{
		if (is_chosen(scan))
			keep_found(scan);
		more = walk_next(walk);
	}
}

/*
 * finish_class: what was counted of the current class.
 */
static void
finish_class(SkipScan *scan)
{
	if (scan->count > 0)
		scan->sink(scan->arg, scan->class, scan->count, scan->counted);
	scan->count = 0;
}

/*
 * next_class: make the greatest class within bound the current one; false when
 * there is none.
 */
static bool
next_class(SkipScan *scan, ClassBound *bound)
{
	text	   *class[CLASS_NCOLUMNS];
	bool		descended;

	CHECK_FOR_INTERRUPTS();
	scan->passed++;
	if (!class_below(scan->walk.index, scan->walk.open->snapshot, bound, class,
					 &scan->newest, &descended))
		return false;
	scan->walk.budget -= descended ? COST_SEEK : COST_CLASS;
	for (int i = 0; i < CLASS_NCOLUMNS; i++)
	{
		if (scan->class[i])
			pfree(scan->class[i]);
		scan->class[i] = class[i];
	}
	return true;
}

/*
 * run_sweep: class by class, as the index has them; false when the budget did
 * not suffice.
 */
static bool
run_sweep(SkipScan *scan)
{
	ClassBound	bound = {1, false, {scan->type_end}};

	while (next_class(scan, &bound))
	{
		if (scan->walk.budget <= 0)
			return false;
		if (!column_matches(scan->filter, EVENT_TYPE, scan->class[0]))
			break;				/* below all that have the prefix */
		if (!class_is_wanted(scan, &bound))
			continue;
		read_class(scan);
		finish_class(scan);
		bound_below(scan, CLASS_NCOLUMNS, &bound);
	}
	return true;
}

/*
 * run_list: the wanted classes of a list, those with the newest events first;
 * false when the budget did not suffice.
 */
static bool
run_list(SkipScan *scan, const ClassList *list)
{
	for (int i = 0; i < list->n; i++)
	{
		const ListedClass *item = &list->items[i];

		if (scan->walk.budget <= 0)
			return false;
		if (item->newest.occurred_at < scan->range->lower ||
			!beats_worst(scan, &item->newest))
			break;				/* and so for all that follow */
		memcpy(scan->class, item->class->columns, sizeof(scan->class));
		scan->newest = item->newest;
		read_class(scan);
		finish_class(scan);
	}
	return scan->walk.budget > 0;
}

/*
 * run: by the list where there is one.
 */
static bool
run(SkipScan *scan, OpenPartition *open, const Filter *filter,
	const EventRange *range, const ClassList *list, int64 budget)
{
	bool		complete;

	scan->filter = filter;
	scan->range = range;
	scan->need_row = !is_by_class(filter);
	walk_open(&scan->walk, open, open->indexes.by_class,
			  CLASS_NCOLUMNS, COST_ROW_FAR, budget);
	if (list)
		complete = run_list(scan, list);
	else
	{
		scan->type_end = prefix_end(filter->event_type);
		load_levels(scan);
		complete = run_sweep(scan) && scan->walk.budget > 0;
	}
	walk_close(&scan->walk);
	if (!list)
		class_list_missed(open, scan->passed);
	return complete;
}

/*
 * skip_scan: the newest events of a range, for a budget; of these rows alone,
 * if they are given.
 *
 * True when it came to its end; then its events follow those in *found.  If
 * not, nothing has changed but the budget.
 */
bool
skip_scan(OpenPartition *open, const Filter *filter, const EventRange *range,
		  const ClassList *list, const RowSet *rows, int64 *budget,
		  FoundList *found)
{
	SkipScan	scan = {0};
	bool		complete;

	scan.rows = rows;
	scan.need = found->need - found->n;
	scan.best = binaryheap_allocate(scan.need, compare_found, NULL);
	scan.store = palloc(sizeof(FoundEvent) * scan.need);
	complete = run(&scan, open, filter, range, list, *budget);
	*budget = scan.walk.budget;
	if (complete)
	{
		int			n = scan.best->bh_size;

		/* they come out of the heap oldest first */
		found->n += n;
		for (int i = 1; i <= n; i++)
			found->items[found->n - i] =
				*(FoundEvent *) DatumGetPointer(binaryheap_remove_first(scan.best));
	}
	binaryheap_free(scan.best);
	pfree(scan.store);
	return complete;
}

/*
 * skip_count: tell sink of each class how many of its events are in the range;
 * false when that would take longer than to read the whole partition, as where
 * the visibility map does not know of its rows.
 */
bool
skip_count(OpenPartition *open, const Filter *filter, const EventRange *range,
		   const ClassList *list, ClassSink sink, void *arg)
{
	SkipScan	scan = {0};

	scan.sink = sink;
	scan.arg = arg;
	return run(&scan, open, filter, range, list, MIN_COUNT_BUDGET +
			   (int64) RelationGetNumberOfBlocks(open->rel) * COST_BLOCK);
}
