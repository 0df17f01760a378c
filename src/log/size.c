/*
 * size.c
 *		The size of a log, without taking any locks.
 *
 * Sizes are read from the file system, since pg_total_relation_size() waits
 * for locks on every index.
 */
#include "log/log.h"

#include <sys/stat.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "common/relpath.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/syscache.h"

/*
 * file_bytes: the size of one fork, all segments; 0 if it does not exist.
 */
static int64
file_bytes(const char *path)
{
	int64		bytes = 0;

	for (int segment = 0;; segment++)
	{
		char	   *file = segment == 0 ? pstrdup(path) :
			psprintf("%s.%d", path, segment);
		struct stat status;
		int			result = stat(file, &status);

		pfree(file);
		if (result != 0)
			return bytes;
		bytes += status.st_size;
	}
}

/*
 * storage_bytes: the size of one table, index or the like by itself.
 */
static int64
storage_bytes(Oid relid)
{
	LOCAL_FCINFO(fcinfo, 1);
	Datum		path;
	int64		bytes = 0;

	/* the result may be null, which DirectFunctionCall does not allow */
	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = ObjectIdGetDatum(relid);
	fcinfo->args[0].isnull = false;
	path = pg_relation_filepath(fcinfo);
	if (fcinfo->isnull)
		return 0;
	for (ForkNumber fork = MAIN_FORKNUM; fork <= MAX_FORKNUM; fork++)
	{
		char	   *file = TextDatumGetCString(path);

		if (fork != MAIN_FORKNUM)
			file = psprintf("%s_%s", file, forkNames[fork]);
		bytes += file_bytes(file);
	}
	return bytes;
}

/*
 * index_bytes: the size of all indexes of a table.
 */
static int64
index_bytes(Relation pg_index, Oid relid)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	int64		bytes = 0;

	ScanKeyInit(&key, Anum_pg_index_indrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(pg_index, IndexIndrelidIndexId, true, NULL, 1,
							  &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		bytes += storage_bytes(((Form_pg_index) GETSTRUCT(tuple))->indexrelid);
	systable_endscan(scan);
	return bytes;
}

/*
 * add_partition_size: add a partition's estimated number of events and its
 * size, including indexes and TOAST.
 */
static void
add_partition_size(Relation pg_index, Oid relid, int64 *events, int64 *bytes)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Form_pg_class form;
	Oid			toast;

	if (!HeapTupleIsValid(tuple))
		return;
	form = (Form_pg_class) GETSTRUCT(tuple);
	if (form->reltuples > 0 && form->relkind != RELKIND_PARTITIONED_TABLE)
		*events += (int64) form->reltuples;
	toast = form->reltoastrelid;
	ReleaseSysCache(tuple);

	*bytes += storage_bytes(relid) + index_bytes(pg_index, relid);
	if (OidIsValid(toast))
		*bytes += storage_bytes(toast) + index_bytes(pg_index, toast);
}

/*
 * log_sum_sizes: the same for all partitions of a table.
 */
void
log_sum_sizes(Oid relid, int64 *events, int64 *bytes)
{
	List	   *tables = find_all_inheritors(relid, NoLock, NULL);
	Relation	pg_index = table_open(IndexRelationId, AccessShareLock);
	ListCell   *cell;

	*events = *bytes = 0;
	foreach(cell, tables)
	{
		CHECK_FOR_INTERRUPTS();
		add_partition_size(pg_index, lfirst_oid(cell), events, bytes);
	}
	table_close(pg_index, AccessShareLock);
}
