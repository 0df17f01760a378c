/*
 * distributed.c
 *		Logs that Citus distributes over several servers.
 *
 * On every node such a log is an empty shell.  Its events are in shards, and
 * each shard is a partitioned table with the columns, indexes and triggers of
 * the log.  The shell's partitions are empty, or contain what
 * create_distributed_table() left behind.  So everything that opens a
 * partition without SQL asks here first.  SQL on the shell is right on every
 * node, because Citus plans it.
 *
 * Citus is no dependency.  Its catalogs are found by name in pg_catalog, and
 * only if they are members of the extension "citus"; tables of these names
 * that somebody else created are ignored.
 */
#include "log/log.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "nodes/primnodes.h"
#include "nodes/readfuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* pg_dist_partition.partmethod and repmodel */
#define METHOD_HASH			'h'
#define METHOD_NONE			'n'
#define MODEL_REFERENCE		't'

/* pg_dist_placement.shardstate */
#define STATE_ACTIVE		1

/*
 * DistributedTable: what Citus knows of a table, cached until a relation cache
 * invalidation, which Citus sends whenever it changes its catalogs.
 */
typedef struct DistributedTable
{
	Oid			relid;			/* hash key */
	char		method;			/* '\0': local */
	char		model;
	AttrNumber	column;			/* 0: none */
	int			colocation;
} DistributedTable;

static HTAB *distributed_tables = NULL;

/*
 * citus_catalog: the OID of one of Citus's own tables or indexes; InvalidOid
 * without Citus.
 */
static Oid
citus_catalog(const char *name)
{
	Oid			extension = get_extension_oid("citus", true);
	Oid			relid;

	if (!OidIsValid(extension))
		return InvalidOid;
	relid = get_relname_relid(name, PG_CATALOG_NAMESPACE);
	if (!OidIsValid(relid) ||
		getExtensionOfObject(RelationRelationId, relid) != extension)
		return InvalidOid;
	return relid;
}

/*
 * citus_column: the value of a column of such a table; (Datum) 0 for a null.
 */
static Datum
citus_column(Relation rel, HeapTuple row, const char *name)
{
	AttrNumber	attnum = get_attnum(RelationGetRelid(rel), name);
	bool		isnull;
	Datum		value;

	if (attnum == InvalidAttrNumber)
		elog(ERROR, "Citus's table \"%s\" has no column \"%s\"",
			 RelationGetRelationName(rel), name);
	value = heap_getattr(row, attnum, RelationGetDescr(rel), &isnull);
	return isnull ? (Datum) 0 : value;
}

/*
 * citus_scan: scan the rows of such a table in which a column has a value.
 */
static SysScanDesc
citus_scan(Relation rel, const char *index, const char *column,
		   RegProcedure equal, Datum value)
{
	Oid			index_oid = get_relname_relid(index, PG_CATALOG_NAMESPACE);
	ScanKeyData key;

	ScanKeyInit(&key, get_attnum(RelationGetRelid(rel), column),
				BTEqualStrategyNumber, equal, value);
	return systable_beginscan(rel, index_oid, OidIsValid(index_oid), NULL, 1,
							  &key);
}

/*
 * read_distributed: read what Citus knows of a table from its catalogs.
 */
static void
read_distributed(Oid relid, DistributedTable *table)
{
	Oid			catalog = citus_catalog("pg_dist_partition");
	Relation	rel;
	SysScanDesc scan;
	HeapTuple	row;

	memset(table, 0, sizeof(*table));
	table->relid = relid;
	if (!OidIsValid(catalog))
		return;
	rel = table_open(catalog, AccessShareLock);
	scan = citus_scan(rel, "pg_dist_partition_logical_relid_index",
					  "logicalrelid", F_OIDEQ, ObjectIdGetDatum(relid));
	row = systable_getnext(scan);
	if (HeapTupleIsValid(row))
	{
		Datum		key = citus_column(rel, row, "partkey");

		table->method = DatumGetChar(citus_column(rel, row, "partmethod"));
		table->model = DatumGetChar(citus_column(rel, row, "repmodel"));
		table->colocation = DatumGetInt32(citus_column(rel, row, "colocationid"));
		if (key != (Datum) 0)
		{
			Node	   *var = stringToNode(TextDatumGetCString(key));

			if (IsA(var, Var))
				table->column = ((Var *) var)->varattno;
		}
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/*
 * find_distributed: the same from the cache; false for a local table.  Returns
 * a copy, since the entry may be removed at the next catalog access.
 */
static bool
find_distributed(Oid relid, DistributedTable *table)
{
	DistributedTable *entry;

	if (distributed_tables == NULL)
		distributed_tables = create_relation_cache("eventlog distributed tables",
												   sizeof(DistributedTable));
	entry = hash_search(distributed_tables, &relid, HASH_FIND, NULL);
	if (entry == NULL)
	{
		read_distributed(relid, table);
		entry = hash_search(distributed_tables, &relid, HASH_ENTER, NULL);
		*entry = *table;
	}
	*table = *entry;
	return table->method != '\0';
}

/*
 * citus_has: does Citus store the rows of this table in shards, in any way?
 */
bool
citus_has(Oid relid)
{
	DistributedTable table;

	return find_distributed(relid, &table);
}

/*
 * distribution_obstacle: why a log cannot be used as Citus distributes it;
 * NULL if it can, or is local.
 */
char *
distribution_obstacle(Oid relid)
{
	DistributedTable table;
	char	   *column;

	if (!find_distributed(relid, &table))
		return NULL;
	if (table.method == METHOD_NONE)
		return table.model == MODEL_REFERENCE ?
			pstrdup("it is a reference table") : NULL;
	column = table.column == 0 ? NULL : get_attname(relid, table.column, true);
	if (table.method != METHOD_HASH || column == NULL)
		return pstrdup("it is not distributed by hash");
	if (strcmp(column, event_columns[EVENT_OCCURRED_AT].name) != 0)
		return psprintf("it is distributed by %s", column);
	return NULL;
}

/*
 * is_distributed: does Citus store the rows of this log or partition in
 * shards?  Raises an error if it does so in a way that cannot be used.
 */
bool
is_distributed(Oid relid)
{
	char	   *obstacle;

	if (!citus_has(relid))
		return false;
	obstacle = distribution_obstacle(relid);
	if (obstacle != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("log \"%s\" cannot be used: %s", get_rel_name(relid),
						obstacle),
				 errhint("Undo that with undistribute_table, then distribute the log by occurred_at.")));
	return true;
}

/*
 * are_colocated: does Citus place the shards of two tables together?
 */
bool
are_colocated(Oid a, Oid b)
{
	DistributedTable one;
	DistributedTable other;

	return find_distributed(a, &one) && find_distributed(b, &other) &&
		one.colocation != 0 && one.colocation == other.colocation;
}

/*
 * find_shards: the current shards of a distributed table, sorted by number,
 * without their nodes; returns how many.
 */
static int
find_shards(Oid relid, PlacedShard **found)
{
	Relation	rel = table_open(citus_catalog("pg_dist_shard"),
								 AccessShareLock);
	SysScanDesc scan = citus_scan(rel, "pg_dist_shard_logical_relid_index",
								  "logicalrelid", F_OIDEQ,
								  ObjectIdGetDatum(relid));
	PlacedShard *shards = palloc(sizeof(PlacedShard));
	int			n = 0;
	HeapTuple	row;

	while (HeapTupleIsValid(row = systable_getnext(scan)))
	{
		int64		id = DatumGetInt64(citus_column(rel, row, "shardid"));
		int			at = n;

		shards = repalloc(shards, sizeof(PlacedShard) * (n + 1));
		for (; at > 0 && shards[at - 1].shard > id; at--)
			shards[at] = shards[at - 1];
		shards[at] = (PlacedShard)
		{
			.shard = id,.node = -1
		};
		n++;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	*found = shards;
	return n;
}

/*
 * shards_text: the numbers of shards, separated by commas, each with its node
 * where that matters.
 */
char *
shards_text(const PlacedShard *shards, int n, bool with_nodes)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < n; i++)
	{
		appendStringInfo(&text, "%s" INT64_FORMAT, i > 0 ? "," : "",
						 shards[i].shard);
		if (with_nodes)
			appendStringInfo(&text, "@%d", shards[i].node);
	}
	return text.data;
}

/*
 * shards_of: the current shard numbers of a distributed table, as a text.
 */
char *
shards_of(Oid relid)
{
	PlacedShard *shards;
	int			n = find_shards(relid, &shards);

	return shards_text(shards, n, false);
}

/*
 * node_of: the node that has a shard, by its group; -1 unless it is the only
 * one.
 */
static int
node_of(Relation rel, int64 shard)
{
	SysScanDesc scan = citus_scan(rel, "pg_dist_placement_shardid_index",
								  "shardid", F_INT8EQ, Int64GetDatum(shard));
	int			node = -1;
	int			n = 0;
	HeapTuple	row;

	while (HeapTupleIsValid(row = systable_getnext(scan)))
	{
		if (DatumGetInt32(citus_column(rel, row, "shardstate")) != STATE_ACTIVE)
			continue;
		node = DatumGetInt32(citus_column(rel, row, "groupid"));
		n++;
	}
	systable_endscan(scan);
	return n == 1 ? node : -1;
}

/*
 * placed_shards_of: the current shards of a distributed table, sorted by
 * number, and their nodes; returns how many, or 0 if some are not on exactly
 * one node.
 */
int
placed_shards_of(Oid relid, PlacedShard **found)
{
	Relation	rel = table_open(citus_catalog("pg_dist_placement"),
								 AccessShareLock);
	int			n = find_shards(relid, found);
	bool		placed = true;

	for (int i = 0; i < n && placed; i++)
	{
		(*found)[i].node = node_of(rel, (*found)[i].shard);
		placed = (*found)[i].node >= 0;
	}
	table_close(rel, AccessShareLock);
	return placed ? n : 0;
}

/*
 * table_of_shard: the distributed table that has the shard with this number.
 */
static Oid
table_of_shard(int64 shard)
{
	Oid			catalog = citus_catalog("pg_dist_shard");
	Oid			found = InvalidOid;
	Relation	rel;
	SysScanDesc scan;
	HeapTuple	row;

	if (!OidIsValid(catalog))
		return InvalidOid;
	rel = table_open(catalog, AccessShareLock);
	scan = citus_scan(rel, "pg_dist_shard_shardid_index", "shardid", F_INT8EQ,
					  Int64GetDatum(shard));
	row = systable_getnext(scan);
	if (HeapTupleIsValid(row))
		found = DatumGetObjectId(citus_column(rel, row, "logicalrelid"));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/*
 * may_be_shard: does a table have the name of a shard, in a database with
 * Citus?  Then its number is in *shard.
 */
bool
may_be_shard(Oid relid, int64 *shard)
{
	char	   *name = get_rel_name(relid);
	char	   *digits = name ? strrchr(name, '_') : NULL;
	char	   *end;

	if (digits == NULL || digits[1] < '0' || digits[1] > '9' ||
		!OidIsValid(get_extension_oid("citus", true)))
		return false;
	errno = 0;
	*shard = strtoi64(digits + 1, &end, 10);
	return errno == 0 && *end == '\0';
}

/*
 * log_of_shard: the log that a table on this node is a shard of; InvalidOid if
 * it is not a shard.
 *
 * The name alone proves nothing, since anybody can give a table the name of a
 * shard on another node.  A shard is in the log's schema and belongs to its
 * owner.
 */
Oid
log_of_shard(Oid relid)
{
	int64		shard;
	Oid			log;
	Oid			owner;

	if (!may_be_shard(relid, &shard))
		return InvalidOid;
	log = table_of_shard(shard);
	if (!OidIsValid(log) || log == relid ||
		get_rel_namespace(log) != get_rel_namespace(relid))
		return InvalidOid;
	owner = relation_owner(log);
	return OidIsValid(owner) && owner == relation_owner(relid) ? log : InvalidOid;
}

/*
 * is_coordinator: is this the node that changes the structure of distributed
 * tables?
 */
bool
is_coordinator(void)
{
	Oid			catalog = citus_catalog("pg_dist_local_group");
	int			group = 0;
	Relation	rel;
	SysScanDesc scan;
	HeapTuple	row;

	if (!OidIsValid(catalog))
		return true;
	rel = table_open(catalog, AccessShareLock);
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	row = systable_getnext(scan);
	if (HeapTupleIsValid(row))
		group = DatumGetInt32(citus_column(rel, row, "groupid"));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return group == 0;
}

/*
 * shell_has_rows: does a distributed table have any row in this range of time?
 */
bool
shell_has_rows(Oid relid, TimestampTz lower, TimestampTz upper)
{
	return sql_number(psprintf("SELECT pg_catalog.count(*) FROM (SELECT 1"
							   " FROM %s WHERE occurred_at OPERATOR(pg_catalog.>=) '%s'"
							   " AND occurred_at OPERATOR(pg_catalog.<) '%s' LIMIT 1) x",
							   qualified_name(relid), utc_literal(lower),
							   utc_literal(upper))) > 0;
}
