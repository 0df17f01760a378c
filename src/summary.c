/*
 * summary.c
 *		What a partition has no event of, by what the backend has learnt of it.
 *
 * A level or a service that a log has none of, asked for without a type, makes
 * the skip scan pass every class of every partition.  So behind a sweep that
 * has found nothing it is noted which levels, services and types of resource
 * the partition's classes have: the levels one by one, the others as a Bloom
 * filter, of fixed size.  The next question looks there first.
 *
 * It holds for as long as nothing was inserted.  An insertion into a page that
 * is marked all-visible takes the mark off, and only VACUUM, or a COPY with
 * FREEZE, sets one, which sets the LSN of the visibility map's page.  An
 * insertion into a page without the mark sets that page's LSN; of such pages
 * there may be a few, as VACUUM leaves them where it finds little to do.  So
 * what is compared is the number of pages with and without the mark, the LSNs
 * of the map's pages, and those of the pages without it.  What a transaction
 * inserted that our snapshot sees was done before the look.
 *
 * So a partition is summed up when it has been vacuumed since most of it was
 * written, as autovacuum does with those whose time is over.  Not under
 * SERIALIZABLE, which wants what was read locked, nor without WAL.
 */
#include "reader.h"

#include "access/visibilitymap.h"
#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/rel.h"

#define MAP_PAGES		8		/* of a partition that is summed up; 2 GB */
#define PLAIN_PAGES		64		/* pages without the mark */
#define MAX_CLASSES		10000
#define BLOOM_BITS		1024

/* of the heap's pages, those that a page of the map is about */
#define BLOCKS_PER_MAP_PAGE \
	((BLCKSZ - MAXALIGN(SizeOfPageHeaderData)) * BITS_PER_BYTE / \
	 BITS_PER_HEAPBLOCK)

typedef struct Bloom
{
	uint64		words[BLOOM_BITS / 64];
} Bloom;

/*
 * Stamp: what changes when something is inserted.
 */
typedef struct Stamp
{
	BlockNumber nblocks;
	XLogRecPtr	map_lsns[MAP_PAGES];
	int			nplain;			/* pages that are not marked all-visible */
	BlockNumber plain[PLAIN_PAGES];
	XLogRecPtr	plain_lsns[PLAIN_PAGES];
} Stamp;

typedef struct Summary
{
	Oid			partition;		/* hash key */
	Oid			by_class;		/* the index that it was learnt from */
	Stamp		stamp;
	uint32		levels;			/* 1 << EventLevel */
	Bloom		services;
	Bloom		resource_types;
} Summary;

static HTAB *summaries = NULL;

/*
 * get_map_stamp: the part of a stamp that takes no look at the heap; false
 * when a summary could not be trusted.
 */
static bool
get_map_stamp(Relation rel, Stamp *stamp)
{
	Buffer		buffer = InvalidBuffer;
	BlockNumber visible;

	memset(stamp, 0, sizeof(*stamp));
	if (IsolationIsSerializable() || !RelationNeedsWAL(rel))
		return false;
	stamp->nblocks = RelationGetNumberOfBlocks(rel);
	if (stamp->nblocks > MAP_PAGES * BLOCKS_PER_MAP_PAGE)
		return false;
	for (BlockNumber i = 0; i * BLOCKS_PER_MAP_PAGE < stamp->nblocks; i++)
	{
		(void) visibilitymap_get_status(rel, i * BLOCKS_PER_MAP_PAGE, &buffer);
		if (!BufferIsValid(buffer))
			return false;		/* there is no map */
		stamp->map_lsns[i] = BufferGetLSNAtomic(buffer);
	}
	if (BufferIsValid(buffer))
		ReleaseBuffer(buffer);
	visibilitymap_count(rel, &visible, NULL);
	if (visible > stamp->nblocks || stamp->nblocks - visible > PLAIN_PAGES)
		return false;
	stamp->nplain = stamp->nblocks - visible;
	return true;
}

static XLogRecPtr
page_lsn(Relation rel, BlockNumber block)
{
	Buffer		buffer = ReadBuffer(rel, block);
	XLogRecPtr	lsn = BufferGetLSNAtomic(buffer);

	ReleaseBuffer(buffer);
	return lsn;
}

/*
 * get_stamp: all of it.
 */
static bool
get_stamp(Relation rel, Stamp *stamp)
{
	Buffer		buffer = InvalidBuffer;
	int			n = 0;

	if (!get_map_stamp(rel, stamp))
		return false;
	for (BlockNumber block = 0; block < stamp->nblocks && n <= stamp->nplain;
		 block++)
	{
		if (VM_ALL_VISIBLE(rel, block, &buffer))
			continue;
		if (n < stamp->nplain)
		{
			stamp->plain[n] = block;
			stamp->plain_lsns[n] = page_lsn(rel, block);
		}
		n++;
	}
	if (BufferIsValid(buffer))
		ReleaseBuffer(buffer);
	return n == stamp->nplain;
}

/*
 * is_current: does a stamp still hold?
 *
 * No page gets a mark without the map's LSN, so while that and the number of
 * pages without marks are the same, so are the pages.
 */
static bool
is_current(Relation rel, const Stamp *stamp)
{
	Stamp		now;

	if (!get_map_stamp(rel, &now) || now.nblocks != stamp->nblocks ||
		now.nplain != stamp->nplain ||
		memcmp(now.map_lsns, stamp->map_lsns, sizeof(now.map_lsns)) != 0)
		return false;
	for (int i = 0; i < stamp->nplain; i++)
	{
		if (page_lsn(rel, stamp->plain[i]) != stamp->plain_lsns[i])
			return false;
	}
	return true;
}

/*
 * bloom_bit: one of the two bits of a value.
 */
static uint32
bloom_bit(const text *value, int which)
{
	uint64		hash = hash_bytes_extended((const unsigned char *) VARDATA_ANY(value),
										   VARSIZE_ANY_EXHDR(value), 0);

	return (uint32) (which == 0 ? hash : hash >> 32) % BLOOM_BITS;
}

static void
bloom_add(Bloom *bloom, const text *value)
{
	for (int i = 0; value && i < 2; i++)
	{
		uint32		bit = bloom_bit(value, i);

		bloom->words[bit / 64] |= UINT64CONST(1) << bit % 64;
	}
}

static bool
bloom_lacks(const Bloom *bloom, const text *value)
{
	for (int i = 0; value && i < 2; i++)
	{
		uint32		bit = bloom_bit(value, i);

		if ((bloom->words[bit / 64] & UINT64CONST(1) << bit % 64) == 0)
			return true;
	}
	return false;
}

static bool
asks_for_columns(const Filter *filter)
{
	return filter->min_level > LEVEL_DEBUG ||
		filter->max_level < LEVEL_CRITICAL ||
		filter->equal[EVENT_SOURCE_SERVICE] ||
		filter->equal[EVENT_RESOURCE_TYPE];
}

/*
 * summary_lacks: is it known that no event of the partition has the level, the
 * service or the type of resource that the filter wants?
 */
bool
summary_lacks(const OpenPartition *open, const Filter *filter)
{
	Oid			partition = RelationGetRelid(open->rel);
	uint32		wanted = 0;
	Summary    *summary;

	if (summaries == NULL || !asks_for_columns(filter))
		return false;
	summary = hash_search(summaries, &partition, HASH_FIND, NULL);
	if (summary == NULL || summary->by_class != open->indexes.by_class)
		return false;
	for (int level = filter->min_level; level <= filter->max_level; level++)
		wanted |= 1 << level;
	if ((summary->levels & wanted) != 0 &&
		!bloom_lacks(&summary->services, filter->equal[EVENT_SOURCE_SERVICE]) &&
		!bloom_lacks(&summary->resource_types,
					 filter->equal[EVENT_RESOURCE_TYPE]))
		return false;
	return is_current(open->rel, &summary->stamp);
}

/*
 * add_classes: note the values of all classes; false when that cannot be told.
 */
static bool
add_classes(Relation index, Summary *summary)
{
	text	   *class[CLASS_NCOLUMNS];
	/* all there is: types are of ASCII */
	ClassBound	bound = {1, false, {cstring_to_text("\xff")}};

	for (int i = 0; i < MAX_CLASSES; i++)
	{
		EventKey	newest;
		bool		descended;
		int			level;

		CHECK_FOR_INTERRUPTS();
		switch (class_below(index, &bound, class, &newest, &descended))
		{
			case CLASS_NONE:
				return true;
			case CLASS_UNKNOWN:
				return false;
			case CLASS_FOUND:
				break;
		}
		if (class[0] == NULL || class[1] == NULL)
			return false;
		level = level_find(VARDATA_ANY(class[1]), VARSIZE_ANY_EXHDR(class[1]));
		if (level < 0)
			return false;
		summary->levels |= 1 << level;
		bloom_add(&summary->services, class[2]);
		bloom_add(&summary->resource_types, class[3]);
		bound.n = CLASS_NCOLUMNS;
		bound.inclusive = false;
		for (int col = 0; col < CLASS_NCOLUMNS; col++)
			bound.values[col] = class[col];
	}
	return false;
}

/*
 * summary_learn: a sweep for this filter has found nothing in the partition:
 * sum it up, if that was what it cost.
 *
 * The stamp is taken first: what is inserted meanwhile makes it wrong.
 */
void
summary_learn(const OpenPartition *open, const Filter *filter)
{
	Summary		learnt = {0};
	Summary    *summary;
	MemoryContext context;
	MemoryContext outer;
	Relation	index;
	bool		complete;

	if (filter->event_type || !asks_for_columns(filter) ||
		!get_stamp(open->rel, &learnt.stamp))
		return;
	learnt.partition = RelationGetRelid(open->rel);
	learnt.by_class = open->indexes.by_class;
	context = AllocSetContextCreate(CurrentMemoryContext, "eventlog summary",
									ALLOCSET_DEFAULT_SIZES);
	outer = MemoryContextSwitchTo(context);
	index = index_open(learnt.by_class, AccessShareLock);
	complete = add_classes(index, &learnt);
	index_close(index, AccessShareLock);
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
	if (!complete)
		return;
	if (summaries == NULL)
		summaries = relation_cache("eventlog summaries", sizeof(Summary));
	summary = hash_search(summaries, &learnt.partition, HASH_ENTER, NULL);
	*summary = learnt;
}
