/*
 * reader.c
 *		A partition open for reading: which of its indexes can be used, its
 *		rows, and the filter on them.
 *
 * Everything goes through the interfaces of the index and table access
 * methods, as in the executor.  They take care of visibility, predicate
 * locks, dead entries, standbys, old snapshots and statistics.
 *
 * What the catalog says about the indexes of a partition is kept per backend
 * until the relation cache announces a change.  Nothing is kept about what
 * the indexes contain.
 */
#include "read/read.h"

#include "access/brin.h"
#include "access/brin_internal.h"
#include "access/htup_details.h"
#include "access/nbtree.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xlog.h"
#include "catalog/pg_am.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

#define ROWS_PER_BLOCK	24.0	/* of a table that was never analyzed */

/*
 * PartitionIndexes: what the catalog says about a partition.
 */
typedef struct PartitionIndexes
{
	Oid			partition;		/* hash key */
	Oid			indexes[NINDEXES];	/* InvalidOid: there is none */
	TransactionId check_xmin[NINDEXES]; /* if valid: not for older snapshots */
	int			pages_per_range;
	AttrNumber	attnum[EVENT_NCOLUMNS];
} PartitionIndexes;

static HTAB *partition_indexes = NULL;

/*
 * has_column: is column i of an index this column of events, in the order
 * that reading relies on?
 */
static bool
has_column(Relation index, int i, EventColumn column, const AttrNumber *attnum)
{
	Oid			type = event_columns[column].type;

	if (index->rd_index->indkey.values[i] != attnum[column])
		return false;
	if (index->rd_rel->relam == BRIN_AM_OID)
		return index_getprocid(index, i + 1, BRIN_PROCNUM_OPCINFO) ==
			F_BRIN_MINMAX_OPCINFO && index->rd_opcintype[i] == type;
	return index->rd_opfamily[i] ==
		lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY)->btree_opf &&
		index->rd_indoption[i] == 0 &&
		(type != TEXTOID || index->rd_indcollation[i] == C_COLLATION_OID);
}

/*
 * shape_of: the columns of one of the indexes that are of use.
 */
static ClassIndexShape
shape_of(int which)
{
	ClassIndexShape by_time = {2, {EVENT_OCCURRED_AT, EVENT_ID}};
	ClassIndexShape single = {1, {which - INDEX_BY_COLUMN}};

	if (which < NCLASS_INDEXES)
		return class_indexes[which];
	if (which == INDEX_BY_TIME)
		return by_time;
	if (which == INDEX_BRIN)
		single.columns[0] = EVENT_OCCURRED_AT;
	return single;
}

/*
 * serves_as: can an index be used as one of those that are of use?
 */
static bool
serves_as(Relation index, int which, const AttrNumber *attnum)
{
	ClassIndexShape shape = shape_of(which);

	if (index->rd_rel->relam != (which == INDEX_BRIN ? BRIN_AM_OID : BTREE_AM_OID) ||
		index->rd_index->indnkeyatts != shape.ncolumns ||
		(which >= INDEX_BY_COLUMN && !event_columns[shape.columns[0]].collate_c))
		return false;
	for (int i = 0; i < shape.ncolumns; i++)
	{
		if (!has_column(index, i, shape.columns[i], attnum))
			return false;
	}
	return true;
}

/*
 * note_index: enter an index if it is of use.
 *
 * Partial indexes and those on expressions are not: to look at an expression
 * might run functions in it, as the reader.
 */
static void
note_index(PartitionIndexes *entry, Relation index)
{
	if (!index->rd_index->indisvalid || !index->rd_index->indisready ||
		!heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL) ||
		!heap_attisnull(index->rd_indextuple, Anum_pg_index_indexprs, NULL))
		return;
	for (int i = 0; i < NINDEXES; i++)
	{
		if (!serves_as(index, i, entry->attnum))
			continue;
		entry->indexes[i] = RelationGetRelid(index);
		if (index->rd_index->indcheckxmin)
			entry->check_xmin[i] =
				HeapTupleHeaderGetXmin(index->rd_indextuple->t_data);
		if (i == INDEX_BRIN)
			entry->pages_per_range = BrinGetPagesPerRange(index);
	}
}

/*
 * compares_bytes: are texts in the filter columns equal only if their bytes
 * are?  Not under a nondeterministic collation, which is left to SQL.
 */
static bool
compares_bytes(TupleDesc desc, const AttrNumber *attnum)
{
	for (int col = 0; col < EVENT_NCOLUMNS; col++)
	{
		if (event_columns[col].collate_c &&
			!get_collation_isdeterministic(TupleDescAttr(desc, attnum[col] - 1)->attcollation))
			return false;
	}
	return true;
}

static PartitionIndexes
find_indexes(Relation rel)
{
	PartitionIndexes entry = {.partition = RelationGetRelid(rel)};
	ListCell   *cell;

	if (rel->rd_rel->relkind != RELKIND_RELATION ||
		rel->rd_rel->relam != HEAP_TABLE_AM_OID ||
		!event_map_columns(RelationGetDescr(rel), entry.attnum) ||
		!compares_bytes(RelationGetDescr(rel), entry.attnum))
		return entry;
	foreach(cell, RelationGetIndexList(rel))
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		note_index(&entry, index);
		index_close(index, AccessShareLock);
	}
	return entry;
}

/*
 * lookup_indexes: find_indexes() through the cache.
 *
 * Finding may process an invalidation, so the entry is made afterwards.
 */
static const PartitionIndexes *
lookup_indexes(Relation rel)
{
	Oid			partition = RelationGetRelid(rel);
	PartitionIndexes *entry;

	if (partition_indexes == NULL)
		partition_indexes = create_relation_cache("eventlog partitions",
												  sizeof(PartitionIndexes));
	entry = hash_search(partition_indexes, &partition, HASH_FIND, NULL);
	if (entry == NULL)
	{
		PartitionIndexes found = find_indexes(rel);

		entry = hash_search(partition_indexes, &partition, HASH_ENTER, NULL);
		*entry = found;
	}
	return entry;
}

/*
 * reader_open: false when the partition cannot be read without SQL.  One that
 * was dropped is open with rel NULL, and has no events.
 */
bool
reader_open(PartitionReader *reader, Oid partition, Snapshot snapshot)
{
	const PartitionIndexes *found;

	memset(reader, 0, sizeof(*reader));
	reader->snapshot = snapshot;
	reader->context = CurrentMemoryContext;
	reader->stats.way = "no index needed";
	reader->rel = try_relation_open(partition, AccessShareLock);
	if (reader->rel == NULL)
		return true;
	/* SQL has PostgreSQL's own error for an unlogged table on a standby */
	if (RelationIsPermanent(reader->rel) || !RecoveryInProgress())
	{
		found = lookup_indexes(reader->rel);
		memcpy(reader->attnum, found->attnum, sizeof(reader->attnum));
		reader->pages_per_range = found->pages_per_range;
		for (int i = 0; i < NINDEXES; i++)
		{
			/* as the planner does about broken HOT chains */
			if (!TransactionIdIsValid(found->check_xmin[i]) ||
				TransactionIdPrecedes(found->check_xmin[i], TransactionXmin))
				reader->indexes[i] = found->indexes[i];
		}
	}
	if (OidIsValid(reader->indexes[INDEX_BY_TIME]))
		return true;
	relation_close(reader->rel, AccessShareLock);
	reader->rel = NULL;
	return false;
}

/*
 * reader_close: also of a reader that reader_open() failed to open.
 */
void
reader_close(PartitionReader *reader)
{
	if (reader->rel == NULL)
		return;
	for (int i = 0; i < reader->nopen; i++)
		index_close(reader->open[i], AccessShareLock);
	if (reader->fetch)
		table_index_fetch_end(reader->fetch);
	if (reader->slot)
		ExecDropSingleTupleTableSlot(reader->slot);
	relation_close(reader->rel,
				   reader->contributed ? NoLock : AccessShareLock);
	reader->rel = NULL;
}

/*
 * reader_index: one of the partition's indexes, open until the reader is
 * closed.
 */
Relation
reader_index(PartitionReader *reader, int which)
{
	Oid			oid = reader->indexes[which];

	for (int i = 0; i < reader->nopen; i++)
	{
		if (RelationGetRelid(reader->open[i]) == oid)
			return reader->open[i];
	}
	reader->open[reader->nopen] = index_open(oid, AccessShareLock);
	return reader->open[reader->nopen++];
}

/*
 * reader_scan: begin a scan of an index; want_tuples as for an index-only
 * scan.  To be ended by index_endscan().
 */
IndexScanDesc
reader_scan(PartitionReader *reader, Relation index, ScanKey keys, int nkeys,
			bool want_tuples)
{
	IndexScanDesc scan = compat_index_beginscan(reader->rel, index,
												reader->snapshot, nkeys);

	scan->xs_want_itup = want_tuples;
	index_rescan(scan, keys, nkeys, NULL, 0);
	reader->stats.searches++;
	return scan;
}

/*
 * reader_rows: about how many rows the table has.  From here on, nblocks and
 * rows_per_block are set.
 */
double
reader_rows(PartitionReader *reader)
{
	Form_pg_class form = reader->rel->rd_rel;

	if (reader->rows_per_block == 0)
	{
		reader->nblocks = RelationGetNumberOfBlocks(reader->rel);
		reader->rows_per_block = form->relpages > 0 && form->reltuples > 0 ?
			Max(form->reltuples / form->relpages, 1) : ROWS_PER_BLOCK;
	}
	return Max(reader->nblocks * reader->rows_per_block, 1);
}

TupleTableSlot *
reader_slot(PartitionReader *reader)
{
	if (reader->slot == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(reader->context);

		reader->slot = table_slot_create(reader->rel, NULL);
		MemoryContextSwitchTo(old);
	}
	return reader->slot;
}

/*
 * reader_fetch: the row at a place into the slot; false if it is not visible.
 *
 * A place stays good as long as the snapshot is held, also after the page of
 * the index has been let go: VACUUM removes no row that the snapshot can see.
 */
bool
reader_fetch(PartitionReader *reader, RowPlace place)
{
	ItemPointerData tid;
	bool		again = false;
	bool		all_dead = false;

	if (reader->fetch == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(reader->context);

		reader->fetch = compat_index_fetch_begin(reader->rel);
		MemoryContextSwitchTo(old);
	}
	ItemPointerSet(&tid, place_block(place), (OffsetNumber) place);
	reader->stats.fetched++;
	return table_index_fetch_tuple(reader->fetch, &tid, reader->snapshot,
								   reader_slot(reader), &again, &all_dead);
}

/*
 * reader_key: the key of the row in the slot.
 */
EventKey
reader_key(const PartitionReader *reader)
{
	EventKey	key;
	bool		isnull;

	key.occurred_at =
		DatumGetTimestampTz(slot_getattr(reader->slot,
										 reader->attnum[EVENT_OCCURRED_AT],
										 &isnull));
	key.id = *DatumGetUUIDP(slot_getattr(reader->slot,
										 reader->attnum[EVENT_ID], &isnull));
	return key;
}

int
compare_keys(const EventKey *a, const EventKey *b)
{
	if (a->occurred_at != b->occurred_at)
		return a->occurred_at < b->occurred_at ? -1 : 1;
	return memcmp(a->id.data, b->id.data, UUID_LEN);
}

bool
key_in_range(const EventKey *key, const EventRange *range)
{
	return key->occurred_at >= range->lower &&
		compare_keys(key, &range->upper) < 0;
}

/*
 * reader_matches: does the row in the slot match the filter, apart from its
 * window?
 */
bool
reader_matches(const PartitionReader *reader, const Filter *filter)
{
	for (int col = 0; col < EVENT_NCOLUMNS && !filter->only_window; col++)
	{
		Datum		value;
		bool		isnull;

		if (!filters_column(filter, col))
			continue;
		value = slot_getattr(reader->slot, reader->attnum[col], &isnull);
		if (!column_matches(filter, col,
							isnull ? NULL : DatumGetTextPP(value)))
			return false;
	}
	return true;
}

/*
 * set_text_key: a condition on a text column of an index; NULL: it is null.
 */
void
set_text_key(ScanKey key, Relation index, int column, StrategyNumber strategy,
			 const text *value)
{
	static const RegProcedure functions[] = {
		InvalidOid, F_TEXT_LT, F_TEXT_LE, F_TEXTEQ, F_TEXT_GE, F_TEXT_GT
	};

	if (value == NULL)
		ScanKeyEntryInitialize(key, SK_ISNULL | SK_SEARCHNULL, column + 1,
							   InvalidStrategy, InvalidOid, InvalidOid,
							   InvalidOid, (Datum) 0);
	else
		ScanKeyEntryInitialize(key, 0, column + 1, strategy, TEXTOID,
							   index->rd_indcollation[column],
							   functions[strategy], PointerGetDatum(value));
}

/*
 * set_row_comparison: a condition on n columns of an index, at least two,
 * from first on.  The scan refers to the members, and changes them.
 */
void
set_row_comparison(ScanKey key, ScanKey members, Relation index, int first,
				   int n, StrategyNumber strategy, const Datum *values)
{
	for (int i = 0; i < n; i++)
		ScanKeyEntryInitialize(&members[i],
							   SK_ROW_MEMBER | (i == n - 1 ? SK_ROW_END : 0),
							   first + i + 1, strategy,
							   index->rd_opcintype[first + i],
							   index->rd_indcollation[first + i],
							   index_getprocid(index, first + i + 1,
											   BTORDER_PROC), values[i]);
	MemSet(key, 0, sizeof(ScanKeyData));
	key->sk_flags = SK_ROW_HEADER;
	key->sk_attno = first + 1;
	key->sk_strategy = strategy;
	key->sk_argument = PointerGetDatum(members);
}

/*
 * reader_scan_time: a scan of the index by time, in a range, which it refers
 * to.
 */
IndexScanDesc
reader_scan_time(PartitionReader *reader, const EventRange *range,
				 bool want_tuples)
{
	Relation	index = reader_index(reader, INDEX_BY_TIME);
	Datum		upper[2] = {
		TimestampTzGetDatum(range->upper.occurred_at),
		UUIDPGetDatum(&range->upper.id)
	};
	ScanKeyData keys[2];
	int			n = 0;

	if (!TIMESTAMP_IS_NOBEGIN(range->lower))
		ScanKeyInit(&keys[n++], 1, BTGreaterEqualStrategyNumber,
					F_TIMESTAMPTZ_GE, TimestampTzGetDatum(range->lower));
	if (!TIMESTAMP_IS_NOEND(range->upper.occurred_at))
		set_row_comparison(&keys[n++], palloc(sizeof(ScanKeyData) * 2), index,
						   0, 2, BTLessStrategyNumber, upper);
	return reader_scan(reader, index, keys, n, want_tuples);
}

/*
 * reader_find: the row of the event with this key into the slot.
 */
bool
reader_find(PartitionReader *reader, const EventKey *key)
{
	ScanKeyData keys[2];
	IndexScanDesc scan;
	bool		found;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_TIMESTAMPTZ_EQ,
				TimestampTzGetDatum(key->occurred_at));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_UUID_EQ,
				UUIDPGetDatum(&key->id));
	scan = reader_scan(reader, reader_index(reader, INDEX_BY_TIME), keys, 2,
					   false);
	found = index_getnext_slot(scan, ForwardScanDirection,
							   reader_slot(reader));
	if (found)
		ExecMaterializeSlot(reader->slot);	/* the scan lets go of its page */
	index_endscan(scan);
	return found;
}
