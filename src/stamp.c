/*
 * stamp.c
 *		Has a table been written to since? told without reading it.
 *
 * A row that is inserted, updated or deleted takes the mark off its page in the
 * visibility map, if the page was marked all-visible, and only VACUUM, or a COPY
 * with FREEZE, sets a mark, which sets the LSN of the map's page.  Where the
 * page had no mark, its own LSN is set.  So a stamp holds the number of pages,
 * the LSNs of the map's pages, and which pages have no mark, with their LSNs;
 * and while these are what they were, nothing was written.  A page's LSN only
 * grows, so the sum of several tells whether any has changed.
 *
 * The pages without a mark must be few, as VACUUM leaves them where it finds
 * little to do.  So a table can be stamped when it has been vacuumed since most
 * of it was written, as autovacuum does with a partition whose time is over; and
 * only if changes of it are WAL-logged.
 */
#include "eventlog.h"

#include "access/visibilitymap.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

/* of the heap's pages, those that a page of the map is about */
#define BLOCKS_PER_MAP_PAGE \
	((BLCKSZ - MAXALIGN(SizeOfPageHeaderData)) * BITS_PER_BYTE / \
	 BITS_PER_HEAPBLOCK)

/*
 * stamp_map: the part of a stamp that takes no look at the heap; false when the
 * table cannot be stamped.
 */
static bool
stamp_map(Relation rel, HeapStamp *stamp)
{
	Buffer		buffer = InvalidBuffer;
	BlockNumber visible;

	memset(stamp, 0, sizeof(*stamp));
	if (!RelationNeedsWAL(rel))
		return false;
	stamp->nblocks = RelationGetNumberOfBlocks(rel);
	for (uint64 block = 0; block < stamp->nblocks; block += BLOCKS_PER_MAP_PAGE)
	{
		(void) visibilitymap_get_status(rel, (BlockNumber) block, &buffer);
		if (!BufferIsValid(buffer))
			return false;		/* there is no map */
		stamp->map_lsns += BufferGetLSNAtomic(buffer);
	}
	if (BufferIsValid(buffer))
		ReleaseBuffer(buffer);
	visibilitymap_count(rel, &visible, NULL);
	if (visible > stamp->nblocks || stamp->nblocks - visible > STAMP_PLAIN_PAGES)
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
 * stamp_heap: false when the table cannot be stamped.
 */
bool
stamp_heap(Relation rel, HeapStamp *stamp)
{
	Buffer		buffer = InvalidBuffer;
	int			n = 0;

	if (!stamp_map(rel, stamp))
		return false;
	for (BlockNumber block = 0; block < stamp->nblocks && n <= stamp->nplain;
		 block++)
	{
		CHECK_FOR_INTERRUPTS();
		if (VM_ALL_VISIBLE(rel, block, &buffer))
			continue;
		if (n < stamp->nplain)
		{
			stamp->plain[n] = block;
			stamp->plain_lsns += page_lsn(rel, block);
		}
		n++;
	}
	if (BufferIsValid(buffer))
		ReleaseBuffer(buffer);
	return n == stamp->nplain;
}

/*
 * stamp_holds: was nothing written since?
 *
 * No page gets a mark without the map's LSN, so while that and the number of
 * pages without marks are the same, so are the pages.
 */
bool
stamp_holds(Relation rel, const HeapStamp *stamp)
{
	HeapStamp	now;

	if (!stamp_map(rel, &now) || now.nblocks != stamp->nblocks ||
		now.map_lsns != stamp->map_lsns || now.nplain != stamp->nplain)
		return false;
	for (int i = 0; i < stamp->nplain; i++)
		now.plain_lsns += page_lsn(rel, stamp->plain[i]);
	return now.plain_lsns == stamp->plain_lsns;
}
