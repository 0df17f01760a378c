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
 * It holds for as long as the partition is not written to, which a stamp of it
 * tells (stamp.c).  What a transaction inserted that our snapshot sees was done
 * before the look.  Not under SERIALIZABLE, which wants what was read locked.
 */
#include "reader.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/rel.h"

#define MAX_CLASSES		10000
#define BLOOM_BITS		1024

typedef struct Bloom
{
	uint64		words[BLOOM_BITS / 64];
} Bloom;

typedef struct Summary
{
	Oid			partition;		/* hash key */
	Oid			by_class;		/* the index that it was learnt from */
	HeapStamp	stamp;
	uint32		levels;			/* 1 << EventLevel */
	Bloom		services;
	Bloom		resource_types;
} Summary;

static HTAB *summaries = NULL;

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

	if (summaries == NULL || !asks_for_columns(filter) ||
		IsolationIsSerializable())
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
	return stamp_holds(open->rel, &summary->stamp);
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
		IsolationIsSerializable() || !stamp_heap(open->rel, &learnt.stamp))
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
