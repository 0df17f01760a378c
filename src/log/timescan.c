/*
 * timescan.c
 *		Scans of the rows of one table between two times, ordered by time.
 *
 * They use the primary key, which begins with occurred_at, and a current
 * snapshot.  They check no privileges and no policies.
 */
#include "log/log.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "catalog/pg_index.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

struct TimeScan
{
	Relation	rel;
	Relation	index;
	AttrNumber	attnum;			/* occurred_at */
	Snapshot	snapshot;
	ScanDirection direction;
	IndexScanDesc scan;
	TupleTableSlot *slot;
};

/*
 * is_time_index: is this a valid primary key that begins with occurred_at?
 * Takes no lock.
 */
static bool
is_time_index(Oid oid, AttrNumber occurred_at)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(oid));
	Form_pg_index form;
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_index) GETSTRUCT(tuple);
	result = form->indisprimary && form->indisvalid &&
		form->indkey.values[0] == occurred_at;
	ReleaseSysCache(tuple);
	return result;
}

/*
 * time_index: the table's primary key if it begins with occurred_at, else
 * InvalidOid.
 */
static Oid
time_index(Relation rel)
{
	AttrNumber	occurred_at = event_find_column(RelationGetDescr(rel),
												EVENT_OCCURRED_AT);
	Oid			result = InvalidOid;
	List	   *indexes;
	ListCell   *cell;

	if (rel->rd_rel->relkind != RELKIND_RELATION)
		return InvalidOid;
	indexes = RelationGetIndexList(rel);
	foreach(cell, indexes)
	{
		if (!OidIsValid(result) && is_time_index(lfirst_oid(cell), occurred_at))
			result = lfirst_oid(cell);
	}
	list_free(indexes);
	return result;
}

bool
time_scan_is_possible(Relation rel)
{
	return OidIsValid(time_index(rel));
}

/*
 * time_scan_begin: scan rows with lower <= occurred_at < upper; an error if
 * the table has no such index.  The table must stay open and locked until
 * time_scan_end().
 */
TimeScan *
time_scan_begin(Relation rel, TimestampTz lower, TimestampTz upper,
				ScanDirection direction)
{
	TimeScan   *scan = palloc(sizeof(TimeScan));
	Oid			index = time_index(rel);
	ScanKeyData keys[2];

	if (!OidIsValid(index))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" has no primary key that begins with occurred_at",
						RelationGetRelationName(rel))));
	scan->rel = rel;
	scan->attnum = event_find_column(RelationGetDescr(rel), EVENT_OCCURRED_AT);
	scan->direction = direction;
	scan->index = index_open(index, AccessShareLock);
	scan->snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan->slot = table_slot_create(rel, NULL);
	ScanKeyInit(&keys[0], 1, BTGreaterEqualStrategyNumber, F_TIMESTAMPTZ_GE,
				TimestampTzGetDatum(lower));
	ScanKeyInit(&keys[1], 1, BTLessStrategyNumber, F_TIMESTAMPTZ_LT,
				TimestampTzGetDatum(upper));
	scan->scan = compat_index_beginscan(rel, scan->index, scan->snapshot, 2);
	index_rescan(scan->scan, keys, 2, NULL, 0);
	return scan;
}

/*
 * time_scan_next: advance to the next row; false if there is none.
 */
bool
time_scan_next(TimeScan *scan)
{
	CHECK_FOR_INTERRUPTS();
	return index_getnext_slot(scan->scan, scan->direction, scan->slot);
}

TupleTableSlot *
time_scan_slot(const TimeScan *scan)
{
	return scan->slot;
}

TimestampTz
time_scan_time(const TimeScan *scan)
{
	bool		isnull;

	return DatumGetTimestampTz(slot_getattr(scan->slot, scan->attnum, &isnull));
}

void
time_scan_end(TimeScan *scan)
{
	ExecDropSingleTupleTableSlot(scan->slot);
	index_endscan(scan->scan);
	index_close(scan->index, AccessShareLock);
	UnregisterSnapshot(scan->snapshot);
	pfree(scan);
}

/*
 * time_scan_finds_rows: does a table contain a row of this range that is
 * visible now?  Reveals nothing but the answer.
 *
 * If there is no primary key by time, or it is locked: does the table contain
 * any row?
 */
bool
time_scan_finds_rows(Oid relid, TimestampTz lower, TimestampTz upper)
{
	Relation	rel;
	Oid			index;
	bool		by_time;
	bool		found = false;

	if (is_distributed(relid))
		return shell_has_rows(relid, lower, upper);
	rel = try_relation_open(relid, AccessShareLock);
	index = rel ? time_index(rel) : InvalidOid;
	by_time = OidIsValid(index) &&
		ConditionalLockRelationOid(index, AccessShareLock);
	if (by_time && lower < upper)
	{
		TimeScan   *scan = time_scan_begin(rel, lower, upper,
										   ForwardScanDirection);

		found = time_scan_next(scan);
		time_scan_end(scan);
	}
	if (by_time)
		UnlockRelationOid(index, AccessShareLock);
	if (rel)
		relation_close(rel, AccessShareLock);
	return rel && !by_time ? relation_has_rows(relid) : found;
}

/*
 * partition_has_rows: the same for all times.
 */
bool
partition_has_rows(Oid relid)
{
	return is_distributed(relid) ?
		shell_has_rows(relid, EVENT_MIN_TIME, EVENT_END_TIME) :
		relation_has_rows(relid);
}
