/*
 * partition.c
 *		The partitions of a log.
 *
 * Their bounds are read from the catalog, never from their names.  If the
 * interval of a log that has data was changed, a new partition gets what its
 * neighbours leave free of the grid's cell, so bounds never overlap.
 */
#include "log/log.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
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
 * Read from the catalog: the relation cache would simplify the expressions of
 * a partition key, and so run functions of the table's owner as whoever asks.
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
 * fill_list: the partitions of a partition descriptor, ascending, and the
 * default partition.
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
 * partition_list: the partitions of a log for readers: those that PostgreSQL
 * itself sees under the active snapshot.
 */
PartitionList *
partition_list(Relation parent)
{
	return fill_list(RelationGetPartitionDesc(parent, true));
}

/*
 * detaching_partitions: the partitions with an unfinished DETACH CONCURRENTLY,
 * from the catalog, regardless of snapshots.
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
 * partition_list_own: the partitions of a log for upkeep.
 *
 * A partition that is being detached no longer belongs to the log, but no
 * other partition can have its range yet.  So these are in a list of their
 * own.
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
 * partition_find: the partition whose bounds contain t; NULL if only the
 * default partition would take it.
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
 * partition_with_oid: that partition; NULL if the list does not have it.
 */
const Partition *
partition_with_oid(const PartitionList *list, Oid oid)
{
	for (int i = 0; i < list->n; i++)
	{
		if (list->items[i].oid == oid)
			return &list->items[i];
	}
	return NULL;
}

/*
 * cut_by: reduce a range that contains t to what these partitions leave of it.
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
 * partition_free_range: bounds for a new partition that contains t: the grid's
 * cell without what its neighbours have of it.  There must be no partition at
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
 * partition_horizon: the time until which partitions are wanted: the end of
 * the current cell of the grid and of as many cells after it as the log asks
 * for.
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
 * partition_next_gap: advance *at to the first time that only the default
 * partition would take; false if there is none before `until`.
 *
 * Gaps are found by real bounds: partitions of another width, or created by
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
 * partition_count_gaps: how many partitions are missing between two times;
 * counts no more than max.
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
 * partition_find_detaching: the partition that is being detached and contains
 * t, or NULL.  No other partition can be created there until that is finished.
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
 * partition_expiry: partitions that end at or before this time have expired;
 * DT_NOBEGIN if none expire.
 *
 * Computed as timestamp without time zone, that is, in UTC.
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
 * partition_suffix: the part of a partition's name that distinguishes it; for
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
 * tablespace_clause: PARTITION OF would inherit the tablespace, LIKE does not.
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
 * access_method_clause: the same for the access method, which a partitioned
 * table can have since PostgreSQL 17.
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
 * replica_identity: the log's replica identity, as a clause of ALTER TABLE for
 * a partition; NULL if it is the default.
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
 * choose_name: a name for a partition that is free in its schema and in the
 * one where it goes when it has expired.  The names of its indexes are made
 * from it.
 */
static char *
choose_name(Oid relid, TimestampTz lower)
{
	Relation	log = table_open(relid, NoLock);
	LogSettings settings;
	Oid			archive = InvalidOid;
	char	   *suffix = partition_suffix(lower);
	char	   *name;

	if (settings_find(log, &settings) == SETTINGS_FOUND && settings.detaches)
		archive = get_namespace_oid(settings.archive_schema, true);
	table_close(log, NoLock);
	name = ChooseRelationName(get_rel_name(relid), NULL, suffix,
							  get_rel_namespace(relid), false);
	for (int n = 1; OidIsValid(archive) &&
		 OidIsValid(get_relname_relid(name, archive)); n++)
		name = ChooseRelationName(get_rel_name(relid), NULL,
								  psprintf("%s_%d", suffix, n),
								  get_rel_namespace(relid), false);
	return name;
}

/*
 * partition_create_table: create the table of a new partition without
 * attaching it; returns its name, quoted for SQL.  Within SPI, as the log's
 * owner.
 */
char *
partition_create_table(Oid relid, TimestampTz lower)
{
	Oid			schema = get_rel_namespace(relid);
	char	   *partition = quote_qualified_identifier(get_namespace_name(schema),
													   choose_name(relid, lower));

	run_sql(psprintf("CREATE TABLE %s (LIKE %s INCLUDING ALL"
					 " EXCLUDING INDEXES EXCLUDING IDENTITY EXCLUDING COMMENTS)%s%s",
					 partition, qualified_name(relid),
					 access_method_clause(relid), tablespace_clause(relid)),
			SPI_OK_UTILITY);
	return partition;
}

/*
 * partition_attach: attach a table that partition_create_table() created;
 * returns its OID.
 *
 * Within SPI, as the log's owner, with the log locked but not open (ALTER
 * TABLE refuses a table that its own session has open).  ATTACH takes SHARE
 * UPDATE EXCLUSIVE on the parent, where CREATE ...  PARTITION OF would take
 * ACCESS EXCLUSIVE, and for a moment ACCESS EXCLUSIVE on the default
 * partition, which must not contain rows of the range.
 *
 * The partition is like one made by CREATE ...  PARTITION OF.  In addition it
 * gets the replica identity of the log, so that a published log stays
 * published.
 */
Oid
partition_attach(Oid relid, const char *partition, TimestampTz lower,
				 TimestampTz upper)
{
	Oid			oid = DatumGetObjectId(DirectFunctionCall1(regclassin,
														   CStringGetDatum(partition)));
	char	   *identity;

	run_sql(psprintf("ALTER TABLE %s ATTACH PARTITION %s"
					 " FOR VALUES FROM ('%s') TO ('%s')", qualified_name(relid),
					 partition, utc_literal(lower), utc_literal(upper)),
			SPI_OK_UTILITY);
	identity = replica_identity(relid, oid);
	if (identity != NULL)
		run_sql(psprintf("ALTER TABLE %s REPLICA IDENTITY %s", partition,
						 identity), SPI_OK_UTILITY);
	return oid;
}

/*
 * partition_create: create and attach an empty partition; returns its OID.
 */
Oid
partition_create(Oid relid, TimestampTz lower, TimestampTz upper)
{
	return partition_attach(relid, partition_create_table(relid, lower), lower,
							upper);
}
