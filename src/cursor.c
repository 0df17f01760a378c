/*
 * cursor.c
 *		One index of a partition, positioned again and again, read backward.
 *
 * A seek sets the conditions anew and goes to the greatest entry under them.
 * What an entry is worth is asked in steps: its columns and key without the
 * row; whether it is visible by the visibility map, and by the heap where that
 * does not know; the row itself.  Each step takes what it costs off the
 * cursor's budget, so that whoever races one way against another can stop.
 *
 * All under the snapshot that the partition was opened with; the predicate
 * locks of SERIALIZABLE are taken by the index scan, by the heap, and here
 * where the visibility map is trusted.
 */
#include "reader.h"

#include "access/nbtree.h"
#include "access/tableam.h"
#include "access/visibilitymap.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

void
cursor_open(Cursor *cursor, OpenPartition *open, Oid index, int key_at,
			int row_cost, int64 budget)
{
	memset(cursor, 0, sizeof(*cursor));
	cursor->open = open;
	cursor->index = index_open(index, AccessShareLock);
	cursor->key_at = key_at;
	cursor->row_cost = row_cost;
	cursor->budget = budget;
	cursor->vmbuffer = InvalidBuffer;
}

void
cursor_close(Cursor *cursor)
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
 * cursor_begin_keys: forget the conditions of the last seek; before the first one, the
 * scan begins.
 *
 * It has room for MAX_KEYS: to use fewer is cheaper than to begin another.
 * Where a class map answers all there is no scan.
 */
void
cursor_begin_keys(Cursor *cursor)
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

void
cursor_add_text_key(Cursor *cursor, int attno, StrategyNumber strategy,
					const text *value)
{
	static const RegProcedure procs[BTMaxStrategyNumber] = {
		F_TEXT_LT, F_TEXT_LE, F_TEXTEQ, F_TEXT_GE, F_TEXT_GT
	};

	add_key(cursor, attno, strategy, procs[strategy - 1],
			keep_text(cursor, value));
}

/*
 * cursor_add_null_key: IS NULL (SK_SEARCHNULL) or IS NOT NULL (SK_SEARCHNOTNULL).
 */
void
cursor_add_null_key(Cursor *cursor, int attno, int search)
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
 * cursor_add_class_row: the first n columns, of which none is null, compared
 * as a row.
 */
void
cursor_add_class_row(Cursor *cursor, StrategyNumber strategy,
					 const text *const *values, int n)
{
	for (int i = 0; i < n; i++)
		ScanKeyInit(&cursor->row[i], i + 1, strategy, F_BTTEXTCMP,
					keep_text(cursor, values[i]));
	add_row_key(cursor, cursor->row, n);
}

/*
 * cursor_add_range: occurred_at >= lower AND (occurred_at, id) < upper.
 */
void
cursor_add_range(Cursor *cursor, const EventRange *range)
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
 * cursor_add_event: the event with this key.
 */
void
cursor_add_event(Cursor *cursor, const EventKey *key)
{
	add_key(cursor, cursor->key_at, BTEqualStrategyNumber, F_TIMESTAMPTZ_EQ,
			TimestampTzGetDatum(key->occurred_at));
	add_key(cursor, cursor->key_at + 1, BTEqualStrategyNumber, F_UUID_EQ,
			UUIDPGetDatum(&key->id));
}

/*
 * cursor_next: the next entry backward under the current keys; false at the
 * end.
 */
bool
cursor_next(Cursor *cursor)
{
	ItemPointer tid;

	CHECK_FOR_INTERRUPTS();
	cursor->budget -= COST_ENTRY;
	tid = index_getnext_tid(cursor->scan, BackwardScanDirection);
	if (tid == NULL)
		return false;
	cursor->tid = *tid;			/* index_fetch_heap() changes the other one */
	return true;
}

/*
 * cursor_seek: go to the greatest entry under the keys that were added; false when
 * there is none.
 */
bool
cursor_seek(Cursor *cursor)
{
	Assert(cursor->nkeys <= MAX_KEYS);
	cursor->scan->numberOfKeys = cursor->nkeys;
	index_rescan(cursor->scan, cursor->keys, cursor->nkeys, NULL, 0);
	cursor->budget -= COST_SEEK;
	return cursor_next(cursor);
}

/*
 * cursor_column: a column of the current entry.
 */
Datum
cursor_column(const Cursor *cursor, int attno, bool *isnull)
{
	return index_getattr(cursor->scan->xs_itup, attno,
						 cursor->scan->xs_itupdesc, isnull);
}

EventKey
cursor_key(const Cursor *cursor)
{
	return index_key(cursor->scan->xs_itup, cursor->scan->xs_itupdesc,
					 cursor->key_at);
}

/*
 * cursor_fetch: the row of the current entry into the partition's slot; false
 * when it is not visible.
 */
bool
cursor_fetch(Cursor *cursor)
{
	return index_fetch_heap(cursor->scan, cursor->open->slot);
}

/*
 * cursor_is_visible: the same without the row, where the visibility map knows.
 */
bool
cursor_is_visible(Cursor *cursor)
{
	BlockNumber block = ItemPointerGetBlockNumber(&cursor->tid);

	if (!VM_ALL_VISIBLE(cursor->open->rel, block, &cursor->vmbuffer))
		return cursor_fetch(cursor);
	PredicateLockPage(cursor->open->rel, block, cursor->open->snapshot);
	return true;
}

/*
 * cursor_is_chosen: is the current entry visible, and does its row match?
 *
 * What is refused costs the budget; what is chosen is what was asked for.
 */
bool
cursor_is_chosen(Cursor *cursor, const Filter *filter, bool need_row)
{
	bool		chosen = need_row ?
	cursor_fetch(cursor) && row_matches(filter, cursor->open) :
	cursor_is_visible(cursor);

	if (!chosen)
		cursor->budget -= cursor->row_cost;
	return chosen;
}
