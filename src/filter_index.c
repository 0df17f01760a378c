/*
 * filter_index.c
 *		The indexes that a log has on filter columns of its owner's choice.
 *
 * Each is an index (column, occurred_at, id) of the log.  To add one to a log
 * with events, it is built on each partition first, the current one last, and
 * the log's own index is made when all are there: PostgreSQL then takes them
 * over instead of building them.  So writers, who write to the current
 * partition, wait only while that one is built.
 */
#include "eventlog.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#define INDEX_LOCK_TIMEOUT	"1s"

/*
 * indexes_from_array: the columns that a list names, as flags; an error for
 * what is no filter column.
 */
void
indexes_from_array(ArrayType *columns, bool *wanted)
{
	Datum	   *names;
	bool	   *nulls;
	int			n;

	memset(wanted, false, sizeof(bool) * EVENT_NCOLUMNS);
	if (ARR_NDIM(columns) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("indexes must be a list of column names")));
	deconstruct_array(columns, TEXTOID, -1, false, TYPALIGN_INT,
					  &names, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		char	   *name = nulls[i] ? NULL : TextDatumGetCString(names[i]);
		int			col;

		for (col = 0; name != NULL && col < EVENT_NCOLUMNS; col++)
		{
			if (event_columns[col].collate_c &&
				strcmp(event_columns[col].name, name) == 0)
				break;
		}
		if (name == NULL || col == EVENT_NCOLUMNS)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("no filter column to index: %s",
							name ? quote_literal_cstr(name) : "NULL"),
					 errhint("Filter columns are event_type, level, resource_id, resource_type, source_service, source_host, category, user_id and request_id.")));
		wanted[col] = true;
	}
}

/*
 * is_filter_index: is it an index (column, occurred_at, id), and nothing more?
 */
static bool
is_filter_index(const Form_pg_index form, HeapTuple tuple,
				const AttrNumber *attnum, EventColumn column)
{
	return form->indnatts == 3 && form->indnkeyatts == 3 && form->indisvalid &&
		!form->indisunique &&
		heap_attisnull(tuple, Anum_pg_index_indpred, NULL) &&
		heap_attisnull(tuple, Anum_pg_index_indexprs, NULL) &&
		form->indkey.values[0] == attnum[column] &&
		form->indkey.values[1] == attnum[EVENT_OCCURRED_AT] &&
		form->indkey.values[2] == attnum[EVENT_ID];
}

/*
 * find_index: the index of a table on a filter column; InvalidOid when it has
 * none.  The table is locked.
 */
static Oid
find_index(Oid relid, EventColumn column)
{
	Relation	rel = relation_open(relid, NoLock);
	AttrNumber	attnum[EVENT_NCOLUMNS];
	Oid			found = InvalidOid;
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *cell;

	if (!map_event_columns(RelationGetDescr(rel), attnum))
		indexes = NIL;
	foreach(cell, indexes)
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID,
											ObjectIdGetDatum(lfirst_oid(cell)));

		if (!HeapTupleIsValid(tuple))
			continue;
		if (is_filter_index((Form_pg_index) GETSTRUCT(tuple), tuple, attnum,
							column))
			found = lfirst_oid(cell);
		ReleaseSysCache(tuple);
	}
	relation_close(rel, NoLock);
	return found;
}

static void
create_index(Oid relid, EventColumn column)
{
	run_sql(psprintf("CREATE INDEX ON %s (%s, occurred_at, id)",
					 qualified_name(relid), event_columns[column].name),
			SPI_OK_UTILITY);
}

/*
 * create_on_partition: unless it has such an index, or can have none.
 */
static void
create_on_partition(Oid partition, EventColumn column)
{
	CHECK_FOR_INTERRUPTS();
	LockRelationOid(partition, ShareLock);
	if (get_rel_relkind(partition) != RELKIND_FOREIGN_TABLE &&
		!OidIsValid(find_index(partition, column)))
		create_index(partition, column);
}

/*
 * create_on_partitions: on all partitions of a log, those first that nobody is
 * likely to write to.
 */
static void
create_on_partitions(Oid relid, EventColumn column)
{
	Relation	rel = relation_open(relid, NoLock);
	PartitionList *list = list_partitions(rel);
	const Partition *current = partition_at(list, GetCurrentTimestamp());

	relation_close(rel, NoLock);
	for (int i = 0; i < list->n; i++)
	{
		if (&list->items[i] != current)
			create_on_partition(list->items[i].oid, column);
	}
	if (OidIsValid(list->default_oid))
		create_on_partition(list->default_oid, column);
	if (current)
		create_on_partition(current->oid, column);
}

/*
 * add_indexes: to a log that is new.  Within SPI, as its owner.
 */
void
add_indexes(Oid relid, const bool *wanted)
{
	for (int col = 0; col < EVENT_NCOLUMNS; col++)
	{
		if (wanted[col])
			create_index(relid, col);
	}
}

/*
 * change_indexes: see that a log has indexes on these columns and no others.
 * Within SPI, between become() and become_again() as the log's owner, the log
 * locked against other changes.
 *
 * A lock that is waited for makes those who write queue up behind, so no wait
 * is long, unless the session has a limit of its own.
 */
void
change_indexes(Oid relid, const bool *wanted)
{
	if (LockTimeout == 0)
		set_locally("lock_timeout", INDEX_LOCK_TIMEOUT);
	for (int col = 0; col < EVENT_NCOLUMNS; col++)
	{
		Oid			index;

		if (!event_columns[col].collate_c)
			continue;
		index = find_index(relid, col);
		if (wanted[col] && !OidIsValid(index))
		{
			create_on_partitions(relid, col);
			create_index(relid, col);
		}
		else if (!wanted[col] && OidIsValid(index))
			run_sql(psprintf("DROP INDEX %s", qualified_name(index)),
					SPI_OK_UTILITY);
	}
}
