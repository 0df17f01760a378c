/*
 * partition.c
 *		The partitions of a log, which stand on the grid of grid.c.
 *
 * Their bounds are read back from the catalog, never from a name.  Where the
 * interval was changed on a log with data, the grid's cell is cut to what is
 * free between its neighbours, so bounds never overlap.
 */
#include "log/log.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/partition.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_partitioned_table.h"
#include "commands/defrem.h"
#include "commands/tablespace.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/*
 * partition_is_by_time: is rel partitioned by range of occurred_at alone?
 *
 * The catalog tells.  The relation cache would simplify the expressions of a
 * key and so run functions of the table's owner, whoever only looks.
 */
bool
partition_is_by_time(Relation rel, AttrNumber occurred_at)
{
	HeapTuple	tuple = SearchSysCache1(PARTRELID,
										ObjectIdGetDatum(RelationGetRelid(rel)));
	Form_pg_partitioned_table key;
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	key = (Form_pg_partitioned_table) GETSTRUCT(tuple);
	result = key->partstrat == PARTITION_STRATEGY_RANGE &&
		key->partnatts == 1 && occurred_at != InvalidAttrNumber &&
		key->partattrs.values[0] == occurred_at;
	ReleaseSysCache(tuple);
	return result;
}

/*
 * bound_time: one end of a range partition as a time.
 */
static TimestampTz
bound_time(PartitionBoundInfo bounds, int i)
{
	switch (bounds->kind[i][0])
	{
		case PARTITION_RANGE_DATUM_MINVALUE:
			return DT_NOBEGIN;
		case PARTITION_RANGE_DATUM_MAXVALUE:
			return DT_NOEND;
		default:
			return DatumGetTimestampTz(bounds->datums[i][0]);
	}
}

/*
 * fill_list: the partitions of a descriptor, ascending, and the default.
 */
static PartitionList *
fill_list(PartitionDesc desc)
{
	PartitionBoundInfo bounds = desc->boundinfo;
	PartitionList *list = palloc0(sizeof(PartitionList));

	if (desc->nparts == 0)
		return list;
	list->items = palloc(sizeof(Partition) * desc->nparts);
	if (partition_bound_has_default(bounds))
		list->default_oid = desc->oids[bounds->default_index];

	/* indexes[i] is the partition between datums i - 1 and i */
	for (int i = 1; i < bounds->ndatums; i++)
	{
		Partition  *item = &list->items[list->n];

		if (bounds->indexes[i] < 0)
			continue;
		item->oid = desc->oids[bounds->indexes[i]];
		item->lower = bound_time(bounds, i - 1);
		item->upper = bound_time(bounds, i);
		list->n++;
	}
	return list;
}

/*
 * partition_list: what the log consists of, from the relation cache, for those
 * who read: as PostgreSQL itself sees it under the active snapshot.
 */
PartitionList *
partition_list(Relation parent)
{
	return fill_list(RelationGetPartitionDesc(parent, true));
}

/*
 * detaching_partitions: those whose DETACH CONCURRENTLY is not finished, from
 * the catalog, whatever a snapshot says.
 */
static List *
detaching_partitions(Oid parent)
{
	Relation	rel = table_open(InheritsRelationId, AccessShareLock);
	List	   *result = NIL;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_inherits_inhparent, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(parent));
	scan = systable_beginscan(rel, InheritsParentIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_inherits form = (Form_pg_inherits) GETSTRUCT(tuple);

		if (form->inhdetachpending)
			result = lappend_oid(result, form->inhrelid);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

/*
 * partition_list_own: the same for upkeep.  A partition that its owner is
 * detaching is none of the log's any more, and no other can have its range
 * yet: it is in a list of its own.
 */
PartitionList *
partition_list_own(Relation parent)
{
	PartitionDesc desc = RelationGetPartitionDesc(parent, false);
	bool		any = desc->detached_exist;
	PartitionList *list = fill_list(desc);
	List	   *detaching = any ?
	detaching_partitions(RelationGetRelid(parent)) : NIL;
	int			n = 0;

	if (detaching == NIL)
		return list;
	list->detaching = palloc(sizeof(Partition) * list_length(detaching));
	for (int i = 0; i < list->n; i++)
	{
		if (!list_member_oid(detaching, list->items[i].oid))
			list->items[n++] = list->items[i];
		else if (list->ndetaching < list_length(detaching))
			list->detaching[list->ndetaching++] = list->items[i];
	}
	list->n = n;
	list_free(detaching);
	return list;
}

void
partition_list_free(PartitionList *list)
{
	if (list->items)
		pfree(list->items);
	if (list->detaching)
		pfree(list->detaching);
	pfree(list);
}

/*
 * partition_find: the partition whose bounds hold t; NULL when only the
 * default would take it.
 */
const Partition *
partition_find(const PartitionList *list, TimestampTz t)
{
	int			low = 0;
	int			high = list->n;

	while (low < high)
	{
		int			mid = (low + high) / 2;

		if (list->items[mid].upper <= t)
			low = mid + 1;
		else
			high = mid;
	}
	return low < list->n && list->items[low].lower <= t ?
		&list->items[low] : NULL;
}

/*
 * cut_by: cut a range that holds t to what some partitions leave of it.
 */
static void
cut_by(const Partition *items, int n, TimestampTz t, TimestampTz *lower,
	   TimestampTz *upper)
{
	for (int i = 0; i < n; i++)
	{
		if (items[i].upper <= t)
			*lower = Max(*lower, items[i].upper);
		if (items[i].lower > t)
			*upper = Min(*upper, items[i].lower);
	}
}

/*
 * partition_free_range: bounds for a new partition that holds t: the grid's
 * cell, less what its neighbours have of it.  There must be no partition at
 * t.
 */
void
partition_free_range(const PartitionList *list, const Interval *width,
					 TimestampTz t,
					 TimestampTz *lower, TimestampTz *upper)
{
	grid_find_cell(width, t, lower, upper);
	cut_by(list->items, list->n, t, lower, upper);
	cut_by(list->detaching, list->ndetaching, t, lower, upper);
}

/*
 * partition_horizon: up to when partitions are wanted: the grid's cell
 * of now, and as many behind it as the log wants.
 */
TimestampTz
partition_horizon(const LogSettings *settings, TimestampTz now)
{
	TimestampTz lower;
	TimestampTz upper = now;

	for (int i = 0; i <= settings->premake && upper < EVENT_END_TIME; i++)
		grid_find_cell(&settings->partition_interval, upper, &lower, &upper);
	return upper;
}

/*
 * partition_next_gap: go on to the first time from *at on that only the
 * default would take; false when there is none before `until`.
 *
 * Gaps are sought by the real bounds: partitions of another width, or made by
 * hand, may end within a cell of the grid.
 */
bool
partition_next_gap(const PartitionList *list, TimestampTz until,
				   TimestampTz *at)
{
	const Partition *partition;

	while (*at < until && (partition = partition_find(list, *at)) != NULL)
		*at = partition->upper;
	return *at < until;
}

/*
 * partition_count_gaps: how many partitions are missing from one time until
 * another; no more than max are counted.
 */
int
partition_count_gaps(const PartitionList *list, const LogSettings *settings,
					 TimestampTz from, TimestampTz until, int max)
{
	TimestampTz lower;
	int			n = 0;

	while (n < max && partition_next_gap(list, until, &from))
	{
		CHECK_FOR_INTERRUPTS();
		partition_free_range(list, &settings->partition_interval, from, &lower,
							 &from);
		n++;
	}
	return n;
}

/*
 * partition_find_detaching: the partition that is being detached and has t,
 * or NULL.  No other partition can be made there until that is done.
 */
const Partition *
partition_find_detaching(const PartitionList *list, TimestampTz t)
{
	for (int i = 0; i < list->ndetaching; i++)
	{
		if (list->detaching[i].lower <= t && t < list->detaching[i].upper)
			return &list->detaching[i];
	}
	return NULL;
}

/*
 * partition_expiry: a partition that ends at or before this time has
 * expired; DT_NOBEGIN when nothing does.
 *
 * Reckoned as a timestamp without time zone, that is, in UTC.
 */
TimestampTz
partition_expiry(const LogSettings *settings, TimestampTz now)
{
	const Interval *keep = &settings->retention;

	if (keep->month == 0 && keep->day == 0 && keep->time == 0)
		return DT_NOBEGIN;
	return DatumGetTimestamp(DirectFunctionCall2(timestamp_mi_interval,
												 TimestampGetDatum(now),
												 IntervalPGetDatum(keep)));
}

/*
 * partition_suffix: what tells a partition's name from its siblings'; for
 * people only.
 */
static char *
partition_suffix(TimestampTz lower)
{
	struct pg_tm tm;
	fsec_t		fsec;

	utc_fields(lower, &tm, &fsec);
	if (tm.tm_hour == 0 && tm.tm_min == 0)
		return psprintf("p%04d%02d%02d", tm.tm_year, tm.tm_mon, tm.tm_mday);
	return psprintf("p%04d%02d%02dt%02d%02d", tm.tm_year, tm.tm_mon,
					tm.tm_mday, tm.tm_hour, tm.tm_min);
}

/*
 * tablespace_clause: what PARTITION OF would take over by itself.
 */
static const char *
tablespace_clause(Oid relid)
{
	Oid			tablespace = get_rel_tablespace(relid);

	if (!OidIsValid(tablespace))
		return "";
	return psprintf(" TABLESPACE %s",
					quote_identifier(get_tablespace_name(tablespace)));
}

/*
 * access_method_clause: the same of a partitioned table's access method, which
 * it can have from PostgreSQL 17 on.
 */
static const char *
access_method_clause(Oid relid)
{
	Relation	log = table_open(relid, NoLock);
	Oid			method = log->rd_rel->relam;

	table_close(log, NoLock);
	if (!OidIsValid(method))
		return "";
	return psprintf(" USING %s", quote_identifier(get_am_name(method)));
}

/*
 * replica_identity: of the log, as a clause of ALTER TABLE for a partition;
 * NULL where it is the default.
 */
static char *
replica_identity(Oid relid, Oid partition)
{
	Relation	log = table_open(relid, NoLock);
	char		identity = log->rd_rel->relreplident;
	Oid			index = RelationGetReplicaIndex(log);
	Relation	rel;

	table_close(log, NoLock);
	if (identity == REPLICA_IDENTITY_NOTHING)
		return "NOTHING";
	if (identity == REPLICA_IDENTITY_FULL)
		return "FULL";
	if (identity != REPLICA_IDENTITY_INDEX || !OidIsValid(index))
		return NULL;
	rel = table_open(partition, NoLock);
	index = index_get_partition(rel, index);
	table_close(rel, NoLock);
	return OidIsValid(index) ?
		psprintf("USING INDEX %s", quote_identifier(get_rel_name(index))) : NULL;
}

/*
 * partition_create: make and attach an empty partition.
 *
 * Within SPI, as the log's owner, the log locked and not open (ALTER TABLE
 * refuses a table that its own session has open).  ATTACH takes SHARE UPDATE
 * EXCLUSIVE on the parent, where CREATE … PARTITION OF would take ACCESS
 * EXCLUSIVE, and for a moment ACCESS EXCLUSIVE on the default partition, which
 * must hold no row of the range.
 *
 * The partition is as CREATE … PARTITION OF would make it.  The replica
 * identity of the log is carried to it besides, so that a log that is
 * published stays so.
 */
Oid
partition_create(Oid relid, TimestampTz lower, TimestampTz upper)
{
	Oid			schema = get_rel_namespace(relid);
	char	   *log = qualified_name(relid);
	char	   *name = ChooseRelationName(get_rel_name(relid), NULL,
										  partition_suffix(lower), schema,
										  false);
	char	   *partition = quote_qualified_identifier(get_namespace_name(schema),
													   name);
	char	   *identity;
	Oid			oid;

	run_sql(psprintf("CREATE TABLE %s (LIKE %s INCLUDING ALL"
					 " EXCLUDING INDEXES EXCLUDING IDENTITY EXCLUDING COMMENTS)%s%s",
					 partition, log, access_method_clause(relid),
					 tablespace_clause(relid)),
			SPI_OK_UTILITY);
	run_sql(psprintf("ALTER TABLE %s ATTACH PARTITION %s"
					 " FOR VALUES FROM ('%s') TO ('%s')", log, partition,
					 utc_literal(lower), utc_literal(upper)),
			SPI_OK_UTILITY);
	oid = get_relname_relid(name, schema);
	identity = replica_identity(relid, oid);
	if (identity != NULL)
		run_sql(psprintf("ALTER TABLE %s REPLICA IDENTITY %s", partition,
						 identity), SPI_OK_UTILITY);
	return oid;
}
