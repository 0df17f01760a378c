/*
 * classes.c
 *		Which classes of events has a partition, of those that a filter wants?
 *
 * The index of classes is read by skipping, from its end downward: the
 * greatest entry below a bound is of the next class, and tells the bound of
 * the one after.  Each step is a descent, however many events a class has; a
 * class that is not wanted says how far the next bound may jump.
 *
 * Downward because of nulls, which sort last.  A row comparison is never true
 * where a null decides it.  Below (a, b) there is no entry whose null
 * decides: that would make it greater.  So a bound without nulls is one row
 * comparison, and a bound that ends in a null is "the same before it, and not
 * null", or else the bound before it.
 *
 * Entries of deleted rows are entries too: a class that is found may have no
 * events.
 */
#include "read/read.h"

#include "access/nbtree.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"

#define WALK	64				/* entries passed over in place of a descent */

static void leave_prefix(ClassFinder *finder, int n);

/*
 * has_class_filter: does the filter ask for anything that makes a class?
 */
bool
has_class_filter(const Filter *filter)
{
	const ClassIndexShape *shape = &class_indexes[CLASS_BY_TYPE];

	for (int i = 0; i < shape->ncolumns; i++)
	{
		if (filters_column(filter, shape->columns[i]))
			return true;
	}
	return false;
}

/*
 * choose_class_index: the index of classes for a filter; false when there is
 * none.  all_columns: it must have all that makes a class.
 *
 * By type where a type is asked for; by level otherwise, which has fewer
 * entries to skip.
 */
bool
choose_class_index(const OpenPartition *open, const Filter *filter,
				   bool all_columns, ClassIndex *which)
{
	const UsableIndex *indexes = open->indexes.by_class;

	*which = CLASS_BY_TYPE;
	if (!all_columns && !filters_column(filter, EVENT_TYPE) &&
		OidIsValid(indexes[CLASS_BY_LEVEL].oid))
		*which = CLASS_BY_LEVEL;
	return OidIsValid(indexes[*which].oid);
}

/*
 * text_key: a condition on a text column of an index; NULL is a null.
 */
void
text_key(Relation index, int column, StrategyNumber strategy,
		 const text *value, ScanKey key)
{
	static const RegProcedure functions[] = {
		InvalidOid, F_TEXT_LT, F_TEXT_LE, F_TEXTEQ, F_TEXT_GE, F_TEXT_GT
	};

	if (value == NULL)
		ScanKeyEntryInitialize(key, SK_ISNULL | SK_SEARCHNULL, column + 1,
							   InvalidStrategy, InvalidOid, InvalidOid,
							   InvalidOid, (Datum) 0);
	else
		ScanKeyEntryInitialize(key, 0, column + 1, strategy, TEXTOID,
							   index->rd_indcollation[column],
							   functions[strategy], PointerGetDatum(value));
}

/*
 * class_keys: the first n columns of a class, each by itself; how many keys.
 */
int
class_keys(Relation index, const EventClass *class, int n, ScanKey keys)
{
	for (int i = 0; i < n; i++)
		text_key(index, i, BTEqualStrategyNumber, class->columns[i], &keys[i]);
	return n;
}

/*
 * upper_type: what is above all types with a prefix and below all others that
 * are above them; NULL when there is no such.
 */
static text *
upper_type(const text *prefix)
{
	text	   *upper = DatumGetTextPCopy(PointerGetDatum(prefix));
	int			len = VARSIZE_ANY_EXHDR(upper);
	unsigned char *bytes = (unsigned char *) VARDATA_ANY(upper);

	while (len > 0 && bytes[len - 1] == 0xff)
		len--;
	if (len == 0)
		return NULL;
	bytes[len - 1]++;
	return cstring_to_text_with_len((char *) bytes, len);
}

/*
 * level_below: the greatest level that the filter wants below a value, or
 * (inclusive) at it, in the order of their names; NULL when there is none.
 */
static text *
level_below(const Filter *filter, const text *value, bool inclusive)
{
	text	   *best = NULL;

	for (int i = filter->min_level; i <= filter->max_level; i++)
	{
		text	   *name = cstring_to_text(level_names[i]);

		if ((value == NULL || compare_text_c(name, value) < inclusive) &&
			(best == NULL || compare_text_c(name, best) > 0))
			best = name;
	}
	return best;
}

/*
 * wanted_below: the greatest wanted value of a column at or below one, NULL
 * for any; NULL when there is none.
 */
static text *
wanted_below(const Filter *filter, EventColumn column, const text *value)
{
	if (column == EVENT_LEVEL)
		return level_below(filter, value, true);
	/* types are found from the greatest wanted one on */
	if (column == EVENT_TYPE ||
		(value && compare_text_c(filter->equal[column], value) > 0))
		return NULL;
	return filter->equal[column];
}

/*
 * jump_to: set the next bound to the greatest wanted class that has a value at
 * or (strict, of levels) below this one in column i; NULL for any.
 *
 * What has the level and then only values that are asked for is one class or
 * few: they are there or not, and nothing between them and the level counts.
 */
static void
jump_to(ClassFinder *finder, int i, const text *value, bool strict)
{
	const ClassIndexShape *shape = finder->shape;
	const Filter *filter = finder->filter;
	int			n;

	for (n = i; n < shape->ncolumns && filters_column(filter, shape->columns[n]);
		 n++)
	{
		text	   *next = strict ? level_below(filter, value, false) :
		wanted_below(filter, shape->columns[n], value);

		if (next == NULL)
			break;
		finder->bound.columns[n] = next;
		value = NULL;
		strict = false;
	}
	if (n == i)
	{
		leave_prefix(finder, i);
		return;
	}
	finder->nbound = n;
	finder->inclusive = true;
	finder->nopen = shape->columns[i] == EVENT_LEVEL ? i + 1 : i;
}

/*
 * leave_prefix: set the next bound where no class is wanted any more that
 * begins with the first n columns of the bound.
 */
static void
leave_prefix(ClassFinder *finder, int n)
{
	finder->nbound = n;
	finder->inclusive = false;
	finder->done = n == 0;
	if (n > 0 && finder->shape->columns[n - 1] == EVENT_LEVEL &&
		filters_column(finder->filter, EVENT_LEVEL))
		jump_to(finder, n - 1, finder->bound.columns[n - 1], true);
}

/*
 * begin_finder: nothing is read yet.
 */
void
begin_finder(ClassFinder *finder, OpenPartition *open, const Filter *filter,
			 ClassIndex which)
{
	memset(finder, 0, sizeof(*finder));
	finder->open = open;
	finder->filter = filter;
	finder->shape = &class_indexes[which];
	finder->index = use_index(open, &open->indexes.by_class[which]);
	if (which == CLASS_BY_TYPE && filters_column(filter, EVENT_TYPE))
		finder->bound.columns[0] = upper_type(filter->event_type);
	finder->nbound = finder->bound.columns[0] != NULL ? 1 : 0;
	if (which == CLASS_BY_LEVEL)
		jump_to(finder, 0, NULL, false);
	finder->done = false;
}

void
end_finder(ClassFinder *finder)
{
	for (int i = 0; i < lengthof(finder->scans); i++)
	{
		if (finder->scans[i])
			index_endscan(finder->scans[i]);
		finder->scans[i] = NULL;
	}
}

/*
 * scan_with_keys: the finder's scan for a number of keys, which is fixed when
 * a scan begins.
 */
static IndexScanDesc
scan_with_keys(ClassFinder *finder, int nkeys)
{
	OpenPartition *open = finder->open;

	if (finder->scans[nkeys] == NULL)
	{
		finder->scans[nkeys] = compat_index_beginscan(open->rel, finder->index,
													  open->snapshot, nkeys);
		finder->scans[nkeys]->xs_want_itup = true;
	}
	return finder->scans[nkeys];
}

/*
 * bound_keys: the bound as conditions of a scan, the members of a row
 * comparison in row; how many conditions.
 *
 * *popped is the number of columns of the bound to go on with where nothing is
 * found; 0: there is nothing more.
 */
static int
bound_keys(const ClassFinder *finder, ScanKey keys, ScanKey row, int *popped)
{
	Relation	index = finder->index;
	text	   *const *bound = finder->bound.columns;
	int			last = finder->nbound - 1;
	int			first = 0;		/* column behind the last null */
	StrategyNumber strategy = finder->inclusive ? BTLessEqualStrategyNumber :
	BTLessStrategyNumber;
	int			n;

	*popped = 0;
	if (finder->nbound == 0)
		return 0;
	if (finder->inclusive && finder->nbound > finder->nopen)
	{
		*popped = finder->nopen;
		return class_keys(index, &finder->bound, finder->nbound, keys);
	}
	if (bound[last] == NULL)
	{
		n = class_keys(index, &finder->bound, last, keys);
		ScanKeyEntryInitialize(&keys[n], SK_ISNULL | SK_SEARCHNOTNULL, last + 1,
							   InvalidStrategy, InvalidOid, InvalidOid,
							   InvalidOid, (Datum) 0);
		*popped = last;
		return n + 1;
	}
	for (int i = 0; i < last; i++)
	{
		if (bound[i] == NULL)
			first = i + 1;
	}
	n = class_keys(index, &finder->bound, first, keys);
	*popped = first;
	if (first == last)
	{
		/* a row comparison of one member is none */
		text_key(index, last, strategy, bound[last], &keys[n]);
		return n + 1;
	}
	for (int i = first; i <= last; i++)
		ScanKeyEntryInitialize(&row[i - first],
							   SK_ROW_MEMBER | (i == last ? SK_ROW_END : 0),
							   i + 1, strategy, TEXTOID,
							   index->rd_indcollation[i],
							   index_getprocid(index, i + 1, BTORDER_PROC),
							   PointerGetDatum(bound[i]));
	MemSet(&keys[n], 0, sizeof(ScanKeyData));
	keys[n].sk_flags = SK_ROW_HEADER;
	keys[n].sk_attno = first + 1;
	keys[n].sk_strategy = strategy;
	keys[n].sk_argument = PointerGetDatum(row);
	return n + 1;
}

/*
 * read_class: the class of the entry that a scan is at.
 */
static void
read_class(const ClassFinder *finder, IndexScanDesc scan, EventClass *class)
{
	for (int i = 0; i < finder->shape->ncolumns; i++)
	{
		bool		isnull;
		Datum		value = index_getattr(scan->xs_itup, i + 1,
										  scan->xs_itupdesc, &isnull);

		class->columns[i] = isnull ? NULL : DatumGetTextPP(value);
	}
}

/*
 * copy_class: the scan goes on, and its tuple goes.
 */
static void
copy_class(EventClass *class)
{
	for (int i = 0; i < CLASS_NCOLUMNS; i++)
	{
		if (class->columns[i])
			class->columns[i] =
				DatumGetTextPCopy(PointerGetDatum(class->columns[i]));
	}
}

/*
 * is_below_bound: does the bound leave a class?
 */
static bool
is_below_bound(const ClassFinder *finder, const EventClass *class)
{
	for (int i = 0; i < finder->nbound; i++)
	{
		int			c = compare_text_c(class->columns[i],
									   finder->bound.columns[i]);

		if (c != 0)
			return c < 0;
	}
	return finder->inclusive;
}

/*
 * has_same_values: have two entries, of whatever rows, the same bytes?
 */
static bool
has_same_values(IndexTuple a, IndexTuple b)
{
	return IndexTupleSize(a) == IndexTupleSize(b) &&
		memcmp((char *) a + sizeof(IndexTupleData),
			   (char *) b + sizeof(IndexTupleData),
			   IndexTupleSize(a) - sizeof(IndexTupleData)) == 0;
}

/*
 * walk_down: pass over a few entries of the scan that found the last class, to
 * the greatest class that the bound leaves; false when it is not near.
 */
static bool
walk_down(ClassFinder *finder, EventClass *class)
{
	IndexScanDesc scan = finder->scan;
	IndexTuple	last = scan ? CopyIndexTuple(scan->xs_itup) : NULL;

	for (int i = 0; scan && i < WALK; i++)
	{
		if (index_getnext_tid(scan, BackwardScanDirection) == NULL)
			break;
		finder->open->stats.entries++;
		if (has_same_values(scan->xs_itup, last))
			continue;
		pfree(last);
		last = CopyIndexTuple(scan->xs_itup);
		read_class(finder, scan, class);
		if (is_below_bound(finder, class))
		{
			copy_class(class);
			return true;
		}
	}
	finder->scan = NULL;
	return false;
}

/*
 * descend: one descent to the greatest class that the bound leaves; false when
 * there was none.
 */
static bool
descend(ClassFinder *finder, EventClass *class)
{
	ScanKeyData keys[CLASS_NCOLUMNS];
	int			popped;
	int			n = bound_keys(finder, keys, finder->row, &popped);
	IndexScanDesc scan = scan_with_keys(finder, n);

	index_rescan(scan, keys, n, NULL, 0);
	finder->open->stats.descents++;
	if (index_getnext_tid(scan, BackwardScanDirection) == NULL)
	{
		leave_prefix(finder, popped);
		return false;
	}
	finder->open->stats.entries++;
	finder->scan = scan;
	read_class(finder, scan, class);
	copy_class(class);
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
	finder->open->stats.classes++;
}

/*
 * judge_class: keep a class that is wanted, and set the next bound.
 */
static void
judge_class(ClassFinder *finder, const EventClass *class)
{
	int			n = finder->shape->ncolumns;

	finder->bound = *class;
	for (int i = 0; i < finder->shape->ncolumns; i++)
	{
		EventColumn column = finder->shape->columns[i];

		if (!filters_column(finder->filter, column) ||
			column_matches(finder->filter, column, class->columns[i]))
			continue;
		jump_to(finder, i, class->columns[i], false);
		return;
	}
	add_class(finder, class);
	/* it is the only one where all columns behind some are asked for */
	while (n > 1 && finder->shape->columns[n - 1] != EVENT_LEVEL &&
		   filters_column(finder->filter, finder->shape->columns[n - 1]))
		n--;
	leave_prefix(finder, n);
}

/*
 * find_classes: go on for so many descents; true when that was all.
 */
bool
find_classes(ClassFinder *finder, int descents)
{
	while (!finder->done && descents-- > 0)
	{
		EventClass	class = {0};

		CHECK_FOR_INTERRUPTS();
		if (walk_down(finder, &class) || descend(finder, &class))
			judge_class(finder, &class);
	}
	return finder->done;
}
