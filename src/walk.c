/*
 * walk.c
 *		An index of a partition, read backward from any point, page by page.
 *
 * 1. Why not by an index scan
 *
 * An index scan prepares its conditions anew for each seek, and looks at each
 * column of each entry of a page by each of them.  The skip scan seeks often,
 * and a class is four texts.  Here a seek is a descent, and the entries of a
 * page that belong to a class are told by the bytes that they begin with.
 *
 * 2. How
 *
 * A walk is of the entries that have the same leading columns, the prefix,
 * backward by (occurred_at, id), in a range.  A seek descends to the page where
 * the range's upper end is or would be, as an insertion would, and copies key
 * and row pointer of the entries before it.  When these are used up it descends
 * to the last one of them, and takes those before it: that is on the page to
 * the left, mostly.  Equal keys, of versions of a row that was updated, are
 * told apart by their row pointers.
 *
 * The page to the left may be split or deleted while it is on no page's lock.
 * It is the right one if it says that ours is the next; if not, the descent
 * begins again.
 *
 * 3. What a walk owes to others
 *
 * The page that entries are of stays pinned while they are in use, as in an
 * index-only scan: VACUUM cannot remove them and mark the rows' page
 * all-visible meanwhile, so the visibility map can be asked.  Each page that is
 * read is locked for SERIALIZABLE, and so is a heap page whose mark is trusted.
 * Entries of rows that are dead to everybody are marked as such when the page
 * is left, if nobody has changed it.
 *
 * What each step costs is taken off the walk's budget, so that whoever races
 * one way against another can stop.
 */
#include "reader.h"

#include "access/nbtree.h"
#include "access/tableam.h"
#include "access/visibilitymap.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#define MAX_DESCENTS	10000	/* for one place: more is a broken index */

/*
 * Alike: what entries begin with that have the same prefix as one that was
 * looked at, if it has no nulls.
 */
typedef struct Alike
{
	const char *bytes;			/* NULL: none was looked at yet */
	Size		data_at;		/* in the entry */
	Size		len;
	Size		key_at;
} Alike;

/*
 * first_beyond: the first item of a leaf page that is not before the key's
 * place; one behind the last if there is none.
 */
OffsetNumber
first_beyond(Relation index, BTScanInsert key, Page page)
{
	OffsetNumber low = P_FIRSTDATAKEY(BTPageGetOpaque(page));
	OffsetNumber high = OffsetNumberNext(PageGetMaxOffsetNumber(page));
	int			beyond = key->nextkey ? 0 : 1;

	while (low < high)
	{
		OffsetNumber mid = low + (high - low) / 2;

		if (_bt_compare(index, key, page, mid) >= beyond)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/*
 * blank_key: an insertion scan key of all columns, without values.
 *
 * It says of the index what _bt_mkscankey() says only where it is given an
 * entry: keys of updated rows make posting lists in any index, also a unique
 * one.
 */
BTScanInsert
blank_key(Relation index)
{
	BTScanInsert key = _bt_mkscankey(index, NULL);

	_bt_metaversion(index, &key->heapkeyspace, &key->allequalimage);
	return key;
}

/*
 * set_prefix: the first n columns of an insertion scan key; NULL is a null.
 */
void
set_prefix(BTScanInsert key, const text *const *prefix, int n)
{
	for (int i = 0; i < n; i++)
	{
		ScanKey		column = &key->scankeys[i];

		if (prefix[i] == NULL)
			column->sk_flags |= SK_ISNULL;
		else
			column->sk_flags &= ~SK_ISNULL;
		column->sk_argument = PointerGetDatum(prefix[i]);
	}
}

/*
 * step_left: from a locked leaf page to the last item of the one to its left,
 * past empty ones; *retry when that cannot be told.
 */
static Buffer
step_left(Relation index, Buffer buffer, Snapshot snapshot,
		  OffsetNumber *offset, bool *retry)
{
	*retry = false;
	for (;;)
	{
		BlockNumber self = BufferGetBlockNumber(buffer);
		BTPageOpaque opaque = BTPageGetOpaque(BufferGetPage(buffer));
		BlockNumber left = opaque->btpo_prev;

		_bt_relbuf(index, buffer);
		if (left == P_NONE)
			return InvalidBuffer;
		buffer = _bt_getbuf(index, left, BT_READ);
		opaque = BTPageGetOpaque(BufferGetPage(buffer));
		if (P_ISDELETED(opaque) || opaque->btpo_next != self)
		{
			_bt_relbuf(index, buffer);
			*retry = true;
			return InvalidBuffer;
		}
		PredicateLockPage(index, left, snapshot);
		*offset = PageGetMaxOffsetNumber(BufferGetPage(buffer));
		if (!P_IGNORE(opaque) && *offset >= P_FIRSTDATAKEY(opaque))
			return buffer;
	}
}

/*
 * item_before: the greatest item before the key's place; its page is locked
 * for reading.  InvalidBuffer when there is none.
 */
Buffer
item_before(Relation index, BTScanInsert key, Snapshot snapshot,
			OffsetNumber *offset)
{
	pgstat_count_index_scan(index);
	for (int i = 0; i < MAX_DESCENTS; i++)
	{
		Buffer		buffer;
		bool		retry;

		CHECK_FOR_INTERRUPTS();
		_bt_freestack(compat_bt_search(index, key, &buffer));
		if (!BufferIsValid(buffer))
		{
			PredicateLockRelation(index, snapshot);
			return InvalidBuffer;	/* an index that has never had an entry */
		}
		PredicateLockPage(index, BufferGetBlockNumber(buffer), snapshot);
		*offset = first_beyond(index, key, BufferGetPage(buffer));
		if (*offset > P_FIRSTDATAKEY(BTPageGetOpaque(BufferGetPage(buffer))))
		{
			*offset = OffsetNumberPrev(*offset);
			return buffer;
		}
		buffer = step_left(index, buffer, snapshot, offset, &retry);
		if (!retry)
			return buffer;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("could not find the way in index \"%s\"",
					RelationGetRelationName(index)),
			 errhint("REINDEX INDEX %s",
					 qualified_name(RelationGetRelid(index)))));
}

void
walk_open(Walk *walk, OpenPartition *open, Oid index, int nprefix,
		  int row_cost, int64 budget)
{
	memset(walk, 0, sizeof(*walk));
	walk->open = open;
	walk->index = index_open(index, AccessShareLock);
	walk->nprefix = nprefix;
	walk->row_cost = row_cost;
	walk->budget = budget;
	walk->buffer = InvalidBuffer;
	walk->vmbuffer = InvalidBuffer;
	walk->marks_dead = !open->snapshot->takenDuringRecovery &&
		RelationNeedsWAL(walk->index);
}

/*
 * mark_dead: the entries whose rows were seen to be dead to everybody, unless
 * the page has changed: they might stand elsewhere.
 */
static void
mark_dead(Walk *walk)
{
	Page		page = BufferGetPage(walk->buffer);

	_bt_lockbuf(walk->index, walk->buffer, BT_READ);
	if (BufferGetLSNAtomic(walk->buffer) == walk->lsn)
	{
		for (int i = 0; i < walk->ndead; i++)
			ItemIdMarkDead(PageGetItemId(page, walk->dead[i]));
		BTPageGetOpaque(page)->btpo_flags |= BTP_HAS_GARBAGE;
		MarkBufferDirtyHint(walk->buffer, true);
	}
	_bt_unlockbuf(walk->index, walk->buffer);
}

/*
 * leave_page: let the page go that entries are of.
 */
static void
leave_page(Walk *walk)
{
	if (!BufferIsValid(walk->buffer))
		return;
	if (walk->ndead > 0)
		mark_dead(walk);
	ReleaseBuffer(walk->buffer);
	walk->buffer = InvalidBuffer;
}

void
walk_close(Walk *walk)
{
	leave_page(walk);
	if (BufferIsValid(walk->vmbuffer))
		ReleaseBuffer(walk->vmbuffer);
	if (walk->bound)
	{
		pfree(walk->bound);
		pfree(walk->entries);
		pfree(walk->offsets);
		pfree(walk->dead);
	}
	index_close(walk->index, AccessShareLock);
}

/*
 * is_alike: does an entry begin as that one did that was looked at?
 */
static bool
is_alike(const Alike *alike, IndexTuple item)
{
	return alike->bytes && !IndexTupleHasNulls(item) &&
		IndexTupleSize(item) >= alike->key_at + sizeof(TimestampTz) + UUID_LEN &&
		memcmp((char *) item + alike->data_at, alike->bytes, alike->len) == 0;
}

/*
 * note_alike: this entry has the prefix; nulls would move what follows them.
 */
static void
note_alike(const Walk *walk, IndexTuple item, Alike *alike)
{
	TupleDesc	desc = RelationGetDescr(walk->index);
	Size		end;
	bool		isnull;

	if (IndexTupleHasNulls(item))
		return;
	alike->data_at = end = IndexInfoFindDataOffset(item->t_info);
	if (walk->nprefix > 0)
	{
		char	   *last = DatumGetPointer(index_getattr(item, walk->nprefix,
														 desc, &isnull));

		end = last + VARSIZE_ANY(last) - (char *) item;
	}
	alike->bytes = (char *) item + alike->data_at;
	alike->len = end - alike->data_at;
	alike->key_at = DOUBLEALIGN(end);
}

/*
 * has_prefix: does an entry begin with the walk's prefix?
 */
static bool
has_prefix(const Walk *walk, IndexTuple item)
{
	TupleDesc	desc = RelationGetDescr(walk->index);

	for (int i = 0; i < walk->nprefix; i++)
	{
		bool		isnull;
		Datum		value = index_getattr(item, i + 1, desc, &isnull);

		if (compare_column(isnull ? NULL : DatumGetTextPP(value),
						   walk->prefix[i]) != 0)
			return false;
	}
	return true;
}

/*
 * read_item: the key of an entry; false when it has not the prefix.
 */
static bool
read_item(const Walk *walk, IndexTuple item, Alike *alike, EventKey *key)
{
	if (is_alike(alike, item))
	{
		const char *at = (char *) item + alike->key_at;

		memcpy(&key->occurred_at, at, sizeof(TimestampTz));
		memcpy(&key->id, at + sizeof(TimestampTz), UUID_LEN);
		return true;
	}
	if (!has_prefix(walk, item))
		return false;
	*key = index_key(item, RelationGetDescr(walk->index), walk->nprefix + 1);
	note_alike(walk, item, alike);
	return true;
}

static void
add_entry(Walk *walk, const EventKey *key, const ItemPointerData *tid,
		  OffsetNumber offset)
{
	if (walk->n == MaxTIDsPerBTreePage)
		elog(ERROR, "too many entries on a page of index \"%s\"",
			 RelationGetRelationName(walk->index));
	walk->entries[walk->n].key = *key;
	walk->entries[walk->n].tid = *tid;
	walk->offsets[walk->n] = offset;
	walk->n++;
}

/*
 * take_item: the entries of an item, of which one key can have several.
 */
static void
take_item(Walk *walk, IndexTuple item, OffsetNumber offset,
		  const EventKey *key)
{
	walk->last.key = *key;
	if (!BTreeTupleIsPosting(item))
	{
		walk->last.tid = item->t_tid;
		add_entry(walk, key, &item->t_tid, offset);
		return;
	}
	for (int i = BTreeTupleGetNPosting(item) - 1; i >= 0; i--)
		add_entry(walk, key, BTreeTupleGetPostingN(item, i),
				  InvalidOffsetNumber);
	walk->last.tid = *BTreeTupleGetHeapTID(item);
}

/*
 * take_page: copy the walk's entries of a locked page, from offset down; it
 * stays pinned.
 */
static void
take_page(Walk *walk, Buffer buffer, OffsetNumber offset)
{
	Page		page = BufferGetPage(buffer);
	BTPageOpaque opaque = BTPageGetOpaque(page);
	Alike		alike = {0};

	walk->buffer = buffer;
	walk->lsn = BufferGetLSNAtomic(buffer);
	walk->more = !P_LEFTMOST(opaque);
	for (; offset >= P_FIRSTDATAKEY(opaque); offset--)
	{
		ItemId		id = PageGetItemId(page, offset);
		IndexTuple	item = (IndexTuple) PageGetItem(page, id);
		EventKey	key;

		if (!read_item(walk, item, &alike, &key) ||
			key.occurred_at < walk->lower)
		{
			walk->more = false;
			break;
		}
		if (ItemIdIsDead(id) && walk->marks_dead)
		{
			walk->last.key = key;
			walk->last.tid = *BTreeTupleGetHeapTID(item);
		}
		else
			take_item(walk, item, offset, &key);
	}
	_bt_unlockbuf(walk->index, buffer);
}

/*
 * load: the entries before the bound, in place of those that there were.
 */
static void
load(Walk *walk)
{
	OffsetNumber offset;
	Buffer		buffer;

	leave_page(walk);
	walk->n = walk->at = walk->ndead = 0;
	walk->more = false;
	buffer = item_before(walk->index, walk->bound, walk->open->snapshot,
						 &offset);
	if (BufferIsValid(buffer))
		take_page(walk, buffer, offset);
}

/*
 * set_event: the columns behind the prefix.
 */
static void
set_event(Walk *walk, const EventKey *key)
{
	ScanKey		columns = &walk->bound->scankeys[walk->nprefix];

	columns[0].sk_flags &= ~SK_ISNULL;
	columns[0].sk_argument = TimestampTzGetDatum(key->occurred_at);
	columns[1].sk_flags &= ~SK_ISNULL;
	columns[1].sk_argument = UUIDPGetDatum(&key->id);
	walk->bound->keysz = walk->nprefix + 2;
}

/*
 * begin_seek: a bound of the prefix alone.
 */
static void
begin_seek(Walk *walk, const text *const *prefix)
{
	if (walk->bound == NULL)
	{
		walk->bound = blank_key(walk->index);
		walk->entries = palloc(sizeof(FoundEvent) * MaxTIDsPerBTreePage);
		walk->offsets = palloc(sizeof(OffsetNumber) * MaxTIDsPerBTreePage);
		walk->dead = palloc(sizeof(OffsetNumber) * MaxTIDsPerBTreePage);
	}
	for (int i = 0; i < walk->nprefix; i++)
		walk->prefix[i] = prefix[i];
	set_prefix(walk->bound, prefix, walk->nprefix);
	walk->bound->keysz = walk->nprefix;
	walk->bound->scantid = NULL;
	walk->bound->nextkey = true;
	walk->budget -= COST_SEEK;
}

/*
 * walk_seek: begin with the newest entry in a range; false when there is none.
 * What prefix points to must stay for as long as the walk goes on.
 */
bool
walk_seek(Walk *walk, const text *const *prefix, const EventRange *range)
{
	begin_seek(walk, prefix);
	walk->lower = range->lower;
	walk->upper = range->upper;
	if (!TIMESTAMP_IS_NOEND(range->upper.occurred_at))
	{
		set_event(walk, &walk->upper);
		walk->bound->nextkey = false;
	}
	else if (walk->nprefix == 0)
	{
		/* all that is not null */
		set_event(walk, &walk->upper);
		walk->bound->keysz = 1;
	}
	load(walk);
	return walk_next(walk);
}

/*
 * walk_seek_event: begin with the entries of an event, in the index by time;
 * smaller ones follow.
 */
bool
walk_seek_event(Walk *walk, const EventKey *key)
{
	begin_seek(walk, NULL);
	walk->lower = key->occurred_at;
	walk->upper = *key;
	set_event(walk, &walk->upper);
	load(walk);
	return walk_next(walk);
}

/*
 * walk_next: the next entry backward, in walk->entry; false at the end.
 */
bool
walk_next(Walk *walk)
{
	CHECK_FOR_INTERRUPTS();
	walk->budget -= COST_ENTRY;
	while (walk->at == walk->n)
	{
		if (!walk->more)
			return false;
		walk->upper = walk->last.key;
		walk->last_tid = walk->last.tid;
		set_event(walk, &walk->upper);
		walk->bound->nextkey = false;
		walk->bound->scantid = &walk->last_tid;
		load(walk);
	}
	walk->entry = &walk->entries[walk->at++];
	return true;
}

/*
 * walk_fetch: the row of the entry into the partition's slot; false when it is
 * not visible.
 */
bool
walk_fetch(Walk *walk)
{
	OffsetNumber offset = walk->offsets[walk->at - 1];
	bool		all_dead = false;

	if (fetch_row(walk->open, &walk->entry->tid, &all_dead))
		return true;
	if (all_dead && walk->marks_dead && OffsetNumberIsValid(offset))
		walk->dead[walk->ndead++] = offset;
	return false;
}

/*
 * is_visible: the same without the row, where the visibility map knows.
 */
static bool
is_visible(Walk *walk)
{
	BlockNumber block = ItemPointerGetBlockNumber(&walk->entry->tid);

	if (!VM_ALL_VISIBLE(walk->open->rel, block, &walk->vmbuffer))
	{
		walk->budget -= COST_ROW_FAR;
		return walk_fetch(walk);
	}
	PredicateLockPage(walk->open->rel, block, walk->open->snapshot);
	return true;
}

/*
 * walk_is_chosen: is the entry visible, and does its row match?
 *
 * A row that is refused costs the budget; what is chosen is what was asked for.
 */
bool
walk_is_chosen(Walk *walk, const Filter *filter, bool need_row)
{
	if (!need_row)
		return is_visible(walk);
	if (walk_fetch(walk) && row_matches(filter, walk->open))
		return true;
	walk->budget -= walk->row_cost;
	return false;
}
