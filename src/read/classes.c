/*
 * classes.c
 *		Which classes of events a partition has, of those that a filter wants.
 *
 * A class is what the columns of an index of classes have in common.  The
 * index is read by skipping, from its end downward: the greatest entry below
 * a bound belongs to the next class, and the next bound is the greatest
 * wanted class below that.  Each step is a descent, however many events a
 * class has.
 *
 * Downward because of nulls, which sort last.  A row comparison is never true
 * where a null decides it, but no entry below (a, b) has such a null, since
 * that would make it greater.  So a bound without nulls is one row
 * comparison, and one that ends in a null is "the same before it, and not
 * null".  Where nothing is found, the search goes on below the columns that
 * had to be equal.
 *
 * Entries of deleted rows count, so a class that is found may have no events.
 */
#include "read/read.h"

#include "access/nbtree.h"
#include "miscadmin.h"
#include "utils/builtins.h"

/*
 * classes_index: the index of classes for a filter; false if there is none,
 * or the filter restricts nothing that makes a class.  all_columns: the index
 * is needed that has all of them.
 *
 * By type if the filter has a type, otherwise by level, where there are fewer
 * classes to skip.
 */
bool
classes_index(const PartitionReader *reader, const Filter *filter,
			  bool all_columns, int *which)
{
	bool		restricts = all_columns;

	for (int i = 0; i < CLASS_NCOLUMNS; i++)
		restricts |= filters_column(filter,
									class_indexes[CLASS_BY_TYPE].columns[i]);
	*which = !all_columns && !filters_column(filter, EVENT_TYPE) &&
		OidIsValid(reader->indexes[INDEX_BY_LEVEL]) ?
		INDEX_BY_LEVEL : INDEX_BY_TYPE;
	return restricts && OidIsValid(reader->indexes[*which]);
}

/*
 * first_type_above: what is above all types with a prefix, and below all
 * others that are above them; NULL if there is no such.
 */
static text *
first_type_above(const text *prefix)
{
	text	   *above = DatumGetTextPCopy(PointerGetDatum(prefix));
	int			len = VARSIZE_ANY_EXHDR(above);
	unsigned char *bytes = (unsigned char *) VARDATA_ANY(above);

	while (len > 0 && bytes[len - 1] == 0xff)
		len--;
	if (len == 0)
		return NULL;
	bytes[len - 1]++;
	return cstring_to_text_with_len((char *) bytes, len);
}

/*
 * is_listed: are the wanted values of a column known one by one?
 *
 * Those of the level are, too, where a CHECK constraint lists them.  So with a
 * service to look for, (type, level, service) is one descent, which need not
 * find out first whether the type has the level.
 */
static bool
is_listed(const ClassFinder *finder, EventColumn column)
{
	return (column == EVENT_LEVEL && finder->levels_known) ||
		(column != EVENT_TYPE && filters_column(finder->filter, column));
}

/*
 * wanted_below: the greatest wanted value of a listed column below a value,
 * or (inclusive) at it; NULL if there is none.
 */
static text *
wanted_below(const Filter *filter, EventColumn column, const text *value,
			 bool inclusive)
{
	text	   *best = NULL;

	if (column != EVENT_LEVEL)
		return compare_text_c(filter->equal[column], value) < inclusive ?
			filter->equal[column] : NULL;
	for (int i = filter->min_level; i <= filter->max_level; i++)
	{
		text	   *level = cstring_to_text(level_names[i]);

		if (compare_text_c(level, value) < inclusive &&
			(best == NULL || compare_text_c(level, best) > 0))
			best = level;
	}
	return best;
}

/*
 * complete_bound: the bound is at the first n columns, and at the greatest
 * wanted values of those behind them.
 */
static void
complete_bound(ClassFinder *finder, int n)
{
	const ClassIndexShape *shape = finder->shape;

	for (; n < shape->ncolumns && is_listed(finder, shape->columns[n]); n++)
		finder->bound.columns[n] = wanted_below(finder->filter,
												shape->columns[n], NULL, false);
	finder->nbound = n;
	finder->inclusive = true;
}

/*
 * lower_bound: set the bound to the greatest class that may be wanted below
 * its first n columns, or (inclusive) at them.
 */
static void
lower_bound(ClassFinder *finder, int n, bool inclusive)
{
	for (; n > 0; n--, inclusive = false)
	{
		EventColumn column = finder->shape->columns[n - 1];
		text	   *next;

		if (!is_listed(finder, column))
		{
			finder->nbound = n;
			finder->inclusive = inclusive;
			return;
		}
		next = wanted_below(finder->filter, column,
							finder->bound.columns[n - 1], inclusive);
		if (next)
		{
			finder->bound.columns[n - 1] = next;
			complete_bound(finder, n);
			return;
		}
	}
	finder->done = true;
}

/*
 * classes_begin: nothing is read yet.
 */
void
classes_begin(ClassFinder *finder, PartitionReader *reader,
			  const Filter *filter, int which)
{
	memset(finder, 0, sizeof(*finder));
	finder->reader = reader;
	finder->filter = filter;
	finder->shape = &class_indexes[which];
	finder->index = reader_index(reader, which);
	finder->levels_known = log_checks_level(reader->rel);
	complete_bound(finder, 0);
	if (which == INDEX_BY_TYPE && filters_column(filter, EVENT_TYPE))
	{
		finder->bound.columns[0] = first_type_above(filter->event_type);
		finder->nbound = finder->bound.columns[0] ? 1 : 0;
		finder->inclusive = false;
	}
}

void
classes_end(ClassFinder *finder)
{
	for (int i = 0; i < lengthof(finder->scans); i++)
	{
		if (finder->scans[i])
			index_endscan(finder->scans[i]);
		finder->scans[i] = NULL;
	}
}

/*
 * classes_keys: a class as conditions of a scan; how many.
 */
int
classes_keys(const ClassFinder *finder, const EventClass *class, ScanKey keys)
{
	for (int i = 0; i < finder->shape->ncolumns; i++)
		set_text_key(&keys[i], finder->index, i, BTEqualStrategyNumber,
					 class->columns[i]);
	return finder->shape->ncolumns;
}

/*
 * bound_keys: the bound as conditions of a scan; how many.  *nequal is how
 * many columns have to be equal.
 */
static int
bound_keys(ClassFinder *finder, ScanKey keys, int *nequal)
{
	Relation	index = finder->index;
	text	  **bound = finder->bound.columns;
	int			last = finder->nbound - 1;
	int			first = 0;		/* column behind the last null */
	Datum		values[CLASS_NCOLUMNS];
	StrategyNumber strategy = finder->inclusive ? BTLessEqualStrategyNumber :
		BTLessStrategyNumber;

	if (last >= 0 && bound[last] == NULL)
		first = last;
	for (int i = 0; i < last; i++)
	{
		if (bound[i] == NULL && bound[last] != NULL)
			first = i + 1;
	}
	for (int i = 0; i < first; i++)
		set_text_key(&keys[i], index, i, BTEqualStrategyNumber, bound[i]);
	for (int i = first; i <= last; i++)
		values[i - first] = PointerGetDatum(bound[i]);
	*nequal = first;
	if (last < 0)
		return 0;
	if (bound[last] == NULL)
		ScanKeyEntryInitialize(&keys[first], SK_ISNULL | SK_SEARCHNOTNULL,
							   last + 1, InvalidStrategy, InvalidOid,
							   InvalidOid, InvalidOid, (Datum) 0);
	else if (first == last)
		set_text_key(&keys[first], index, last, strategy, bound[last]);
	else
		set_row_comparison(&keys[first], finder->members, index, first,
						   last - first + 1, strategy, values);
	return first + 1;
}

/*
 * descend: to the greatest class that the bound leaves; false if there is
 * none whose first columns are equal.
 */
static bool
descend(ClassFinder *finder, EventClass *class)
{
	ScanKeyData keys[CLASS_NCOLUMNS];
	int			nequal;
	int			n = bound_keys(finder, keys, &nequal);
	IndexScanDesc scan = finder->scans[n];

	if (scan)
	{
		index_rescan(scan, keys, n, NULL, 0);
		finder->reader->stats.searches++;
	}
	else
		scan = finder->scans[n] = reader_scan(finder->reader, finder->index,
											  keys, n, true);
	if (index_getnext_tid(scan, BackwardScanDirection) == NULL)
	{
		lower_bound(finder, nequal, false);
		return false;
	}
	finder->reader->stats.entries++;
	for (int i = 0; i < finder->shape->ncolumns; i++)
	{
		bool		isnull;
		Datum		value = index_getattr(scan->xs_itup, i + 1,
										  scan->xs_itupdesc, &isnull);

		class->columns[i] = isnull ? NULL : DatumGetTextPCopy(value);
	}
	return true;
}

static void
add_class(ClassFinder *finder, const EventClass *class)
{
	if (finder->n == finder->max)
	{
		finder->max = Max(32, finder->max * 2);
		finder->found = finder->found ?
			repalloc_huge(finder->found, sizeof(EventClass) * finder->max) :
			palloc(sizeof(EventClass) * finder->max);
	}
	finder->found[finder->n++] = *class;
	finder->reader->stats.classes++;
}

/*
 * judge_class: keep a class that is wanted, and set the next bound.
 */
static void
judge_class(ClassFinder *finder, const EventClass *class)
{
	const ClassIndexShape *shape = finder->shape;
	int			n = 0;			/* columns that match */

	while (n < shape->ncolumns &&
		   (!filters_column(finder->filter, shape->columns[n]) ||
			column_matches(finder->filter, shape->columns[n],
						   class->columns[n])))
		n++;
	finder->bound = *class;
	if (n == shape->ncolumns)
	{
		add_class(finder, class);
		lower_bound(finder, n, false);
	}
	else if (shape->columns[n] == EVENT_TYPE)
		finder->done = true;	/* it is below all wanted types */
	else
		lower_bound(finder, n + 1, true);
}

/*
 * classes_find: go on for so many descents, or as long as none is found for
 * `most`; true when there are no more.
 */
bool
classes_find(ClassFinder *finder, int few, int most)
{
	for (int i = 0; !finder->done && i < (finder->n > 0 ? few : most); i++)
	{
		EventClass	class;

		CHECK_FOR_INTERRUPTS();
		if (descend(finder, &class))
			judge_class(finder, &class);
	}
	return finder->done;
}
