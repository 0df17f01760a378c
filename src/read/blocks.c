/*
 * blocks.c
 *		In which blocks of a partition there may be events of a time.
 *
 * BRIN tells by one bitmap: it keeps the first and the last time of each
 * range of 128 blocks.  It never leaves out a block that has such an event; a
 * range that is not summarized yet is in every bitmap.  That makes it a
 * certificate: when everything in the other blocks has been seen, everything
 * has.  It costs 0.1 µs a range, and 25 ns a block in the bitmap.
 *
 * Blocks are kept as runs, not only the lowest one: an INSERT that reuses the
 * space of deleted rows puts new events far away from the others.
 */
#include "read/read.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/tidbitmap.h"
#include "utils/fmgroids.h"

/*
 * blocks_can_tell: may BRIN be asked?
 *
 * It has no predicate locks of its own.  Under SERIALIZABLE the whole index
 * would be locked, and conflict with every INSERT into the partition.
 */
bool
blocks_can_tell(const PartitionReader *reader)
{
	return OidIsValid(reader->indexes[INDEX_BRIN]) &&
		!IsolationIsSerializable();
}

/*
 * add_run: append a run; it may continue the last one.
 */
static void
add_run(BlockRuns *runs, BlockNumber low, BlockNumber high)
{
	if (runs->n > 0 && runs->runs[runs->n - 1].high + 1 == low)
	{
		runs->runs[runs->n - 1].high = high;
		return;
	}
	if (runs->n == runs->max)
	{
		runs->max = Max(16, runs->max * 2);
		runs->runs = runs->runs ?
			repalloc_huge(runs->runs, sizeof(BlockRun) * runs->max) :
			palloc(sizeof(BlockRun) * runs->max);
	}
	runs->runs[runs->n].low = low;
	runs->runs[runs->n++].high = high;
}

/*
 * blocks_all: one run of all blocks, in place of what runs had.
 */
void
blocks_all(BlockRuns *runs)
{
	runs->n = 0;
	add_run(runs, 0, MaxBlockNumber);
}

static void
time_key(ScanKey key, StrategyNumber strategy, RegProcedure function,
		 TimestampTz t)
{
	ScanKeyEntryInitialize(key, 0, 1, strategy, TIMESTAMPTZOID, InvalidOid,
						   function, TimestampTzGetDatum(t));
}

/*
 * blocks_of_time: the blocks up to one that may have events from `from` to
 * `until`, both included, in place of what runs had.
 */
void
blocks_of_time(PartitionReader *reader, TimestampTz from, TimestampTz until,
			   BlockNumber high, BlockRuns *runs)
{
	Relation	index = reader_index(reader, INDEX_BRIN);
	TIDBitmap  *bitmap = tbm_create(work_mem * INT64CONST(1024), NULL);
	ScanKeyData keys[2];
	IndexScanDesc scan;
	BlockNumber block;

	compat_bitmap_iterator(iterator);

	time_key(&keys[0], BTGreaterEqualStrategyNumber, F_TIMESTAMPTZ_GE, from);
	time_key(&keys[1], BTLessEqualStrategyNumber, F_TIMESTAMPTZ_LE, until);
	scan = compat_index_beginscan_bitmap(index, reader->snapshot, 2);
	index_rescan(scan, keys, 2, NULL, 0);
	(void) index_getbitmap(scan, bitmap);
	index_endscan(scan);
	reader->stats.bitmaps++;

	runs->n = 0;
	compat_begin_bitmap(bitmap, iterator);
	while (compat_next_bitmap_page(iterator, &block) && block <= high)
	{
		if ((block & 0xfff) == 0)
			CHECK_FOR_INTERRUPTS();
		add_run(runs, block, block);
	}
	compat_end_bitmap(iterator);
	tbm_free(bitmap);
}
