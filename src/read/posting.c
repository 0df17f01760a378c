/*
 * posting.c
 *		Posting lists: the row pointers that an index has for a value, from the
 *		greatest down.
 *
 * Equal keys of a B-tree are in the order of their row pointers.  An index
 * scan for one key therefore returns the pointers in order, and without
 * fetching a row: 8 to 13 ns each.  Events are mostly written in the order of
 * their time, so that is nearly the order of a page.
 *
 * A stream is such a scan, read backward.  The tuples of the index come in
 * descending order, but the pointers of one posting tuple ascending, because
 * _bt_readpage() keeps them so for _bt_killitems().  A stream therefore reads
 * whole ascending runs and reverses them, which is right whichever way a
 * version of PostgreSQL returns them.
 *
 * The list of a value has one stream; that of several classes has a heap of
 * them.  A scan cannot be positioned at a pointer, so each stream is read
 * down to a given pointer.
 *
 * All indexes have the same pointer for the same version of a row, as
 * BitmapAnd in the executor relies on: rows that match on several columns are
 * in all of their lists.  A list also has pointers to other versions of rows,
 * so each row that is fetched is checked.
 */
#include "read/read.h"

#include "access/nbtree.h"
#include "miscadmin.h"

#define FIRST_BATCH	64
#define MAX_STREAMS	1000		/* open at once; each scan takes 27 kB */
#define SAMPLE		16			/* pointers for an estimate of the density */

/*
 * read_pointer: the next one of a scan; 0 at its end.
 */
static RowPlace
read_pointer(PostingStream *stream)
{
	ItemPointer tid = index_getnext_tid(stream->scan, BackwardScanDirection);

	if (tid == NULL)
		return 0;
	stream->reader->stats.entries++;
	return place_of(tid);
}

static void
add_to_batch(PostingStream *stream, RowPlace place)
{
	if (stream->n == stream->max)
	{
		stream->max = Max(FIRST_BATCH, stream->max * 2);
		stream->batch = stream->batch ?
			repalloc_huge(stream->batch, sizeof(RowPlace) * stream->max) :
			palloc(sizeof(RowPlace) * stream->max);
	}
	stream->batch[stream->n++] = place;
}

/*
 * read_batch: read at least so many pointers, if there are, and no part of a
 * run; and go to the greatest.
 */
static void
read_batch(PostingStream *stream, int least)
{
	CHECK_FOR_INTERRUPTS();
	stream->n = 0;
	while (stream->ahead != 0 && stream->n < least)
	{
		int			low = stream->n;
		RowPlace	last;

		do
		{
			last = stream->ahead;
			add_to_batch(stream, last);
			stream->ahead = read_pointer(stream);
		} while (stream->ahead > last);
		for (int high = stream->n - 1; low < high; low++, high--)
		{
			RowPlace	place = stream->batch[low];

			stream->batch[low] = stream->batch[high];
			stream->batch[high] = place;
		}
	}
	stream->next = 1;
	stream->place = stream->n > 0 ? stream->batch[0] : 0;
}

/*
 * stream_seek: go down to a place, or the next lower one.
 */
static inline void
stream_seek(PostingStream *stream, RowPlace place)
{
	while (stream->place > place)
	{
		if (stream->next < stream->n)
			stream->place = stream->batch[stream->next++];
		else
			read_batch(stream, 1);
	}
}

/*
 * stream_begin: read enough for an estimate.
 */
static void
stream_begin(PostingStream *stream)
{
	stream->ahead = read_pointer(stream);
	read_batch(stream, SAMPLE);
}

static void
stream_open(PostingStream *stream, PartitionReader *reader, Relation index,
			ScanKey keys, int nkeys)
{
	stream->reader = reader;
	stream->scan = reader_scan(reader, index, keys, nkeys, false);
	stream_begin(stream);
}

/*
 * compare_streams: for the heap.
 */
static int
compare_streams(Datum a, Datum b, void *arg)
{
	RowPlace	x = ((PostingStream *) DatumGetPointer(a))->place;
	RowPlace	y = ((PostingStream *) DatumGetPointer(b))->place;

	return x < y ? -1 : x > y;
}

/*
 * build_heap: of all streams, wherever they are.
 */
static void
build_heap(PostingList *list)
{
	binaryheap_reset(list->heap);
	for (int i = 0; i < list->n; i++)
		binaryheap_add_unordered(list->heap,
								 PointerGetDatum(&list->streams[i]));
	binaryheap_build(list->heap);
}

static PostingStream *
top_stream(const PostingList *list)
{
	return (PostingStream *) DatumGetPointer(binaryheap_first(list->heap));
}

/*
 * row_number: about how many rows of the table are before a place.
 */
static double
row_number(const PartitionReader *reader, RowPlace place)
{
	return place_block(place) * reader->rows_per_block +
		Min((double) (place & PG_UINT16_MAX), reader->rows_per_block);
}

/*
 * estimate_density: from the distance of the pointers read so far to the end
 * of the table.  They also show how many rows a block has, at least, which
 * matters where the table was never analyzed.
 */
static void
estimate_density(PostingList *list)
{
	PartitionReader *reader = list->reader;
	double		rows;

	(void) reader_rows(reader);
	for (int i = 0; i < list->n; i++)
	{
		for (int j = 0; j < list->streams[i].n; j++)
			reader->rows_per_block = Max(reader->rows_per_block,
										 list->streams[i].batch[j] & PG_UINT16_MAX);
	}
	rows = reader_rows(reader);
	list->density = 0;
	for (int i = 0; i < list->n; i++)
	{
		PostingStream *stream = &list->streams[i];
		double		lowest = stream->ahead == 0 ? 0 :
			row_number(reader, stream->batch[stream->n - 1]);

		if (stream->n > 0)
			list->density += stream->n /
				Max(Max(rows, row_number(reader, stream->place)) - lowest, 1);
	}
	list->density = Min(list->density, 1);
}

static void
begin_list(PostingList *list, PartitionReader *reader, Relation index, int n)
{
	list->reader = reader;
	list->index = index;
	list->moved = false;
	list->n = n;
	list->streams = palloc0(sizeof(PostingStream) * n);
	list->heap = binaryheap_allocate(n, compare_streams, NULL);
}

/*
 * list_open_column: the rows that have a value in a column that has an index.
 */
void
list_open_column(PostingList *list, PartitionReader *reader,
				 EventColumn column, const text *value)
{
	Relation	index = reader_index(reader, INDEX_BY_COLUMN + column);
	ScanKeyData key;

	begin_list(list, reader, index, 1);
	set_text_key(&key, index, 0, BTEqualStrategyNumber, value);
	stream_open(&list->streams[0], reader, index, &key, 1);
	build_heap(list);
	estimate_density(list);
	reader->stats.columns = bms_add_member(reader->stats.columns, column);
}

/*
 * list_open_classes: the rows of n classes that were found; false, and
 * nothing is open, if they are too many for that.
 */
bool
list_open_classes(PostingList *list, const ClassFinder *finder,
				  const EventClass *classes, int n)
{
	PartitionReader *reader = finder->reader;

	if (n > MAX_STREAMS)
		return false;
	begin_list(list, reader, finder->index, n);
	for (int i = 0; i < n; i++)
	{
		ScanKeyData keys[CLASS_NCOLUMNS];

		stream_open(&list->streams[i], reader, finder->index, keys,
					classes_keys(finder, &classes[i], keys));
	}
	build_heap(list);
	estimate_density(list);
	for (int i = 0; i < finder->shape->ncolumns; i++)
	{
		if (filters_column(finder->filter, finder->shape->columns[i]))
			reader->stats.columns = bms_add_member(reader->stats.columns,
												   finder->shape->columns[i]);
	}
	return true;
}

/*
 * list_place: the current pointer; 0 at the end.
 */
RowPlace
list_place(const PostingList *list)
{
	return top_stream(list)->place;
}

/*
 * list_seek: go down to a place, or the next lower one; never up.
 */
void
list_seek(PostingList *list, RowPlace place)
{
	PostingStream *stream;

	list->moved = true;
	while ((stream = top_stream(list))->place > place)
	{
		stream_seek(stream, place);
		if (list->n > 1)
			binaryheap_replace_first(list->heap, PointerGetDatum(stream));
	}
}

/*
 * list_restart: back to the greatest place.
 */
void
list_restart(PostingList *list)
{
	if (!list->moved)
		return;
	for (int i = 0; i < list->n; i++)
	{
		IndexScanDesc scan = list->streams[i].scan;

		index_rescan(scan, scan->keyData, scan->numberOfKeys, NULL, 0);
		list->reader->stats.searches++;
		stream_begin(&list->streams[i]);
	}
	build_heap(list);
	list->moved = false;
}

void
list_close(PostingList *list)
{
	for (int i = 0; i < list->n; i++)
	{
		index_endscan(list->streams[i].scan);
		if (list->streams[i].batch)
			pfree(list->streams[i].batch);
	}
	pfree(list->streams);
	binaryheap_free(list->heap);
}

/*
 * lists_meet: go to the greatest place that is in all lists, from where they
 * are; 0 if there is none.
 */
RowPlace
lists_meet(PostingList *lists, int n)
{
	RowPlace	place = list_place(&lists[0]);
	int			same = 1;

	for (int i = 1 % n; place != 0 && same < n; i = (i + 1) % n)
	{
		CHECK_FOR_INTERRUPTS();
		list_seek(&lists[i], place);
		if (list_place(&lists[i]) == place)
			same++;
		else
		{
			place = list_place(&lists[i]);
			same = 1;
		}
	}
	return place;
}
