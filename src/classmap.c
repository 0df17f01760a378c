/*
 * classmap.c
 *		Which class comes next below a point of a class index, by what the
 *		backend has learnt of it.
 *
 * 1. Why
 *
 * The skip scan asks for the greatest class below a bound, class after class.
 * An ordinary index scan answers with a descent, and reads a whole leaf page
 * or two for one entry.  In a partition that nobody writes to any more the
 * answer never changes.
 *
 * 2. What is learnt
 *
 * A descent to a bound finds the entry before it: of class C, say.  So there
 * is no entry between C's newest one and the bound.  Any such entry would have
 * to be inserted into the leaf page that the bound leads to, or, where C's
 * entry is the last of that page's left sibling, into one of the two.  So what
 * is kept is C, the key of its newest entry, how far up the gap goes, and the
 * page or two with their LSNs.
 *
 * 3. Why it can be trusted
 *
 * Every insertion into a page of a WAL-logged relation, every split and every
 * deletion of a page sets the LSN of the pages it changes.  So while the LSNs
 * are what they were, nothing was inserted into the gap.  An entry that is
 * being inserted just now belongs to a transaction that our snapshot does not
 * see, so no lock is needed to look at an LSN.  Pages are only looked at in the
 * file that they were learnt of: a map is of one relfilenode, and is forgotten
 * when the relation cache is told that its index changed.  Entries of aborted
 * or deleted rows count as entries: they are passed like others.
 *
 * Not under SERIALIZABLE, which wants the pages that were read locked; nor for
 * relations without WAL; nor where a descent comes upon something odd, a page
 * being split or deleted.  Then a descent is made of which nothing is kept.
 */
#include "reader.h"

#include "access/nbtree.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#define MAX_MEMORY	(16 * 1024 * 1024)	/* of all maps of a backend */
#define MAX_MISSES	100000		/* descents with full maps until all is
								 * forgotten */

/*
 * Gap: no entry lies above the newest one of a class, up to a bound.
 */
typedef struct Gap
{
	text	   *class[CLASS_NCOLUMNS];
	EventKey	newest;
	bool		bottom;			/* no class at all lies below the bound */
	ClassBound	upper;
	BlockNumber pages[2];		/* the second may be InvalidBlockNumber */
	XLogRecPtr	lsns[2];
} Gap;

/*
 * ClassMap: the gaps of an index, in the order of their classes.
 */
typedef struct ClassMap
{
	Oid			index;			/* hash key */
	bool		valid;
	Oid			relfilenode;
	MemoryContext context;
	Size		memory_used;
	int			n;
	int			max;
	Gap		  **gaps;
} ClassMap;

static HTAB *maps = NULL;
static MemoryContext maps_context = NULL;
static Size memory_used = 0;
static int	misses = 0;			/* since the maps were full */

static void
forget_map(Oid relid)
{
	HASH_SEQ_STATUS status;
	ClassMap   *map;

	if (maps == NULL)
		return;
	if (OidIsValid(relid))
	{
		map = hash_search(maps, &relid, HASH_FIND, NULL);
		if (map)
			map->valid = false;
		return;
	}
	hash_seq_init(&status, maps);
	while ((map = hash_seq_search(&status)) != NULL)
		map->valid = false;
}

/*
 * create_maps: begin with none; what there was is forgotten.
 */
static void
create_maps(void)
{
	static bool registered = false;
	HASHCTL		ctl = {0};

	if (!registered)
	{
		on_relation_change(forget_map);
		registered = true;
	}
	maps = NULL;
	memory_used = 0;
	misses = 0;
	if (maps_context)
		MemoryContextDelete(maps_context);
	maps_context = AllocSetContextCreate(CacheMemoryContext,
										 "eventlog class maps",
										 ALLOCSET_DEFAULT_SIZES);
	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(ClassMap);
	ctl.hcxt = maps_context;
	maps = hash_create("eventlog class maps", 64, &ctl,
					   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/*
 * empty_map: forget what a map, or what will be one, holds.
 */
static void
empty_map(ClassMap *map)
{
	if (map->context)
		MemoryContextDelete(map->context);
	memory_used -= map->memory_used;
	map->context = NULL;
	map->memory_used = 0;
	map->valid = false;
	map->n = map->max = 0;
	map->gaps = NULL;
}

/*
 * class_map_forget: the map of an index is needed no more.
 */
void
class_map_forget(Relation index)
{
	Oid			oid = RelationGetRelid(index);
	ClassMap   *map = maps ? hash_search(maps, &oid, HASH_FIND, NULL) : NULL;

	if (map)
		empty_map(map);
}

/*
 * get_map: the map of an index, empty if it has changed.
 */
static ClassMap *
get_map(Relation index)
{
	Oid			oid = RelationGetRelid(index);
	ClassMap   *map;
	bool		found;

	if (maps == NULL)
		create_maps();
	map = hash_search(maps, &oid, HASH_ENTER, &found);
	if (found && map->valid && map->relfilenode == compat_relfilenode(index))
		return map;
	if (!found)
		memset(map, 0, sizeof(*map));
	map->index = oid;
	empty_map(map);
	map->context = AllocSetContextCreate(maps_context, "eventlog class map",
										 ALLOCSET_SMALL_SIZES);
	map->valid = true;
	map->relfilenode = compat_relfilenode(index);
	return map;
}

/*
 * compare_column: as the index sorts them: bytes, and nulls last.
 */
int
compare_column(const text *a, const text *b)
{
	int			a_len;
	int			b_len;
	int			c;

	if (a == NULL || b == NULL)
		return (a == NULL) - (b == NULL);
	a_len = VARSIZE_ANY_EXHDR(a);
	b_len = VARSIZE_ANY_EXHDR(b);
	c = memcmp(VARDATA_ANY(a), VARDATA_ANY(b), Min(a_len, b_len));
	return c != 0 ? c : a_len - b_len;
}

/*
 * is_within: does a class lie below (or at most at) a bound?
 */
static bool
is_within(text *const *class, const ClassBound *bound)
{
	for (int i = 0; i < bound->n; i++)
	{
		int			c = compare_column(class[i], bound->values[i]);

		if (c != 0)
			return c < 0;
	}
	return bound->inclusive;
}

/*
 * covers: does all that lies within b lie within a?
 */
static bool
covers(const ClassBound *a, const ClassBound *b)
{
	for (int i = 0; i < Min(a->n, b->n); i++)
	{
		int			c = compare_column(b->values[i], a->values[i]);

		if (c != 0)
			return c < 0;
	}
	if (a->n == b->n)
		return a->inclusive || !b->inclusive;
	return a->n < b->n ? a->inclusive : !b->inclusive;
}

/*
 * find_gap: where in the map the greatest class within bound stands, or would
 * stand; the bottom comes first.
 */
static int
find_gap(const ClassMap *map, const ClassBound *bound)
{
	int			low = 0;
	int			high = map->n;

	while (low < high)
	{
		int			mid = (low + high) / 2;
		const Gap  *gap = map->gaps[mid];

		if (gap->bottom || is_within(gap->class, bound))
			low = mid + 1;
		else
			high = mid;
	}
	return low - 1;
}

/*
 * is_unchanged: are the gap's pages as they were?
 */
static bool
is_unchanged(Relation index, const Gap *gap)
{
	for (int i = 0; i < lengthof(gap->pages); i++)
	{
		Buffer		buffer;
		XLogRecPtr	lsn;

		if (gap->pages[i] == InvalidBlockNumber)
			continue;
		buffer = ReadBuffer(index, gap->pages[i]);
		lsn = BufferGetLSNAtomic(buffer);
		ReleaseBuffer(buffer);
		if (lsn != gap->lsns[i])
			return false;
	}
	return true;
}

text *
copy_text(MemoryContext context, const text *value)
{
	text	   *copy;

	if (value == NULL)
		return NULL;
	copy = MemoryContextAlloc(context, VARSIZE_ANY(value));
	memcpy(copy, value, VARSIZE_ANY(value));
	return copy;
}

/*
 * descent_key: an insertion scan key of the bound's columns.
 */
static BTScanInsert
descent_key(Relation index, const ClassBound *bound)
{
	BTScanInsert key = blank_key(index);

	key->keysz = bound->n;
	key->nextkey = bound->inclusive;
	key->scantid = NULL;
	set_prefix(key, bound->values, bound->n);
	return key;
}

/*
 * load_item: the class of an item, and its key if that is wanted.
 */
static void
load_item(Relation index, Page page, OffsetNumber offset, text **class,
		  EventKey *key)
{
	IndexTuple	item = (IndexTuple) PageGetItem(page,
												PageGetItemId(page, offset));
	TupleDesc	desc = RelationGetDescr(index);
	bool		isnull;

	for (int i = 0; i < CLASS_NCOLUMNS; i++)
	{
		Datum		value = index_getattr(item, i + 1, desc, &isnull);

		class[i] = isnull ? NULL : DatumGetTextPCopy(value);
	}
	if (key)
		*key = index_key(item, desc, CLASS_NCOLUMNS + 1);
}

/*
 * load_last: the last item of the page to the left; false when that is not as
 * simple as that.
 */
static bool
load_last(Relation index, BlockNumber left, BlockNumber right, Gap *gap)
{
	Buffer		buffer = _bt_getbuf(index, left, BT_READ);
	Page		page = BufferGetPage(buffer);
	BTPageOpaque opaque = BTPageGetOpaque(page);
	OffsetNumber last = PageGetMaxOffsetNumber(page);
	bool		simple = !P_IGNORE(opaque) && !P_INCOMPLETE_SPLIT(opaque) &&
	opaque->btpo_next == right && last >= P_FIRSTDATAKEY(opaque);

	if (simple)
	{
		gap->pages[1] = left;
		gap->lsns[1] = BufferGetLSNAtomic(buffer);
		load_item(index, page, last, gap->class, &gap->newest);
	}
	_bt_relbuf(index, buffer);
	return simple;
}

/*
 * descend: find the gap below a bound in the index; false when it cannot be
 * told.  What *gap points to is of the current context.
 */
static bool
descend(Relation index, const ClassBound *bound, Gap *gap)
{
	BTScanInsert key = descent_key(index, bound);
	Buffer		buffer;
	Page		page;
	BTPageOpaque opaque;
	OffsetNumber offset;
	BlockNumber right;
	BlockNumber left;

	pgstat_count_index_scan(index);
	_bt_freestack(compat_bt_search(index, key, &buffer));
	if (!BufferIsValid(buffer))
		return false;			/* an empty index */
	page = BufferGetPage(buffer);
	opaque = BTPageGetOpaque(page);
	if (P_IGNORE(opaque) || P_INCOMPLETE_SPLIT(opaque))
	{
		_bt_relbuf(index, buffer);
		return false;
	}
	memset(gap, 0, sizeof(*gap));
	right = gap->pages[0] = BufferGetBlockNumber(buffer);
	gap->lsns[0] = BufferGetLSNAtomic(buffer);
	gap->pages[1] = InvalidBlockNumber;

	gap->upper = *bound;

	offset = first_beyond(index, key, page);
	if (offset <= PageGetMaxOffsetNumber(page))
	{
		/* up to the next item, not only to where it was asked for */
		gap->upper.n = CLASS_NCOLUMNS;
		gap->upper.inclusive = false;
		load_item(index, page, offset, (text **) gap->upper.values, NULL);
	}
	if (offset > P_FIRSTDATAKEY(opaque))
	{
		load_item(index, page, OffsetNumberPrev(offset), gap->class,
				  &gap->newest);
		_bt_relbuf(index, buffer);
		return true;
	}
	left = opaque->btpo_prev;
	gap->bottom = P_LEFTMOST(opaque);
	_bt_relbuf(index, buffer);
	return gap->bottom || load_last(index, left, right, gap);
}

/*
 * compare_classes: in the order of the index.
 */
int
compare_classes(text *const *a, text *const *b)
{
	for (int i = 0; i < CLASS_NCOLUMNS; i++)
	{
		int			c = compare_column(a[i], b[i]);

		if (c != 0)
			return c;
	}
	return 0;
}

static bool
is_same_class(const Gap *a, const Gap *b)
{
	if (a->bottom || b->bottom)
		return a->bottom == b->bottom;
	return compare_classes(a->class, b->class) == 0;
}

/*
 * gap_size: about what a gap takes of memory.
 */
static Size
gap_size(const Gap *gap)
{
	Size		size = sizeof(Gap) + 2 * sizeof(Gap *);

	for (int col = 0; col < CLASS_NCOLUMNS; col++)
		size += 16 + (gap->class[col] ? VARSIZE_ANY(gap->class[col]) : 0);
	for (int col = 0; col < gap->upper.n; col++)
		size += 16 + (gap->upper.values[col] ?
					  VARSIZE_ANY(gap->upper.values[col]) : 0);
	return size;
}

/*
 * copy_gap: for the life of the map.
 */
static Gap *
copy_gap(ClassMap *map, const Gap *found)
{
	Gap		   *gap = MemoryContextAlloc(map->context, sizeof(Gap));
	Size		size = gap_size(found);

	*gap = *found;
	for (int col = 0; col < CLASS_NCOLUMNS; col++)
		gap->class[col] = copy_text(map->context, found->class[col]);
	for (int col = 0; col < gap->upper.n; col++)
		gap->upper.values[col] = copy_text(map->context,
										   found->upper.values[col]);
	map->memory_used += size;
	memory_used += size;
	return gap;
}

static void
free_gap(ClassMap *map, Gap *gap)
{
	Size		size = gap_size(gap);

	map->memory_used -= size;
	memory_used -= size;
	for (int col = 0; col < CLASS_NCOLUMNS; col++)
	{
		if (gap->class[col])
			pfree(gap->class[col]);
	}
	for (int col = 0; col < gap->upper.n; col++)
	{
		if (gap->upper.values[col])
			pfree(unconstify(text *, gap->upper.values[col]));
	}
	pfree(gap);
}

/*
 * keep_gap: note in the map what was found below a bound, in place of what was
 * known of the same class.
 */
static void
keep_gap(ClassMap *map, const Gap *found)
{
	ClassBound	at = {CLASS_NCOLUMNS, true};
	Gap		   *gap;
	int			i;

	for (int col = 0; col < CLASS_NCOLUMNS; col++)
		at.values[col] = found->class[col];
	i = found->bottom ? (map->n > 0 && map->gaps[0]->bottom ? 0 : -1) :
		find_gap(map, &at);
	gap = copy_gap(map, found);
	if (i >= 0 && is_same_class(map->gaps[i], found))
	{
		free_gap(map, map->gaps[i]);
		map->gaps[i] = gap;
		return;
	}
	if (map->n == map->max)
	{
		map->max = Max(64, map->max * 2);
		map->gaps = map->gaps ?
			repalloc(map->gaps, sizeof(Gap *) * map->max) :
			MemoryContextAlloc(map->context, sizeof(Gap *) * map->max);
	}
	memmove(&map->gaps[i + 2], &map->gaps[i + 1],
			sizeof(Gap *) * (map->n - i - 1));
	map->gaps[i + 1] = gap;
	map->n++;
}

/*
 * below: the same by a descent of which nothing is kept; false when there is no
 * class below the bound.
 */
static bool
below(Relation index, Snapshot snapshot, const ClassBound *bound, Gap *gap)
{
	BTScanInsert key = descent_key(index, bound);
	OffsetNumber offset;
	Buffer		buffer = item_before(index, key, snapshot, &offset);

	pfree(key);
	memset(gap, 0, sizeof(*gap));
	gap->bottom = !BufferIsValid(buffer);
	if (gap->bottom)
		return false;
	load_item(index, BufferGetPage(buffer), offset, gap->class, &gap->newest);
	_bt_relbuf(index, buffer);
	return true;
}

/*
 * look_up: the gap below a bound as the map has it; NULL when it does not know.
 */
static const Gap *
look_up(Relation index, const ClassBound *bound)
{
	ClassMap   *map = get_map(index);
	int			i = find_gap(map, bound);

	if (i < 0 || !covers(&map->gaps[i]->upper, bound) ||
		!is_unchanged(index, map->gaps[i]))
		return NULL;
	return map->gaps[i];
}

/*
 * keep: what was found below a bound, while there is room.
 */
static void
keep(Relation index, const Gap *found)
{
	if (memory_used > MAX_MEMORY && ++misses > MAX_MISSES)
		create_maps();
	if (memory_used <= MAX_MEMORY)
		keep_gap(get_map(index), found);
}

/*
 * class_below: the greatest class within a bound, copied, and the key of its
 * newest entry; false when there is none.  *descended tells whether it took a
 * descent.
 */
bool
class_below(Relation index, Snapshot snapshot, const ClassBound *bound,
			text **class, EventKey *newest, bool *descended)
{
	bool		mapped = !IsolationIsSerializable() && RelationNeedsWAL(index);
	const Gap  *gap = mapped ? look_up(index, bound) : NULL;
	Gap			found;

	*descended = gap == NULL;
	if (gap == NULL)
	{
		if (mapped && descend(index, bound, &found))
			keep(index, &found);
		else
			(void) below(index, snapshot, bound, &found);
		gap = &found;
	}
	if (gap->bottom)
		return false;
	for (int col = 0; col < CLASS_NCOLUMNS; col++)
		class[col] = copy_text(CurrentMemoryContext, gap->class[col]);
	*newest = gap->newest;
	return true;
}
