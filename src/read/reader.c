/*
 * reader.c
 *		A partition opened for reading without SQL: is it fit for that, which
 *		of its indexes can be used, its rows against the filter, and the index
 *		by time.
 *
 * Everything here goes through the index access methods' and the table access
 * method's own interface, as the executor does: they know about visibility,
 * predicate locks, dead entries, standbys, old snapshots and statistics.
 *
 * What the catalog tells about a partition's indexes is kept per backend
 * until the relation cache says that the partition has changed; nothing is
 * kept about what they contain.  Partitions are opened one at a time, and the
 * lock of one that gave nothing is let go: see plan.c.
 */
#include "read/read.h"

#include "access/brin.h"
#include "access/htup_details.h"
#include "access/nbtree.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xlog.h"
#include "catalog/pg_am.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "executor/executor.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#define ROWS_PER_BLOCK	24.0	/* of a table that was never analyzed */

static HTAB *partition_indexes = NULL;

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
 * has_key: does column i of an index hold this event column, in the order that
 * is counted on?
 */
static bool
has_key(Relation index, int i, EventColumn column, const AttrNumber *attnum)
{
	Oid			type = event_columns[column].type;
	Oid			family = get_opclass_family(GetDefaultOpClass(type, BTREE_AM_OID));

	return index->rd_index->indkey.values[i] == attnum[column] &&
		index->rd_opfamily[i] == family &&
		index->rd_indoption[i] == 0 &&
		(type != TEXTOID || index->rd_indcollation[i] == C_COLLATION_OID);
}

static bool
has_keys(Relation index, const EventColumn *columns, int n,
		 const AttrNumber *attnum)
{
	if (index->rd_index->indnkeyatts != n)
		return false;
	for (int i = 0; i < n; i++)
	{
		if (!has_key(index, i, columns[i], attnum))
			return false;
	}
	return true;
}

/*
 * has_brin_key: is it a BRIN index on occurred_at, by minimum and maximum?
 */
static bool
has_brin_key(Relation index, const AttrNumber *attnum)
{
	Oid			family =
	get_opclass_family(GetDefaultOpClass(TIMESTAMPTZOID, BRIN_AM_OID));

	return index->rd_index->indnkeyatts == 1 &&
		index->rd_index->indkey.values[0] == attnum[EVENT_OCCURRED_AT] &&
		index->rd_opfamily[0] == family;
}

/*
 * is_plain: has the index neither predicate nor expressions?
 *
 * They are not looked at, since that would run functions in them as whoever
 * reads.
 */
static bool
is_plain(HeapTuple index)
{
	return heap_attisnull(index, Anum_pg_index_indpred, NULL) &&
		heap_attisnull(index, Anum_pg_index_indexprs, NULL);
}

/*
 * note_usable: an index built over broken HOT chains may only be used under
 * snapshots that cannot see what it lacks.
 */
static void
note_usable(Relation index, UsableIndex *usable)
{
	usable->oid = RelationGetRelid(index);
	usable->check_xmin = index->rd_index->indcheckxmin ?
		HeapTupleHeaderGetXmin(index->rd_indextuple->t_data) :
		InvalidTransactionId;
}

/*
 * note_index: keep an index if it has one of the shapes that are of use.
 */
static void
note_index(Relation index, PartitionIndexes *entry)
{
	static const EventColumn by_time[] = {EVENT_OCCURRED_AT, EVENT_ID};

	if (!index->rd_index->indisvalid || !index->rd_index->indisready ||
		!is_plain(index->rd_indextuple))
		return;
	if (index->rd_rel->relam == BRIN_AM_OID)
	{
		if (has_brin_key(index, entry->attnum))
		{
			note_usable(index, &entry->brin);
			entry->pages_per_range = BrinGetPagesPerRange(index);
		}
		return;
	}
	if (index->rd_rel->relam != BTREE_AM_OID)
		return;
	if (has_keys(index, by_time, lengthof(by_time), entry->attnum))
		note_usable(index, &entry->by_time);
	for (int i = 0; i < NCLASS_INDEXES; i++)
	{
		if (has_keys(index, class_indexes[i].columns,
					 class_indexes[i].ncolumns, entry->attnum))
			note_usable(index, &entry->by_class[i]);
	}
	for (EventColumn col = 0; col < EVENT_NCOLUMNS; col++)
	{
		if (event_columns[col].type == TEXTOID &&
			has_keys(index, &col, 1, entry->attnum))
			note_usable(index, &entry->by_column[col]);
	}
}

/*
 * compares_bytes: are texts of the filter columns equal only if their bytes
 * are?  Not where a column has got a nondeterministic collation; what is equal
 * there is for SQL to tell.
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

static void
find_indexes(Relation rel, PartitionIndexes *entry)
{
	Oid			partition = entry->partition;
	ListCell   *cell;

	memset(entry, 0, sizeof(*entry));
	entry->partition = partition;
	if (rel->rd_rel->relkind != RELKIND_RELATION ||
		rel->rd_rel->relam != HEAP_TABLE_AM_OID ||
		!event_map_columns(RelationGetDescr(rel), entry->attnum) ||
		!compares_bytes(RelationGetDescr(rel), entry->attnum))
		return;
	foreach(cell, RelationGetIndexList(rel))
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		note_index(index, entry);
		index_close(index, AccessShareLock);
	}
	entry->fit = OidIsValid(entry->by_time.oid);
}

/*
 * lookup_indexes: the same from the cache.
 *
 * An invalidation may come while the indexes are looked at, so the entry is
 * made when that is over.
 */
static const PartitionIndexes *
lookup_indexes(Relation rel)
{
	Oid			partition = RelationGetRelid(rel);
	PartitionIndexes *entry;
	PartitionIndexes found;

	if (partition_indexes == NULL)
		partition_indexes = create_relation_cache("eventlog partitions",
												  sizeof(PartitionIndexes));
	entry = hash_search(partition_indexes, &partition, HASH_FIND, NULL);
	if (entry == NULL)
	{
		found.partition = partition;
		find_indexes(rel, &found);
		entry = hash_search(partition_indexes, &partition, HASH_ENTER, NULL);
		*entry = found;
	}
	return entry;
}

/*
 * forget_unusable: forget an index that may not be used under the snapshot, as
 * the planner does.
 */
static void
forget_unusable(UsableIndex *index)
{
	if (TransactionIdIsValid(index->check_xmin) &&
		!TransactionIdPrecedes(index->check_xmin, TransactionXmin))
		index->oid = InvalidOid;
}

/*
 * open_partition: false when it may not be read without SQL.  One that has
 * gone is open with rel NULL, and holds no events.
 */
bool
open_partition(Oid partition, Snapshot snapshot, OpenPartition *open)
{
	PartitionIndexes *indexes = &open->indexes;

	memset(open, 0, sizeof(*open));
	open->snapshot = snapshot;
	open->context = CurrentMemoryContext;
	open->stats.way = "no index needed";
	open->rel = try_relation_open(partition, AccessShareLock);
	if (open->rel == NULL)
		return true;

	/* SQL gives PostgreSQL's own error for an unlogged table on a standby */
	if (RelationIsPermanent(open->rel) || !RecoveryInProgress())
		*indexes = *lookup_indexes(open->rel);
	forget_unusable(&indexes->by_time);
	forget_unusable(&indexes->brin);
	for (int i = 0; i < NCLASS_INDEXES; i++)
		forget_unusable(&indexes->by_class[i]);
	for (int col = 0; col < EVENT_NCOLUMNS; col++)
		forget_unusable(&indexes->by_column[col]);
	if (indexes->fit && OidIsValid(indexes->by_time.oid))
		return true;
	relation_close(open->rel, AccessShareLock);
	open->rel = NULL;
	return false;
}

void
close_partition(OpenPartition *open)
{
	if (open->rel == NULL)
		return;
	for (int i = 0; i < open->nopen; i++)
		index_close(open->open[i], AccessShareLock);
	if (open->fetch)
		table_index_fetch_end(open->fetch);
	if (open->slot)
		ExecDropSingleTupleTableSlot(open->slot);
	relation_close(open->rel, open->contributed ? NoLock : AccessShareLock);
	open->rel = NULL;
}

/*
 * use_index: an index of the partition, open until that is closed.
 */
Relation
use_index(OpenPartition *open, const UsableIndex *index)
{
	for (int i = 0; i < open->nopen; i++)
	{
		if (RelationGetRelid(open->open[i]) == index->oid)
			return open->open[i];
	}
	Assert(open->nopen < MAX_OPEN_INDEXES);
	open->open[open->nopen] = index_open(index->oid, AccessShareLock);
	return open->open[open->nopen++];
}

/*
 * measure_table: how large is it, and how close do rows lie, about?
 */
void
measure_table(OpenPartition *open)
{
	Form_pg_class form = open->rel->rd_rel;

	if (open->rows_per_block > 0)
		return;
	open->nblocks = RelationGetNumberOfBlocks(open->rel);
	open->rows_per_block = form->relpages > 0 && form->reltuples > 0 ?
		Max(form->reltuples / form->relpages, 1) : ROWS_PER_BLOCK;
}

TupleTableSlot *
row_slot(OpenPartition *open)
{
	if (open->slot == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(open->context);

		open->slot = table_slot_create(open->rel, NULL);
		MemoryContextSwitchTo(old);
	}
	return open->slot;
}

/*
 * fetch_row: the row at a place into the slot; false when it is not visible.
 *
 * A place stays good for as long as the snapshot is held, also when the page
 * of the index that told it has been let go: VACUUM removes no row that the
 * snapshot may see.
 */
bool
fetch_row(OpenPartition *open, RowPlace place)
{
	ItemPointerData tid;
	bool		again = false;
	bool		all_dead = false;

	if (open->fetch == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(open->context);

		open->fetch = table_index_fetch_begin(open->rel);
		MemoryContextSwitchTo(old);
	}
	ItemPointerSet(&tid, place_block(place), (OffsetNumber) place);
	return table_index_fetch_tuple(open->fetch, &tid, open->snapshot,
								   row_slot(open), &again, &all_dead);
}

/*
 * row_key: the key of the row in the slot.
 */
EventKey
row_key(const OpenPartition *open)
{
	const AttrNumber *attnum = open->indexes.attnum;
	EventKey	key;
	bool		isnull;
	Datum		value;

	value = slot_getattr(open->slot, attnum[EVENT_OCCURRED_AT], &isnull);
	key.occurred_at = DatumGetTimestampTz(value);
	value = slot_getattr(open->slot, attnum[EVENT_ID], &isnull);
	key.id = *DatumGetUUIDP(value);
	return key;
}

/*
 * level_matches: is the level that a row has one that the filter wants?
 */
static bool
level_matches(const Filter *filter, const text *value)
{
	int			level;

	if (filter->min_level == LEVEL_DEBUG && filter->max_level == LEVEL_CRITICAL)
		return true;
	level = level_find(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	return level >= filter->min_level && level <= filter->max_level;
}

/*
 * column_matches: does the filter want this value of a column?  NULL is wanted
 * by none that asks for anything.
 */
bool
column_matches(const Filter *filter, EventColumn column, const text *value)
{
	const text *wanted = column == EVENT_TYPE ? filter->event_type :
	filter->equal[column];
	int			len;

	if (value == NULL)
		return wanted == NULL;
	if (column == EVENT_LEVEL && !level_matches(filter, value))
		return false;
	if (wanted == NULL)
		return true;
	len = VARSIZE_ANY_EXHDR(wanted);
	if (column == EVENT_TYPE ? VARSIZE_ANY_EXHDR(value) < len :
		VARSIZE_ANY_EXHDR(value) != len)
		return false;
	return memcmp(VARDATA_ANY(value), VARDATA_ANY(wanted), len) == 0;
}

/*
 * row_matches: does the row in the slot match all of the filter but its
 * window?
 */
bool
row_matches(const Filter *filter, const OpenPartition *open)
{
	if (filter->only_window)
		return true;
	for (int col = 0; col < EVENT_NCOLUMNS; col++)
	{
		Datum		value;
		bool		isnull;

		if (col != EVENT_TYPE && col != EVENT_LEVEL &&
			filter->equal[col] == NULL)
			continue;
		value = slot_getattr(open->slot, open->indexes.attnum[col], &isnull);
		if (!column_matches(filter, col,
							isnull ? NULL : DatumGetTextPP(value)))
			return false;
	}
	return true;
}

/*
 * filters_column: does the filter ask for anything of a column?
 */
bool
filters_column(const Filter *filter, EventColumn column)
{
	if (column == EVENT_TYPE)
		return filter->event_type && VARSIZE_ANY_EXHDR(filter->event_type) > 0;
	if (column == EVENT_LEVEL)
		return filter->min_level > LEVEL_DEBUG ||
			filter->max_level < LEVEL_CRITICAL;
	return filter->equal[column] != NULL;
}

/*
 * time_key: a condition on occurred_at in the index by time.
 */
static void
time_key(StrategyNumber strategy, RegProcedure function, TimestampTz t,
		 ScanKey key)
{
	ScanKeyEntryInitialize(key, 0, 1, strategy, TIMESTAMPTZOID, InvalidOid,
						   function, TimestampTzGetDatum(t));
}

/*
 * begin_time_scan: the index by time, in a range; want_tuples as for an
 * index-only scan.
 *
 * The scan is to be ended by index_endscan(), before the range goes: it refers
 * to the range's upper end.
 */
IndexScanDesc
begin_time_scan(OpenPartition *open, const EventRange *range,
				bool want_tuples)
{
	Relation	index = use_index(open, &open->indexes.by_time);
	ScanKeyData keys[2];
	int			n = 0;
	IndexScanDesc scan;

	if (!TIMESTAMP_IS_NOBEGIN(range->lower))
		time_key(BTGreaterEqualStrategyNumber, F_TIMESTAMPTZ_GE, range->lower,
				 &keys[n++]);
	if (!TIMESTAMP_IS_NOEND(range->upper.occurred_at))
	{
		ScanKey		row = palloc0(sizeof(ScanKeyData) * 2);

		/* (occurred_at, id) < upper */
		ScanKeyEntryInitialize(&row[0], SK_ROW_MEMBER, 1,
							   BTLessStrategyNumber, TIMESTAMPTZOID, InvalidOid,
							   index_getprocid(index, 1, BTORDER_PROC),
							   TimestampTzGetDatum(range->upper.occurred_at));
		ScanKeyEntryInitialize(&row[1], SK_ROW_MEMBER | SK_ROW_END, 2,
							   BTLessStrategyNumber, UUIDOID, InvalidOid,
							   index_getprocid(index, 2, BTORDER_PROC),
							   UUIDPGetDatum(&range->upper.id));
		MemSet(&keys[n], 0, sizeof(ScanKeyData));
		keys[n].sk_flags = SK_ROW_HEADER;
		keys[n].sk_attno = 1;
		keys[n].sk_strategy = BTLessStrategyNumber;
		keys[n].sk_argument = PointerGetDatum(row);
		n++;
	}
	scan = compat_index_beginscan(open->rel, index, open->snapshot, n);
	scan->xs_want_itup = want_tuples;
	index_rescan(scan, keys, n, NULL, 0);
	open->stats.descents++;
	return scan;
}

/*
 * find_event: the row of the event with this key into the partition's slot.
 */
bool
find_event(OpenPartition *open, const EventKey *key)
{
	Relation	index = use_index(open, &open->indexes.by_time);
	ScanKeyData keys[2];
	IndexScanDesc scan;
	bool		found;

	time_key(BTEqualStrategyNumber, F_TIMESTAMPTZ_EQ, key->occurred_at,
			 &keys[0]);
	ScanKeyEntryInitialize(&keys[1], 0, 2, BTEqualStrategyNumber, UUIDOID,
						   InvalidOid, F_UUID_EQ, UUIDPGetDatum(&key->id));
	scan = compat_index_beginscan(open->rel, index, open->snapshot, 2);
	index_rescan(scan, keys, 2, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, row_slot(open));
	if (found)
		ExecMaterializeSlot(open->slot);	/* the scan's page is let go */
	index_endscan(scan);
	return found;
}
