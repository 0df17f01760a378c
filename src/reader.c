/*
 * reader.c
 *		A partition opened for reading without SQL: is it fit for that, which
 *		of its indexes can be used, and its rows against the filter.
 *
 * What is found out about a partition's indexes is kept per backend until the
 * relation cache says that the partition has changed.  Partitions are opened
 * one at a time, and the lock of one that gave nothing is let go: see plan.c.
 */
#include "reader.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "executor/executor.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

const EventColumn class_columns[CLASS_NCOLUMNS] = {
	EVENT_TYPE, EVENT_LEVEL, EVENT_SOURCE_SERVICE, EVENT_RESOURCE_TYPE
};

static HTAB *partition_indexes = NULL;

int
compare_keys(const EventKey *a, const EventKey *b)
{
	if (a->occurred_at != b->occurred_at)
		return a->occurred_at < b->occurred_at ? -1 : 1;
	return memcmp(a->id.data, b->id.data, UUID_LEN);
}

/*
 * index_key: the key in an index entry, of which occurred_at is column key_at
 * and id the next.
 *
 * Events have both, but entries of deleted rows may be from before the columns
 * were NOT NULL.  Nulls sort last, so they are the greatest here too.
 */
EventKey
index_key(IndexTuple entry, TupleDesc desc, int key_at)
{
	EventKey	key;
	bool		isnull;
	Datum		value = index_getattr(entry, key_at, desc, &isnull);

	key.occurred_at = isnull ? DT_NOEND : DatumGetTimestampTz(value);
	value = index_getattr(entry, key_at + 1, desc, &isnull);
	if (isnull)
		memset(key.id.data, 0xff, UUID_LEN);
	else
		key.id = *DatumGetUUIDP(value);
	return key;
}

/*
 * has_key: does column i of an index hold this event column, in the order that
 * the scans count on?
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
 * note_index: keep an index if it has one of the shapes that are of use.
 */
static void
note_index(Relation index, PartitionIndexes *entry)
{
	static const EventColumn by_time[] = {EVENT_OCCURRED_AT, EVENT_ID};
	static const EventColumn by_class[] = {
		EVENT_TYPE, EVENT_LEVEL, EVENT_SOURCE_SERVICE, EVENT_RESOURCE_TYPE,
		EVENT_OCCURRED_AT, EVENT_ID
	};
	Oid			oid = RelationGetRelid(index);

	if (has_keys(index, by_time, lengthof(by_time), entry->attnum))
		entry->by_time = oid;
	else if (has_keys(index, by_class, lengthof(by_class), entry->attnum))
		entry->by_class = oid;
	for (int col = 0; col < EVENT_NCOLUMNS; col++)
	{
		EventColumn by_column[] = {col, EVENT_OCCURRED_AT, EVENT_ID};

		if (event_columns[col].type == TEXTOID &&
			has_keys(index, by_column, lengthof(by_column), entry->attnum))
			entry->by_column[col] = oid;
	}
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
 * is_usable: may this index be read at all?
 *
 * One that pg_upgrade brought from before PostgreSQL 12 does not tell equal
 * keys apart by their rows, which walk.c counts on.
 */
static bool
is_usable(Relation index)
{
	Form_pg_index form = index->rd_index;
	bool		by_rows;
	bool		allequalimage;

	if (index->rd_rel->relam != BTREE_AM_OID || !form->indisvalid ||
		!form->indisready || !is_plain(index->rd_indextuple))
		return false;
	_bt_metaversion(index, &by_rows, &allequalimage);
	return by_rows;
}

/*
 * note_check_xmin: an index built over broken HOT chains may only be used
 * under snapshots that cannot see what it lacks; the newest of these counts.
 */
static void
note_check_xmin(Relation index, PartitionIndexes *entry)
{
	TransactionId xmin = HeapTupleHeaderGetXmin(index->rd_indextuple->t_data);

	if (index->rd_index->indcheckxmin &&
		(!TransactionIdIsValid(entry->check_xmin) ||
		 TransactionIdFollows(xmin, entry->check_xmin)))
		entry->check_xmin = xmin;
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
		!map_event_columns(RelationGetDescr(rel), entry->attnum) ||
		!compares_bytes(RelationGetDescr(rel), entry->attnum))
		return;
	foreach(cell, RelationGetIndexList(rel))
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		if (is_usable(index))
		{
			note_index(index, entry);
			note_check_xmin(index, entry);
		}
		index_close(index, AccessShareLock);
	}
	entry->fit = OidIsValid(entry->by_time) && OidIsValid(entry->by_class);
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
		partition_indexes = relation_cache("eventlog partitions",
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
 * open_partition: false when it may not be read without SQL.  One that has
 * gone is open with rel NULL, and holds no events.
 */
bool
open_partition(Oid partition, Snapshot snapshot, OpenPartition *open)
{
	memset(open, 0, sizeof(*open));
	open->snapshot = snapshot;
	open->rel = try_relation_open(partition, AccessShareLock);
	if (open->rel == NULL)
		return true;

	/* SQL gives PostgreSQL's own error for an unlogged table on a standby */
	if (RelationIsPermanent(open->rel) || !RecoveryInProgress())
		open->indexes = *lookup_indexes(open->rel);
	if (!open->indexes.fit ||
		(TransactionIdIsValid(open->indexes.check_xmin) &&
		 !TransactionIdPrecedes(open->indexes.check_xmin, TransactionXmin)))
	{
		relation_close(open->rel, AccessShareLock);
		open->rel = NULL;
		return false;
	}
	open->slot = table_slot_create(open->rel, NULL);
	return true;
}

void
close_partition(OpenPartition *open)
{
	if (open->rel == NULL)
		return;
	if (open->fetch)
		table_index_fetch_end(open->fetch);
	ExecDropSingleTupleTableSlot(open->slot);
	relation_close(open->rel, open->contributed ? NoLock : AccessShareLock);
	open->rel = NULL;
}

/*
 * fetch_row: the row at a place into the slot; false when it is not visible,
 * and *all_dead if it is to nobody.
 */
bool
fetch_row(OpenPartition *open, const ItemPointerData *tid, bool *all_dead)
{
	ItemPointerData at = *tid;
	bool		again = false;

	if (open->fetch == NULL)
		open->fetch = table_index_fetch_begin(open->rel);
	return table_index_fetch_tuple(open->fetch, &at, open->snapshot,
								   open->slot, &again, all_dead);
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

bool
is_class_column(EventColumn column)
{
	for (int i = 0; i < CLASS_NCOLUMNS; i++)
	{
		if (class_columns[i] == column)
			return true;
	}
	return false;
}

/*
 * class_matches: the same of a class.
 */
bool
class_matches(const Filter *filter, text *const *columns)
{
	for (int i = 0; i < CLASS_NCOLUMNS; i++)
	{
		if (!column_matches(filter, class_columns[i], columns[i]))
			return false;
	}
	return true;
}

/*
 * index_by_column: an index of a single column that the filter asks for, of
 * the column that tends to single out the fewest events; InvalidOid if there
 * is none.
 */
Oid
index_by_column(const OpenPartition *open, const Filter *filter,
				EventColumn *column)
{
	static const EventColumn preferred[] = {
		EVENT_REQUEST_ID, EVENT_RESOURCE_ID, EVENT_USER_ID, EVENT_SOURCE_HOST,
		EVENT_CATEGORY, EVENT_SOURCE_SERVICE, EVENT_RESOURCE_TYPE
	};

	for (int i = 0; i < lengthof(preferred); i++)
	{
		*column = preferred[i];
		if (filter->equal[*column] &&
			OidIsValid(open->indexes.by_column[*column]))
			return open->indexes.by_column[*column];
	}
	return InvalidOid;
}
