/*
 * visible.c
 *		Counting the entries of an index whose rows are visible.
 *
 * As in an index-only scan, the visibility map shows which rows need not be
 * looked at.  The scan keeps the pin on the page whose entry it returned
 * last, so VACUUM cannot remove that entry and mark the block of its row as
 * all-visible before we look.
 */
#include "read/read.h"

#include "access/tableam.h"
#include "access/visibilitymap.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"

/*
 * pass_over: go on in a scan, which wants index tuples, until there have been
 * so many entries of visible rows; how many.  If fewer, the scan is at its
 * end.
 */
int64
pass_over(PartitionReader *reader, IndexScanDesc scan, ScanDirection direction,
		  int64 most)
{
	Buffer		vmbuffer = InvalidBuffer;
	BlockNumber block = InvalidBlockNumber;
	bool		all_visible = false;
	int64		n = 0;
	ItemPointer tid;

	while (n < most && (tid = index_getnext_tid(scan, direction)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		reader->stats.entries++;
		if (ItemPointerGetBlockNumber(tid) != block || !all_visible)
		{
			block = ItemPointerGetBlockNumber(tid);
			all_visible = VM_ALL_VISIBLE(reader->rel, block, &vmbuffer);
			if (all_visible)
				PredicateLockPage(reader->rel, block, reader->snapshot);
		}
		if (!all_visible)
		{
			reader->stats.fetched++;
			if (!index_fetch_heap(scan, reader_slot(reader)))
				continue;
			ExecClearTuple(reader->slot);
		}
		n++;
	}
	if (BufferIsValid(vmbuffer))
		ReleaseBuffer(vmbuffer);
	return n;
}
