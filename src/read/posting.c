/*
 * posting.c
 *		Posting lists: the row pointers that an index has for a value, from the
 *		greatest down.
 *
 * Equal keys of a B-tree stand in the order of their row pointers, so an
 * index scan for one key gives pointers in order, and no row is fetched for
 * that: 8 to 13 ns each.  As events are mostly written in the order of their
 * time, that is nearly the order of a page.
 *
 * 1. Streams
 *
 * A stream is such a scan, read backward.  Tuples of the index come in
 * descending order, but the pointers of one posting tuple ascending:
 * _bt_readpage() returns them so for the sake of _bt_killitems().  A stream
 * gathers each ascending run and hands it out from its end, which is right
 * whichever way a version returns them.
 *
 * 2. Lists
 *
 * The list of several classes is a heap of streams.  What is sought is sought
 * in each stream by itself: a scan cannot be positioned at a pointer.  An
 * open scan takes 27 kB, so the pointers of very many classes are read into a
 * set in place of that: a word of 64 bits for each block of the table, where
 * a bit stands for all row numbers that are equal modulo 64.  It may name
 * rows that are in no list.  So does any list: of a row that was updated, an
 * index keeps the pointers of both versions.  Each row that is fetched is
 * checked.
 *
 * 3. Meeting
 *
 * Indexes name the same pointer for the same version of a row, as PostgreSQL's
 * BitmapAnd counts on too: rows that match by several columns are in all their
 * lists.
 */
#include "read/read.h"

#include "access/nbtree.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#define FIRST_RUN	64
#define MAX_STREAMS	250			/* open at once */
#define SAMPLE		16			/* pointers that tell a density */
#define DENSE_SET	0.2			/* a set of more of the rows is of no use */
#define SET_BITS	64
#define set_bit(place)	(UINT64CONST(1) << ((place) % SET_BITS))

/*
 * read_pointer: the next of a stream's scan, 0 at its end.
 */
static RowPlace
read_pointer(OpenPartition *open, PostingStream *stream)
{
	ItemPointer tid = index_getnext_tid(stream->scan, BackwardScanDirection);

	if (tid == NULL)
		return 0;
	open->stats.entries++;
	return place_of(tid);
}

/*
 * read_run: the next ascending run of a stream's scan, above what the stream
 * still has: none, or (sampling) what comes after it.
 *
 * Runs descend in an index that tells equal keys apart by their rows, as all
 * do that were built by PostgreSQL 12 or newer.
 */
static void
read_run(OpenPartition *open, PostingStream *stream, RowPlace lowest)
{
	int			first = stream->n;
	RowPlace	place = stream->ahead;
	RowPlace	highest = 0;

	CHECK_FOR_INTERRUPTS();
	while (place != 0)
	{
		if (stream->n == stream->max)
		{
			stream->max *= 2;
			stream->run = repalloc(stream->run, sizeof(RowPlace) * stream->max);
		}
		stream->run[stream->n++] = highest = place;
		stream->ahead = read_pointer(open, stream);
		if (stream->ahead < place)
			break;
		place = stream->ahead;
	}
	if (lowest != 0 && highest >= lowest)
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("index \"%s\" does not keep equal keys in the order of their rows",
						RelationGetRelationName(stream->scan->indexRelation)),
				 errhint("REINDEX INDEX %s",
						 qualified_name(RelationGetRelid(stream->scan->indexRelation)))));
	if (first > 0)
	{
		/* lower pointers come before those that there were */
		int			n = stream->n - first;
		RowPlace   *higher = palloc(sizeof(RowPlace) * first);

		memcpy(higher, stream->run, sizeof(RowPlace) * first);
		memmove(stream->run, stream->run + first, sizeof(RowPlace) * n);
		memcpy(stream->run + n, higher, sizeof(RowPlace) * first);
		pfree(higher);
	}
}

/*
 * stream_next: go to the next lower pointer.
 */
static void
stream_next(OpenPartition *open, PostingStream *stream)
{
	if (stream->n == 0)
		read_run(open, stream, stream->place);
	stream->place = stream->n > 0 ? stream->run[--stream->n] : 0;
}

/*
 * begin_stream: position the scan at its keys' greatest pointer, and read on
 * until there are enough for an estimate.
 */
static void
begin_stream(OpenPartition *open, PostingStream *stream)
{
	open->stats.descents++;
	stream->n = 0;
	stream->ahead = read_pointer(open, stream);
	while (stream->n < SAMPLE && stream->ahead != 0)
		read_run(open, stream, stream->n > 0 ? stream->run[0] : 0);
	stream->place = stream->n > 0 ? stream->run[--stream->n] : 0;
}

static void
open_stream(OpenPartition *open, PostingStream *stream, Relation index,
			ScanKey keys, int nkeys)
{
	stream->scan = compat_index_beginscan(open->rel, index, open->snapshot,
										  nkeys);
	index_rescan(stream->scan, keys, nkeys, NULL, 0);
	stream->max = FIRST_RUN;
	stream->run = palloc(sizeof(RowPlace) * stream->max);
	begin_stream(open, stream);
}

/*
 * sift_down: put the heap's stream i in its place.
 */
static void
sift_down(PostingList *list, int i)
{
	PostingStream *streams = list->streams;
	PostingStream moved = streams[i];

	for (;;)
	{
		int			child = 2 * i + 1;

		if (child >= list->n)
			break;
		if (child + 1 < list->n &&
			streams[child + 1].place > streams[child].place)
			child++;
		if (streams[child].place <= moved.place)
			break;
		streams[i] = streams[child];
		i = child;
	}
	streams[i] = moved;
}

static void
build_heap(PostingList *list)
{
	for (int i = list->n / 2 - 1; i >= 0; i--)
		sift_down(list, i);
}

/*
 * row_number: about how many rows of the table lie before a place.
 */
static double
row_number(const OpenPartition *open, RowPlace place)
{
	return place_block(place) * open->rows_per_block +
		Min((double) (place & PG_UINT16_MAX), open->rows_per_block);
}

/*
 * estimate_density: which part of the table's rows is in the list, from the
 * distance of its first pointers and the table's end.
 */
static void
estimate_density(PostingList *list)
{
	OpenPartition *open = list->open;
	double		end;

	measure_table(open);
	end = (open->nblocks - 1.0) * open->rows_per_block;
	list->density = 0;
	for (int i = 0; i < list->n; i++)
	{
		PostingStream *stream = &list->streams[i];
		double		lowest = 0;

		if (stream->place == 0)
			continue;
		if (stream->ahead != 0 && stream->n > 0)
			lowest = row_number(open, stream->run[0]);
		list->density += (stream->n + 1) /
			Max(Max(end, row_number(open, stream->place)) - lowest + 1, 1);
	}
	list->density = Min(list->density, 1);
}

/*
 * list_of_column: the rows that have a value in a column with an index of its
 * own.
 */
void
list_of_column(PostingList *list, OpenPartition *open, EventColumn column,
			   const text *value)
{
	Relation	index = use_index(open, &open->indexes.by_column[column]);
	ScanKeyData key;

	memset(list, 0, sizeof(*list));
	list->open = open;
	list->n = 1;
	list->streams = palloc0(sizeof(PostingStream));
	text_key(index, 0, BTEqualStrategyNumber, value, &key);
	open_stream(open, &list->streams[0], index, &key, 1);
	estimate_density(list);
	open->stats.columns = bms_add_member(open->stats.columns, column);
}

/*
 * list_of_class: the rows of one class that was found.
 */
void
list_of_class(PostingList *list, const ClassFinder *finder,
			  const EventClass *class)
{
	ScanKeyData keys[CLASS_NCOLUMNS];
	int			n = class_keys(finder->index, class, finder->shape->ncolumns,
							   keys);

	memset(list, 0, sizeof(*list));
	list->open = finder->open;
	list->n = 1;
	list->streams = palloc0(sizeof(PostingStream));
	open_stream(list->open, &list->streams[0], finder->index, keys, n);
	estimate_density(list);
}

/*
 * read_classes: the rows of very many classes into the list's set; false when
 * that would not fit in memory, or be of no use.
 */
static bool
read_classes(PostingList *list, const ClassFinder *finder)
{
	OpenPartition *open = list->open;
	int64		total = 0;
	double		most;
	PostingStream stream = {0};

	if (!list_begin_set(list))
		return false;
	most = open->rows_per_block * Max((double) open->nblocks, 1) * DENSE_SET;
	for (int i = 0; i < finder->n && total <= most; i++)
	{
		ScanKeyData keys[CLASS_NCOLUMNS];
		RowPlace	place;
		int			n = class_keys(finder->index, &finder->found[i],
								   finder->shape->ncolumns, keys);

		if (i == 0)
			stream.scan = compat_index_beginscan(open->rel, finder->index,
												 open->snapshot, n);
		index_rescan(stream.scan, keys, n, NULL, 0);
		open->stats.descents++;
		while (total <= most && (place = read_pointer(open, &stream)) != 0)
		{
			if ((++total & 0xfff) == 0)
				CHECK_FOR_INTERRUPTS();
			if (place_block(place) >= open->nblocks)
				continue;		/* newer than the snapshot */
			list->set[place_block(place)] |= set_bit(place);
			list->set_max = Max(list->set_max, (int) (place & PG_UINT16_MAX));
		}
	}
	index_endscan(stream.scan);
	if (total > most)
	{
		list_close(list);
		return false;
	}
	list->density = Min(total / (open->rows_per_block *
								 Max((double) open->nblocks, 1)), 1);
	list->by_set = true;
	list_restart(list);
	return true;
}

/*
 * list_of_classes: the rows of all classes that were found; false when they
 * are too many to be read.
 */
bool
list_of_classes(PostingList *list, OpenPartition *open,
				const ClassFinder *finder)
{
	memset(list, 0, sizeof(*list));
	list->open = open;
	for (int i = 0; i < finder->shape->ncolumns; i++)
	{
		if (filters_column(finder->filter, finder->shape->columns[i]))
			open->stats.columns = bms_add_member(open->stats.columns,
												 finder->shape->columns[i]);
	}
	if (finder->n > MAX_STREAMS)
		return read_classes(list, finder);
	list->n = finder->n;
	list->streams = palloc0(sizeof(PostingStream) * Max(list->n, 1));
	for (int i = 0; i < list->n; i++)
	{
		ScanKeyData keys[CLASS_NCOLUMNS];

		open_stream(open, &list->streams[i], finder->index, keys,
					class_keys(finder->index, &finder->found[i],
							   finder->shape->ncolumns, keys));
	}
	build_heap(list);
	estimate_density(list);
	return true;
}

/*
 * set_next: the set's next lower place, 0 at its end.
 */
static void
set_next(PostingList *list)
{
	BlockNumber block = place_block(list->set_place);
	int			offset = (int) (list->set_place & PG_UINT16_MAX);

	for (;;)
	{
		while (--offset > 0)
		{
			if (list->set[block] & set_bit(offset))
			{
				list->set_place = (RowPlace) block << 16 | offset;
				return;
			}
		}
		do
		{
			if (block == 0)
			{
				list->set_place = 0;
				return;
			}
			block--;
		} while (list->set[block] == 0);
		offset = list->set_max + 1;
	}
}

RowPlace
list_place(const PostingList *list)
{
	if (list->by_set)
		return list->set_place;
	return list->n > 0 ? list->streams[0].place : 0;
}

/*
 * list_next: go to the next lower place.
 */
void
list_next(PostingList *list)
{
	if (list->by_set)
	{
		set_next(list);
		return;
	}
	stream_next(list->open, &list->streams[0]);
	if (list->n > 1)
		sift_down(list, 0);
}

/*
 * list_seek: go to a place, or the next lower one; not upward.
 */
void
list_seek(PostingList *list, RowPlace place)
{
	if (list->by_set)
	{
		if (list->set_place > place)
		{
			list->set_place = place + 1;
			set_next(list);
		}
		return;
	}
	while (list->n > 0 && list->streams[0].place > place)
	{
		CHECK_FOR_INTERRUPTS();
		do
			stream_next(list->open, &list->streams[0]);
		while (list->streams[0].place > place);
		if (list->n > 1)
			sift_down(list, 0);
	}
}

/*
 * list_restart: begin anew at the greatest place.
 */
void
list_restart(PostingList *list)
{
	if (list->by_set)
	{
		/* behind the last block, whose word is empty */
		list->set_place = (RowPlace) list->open->nblocks << 16;
		set_next(list);
		return;
	}
	for (int i = 0; i < list->n; i++)
	{
		IndexScanDesc scan = list->streams[i].scan;

		index_rescan(scan, scan->keyData, scan->numberOfKeys, NULL, 0);
		begin_stream(list->open, &list->streams[i]);
	}
	build_heap(list);
}

void
list_close(PostingList *list)
{
	for (int i = 0; i < list->n; i++)
	{
		index_endscan(list->streams[i].scan);
		pfree(list->streams[i].run);
	}
	if (list->streams)
		pfree(list->streams);
	if (list->set)
		pfree(list->set);
	memset(list, 0, sizeof(*list));
}

/*
 * lists_meet: go to the greatest place that is in all lists, from where they
 * stand; 0 when there is none.
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

/*
 * list_begin_set: make an empty set; false when it would not fit in work_mem.
 */
bool
list_begin_set(PostingList *list)
{
	Size		size;

	measure_table(list->open);
	size = sizeof(uint64) * ((Size) list->open->nblocks + 1);
	if (size > work_mem * (Size) 1024)
		return false;
	if (list->set == NULL)
		list->set = MemoryContextAllocExtended(CurrentMemoryContext, size,
											   MCXT_ALLOC_HUGE |
											   MCXT_ALLOC_ZERO);
	return true;
}

/*
 * list_read_down: read the list into its set, down to a place.
 */
void
list_read_down(PostingList *list, RowPlace low)
{
	if (list->by_set)
		return;
	for (int i = 0; i < list->n; i++)
	{
		PostingStream *stream = &list->streams[i];

		CHECK_FOR_INTERRUPTS();
		while (stream->place >= low && stream->place != 0)
		{
			if (place_block(stream->place) < list->open->nblocks)
				list->set[place_block(stream->place)] |=
					set_bit(stream->place);
			stream_next(list->open, stream);
		}
	}
}

bool
list_set_has(const PostingList *list, RowPlace place)
{
	return place_block(place) < list->open->nblocks &&
		(list->set[place_block(place)] & set_bit(place)) != 0;
}
