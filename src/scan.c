/*
 * scan.c
 *		The newest events of one partition that match a filter, by its indexes.
 *
 * 1. Two ways in
 *
 * The ordered way reads an index that is in the order asked for, (occurred_at,
 * id) or, where a filter column has an index of its own, (column, occurred_at,
 * id), backward from the newest, and looks at each row.  It is best when many
 * rows match: a page is full after few.  It is endless when few do.
 *
 * The skip scan reads the class index (event_type, level, source_service,
 * resource_type, occurred_at, id) backward.  The first entry at or below any
 * point is the newest event of a class.  If the class is wanted, it reads on
 * within it while entries still beat the worst of the best found so far.  Then
 * it goes to the greatest class below that could be wanted, in one descent: so
 * what it costs is a descent for each class in the way plus about a page of
 * entries, whatever the size of the partition.  It is endless only when a
 * class is full of rows that a filter outside the class columns refuses.
 *
 * 2. Never worse than about twice the better
 *
 * No statistics say which way is better, so they race: the ordered way for a
 * budget of entries, then the skip scan of what is left for a budget like it,
 * then the ordered way from where it had come to with four times as much, and
 * so on.  What is spent on the losing way is a fixed part of what the winning
 * one takes.  Which way won is remembered for the log's next partition.
 *
 * Before all that comes a look whether a few descents tell that there is
 * nothing: a type that the partition has not, or levels and services that it is
 * known not to have (summary.c).
 *
 * 3. What is read
 *
 * Index entries tell class and key without the row.  Whether an entry is
 * visible is asked of the visibility map first, and of the heap where that
 * does not know; only then does an event count.  A class is passed by its
 * entries alone, dead or alive.  The heap of the best holds keys and row
 * pointers, no rows: memory is O(page).
 *
 * All scans run under the snapshot that the partition was opened with, and
 * take the predicate locks of SERIALIZABLE where they trust the visibility map.
 */
#include "reader.h"

#include "access/nbtree.h"
#include "access/tableam.h"
#include "access/visibilitymap.h"
#include "catalog/pg_type.h"
#include "lib/binaryheap.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#define PROBE_BUDGET	64
#define FIRST_BUDGET	300
#define BUDGET_GROWTH	4
#define CLEVER_FACTOR	4		/* more for an index that picks by a filter */
#define SEEK_COST		4		/* a descent, in entries read */
#define MAX_KEYS		(CLASS_NCOLUMNS + 2)	/* a class, and a range in it */

static const EventColumn class_columns[CLASS_NCOLUMNS] = {
	EVENT_TYPE, EVENT_LEVEL, EVENT_SOURCE_SERVICE, EVENT_RESOURCE_TYPE
};

/*
 * has_class_filter: is anything asked of the columns of the class index?
 */
static bool
has_class_filter(const Filter *filter)
{
	return filter->event_type || filter->min_level > LEVEL_DEBUG ||
		filter->max_level < LEVEL_CRITICAL ||
		filter->equal[EVENT_SOURCE_SERVICE] ||
		filter->equal[EVENT_RESOURCE_TYPE];
}

/*
 * has_row_filter: is anything asked of other columns?
 */
static bool
has_row_filter(const Filter *filter)
{
	for (int col = 0; col < EVENT_NCOLUMNS; col++)
	{
		if (filter->equal[col] && col != EVENT_SOURCE_SERVICE &&
			col != EVENT_RESOURCE_TYPE)
			return true;
	}
	return false;
}

/*
 * Cursor: one index of a partition, positioned again and again.
 */
typedef struct Cursor
{
	OpenPartition *open;
	Relation	index;
	IndexScanDesc scan;
	Buffer		vmbuffer;
	MemoryContext key_context;	/* of the values in keys */
	int			key_at;			/* attribute of occurred_at; id is the next */
	int			nkeys;
	ScanKeyData keys[MAX_KEYS];
	ScanKeyData row[CLASS_NCOLUMNS];	/* members of a row comparison */
	ScanKeyData key_row[2];		/* (occurred_at, id) < … */
	ItemPointerData tid;		/* of the current entry, as the index has it */
	int64		budget;			/* entries that may still be read */
} Cursor;

static void
open_cursor(Cursor *cursor, OpenPartition *open, Oid index, int key_at,
			int64 budget)
{
	memset(cursor, 0, sizeof(*cursor));
	cursor->open = open;
	cursor->index = index_open(index, AccessShareLock);
	cursor->key_at = key_at;
	cursor->budget = budget;
	cursor->vmbuffer = InvalidBuffer;

}

static void
close_cursor(Cursor *cursor)
{
	if (cursor->scan)
	{
		index_endscan(cursor->scan);
		MemoryContextDelete(cursor->key_context);
	}
	if (BufferIsValid(cursor->vmbuffer))
		ReleaseBuffer(cursor->vmbuffer);
	index_close(cursor->index, AccessShareLock);
}

/*
 * begin_keys: forget the conditions of the last seek; before the first one, the
 * scan begins.
 *
 * It has room for MAX_KEYS: to use fewer is cheaper than to begin another.
 * Where the class map answers all there is none.
 */
static void
begin_keys(Cursor *cursor)
{
	cursor->nkeys = 0;
	if (cursor->scan)
	{
		MemoryContextReset(cursor->key_context);
		return;
	}
	cursor->key_context = AllocSetContextCreate(CurrentMemoryContext,
												"eventlog scan keys",
												ALLOCSET_SMALL_SIZES);
	cursor->scan = index_beginscan(cursor->open->rel, cursor->index,
								   cursor->open->snapshot, MAX_KEYS, 0);
	cursor->scan->xs_want_itup = true;
}

/*
 * keep_text: a copy that lives as long as the keys: a scan goes on looking at
 * them after the class that they came from is gone.
 */
static Datum
keep_text(Cursor *cursor, const text *value)
{
	Size		size = VARSIZE_ANY(value);
	void	   *copy = MemoryContextAlloc(cursor->key_context, size);

	memcpy(copy, value, size);
	return PointerGetDatum(copy);
}

static void
add_key(Cursor *cursor, int attno, StrategyNumber strategy, RegProcedure proc,
		Datum value)
{
	ScanKeyInit(&cursor->keys[cursor->nkeys++], attno, strategy, proc, value);
}

static void
add_text_key(Cursor *cursor, int attno, StrategyNumber strategy,
			 const text *value)
{
	static const RegProcedure procs[BTMaxStrategyNumber] = {
		F_TEXT_LT, F_TEXT_LE, F_TEXTEQ, F_TEXT_GE, F_TEXT_GT
	};

	add_key(cursor, attno, strategy, procs[strategy - 1],
			keep_text(cursor, value));
}

/*
 * add_null_key: IS NULL (SK_SEARCHNULL) or IS NOT NULL (SK_SEARCHNOTNULL).
 */
static void
add_null_key(Cursor *cursor, int attno, int search)
{
	ScanKeyEntryInitialize(&cursor->keys[cursor->nkeys++],
						   SK_ISNULL | search, attno, InvalidStrategy,
						   InvalidOid, InvalidOid, InvalidOid, (Datum) 0);
}

/*
 * add_row_key: a row comparison over members that are set but for their flags.
 */
static void
add_row_key(Cursor *cursor, ScanKey members, int n)
{
	ScanKey		header = &cursor->keys[cursor->nkeys++];

	for (int i = 0; i < n; i++)
		members[i].sk_flags = SK_ROW_MEMBER | (i == n - 1 ? SK_ROW_END : 0);
	MemSet(header, 0, sizeof(ScanKeyData));
	header->sk_flags = SK_ROW_HEADER;
	header->sk_attno = members[0].sk_attno;
	header->sk_strategy = members[0].sk_strategy;
	header->sk_argument = PointerGetDatum(members);
}

/*
 * add_range_keys: occurred_at >= lower AND (occurred_at, id) < upper.
 */
static void
add_range_keys(Cursor *cursor, const EventRange *range)
{
	if (!TIMESTAMP_IS_NOEND(range->upper.occurred_at))
	{
		ScanKeyInit(&cursor->key_row[0], cursor->key_at, BTLessStrategyNumber,
					F_TIMESTAMPTZ_CMP,
					TimestampTzGetDatum(range->upper.occurred_at));
		ScanKeyInit(&cursor->key_row[1], cursor->key_at + 1,
					BTLessStrategyNumber, F_UUID_CMP,
					UUIDPGetDatum(&range->upper.id));
		add_row_key(cursor, cursor->key_row, 2);
	}
	if (!TIMESTAMP_IS_NOBEGIN(range->lower))
		add_key(cursor, cursor->key_at, BTGreaterEqualStrategyNumber,
				F_TIMESTAMPTZ_GE, TimestampTzGetDatum(range->lower));
}

/*
 * next_entry: the next entry backward under the current keys; false at the
 * end.
 */
static bool
next_entry(Cursor *cursor)
{
	ItemPointer tid;

	CHECK_FOR_INTERRUPTS();
	cursor->budget--;
	tid = index_getnext_tid(cursor->scan, BackwardScanDirection);
	if (tid == NULL)
		return false;
	cursor->tid = *tid;			/* index_fetch_heap() changes the other one */
	return true;
}

/*
 * seek: go to the greatest entry under the keys that were added; false when
 * there is none.
 */
static bool
seek(Cursor *cursor)
{
	Assert(cursor->nkeys <= MAX_KEYS);
	cursor->scan->numberOfKeys = cursor->nkeys;
	index_rescan(cursor->scan, cursor->keys, cursor->nkeys, NULL, 0);
	cursor->budget -= SEEK_COST;
	return next_entry(cursor);
}

/*
 * entry_column: a column of the current entry.
 */
static Datum
entry_column(const Cursor *cursor, int attno, bool *isnull)
{
	return index_getattr(cursor->scan->xs_itup, attno,
						 cursor->scan->xs_itupdesc, isnull);
}

static EventKey
entry_key(const Cursor *cursor)
{
	return index_key(cursor->scan->xs_itup, cursor->scan->xs_itupdesc,
					 cursor->key_at);
}

/*
 * fetch_entry: the row of the current entry into the partition's slot; false
 * when it is not visible.
 */
static bool
fetch_entry(Cursor *cursor)
{
	return index_fetch_heap(cursor->scan, cursor->open->slot);
}

/*
 * entry_is_visible: the same without the row, where the visibility map knows.
 */
static bool
entry_is_visible(Cursor *cursor)
{
	BlockNumber block = ItemPointerGetBlockNumber(&cursor->tid);

	if (!VM_ALL_VISIBLE(cursor->open->rel, block, &cursor->vmbuffer))
		return fetch_entry(cursor);
	PredicateLockPage(cursor->open->rel, block, cursor->open->snapshot);
	return true;
}

/*
 * entry_is_chosen: is the current entry visible, and does its row match?
 */
static bool
entry_is_chosen(Cursor *cursor, const Filter *filter, bool need_row)
{
	if (!need_row)
		return entry_is_visible(cursor);
	return fetch_entry(cursor) && row_matches(filter, cursor->open);
}

/*
 * ordered_index: the index that the ordered way goes by, and the column that
 * it begins with, or -1 for the index by time.
 */
static Oid
ordered_index(const OpenPartition *open, const Filter *filter, int *column)
{
	/* what tends to single out the fewest events first */
	static const EventColumn preferred[] = {
		EVENT_REQUEST_ID, EVENT_RESOURCE_ID, EVENT_USER_ID, EVENT_SOURCE_HOST,
		EVENT_CATEGORY, EVENT_SOURCE_SERVICE, EVENT_RESOURCE_TYPE
	};

	for (int i = 0; i < lengthof(preferred); i++)
	{
		*column = preferred[i];
		if (filter->equal[*column] &&
			OidIsValid(open->indexes.by_column[*column]))
			return open->indexes.by_column[*column];
	}
	*column = -1;
	return open->indexes.by_time;
}

static void
add_found(FoundList *found, EventKey key, ItemPointerData tid)
{
	found->items[found->n].key = key;
	found->items[found->n].tid = tid;
	found->n++;
}

/*
 * scan_ordered: the ordered way, for a budget of entries.
 *
 * True when that is all: the page is full or the range at its end.  If not,
 * *range is what is left.
 */
static bool
scan_ordered(OpenPartition *open, const Filter *filter, EventRange *range,
			 int64 budget, FoundList *found)
{
	Cursor		cursor;
	int			column;
	Oid			index = ordered_index(open, filter, &column);
	bool		more;

	open_cursor(&cursor, open, index, column < 0 ? 1 : 2, budget);
	begin_keys(&cursor);
	if (column >= 0)
		add_text_key(&cursor, 1, BTEqualStrategyNumber, filter->equal[column]);
	add_range_keys(&cursor, range);
	more = seek(&cursor);
	while (more && found->n < found->need && cursor.budget > 0)
	{
		if (entry_is_chosen(&cursor, filter, !filter->only_window))
			add_found(found, entry_key(&cursor), cursor.tid);
		range->upper = entry_key(&cursor);
		more = next_entry(&cursor);
	}
	close_cursor(&cursor);
	return !more || found->n == found->need;
}

/*
 * SkipScan: the best so far, and the class that is being looked at.
 */
typedef struct SkipScan
{
	Cursor		cursor;
	const Filter *filter;
	const EventRange *range;
	bool		need_row;		/* a filter is outside the class columns */
	int			need;
	binaryheap *best;			/* of FoundEvent, the worst on top; NULL: they
								 * are only counted */
	int64		count;
	FoundEvent *store;
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
 * begin_class_keys: the first n columns as they are in bound, and types that
 * can still have the prefix.
 */
static void
begin_class_keys(SkipScan *scan, const text *const *values, int n)
{
	begin_keys(&scan->cursor);
	if (n == 0 && scan->filter->event_type)
		add_text_key(&scan->cursor, 1, BTGreaterEqualStrategyNumber,
					 scan->filter->event_type);
	for (int i = 0; i < n; i++)
	{
		if (values[i])
			add_text_key(&scan->cursor, i + 1, BTEqualStrategyNumber, values[i]);
		else
			add_null_key(&scan->cursor, i + 1, SK_SEARCHNULL);
	}
}

/*
 * seek_row: the greatest entry below (or at most) values, of which none is
 * null, in one descent.
 */
static bool
seek_row(SkipScan *scan, const ClassBound *bound)
{
	StrategyNumber strategy = bound->inclusive ? BTLessEqualStrategyNumber :
	BTLessStrategyNumber;

	begin_class_keys(scan, NULL, 0);
	for (int i = 0; i < bound->n; i++)
		ScanKeyInit(&scan->cursor.row[i], i + 1, strategy, F_BTTEXTCMP,
					keep_text(&scan->cursor, bound->values[i]));
	add_row_key(&scan->cursor, scan->cursor.row, bound->n);
	return seek(&scan->cursor);
}

/*
 * seek_bound: the same where values may be null.
 *
 * Nulls come last in the index, and a row comparison knows none: so a null is
 * stepped over column by column, from the last one.
 */
static bool
seek_bound(SkipScan *scan, ClassBound *bound)
{
	for (;;)
	{
		int			null_at = 0;
		int			last = bound->n - 1;

		while (null_at < bound->n && bound->values[null_at] != NULL)
			null_at++;
		if (null_at == bound->n)
			return seek_row(scan, bound);

		/* below the last column, the others being as they are */
		begin_class_keys(scan, bound->values, last);
		if (bound->values[last] == NULL)
			add_null_key(&scan->cursor, last + 1, SK_SEARCHNOTNULL);
		else
			add_text_key(&scan->cursor, last + 1,
						 bound->inclusive ? BTLessEqualStrategyNumber :
						 BTLessStrategyNumber, bound->values[last]);
		if (seek(&scan->cursor))
			return true;

		/* and then below the others */
		bound->n = last;
		bound->inclusive = false;
	}
}

/*
 * load_class: copy the class of the current entry.
 */
static void
load_class(const SkipScan *scan, text **class)
{
	for (int i = 0; i < CLASS_NCOLUMNS; i++)
	{
		bool		isnull;
		Datum		value = entry_column(&scan->cursor, i + 1, &isnull);

		class[i] = isnull ? NULL : DatumGetTextPCopy(value);
	}
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
keep_found(SkipScan *scan, EventKey key)
{
	FoundEvent *found;

	if (scan->best == NULL)
		scan->count++;
	else if (scan->best->bh_size < scan->need)
	{
		found = &scan->store[scan->best->bh_size];
		found->key = key;
		found->tid = scan->cursor.tid;
		binaryheap_add(scan->best, PointerGetDatum(found));
	}
	else
	{
		found = (FoundEvent *) DatumGetPointer(binaryheap_first(scan->best));
		found->key = key;
		found->tid = scan->cursor.tid;
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
 * read_class: take the entries of the current class, newest first, while they
 * are in the range and beat the worst.
 */
static void
read_class(SkipScan *scan)
{
	Cursor	   *cursor = &scan->cursor;
	bool		more;

	if (scan->newest.occurred_at < scan->range->lower ||
		!beats_worst(scan, &scan->newest))
		return;
	begin_class_keys(scan, (const text *const *) scan->class, CLASS_NCOLUMNS);
	add_range_keys(cursor, scan->range);
	more = seek(cursor);
	while (more && cursor->budget > 0)
	{
		EventKey	key = entry_key(cursor);

		if (!beats_worst(scan, &key))
			return;
		if (entry_is_chosen(cursor, scan->filter, scan->need_row))
			keep_found(scan, key);
		more = next_entry(cursor);
	}
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
	switch (class_below(scan->cursor.index, bound, class, &scan->newest,
						&descended))
	{
		case CLASS_NONE:
			return false;
		case CLASS_FOUND:
			scan->cursor.budget -= descended ? SEEK_COST : 1;
			break;
		case CLASS_UNKNOWN:
			if (!seek_bound(scan, bound))
				return false;
			load_class(scan, class);
			scan->newest = entry_key(&scan->cursor);
			break;
	}
	for (int i = 0; i < CLASS_NCOLUMNS; i++)
	{
		if (scan->class[i])
			pfree(scan->class[i]);
		scan->class[i] = class[i];
	}
	return true;
}

/*
 * run_skip_scan: class by class; false when the budget did not suffice.
 */
static bool
run_skip_scan(SkipScan *scan)
{
	ClassBound	bound = {1, false, {scan->type_end}};

	while (next_class(scan, &bound))
	{
		if (scan->cursor.budget <= 0)
			return false;
		if (!column_matches(scan->filter, EVENT_TYPE, scan->class[0]))
			break;				/* below all that have the prefix */
		if (!class_is_wanted(scan, &bound))
			continue;
		read_class(scan);
		bound_below(scan, CLASS_NCOLUMNS, &bound);
	}
	return true;
}

static void
begin_skip_scan(SkipScan *scan, OpenPartition *open, const Filter *filter,
				const EventRange *range, int64 budget)
{
	memset(scan, 0, sizeof(*scan));
	scan->filter = filter;
	scan->range = range;
	scan->need_row = has_row_filter(filter);
	scan->type_end = prefix_end(filter->event_type);
	load_levels(scan);
	open_cursor(&scan->cursor, open, open->indexes.by_class,
				CLASS_NCOLUMNS + 1, budget);
}

/*
 * scan_by_class: the skip scan of a range, for a budget of entries.
 *
 * True when it came to its end; then its events follow those in *found.  If
 * not, nothing has changed.
 */
static bool
scan_by_class(OpenPartition *open, const Filter *filter,
			  const EventRange *range, int64 budget, FoundList *found)
{
	SkipScan	scan;
	bool		complete;

	begin_skip_scan(&scan, open, filter, range, budget);
	scan.need = found->need - found->n;
	scan.best = binaryheap_allocate(scan.need, compare_found, NULL);
	scan.store = palloc(sizeof(FoundEvent) * scan.need);
	complete = run_skip_scan(&scan);
	close_cursor(&scan.cursor);
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
 * is_by_class: is all that the filter asks, beside its window, told by classes?
 */
bool
is_by_class(const Filter *filter)
{
	return has_class_filter(filter) && !has_row_filter(filter);
}

/*
 * count_matching: add to *count how many events of a partition match a filter
 * of which that is so, for a budget of entries; false when it did not suffice.
 */
bool
count_matching(OpenPartition *open, const Filter *filter, EventRange range,
			   int64 *budget, int64 *count)
{
	SkipScan	scan;
	bool		complete;

	if (summary_lacks(open, filter))
		return true;
	begin_skip_scan(&scan, open, filter, &range, *budget);
	complete = run_skip_scan(&scan);
	close_cursor(&scan.cursor);
	*budget = scan.cursor.budget;
	*count += scan.count;
	return complete && *budget > 0;
}

/*
 * find_newest: the newest events of a partition that match, newest first,
 * added to *found until it is full.
 */
void
find_newest(OpenPartition *open, const Filter *filter, EventRange range,
			ScanHabit *habit, FoundList *found)
{
	int64		budget = Max(FIRST_BUDGET, habit->budget);
	int64		ordered_factor;
	int			column;

	if (eventlog_scan_method == SCAN_SKIP)
	{
		(void) scan_by_class(open, filter, &range, PG_INT64_MAX, found);
		return;
	}
	if (eventlog_scan_method == SCAN_ORDERED || !has_class_filter(filter))
	{
		(void) scan_ordered(open, filter, &range, PG_INT64_MAX, found);
		return;
	}
	if (summary_lacks(open, filter))
		return;
	if (filter->event_type && !habit->by_class &&
		scan_by_class(open, filter, &range, PROBE_BUDGET, found))
		return;
	(void) ordered_index(open, filter, &column);
	ordered_factor = column < 0 ? 1 : CLEVER_FACTOR;
	for (;;)
	{
		if (!habit->by_class &&
			scan_ordered(open, filter, &range, budget * ordered_factor, found))
			break;
		habit->by_class = true;
		if (scan_by_class(open, filter, &range, budget * CLEVER_FACTOR, found))
			break;
		habit->by_class = false;
		budget *= BUDGET_GROWTH;
	}
	habit->budget = budget;
	if (found->n == 0)
		summary_learn(open, filter);
}

/*
 * find_event: the row of the event with this key into the partition's slot.
 */
bool
find_event(OpenPartition *open, const EventKey *key)
{
	Cursor		cursor;
	bool		found = false;

	open_cursor(&cursor, open, open->indexes.by_time, 1, PG_INT64_MAX);
	begin_keys(&cursor);
	add_key(&cursor, 1, BTEqualStrategyNumber, F_TIMESTAMPTZ_EQ,
			TimestampTzGetDatum(key->occurred_at));
	add_key(&cursor, 2, BTEqualStrategyNumber, F_UUID_EQ,
			UUIDPGetDatum(&key->id));
	for (bool more = seek(&cursor); more && !found; more = next_entry(&cursor))
		found = fetch_entry(&cursor);
	close_cursor(&cursor);
	return found;
}
