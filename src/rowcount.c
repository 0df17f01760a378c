/*
 * rowcount.c
 *		How many rows a partition holds that is to be dropped.
 *
 * A row of a page that is marked all-visible has one entry in the index by
 * time, which is a tenth of the table's size and is read page by page as it lies
 * on disk.  Rows of other pages are looked at.
 *
 * This is not for a table that is written to meanwhile: a page of the index that
 * is split could be counted twice, or not at all.  So either the partition is
 * locked, or all of its pages are all-visible, so that nobody is about to insert
 * an entry, and it has the same stamp afterwards.
 */
#include "reader.h"

#include "access/heapam.h"
#include "access/visibilitymap.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/snapmgr.h"

/*
 * count_heap_page: how many rows of a page of the table are visible.
 */
static int
count_heap_page(Relation rel, BlockNumber block, Snapshot snapshot)
{
	Buffer		buffer = ReadBuffer(rel, block);
	Page		page = BufferGetPage(buffer);
	HeapTupleData tuple = {0};
	int			n = 0;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	tuple.t_tableOid = RelationGetRelid(rel);
	for (OffsetNumber i = FirstOffsetNumber; i <= PageGetMaxOffsetNumber(page);
		 i++)
	{
		ItemId		item = PageGetItemId(page, i);

		if (!ItemIdIsNormal(item))
			continue;
		tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
		tuple.t_len = ItemIdGetLength(item);
		ItemPointerSet(&tuple.t_self, block, i);
		if (HeapTupleSatisfiesVisibility(&tuple, snapshot, buffer))
			n++;
	}
	UnlockReleaseBuffer(buffer);
	return n;
}

/*
 * count_plain_rows: the visible rows of pages that are not all-visible, and how
 * many such pages there are.
 */
static int64
count_plain_rows(Relation rel, Snapshot snapshot, BlockNumber *nplain)
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(rel);
	Buffer		vmbuffer = InvalidBuffer;
	int64		n = 0;

	*nplain = 0;
	for (BlockNumber block = 0; block < nblocks; block++)
	{
		CHECK_FOR_INTERRUPTS();
		if (VM_ALL_VISIBLE(rel, block, &vmbuffer))
			continue;
		(*nplain)++;
		n += count_heap_page(rel, block, snapshot);
	}
	if (BufferIsValid(vmbuffer))
		ReleaseBuffer(vmbuffer);
	return n;
}

/*
 * entry_rows: of how many rows on all-visible pages an entry of the index is;
 * of all its rows where all pages are that.
 */
static int
entry_rows(Relation rel, IndexTuple entry, bool all, Buffer *vmbuffer)
{
	int			nrows = BTreeTupleIsPosting(entry) ?
	BTreeTupleGetNPosting(entry) : 1;
	int			n = 0;

	if (all)
		return nrows;
	for (int i = 0; i < nrows; i++)
	{
		ItemPointer tid = BTreeTupleIsPosting(entry) ?
		BTreeTupleGetPostingN(entry, i) : &entry->t_tid;

		if (VM_ALL_VISIBLE(rel, ItemPointerGetBlockNumber(tid), vmbuffer))
			n++;
	}
	return n;
}

/*
 * count_index_page: how many rows on all-visible pages the index's page has
 * entries of.
 */
static int
count_index_page(Relation rel, Page page, bool all, Buffer *vmbuffer)
{
	BTPageOpaque opaque = BTPageGetOpaque(page);
	OffsetNumber last = PageGetMaxOffsetNumber(page);
	int			n = 0;

	if (!P_ISLEAF(opaque) || P_IGNORE(opaque))
		return 0;
	for (OffsetNumber i = P_FIRSTDATAKEY(opaque); i <= last; i++)
	{
		ItemId		item = PageGetItemId(page, i);

		if (!ItemIdIsDead(item))
			n += entry_rows(rel, (IndexTuple) PageGetItem(page, item), all,
							vmbuffer);
	}
	return n;
}

static int64
count_visible_rows(Relation rel, Oid by_time, bool all)
{
	Relation	index = index_open(by_time, AccessShareLock);
	BufferAccessStrategy strategy = GetAccessStrategy(BAS_BULKREAD);
	BlockNumber nblocks = RelationGetNumberOfBlocks(index);
	Buffer		vmbuffer = InvalidBuffer;
	int64		n = 0;

	for (BlockNumber block = BTREE_METAPAGE + 1; block < nblocks; block++)
	{
		Buffer		buffer = ReadBufferExtended(index, MAIN_FORKNUM, block,
												RBM_NORMAL, strategy);

		CHECK_FOR_INTERRUPTS();
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		if (!PageIsNew(BufferGetPage(buffer)))
		{
			_bt_checkpage(index, buffer);
			n += count_index_page(rel, BufferGetPage(buffer), all, &vmbuffer);
		}
		UnlockReleaseBuffer(buffer);
	}
	if (BufferIsValid(vmbuffer))
		ReleaseBuffer(vmbuffer);
	FreeAccessStrategy(strategy);
	index_close(index, AccessShareLock);
	return n;
}

static int64
count_by_sql(Relation rel)
{
	int64		n;
	bool		isnull;

	run_sql(psprintf("SELECT pg_catalog.count(*) FROM ONLY %s",
					 qualified_name(RelationGetRelid(rel))),
			SPI_OK_SELECT);
	n = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
									SPI_tuptable->tupdesc, 1, &isnull));
	SPI_freetuptable(SPI_tuptable);
	return n;
}

/*
 * count_rows: of a partition that the caller has locked, within SPI.
 */
int64
count_rows(Relation rel)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	OpenPartition open;
	BlockNumber nplain;
	int64		n;

	if (open_partition(RelationGetRelid(rel), snapshot, &open))
	{
		n = count_plain_rows(rel, snapshot, &nplain);
		n += count_visible_rows(rel, open.indexes.by_time, nplain == 0);
		close_partition(&open);
	}
	else
		n = count_by_sql(rel);
	UnregisterSnapshot(snapshot);
	return n;
}
