/*
 * count.c
 *		How many events of a partition match, and how many of each class.
 *
 * What a filter asks for is often just what an index has: all events, those of
 * a value, of some classes, of a time.  Then its entries are counted, and the
 * visibility map tells which of their rows need not be looked at, as for an
 * index-only scan.  The scan keeps the pin on the page whose entry it has
 * returned last, so VACUUM cannot remove an entry and mark its row's block as
 * all-visible before we ask.
 *
 * Otherwise rows are counted: those in all of the filter's posting lists, or
 * those of the time.
 */
#include "read/read.h"

#include "access/visibilitymap.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define SPARSE	0.05			/* so few rows in a window are counted by list */

/*
 * TypeKey: a type and level, padded by zeroes.
 */
#define TYPE_BYTES 280

typedef struct TypeKey
{
	char		bytes[TYPE_BYTES];
} TypeKey;

typedef struct DatedType
{
	TypeKey		key;
	Oid			partition;		/* the newest one that has such events */
} DatedType;

typedef struct CountedType
{
	TypeKey		key;
	EventClass	class;			/* its type and level */
	int64		events;
	TimestampTz newest;
} CountedType;

/*
 * pass_over: go on in a scan, which wants index tuples, until so many entries
 * of visible rows have come; how many there were.  If they were fewer, the
 * scan is at its end.
 */
int64
pass_over(OpenPartition *open, IndexScanDesc scan, ScanDirection direction,
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
		open->stats.entries++;
		if (ItemPointerGetBlockNumber(tid) != block || !all_visible)
		{
			block = ItemPointerGetBlockNumber(tid);
			all_visible = VM_ALL_VISIBLE(open->rel, block, &vmbuffer);
			if (all_visible)
				PredicateLockPage(open->rel, block, open->snapshot);
		}
		if (!all_visible)
		{
			open->stats.fetched++;
			if (!index_fetch_heap(scan, row_slot(open)))
				continue;
			ExecClearTuple(open->slot);
		}
		n++;
	}
	if (BufferIsValid(vmbuffer))
		ReleaseBuffer(vmbuffer);
	return n;
}

/*
 * count_scan: how many entries of a scan, which wants index tuples, are of
 * visible rows.  Ends the scan.
 */
static int64
count_scan(OpenPartition *open, IndexScanDesc scan)
{
	int64		n = pass_over(open, scan, ForwardScanDirection, PG_INT64_MAX);

	index_endscan(scan);
	return n;
}

static int64
count_keys(OpenPartition *open, Relation index, ScanKey keys, int nkeys)
{
	IndexScanDesc scan = compat_index_beginscan(open->rel, index,
												open->snapshot, nkeys);

	scan->xs_want_itup = true;
	index_rescan(scan, keys, nkeys, NULL, 0);
	open->stats.descents++;
	return count_scan(open, scan);
}

/*
 * count_all: all rows, by the smallest index that has them all.
 */
static int64
count_all(OpenPartition *open)
{
	const PartitionIndexes *indexes = &open->indexes;
	const UsableIndex *index = &indexes->by_time;

	for (int i = 0; i < NCLASS_INDEXES; i++)
	{
		if (OidIsValid(indexes->by_class[i].oid))
			index = &indexes->by_class[i];
	}
	return count_keys(open, use_index(open, index), NULL, 0);
}

/*
 * count_class: the rows of a class that was found.
 */
static int64
count_class(ClassFinder *finder, const EventClass *class)
{
	ScanKeyData keys[CLASS_NCOLUMNS];
	int			n = class_keys(finder->index, class, finder->shape->ncolumns,
							   keys);

	return count_keys(finder->open, finder->index, keys, n);
}

/*
 * filter_needs: which columns does the filter ask for?
 */
static Bitmapset *
filter_needs(const Filter *filter)
{
	Bitmapset  *columns = NULL;

	for (int col = 0; col < EVENT_NCOLUMNS; col++)
	{
		if (filters_column(filter, col))
			columns = bms_add_member(columns, col);
	}
	return columns;
}

/*
 * has_columns: is all that the filter asks for in an index of classes?
 */
static bool
has_columns(ClassIndex which, const Filter *filter)
{
	Bitmapset  *columns = filter_needs(filter);

	for (int i = 0; i < class_indexes[which].ncolumns; i++)
		columns = bms_del_member(columns, class_indexes[which].columns[i]);
	return bms_is_empty(columns);
}

/*
 * count_by_row: rows of a range that match, of those in all lists.
 */
static int64
count_by_row(OpenPartition *open, const Filter *filter,
			 const EventRange *range, PostingList *lists, int n)
{
	RowPlace	place;
	int64		events = 0;

	while ((place = lists_meet(lists, n)) != 0)
	{
		EventKey	key;

		CHECK_FOR_INTERRUPTS();
		list_next(&lists[0]);
		open->stats.fetched++;
		if (!fetch_row(open, place) || !row_matches(filter, open))
			continue;
		key = row_key(open);
		events += key_in_range(&key, range);
	}
	return events;
}

/*
 * count_by_time: the same by the index by time.
 */
static int64
count_by_time(OpenPartition *open, const Filter *filter,
			  const EventRange *range)
{
	IndexScanDesc scan = begin_time_scan(open, range, filter->only_window);
	int64		events = 0;

	if (filter->only_window)
		return count_scan(open, scan);
	while (index_getnext_slot(scan, BackwardScanDirection, row_slot(open)))
	{
		CHECK_FOR_INTERRUPTS();
		open->stats.entries++;
		open->stats.fetched++;
		if (row_matches(filter, open))
			events++;
	}
	ExecClearTuple(open->slot);
	index_endscan(scan);
	return events;
}

/*
 * count_by_lists: by the posting lists of what the filter asks for.
 *
 * A single list that says all is counted without its rows.
 */
static int64
count_by_lists(OpenPartition *open, const Filter *filter,
			   const EventRange *range, bool within)
{
	Bitmapset  *columns = filter_needs(filter);
	PostingList lists[EVENT_NCOLUMNS + 1];
	int			n = 0;
	ClassFinder finder = {0};
	ClassIndex	which;
	int64		events = 0;
	double		density = 1;

	for (int col = 0; col < EVENT_NCOLUMNS; col++)
	{
		const UsableIndex *index = &open->indexes.by_column[col];

		if (filter->equal[col] == NULL || !OidIsValid(index->oid))
			continue;
		if (within && bms_membership(columns) == BMS_SINGLETON)
		{
			ScanKeyData key;
			Relation	rel = use_index(open, index);

			text_key(rel, 0, BTEqualStrategyNumber, filter->equal[col], &key);
			return count_keys(open, rel, &key, 1);
		}
		list_of_column(&lists[n], open, col, filter->equal[col]);
		if (list_place(&lists[n++]) == 0)
			goto done;
	}
	if (has_class_filter(filter) &&
		choose_class_index(open, filter, false, &which))
	{
		begin_finder(&finder, open, filter, which);
		(void) find_classes(&finder, INT_MAX);
		if (within && has_columns(which, filter))
		{
			for (int i = 0; i < finder.n; i++)
				events += count_class(&finder, &finder.found[i]);
			goto done;
		}
		if (finder.n == 0)
			goto done;
		if (list_of_classes(&lists[n], open, &finder))
			n++;
	}
	for (int i = 0; i < n; i++)
		density *= lists[i].density;
	if (n > 0 && (within || density < SPARSE))
		events = count_by_row(open, filter, range, lists, n);
	else
		events = count_by_time(open, filter, range);
done:
	end_finder(&finder);
	for (int i = 0; i < n; i++)
		list_close(&lists[i]);
	return events;
}

/*
 * count_in: how many events of a partition match.  within: the partition lies
 * in the filter's window.
 *
 * Where a window cuts a partition, its rows lie near each other by time, as
 * the rows of a list do not.
 */
int64
count_in(OpenPartition *open, const Filter *filter, const EventRange *range,
		 bool within)
{
	if (filter->only_window && within)
		return count_all(open);
	if (filter->only_window)
		return count_by_time(open, filter, range);
	return count_by_lists(open, filter, range, within);
}

static HTAB *
type_table(const char *name, Size entrysize)
{
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(TypeKey);
	ctl.entrysize = entrysize;
	ctl.hcxt = CurrentMemoryContext;
	return hash_create(name, 256, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/*
 * type_key: false when the type and level of a class do not make a key, as
 * those of a log without its CHECK constraints may not.
 */
static bool
type_key(const EventClass *class, TypeKey *key)
{
	int			at = 0;

	memset(key, 0, sizeof(*key));
	for (int i = 0; i < 2; i++)
	{
		const text *value = class->columns[i];
		int			len = value ? VARSIZE_ANY_EXHDR(value) : 0;

		if (value == NULL || at + len + 1 > TYPE_BYTES)
			return false;
		memcpy(key->bytes + at, VARDATA_ANY(value), len);
		at += len + 1;
	}
	return true;
}

/*
 * begin_dating: an empty set of types that have been dated.
 */
HTAB *
begin_dating(void)
{
	return type_table("eventlog dated types", sizeof(DatedType));
}

/*
 * was_dated: is the newest event of such a type in a newer partition?
 */
static bool
was_dated(HTAB *dated, Oid partition, const EventClass *class)
{
	TypeKey		key;
	bool		found;
	DatedType  *entry;

	if (dated == NULL || !type_key(class, &key))
		return false;
	entry = hash_search(dated, &key, HASH_ENTER, &found);
	if (!found)
		entry->partition = partition;
	return entry->partition != partition;
}

/*
 * count_row: count the row in the slot among its type's; false when that is
 * none.
 */
static bool
count_row(HTAB *types, OpenPartition *open)
{
	EventClass	class = {0};
	TypeKey		key;
	CountedType *type;
	bool		found;

	for (int i = 0; i < 2; i++)
	{
		AttrNumber	attnum =
		open->indexes.attnum[class_indexes[CLASS_BY_TYPE].columns[i]];
		bool		isnull;
		Datum		value = slot_getattr(open->slot, attnum, &isnull);

		class.columns[i] = isnull ? NULL : DatumGetTextPP(value);
	}
	if (!type_key(&class, &key))
		return false;
	type = hash_search(types, &key, HASH_ENTER, &found);
	if (!found)
	{
		type->events = 0;
		type->newest = row_key(open).occurred_at;
		memset(&type->class, 0, sizeof(type->class));
		for (int i = 0; i < 2; i++)
			type->class.columns[i] =
				DatumGetTextPCopy(PointerGetDatum(class.columns[i]));
	}
	type->events++;
	return true;
}

/*
 * count_types_by_time: count_classes_in() where a window cuts the partition,
 * by type and level alone: its rows lie near each other by time, as the rows
 * of a class do not.
 */
static bool
count_types_by_time(OpenPartition *open, const Filter *filter,
					const EventRange *range, ClassSink sink, void *arg)
{
	HTAB	   *types = type_table("eventlog counted types",
								   sizeof(CountedType));
	IndexScanDesc scan = begin_time_scan(open, range, false);
	HASH_SEQ_STATUS status;
	CountedType *type;
	bool		known = true;

	while (known &&
		   index_getnext_slot(scan, BackwardScanDirection, row_slot(open)))
	{
		CHECK_FOR_INTERRUPTS();
		open->stats.entries++;
		open->stats.fetched++;
		if (row_matches(filter, open))
			known = count_row(types, open);
	}
	ExecClearTuple(row_slot(open));
	index_endscan(scan);
	hash_seq_init(&status, types);
	while (known && (type = hash_seq_search(&status)) != NULL)
		sink(arg, type->class.columns, type->events, type->newest);
	if (!known)
		hash_seq_term(&status);
	return known;
}

/*
 * newest_of_class: the time of a class's newest event in the partition.
 */
static TimestampTz
newest_of_class(ClassFinder *finder, const EventRange *range,
				const EventClass *class)
{
	FoundList	found = {.need = 1,.context = CurrentMemoryContext};

	if (!find_newest_of_class(finder, range, class, &found))
		return DT_NOBEGIN;
	return found.items[0].key.occurred_at;
}

/*
 * count_classes_in: tell sink how many events of each class match; false when
 * the index of classes cannot tell.
 *
 * The newest event's time is told where no newer partition, by the set of
 * dated types, has events of the type: DT_NOBEGIN otherwise.
 */
bool
count_classes_in(OpenPartition *open, const Filter *filter,
				 const EventRange *range, bool within, HTAB *dated,
				 ClassSink sink, void *arg)
{
	ClassFinder finder;
	ClassIndex	which;

	if (!within)
		return count_types_by_time(open, filter, range, sink, arg);
	if (!choose_class_index(open, filter, true, &which) ||
		!has_columns(which, filter))
		return false;
	begin_finder(&finder, open, filter, which);
	(void) find_classes(&finder, INT_MAX);
	for (int i = 0; i < finder.n; i++)
	{
		EventClass *class = &finder.found[i];
		int64		events = count_class(&finder, class);
		TimestampTz newest = DT_NOBEGIN;

		if (events > 0 && !was_dated(dated, open->indexes.partition, class))
			newest = newest_of_class(&finder, range, class);
		if (events > 0)
			sink(arg, class->columns, events, newest);
	}
	end_finder(&finder);
	return true;
}

/*
 * count_by_sql: all rows of a partition.  Within SPI.
 */
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
 * count_rows: the rows of a partition that the caller has locked and is about
 * to drop.  Within SPI.
 */
int64
count_rows(Relation rel)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	OpenPartition open;
	int64		n;

	if (open_partition(RelationGetRelid(rel), snapshot, &open))
	{
		n = count_all(&open);
		close_partition(&open);
	}
	else
		n = count_by_sql(rel);
	UnregisterSnapshot(snapshot);
	return n;
}
