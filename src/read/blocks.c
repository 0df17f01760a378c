/*
 * blocks.c
 *		In which blocks of a partition may there be events of a time?
 *
 * BRIN tells, by one bitmap: of each range of 128 blocks it keeps the first
 * and the last time.  It never leaves out a block that has such an event:
 * ranges that are not summarized yet are in every answer.  That is what makes
 * it a certificate: when all that lies in other blocks has been seen, all
 * has.  It costs 0.1 µs a range and 25 ns a block of the answer.
 *
 * Blocks are kept as runs.  Rows get out of order by themselves, when a few
 * are put into space that was freed: between two runs of blocks there may be
 * many that need not be read.
 */
#include "read/read.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/tidbitmap.h"
#include "utils/fmgroids.h"

/*
 * can_certify: can BRIN be asked?
 *
 * It has no predicate locks of its own: under SERIALIZABLE the whole index
 * would be locked, and every INSERT into the partition conflict with that.
 */
bool
can_certify(const OpenPartition *open)
{
	return OidIsValid(open->indexes.brin.oid) && !IsolationIsSerializable();
}

static void
add_block(BlockRuns *runs, BlockNumber block)
{
	runs->blocks++;
	if (runs->n > 0 && runs->runs[runs->n - 1].high + 1 == block)
	{
		runs->runs[runs->n - 1].high = block;
		return;
	}
	if (runs->n == runs->max)
	{
		runs->max = Max(16, runs->max * 2);
		runs->runs = runs->runs ?
			repalloc_huge(runs->runs, sizeof(*runs->runs) * runs->max) :
			palloc(sizeof(*runs->runs) * runs->max);
	}
	runs->runs[runs->n].low = block;
	runs->runs[runs->n].high = block;
	runs->n++;
}

static void
brin_key(StrategyNumber strategy, RegProcedure function, TimestampTz t,
		 ScanKey key)
{
	ScanKeyEntryInitialize(key, 0, 1, strategy, TIMESTAMPTZOID, InvalidOid,
						   function, TimestampTzGetDatum(t));
}

/*
 * blocks_of_time: the blocks from low to high that may hold events from `from`
 * to `until`, both included, in place of what the runs had.
 */
void
blocks_of_time(OpenPartition *open, TimestampTz from, TimestampTz until,
			   BlockNumber low, BlockNumber high, BlockRuns *runs)
{
	Relation	index = use_index(open, &open->indexes.brin);
	TIDBitmap  *bitmap = tbm_create(work_mem * INT64CONST(1024), NULL);
	ScanKeyData keys[2];
	IndexScanDesc scan;
	BlockNumber block;

	compat_bitmap_iterator(iterator);

	brin_key(BTGreaterEqualStrategyNumber, F_TIMESTAMPTZ_GE, from, &keys[0]);
	brin_key(BTLessEqualStrategyNumber, F_TIMESTAMPTZ_LE, until, &keys[1]);
	scan = compat_index_beginscan_bitmap(index, open->snapshot, 2);
	index_rescan(scan, keys, 2, NULL, 0);
	(void) index_getbitmap(scan, bitmap);
	index_endscan(scan);
	open->stats.certificates++;

	runs->n = 0;
	runs->blocks = 0;
	compat_begin_bitmap(bitmap, iterator);
	while (compat_next_bitmap_page(iterator, &block) && block <= high)
	{
		if ((runs->blocks & 0xfff) == 0)
			CHECK_FOR_INTERRUPTS();
		if (block >= low)
			add_block(runs, block);
	}
	compat_end_bitmap(iterator);
	tbm_free(bitmap);
}
