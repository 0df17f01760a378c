/*
 * rowset.c
 *		Rows by their places, as an index of one column has them for a filter.
 *
 * Where a filter asks for classes and for a column with an index of its own,
 * neither index tells alone which rows match, and to fetch them costs far more
 * than to read entries.  Both indexes name the same place for the same row, as
 * PostgreSQL's BitmapAnd counts on too: so rows that are in one and not in the
 * other need not be fetched.
 */
#include "reader.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/itemptr.h"

typedef struct RowEntry
{
	uint64		place;
	char		status;
} RowEntry;

#define SH_PREFIX places
#define SH_ELEMENT_TYPE RowEntry
#define SH_KEY_TYPE uint64
#define SH_KEY place
#define SH_HASH_KEY(tb, key) \
	hash_combine(murmurhash32((uint32) (key >> 16)), (uint32) key)
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DEFINE
#define SH_DECLARE
#include "lib/simplehash.h"

static uint64
place_of(const ItemPointerData *tid)
{
	return (uint64) ItemPointerGetBlockNumber(tid) << 16 |
		ItemPointerGetOffsetNumber(tid);
}

/*
 * rows_can_help: is there an index of a column outside the classes?
 */
bool
rows_can_help(const OpenPartition *open, const Filter *filter)
{
	EventColumn column;

	return OidIsValid(index_by_column(open, filter, &column)) &&
		!is_class_column(column);
}

/*
 * rows_collect: the newest rows of a range that the index has, about n of them
 * and as many as work_mem holds at most; range->lower becomes the time of the
 * oldest.  *all tells whether these are all.
 *
 * All of the same instant are taken, or none.
 */
RowSet *
rows_collect(OpenPartition *open, const Filter *filter, EventRange *range,
			 int n, int64 *budget, bool *all)
{
	EventColumn column;
	Oid			index = index_by_column(open, filter, &column);
	const text *prefix[1] = {filter->equal[column]};
	int64		most = work_mem * INT64CONST(1024) / (2 * sizeof(RowEntry));
	places_hash *rows = places_create(CurrentMemoryContext, n, NULL);
	TimestampTz oldest = range->lower;
	Walk		walk;
	bool		more;

	walk_open(&walk, open, index, 1, 0, *budget);
	for (more = walk_seek(&walk, prefix, range); more; more = walk_next(&walk))
	{
		bool		found;

		/* infinity, which no event should have, is no bound */
		if (rows->members >= Min(n, most) && !TIMESTAMP_IS_NOEND(oldest) &&
			walk.entry->key.occurred_at < oldest)
			break;
		oldest = walk.entry->key.occurred_at;
		(void) places_insert(rows, place_of(&walk.entry->tid), &found);
	}
	*budget = walk.budget;
	walk_close(&walk);
	*all = !more;
	if (more)
		range->lower = oldest;
	return (RowSet *) rows;
}

bool
rows_have(const RowSet *rows, const ItemPointerData *tid)
{
	return places_lookup((places_hash *) rows, place_of(tid)) != NULL;
}

void
rows_free(RowSet *rows)
{
	places_destroy((places_hash *) rows);
}
