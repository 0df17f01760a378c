/*
 * count.c
 *		How many events match, also by type and level.
 *
 * What a filter asks for is often exactly what an index has: all events,
 * those of a value, of some classes, of a time.  Then the entries of the
 * index are counted (visible.c).
 *
 * Where the window of such a filter cuts a partition, the rows are looked at,
 * of the list if that is sparse, or else of the window.  All other filters
 * are counted by one SQL statement, whose plan can combine several indexes,
 * too.
 */
#include "read/read.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define SPARSE	0.05			/* so few rows in a window are counted by list */

/*
 * count_scan: the entries of visible rows in an index.
 */
static int64
count_scan(PartitionReader *reader, int which, ScanKey keys, int nkeys)
{
	IndexScanDesc scan = reader_scan(reader, reader_index(reader, which), keys,
									 nkeys, true);
	int64		n = pass_over(reader, scan, ForwardScanDirection, PG_INT64_MAX);

	index_endscan(scan);
	return n;
}

/*
 * count_all: all rows, by the smallest index that has them all.
 */
static int64
count_all(PartitionReader *reader)
{
	int			which = INDEX_BY_TIME;

	for (int i = 0; i < NCLASS_INDEXES; i++)
	{
		if (OidIsValid(reader->indexes[i]))
			which = i;
	}
	return count_scan(reader, which, NULL, 0);
}

/*
 * Tally: events being counted.
 */
typedef struct Tally
{
	const Filter *filter;
	EventRange	range;
	int64		events;
	HTAB	   *types;			/* NULL: they are not counted by type */
	bool		odd;			/* there is one that has no TypeCount */
} Tally;

/*
 * type_count: where events of a type and level are counted; NULL if they have
 * no place, which can only be in a log without its CHECK constraints.
 */
static TypeCount *
type_count(Tally *tally, const text *type, const text *level)
{
	char		key[TYPE_KEY_BYTES] = {0};
	int			len = type ? VARSIZE_ANY_EXHDR(type) : 0;
	int			number = level ? level_find(VARDATA_ANY(level),
											VARSIZE_ANY_EXHDR(level)) : -1;
	TypeCount  *count;
	bool		found;

	if (type == NULL || len + 2 > TYPE_KEY_BYTES || number < 0)
	{
		tally->odd = true;
		return NULL;
	}
	key[0] = number + 1;
	memcpy(key + 1, VARDATA_ANY(type), len);
	count = hash_search(tally->types, key, HASH_ENTER, &found);
	if (!found)
	{
		count->partition = InvalidOid;
		count->events = 0;
		count->newest = DT_NOBEGIN;
	}
	return count;
}

/*
 * tally_row: the row in the slot, if it matches.
 */
static void
tally_row(Tally *tally, PartitionReader *reader)
{
	TypeCount  *count;
	bool		no_type;
	bool		no_level;
	Datum		type;
	Datum		level;

	if (!reader_matches(reader, tally->filter))
		return;
	tally->events++;
	if (!tally->types)
		return;
	type = slot_getattr(reader->slot, reader->attnum[EVENT_TYPE], &no_type);
	level = slot_getattr(reader->slot, reader->attnum[EVENT_LEVEL], &no_level);
	count = type_count(tally, no_type ? NULL : DatumGetTextPP(type),
					   no_level ? NULL : DatumGetTextPP(level));
	if (count)
	{
		count->events++;
		count->newest = Max(count->newest, reader_key(reader).occurred_at);
	}
}

/*
 * tally_by_time: the rows of the range, by the index by time.
 */
static void
tally_by_time(Tally *tally, PartitionReader *reader)
{
	bool		all = tally->filter->only_window && !tally->types;
	IndexScanDesc scan = reader_scan_time(reader, &tally->range, all);

	if (all)
		tally->events += pass_over(reader, scan, ForwardScanDirection,
								   PG_INT64_MAX);
	else
	{
		while (index_getnext_slot(scan, ForwardScanDirection,
								  reader_slot(reader)))
		{
			CHECK_FOR_INTERRUPTS();
			reader->stats.entries++;
			reader->stats.fetched++;
			tally_row(tally, reader);
		}
		ExecClearTuple(reader_slot(reader));
	}
	index_endscan(scan);
}

/*
 * tally_list: the rows of a list that are in the range; none if they are too
 * many, and would be read faster by the index by time.
 */
static bool
tally_list(Tally *tally, PartitionReader *reader, PostingList *list)
{
	RowPlace	place;
	bool		sparse = list->density < SPARSE;

	while (sparse && (place = list_place(list)) != 0)
	{
		CHECK_FOR_INTERRUPTS();
		list_seek(list, place - 1);
		if (reader_fetch(reader, place))
		{
			EventKey	key = reader_key(reader);

			if (key_in_range(&key, &tally->range))
				tally_row(tally, reader);
		}
	}
	list_close(list);
	return sparse;
}

/*
 * tally_class: one class.
 *
 * Its newest event is only looked for in the newest partition that has events
 * of the type, and in the default partition, whose events can be of any time.
 */
static void
tally_class(Tally *tally, const ClassFinder *finder, int which,
			const EventClass *class, bool is_default)
{
	PartitionReader *reader = finder->reader;
	Oid			partition = RelationGetRelid(reader->rel);
	ScanKeyData keys[CLASS_NCOLUMNS];
	int64		events = count_scan(reader, which, keys,
									classes_keys(finder, class, keys));
	TypeCount  *count;

	tally->events += events;
	if (events == 0 || !tally->types ||
		(count = type_count(tally, class->columns[0], class->columns[1])) == NULL)
		return;
	count->events += events;
	if (!OidIsValid(count->partition) && !is_default)
		count->partition = partition;
	if (is_default || count->partition == partition)
		count->newest = Max(count->newest,
							newest_of_class(finder, &tally->range, class));
}

/*
 * tally_classes: in an index of classes.
 */
static void
tally_classes(Tally *tally, PartitionReader *reader, int which, bool within,
			  bool is_default)
{
	ClassFinder finder;
	PostingList list;

	classes_begin(&finder, reader, tally->filter, which);
	(void) classes_find(&finder, INT_MAX, INT_MAX);
	for (int i = 0; within && i < finder.n; i++)
		tally_class(tally, &finder, which, &finder.found[i], is_default);
	if (!within && finder.n > 0 &&
		!(list_open_classes(&list, &finder, finder.found, finder.n) &&
		  tally_list(tally, reader, &list)))
		tally_by_time(tally, reader);
	classes_end(&finder);
}

/*
 * tally_column: in the index of a column.
 */
static void
tally_column(Tally *tally, PartitionReader *reader, EventColumn column,
			 bool within)
{
	int			which = INDEX_BY_COLUMN + column;
	PostingList list;
	ScanKeyData key;

	if (within)
	{
		set_text_key(&key, reader_index(reader, which), 0,
					 BTEqualStrategyNumber, tally->filter->equal[column]);
		tally->events += count_scan(reader, which, &key, 1);
		return;
	}
	list_open_column(&list, reader, column, tally->filter->equal[column]);
	if (!tally_list(tally, reader, &list))
		tally_by_time(tally, reader);
}

/*
 * counting_index: the index that has everything the filter asks for; -1 if
 * there is none.
 */
static int
counting_index(const PartitionReader *reader, const Tally *tally)
{
	Bitmapset  *columns = NULL;
	int			which;

	for (int col = 0; col < EVENT_NCOLUMNS; col++)
	{
		if (filters_column(tally->filter, col))
			columns = bms_add_member(columns, col);
	}
	if (!tally->types && bms_membership(columns) == BMS_SINGLETON &&
		OidIsValid(reader->indexes[INDEX_BY_COLUMN + bms_singleton_member(columns)]))
		return INDEX_BY_COLUMN + bms_singleton_member(columns);
	if (!classes_index(reader, tally->filter, tally->types != NULL, &which))
		return -1;
	for (int i = 0; i < class_indexes[which].ncolumns; i++)
		columns = bms_del_member(columns, class_indexes[which].columns[i]);
	return bms_is_empty(columns) ? which : -1;
}

/*
 * tally_partition: false if its indexes cannot tell.
 */
static bool
tally_partition(Tally *tally, PartitionReader *reader, bool within,
				bool is_default)
{
	const Filter *filter = tally->filter;
	bool		all = filter->only_window && !tally->types;
	int			which = all ? INDEX_BY_TIME : counting_index(reader, tally);

	(void) reader_rows(reader);
	if (reader->nblocks == 0)
		return true;
	if (which < 0)
		return false;
	if (all && within)
		tally->events += count_all(reader);
	else if (filter->only_window && !within)
		tally_by_time(tally, reader);
	else if (which >= INDEX_BY_COLUMN)
		tally_column(tally, reader, which - INDEX_BY_COLUMN, within);
	else
		tally_classes(tally, reader, which, within, is_default);
	return !tally->odd;
}

/*
 * tally_log: the default partition, then the others, the newest first; false
 * if one of them has to be counted by SQL.
 */
static bool
tally_log(const EventLog *log, Tally *tally)
{
	const Filter *filter = tally->filter;
	PartitionList *list;
	MemoryContext search;
	MemoryContext outer;
	bool		complete = true;

	if (!may_read_indexes(log))
		return false;
	if (filter->min_level > filter->max_level)
		return true;
	tally->range = range_of_page(filter, NULL);
	list = partitions_to_read(log);
	search = create_search_context();
	outer = MemoryContextSwitchTo(search);
	for (int i = list->n; i >= 0 && complete; i--)
	{
		bool		is_default = i == list->n;
		Partition	any_time = {list->default_oid, DT_NOBEGIN, DT_NOEND};
		const Partition *partition = is_default ? &any_time : &list->items[i];
		int64		before = tally->events;
		PartitionReader reader;

		CHECK_FOR_INTERRUPTS();
		if (!OidIsValid(partition->oid) ||
			!partition_in_range(partition, &tally->range))
			continue;
		complete = reader_open(&reader, partition->oid, GetActiveSnapshot());
		if (complete && reader.rel)
			complete = tally_partition(tally, &reader,
									   partition->lower >= filter->since &&
									   partition->upper <= filter->before,
									   is_default);
		reader.contributed = tally->events > before;
		reader_close(&reader);
		MemoryContextReset(search);
	}
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(search);
	return complete;
}

/*
 * read_count: how many events match; false if they have to be counted by SQL.
 */
bool
read_count(const EventLog *log, const Filter *filter, int64 *events)
{
	Tally		tally = {.filter = filter};
	bool		complete = tally_log(log, &tally);

	*events = tally.events;
	return complete;
}

/*
 * read_types: a TypeCount for each type and level of events that match; NULL
 * if they have to be counted by SQL.
 */
HTAB *
read_types(const EventLog *log, const Filter *filter)
{
	HASHCTL		ctl = {
		.keysize = TYPE_KEY_BYTES,.entrysize = sizeof(TypeCount),
		.hcxt = CurrentMemoryContext
	};
	Tally		tally = {
		.filter = filter,
		.types = hash_create("eventlog types", 256, &ctl,
							 HASH_ELEM | HASH_STRINGS | HASH_CONTEXT)
	};

	return tally_log(log, &tally) ? tally.types : NULL;
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
	PartitionReader reader;
	int64		n;

	if (reader_open(&reader, RelationGetRelid(rel), snapshot))
	{
		n = count_all(&reader);
		reader_close(&reader);
	}
	else
		n = count_by_sql(rel);
	UnregisterSnapshot(snapshot);
	return n;
}
