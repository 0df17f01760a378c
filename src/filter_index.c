/*
 * filter_index.c
 *		The indexes that a log has on filter columns of its owner's choice.
 *
 * Each is an index (column, occurred_at, id) of the log.  PostgreSQL builds such
 * an index on all partitions at once, with a lock on the log that all writers
 * wait for, and to lock a partition first would deadlock with them.  So that is
 * done only where little is to be built.  Otherwise alter_log makes the log's
 * own index alone, which takes a moment and is not valid yet, and maintain
 * builds the partitions' one by one, each in a transaction of its own; when all
 * are there it is valid.  Partitions made meanwhile have it from the beginning.
 */
#include "eventlog.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
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
#define MAX_BUILD_BYTES		(16 * 1024 * 1024)	/* of a log whose indexes are
												 * built at once */

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
	return form->indnatts == 3 && form->indnkeyatts == 3 &&
		!form->indisunique &&
		heap_attisnull(tuple, Anum_pg_index_indpred, NULL) &&
		heap_attisnull(tuple, Anum_pg_index_indexprs, NULL) &&
		form->indkey.values[0] == attnum[column] &&
		form->indkey.values[1] == attnum[EVENT_OCCURRED_AT] &&
		form->indkey.values[2] == attnum[EVENT_ID];
}

/*
 * find_index: the index of a table on a filter column, and whether it is valid;
 * InvalidOid when it has none.
 */
static Oid
find_index(Relation rel, EventColumn column, bool *valid)
{
	AttrNumber	attnum[EVENT_NCOLUMNS];
	Oid			found = InvalidOid;
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *cell;

	*valid = false;
	if (!map_event_columns(RelationGetDescr(rel), attnum))
		return InvalidOid;
	foreach(cell, indexes)
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID,
											ObjectIdGetDatum(lfirst_oid(cell)));
		Form_pg_index form;

		if (!HeapTupleIsValid(tuple))
			continue;
		form = (Form_pg_index) GETSTRUCT(tuple);
		if (!*valid && is_filter_index(form, tuple, attnum, column))
		{
			found = lfirst_oid(cell);
			*valid = form->indisvalid;
		}
		ReleaseSysCache(tuple);
	}
	return found;
}

/*
 * create_index: on a table, a name being chosen; its Oid.
 */
static Oid
create_index(Oid relid, EventColumn column, const char *only)
{
	Oid			schema = get_rel_namespace(relid);
	char	   *name = ChooseRelationName(get_rel_name(relid),
										  event_columns[column].name, "idx",
										  schema, false);

	run_sql(psprintf("CREATE INDEX %s ON %s%s (%s, occurred_at, id)",
					 quote_identifier(name), only, qualified_name(relid),
					 event_columns[column].name), SPI_OK_UTILITY);
	return get_relname_relid(name, schema);
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
			(void) create_index(relid, col, "");
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
	int64		events;
	int64		bytes;

	sum_sizes(relid, &events, &bytes);
	if (LockTimeout == 0)
		set_locally("lock_timeout", INDEX_LOCK_TIMEOUT);
	for (int col = 0; col < EVENT_NCOLUMNS; col++)
	{
		Relation	rel;
		Oid			index;
		bool		valid;

		if (!event_columns[col].collate_c)
			continue;
		rel = relation_open(relid, NoLock);
		index = find_index(rel, col, &valid);
		relation_close(rel, NoLock);
		if (!wanted[col] && OidIsValid(index))
			run_sql(psprintf("DROP INDEX %s", qualified_name(index)),
					SPI_OK_UTILITY);
		else if (!wanted[col] || OidIsValid(index))
			continue;
		else if (bytes <= MAX_BUILD_BYTES)
			(void) create_index(relid, col, "");
		else
		{
			(void) create_index(relid, col, "ONLY ");
			ereport(NOTICE,
					(errmsg("eventlog.maintain will build the index on %s, one partition at a time",
							event_columns[col].name)));
		}
	}
}

/*
 * indexed_tables: the tables whose indexes are parts of an index of the log.
 */
static List *
indexed_tables(Oid index)
{
	List	   *result = NIL;
	ListCell   *cell;

	foreach(cell, find_inheritance_children(index, NoLock))
		result = lappend_oid(result, IndexGetRelation(lfirst_oid(cell), true));
	return result;
}

/*
 * partitions_without: the partitions that have no part of an index of the log;
 * the current one, to which most is written, last.
 */
static List *
partitions_without(const PartitionList *list, Oid index)
{
	List	   *having = indexed_tables(index);
	List	   *result = NIL;
	const Partition *current = partition_at(list, GetCurrentTimestamp());

	for (int i = 0; i <= list->n + 1; i++)
	{
		Oid			oid = InvalidOid;

		if (i < list->n && &list->items[i] != current)
			oid = list->items[i].oid;
		else if (i == list->n)
			oid = list->default_oid;
		else if (i == list->n + 1 && current)
			oid = current->oid;
		if (OidIsValid(oid) && get_rel_relkind(oid) != RELKIND_FOREIGN_TABLE &&
			!list_member_oid(having, oid))
			result = lappend_oid(result, oid);
	}
	return result;
}

/*
 * index_to_build: an index of the log, on which column, that some partitions
 * lack, and those partitions; NIL when there is none.  Locks nothing.
 */
List *
index_to_build(const EventLog *log, const PartitionList *list, Oid *index,
			   EventColumn *column)
{
	for (int col = 0; col < EVENT_NCOLUMNS; col++)
	{
		bool		valid;
		List	   *missing;

		if (!event_columns[col].collate_c)
			continue;
		*index = find_index(log->rel, col, &valid);
		*column = col;
		if (!OidIsValid(*index) || valid)
			continue;
		missing = partitions_without(list, *index);
		if (missing != NIL)
			return missing;
	}
	return NIL;
}

/*
 * build_index: a part of the log's index for one partition, which may have had
 * such an index of its own before.  Within SPI, as the log's owner, the log
 * locked against other changes and not open.
 */
void
build_index(Oid index, EventColumn column, Oid partition)
{
	Relation	rel = relation_open(partition, ShareLock);
	bool		valid;
	Oid			part = find_index(rel, column, &valid);

	relation_close(rel, NoLock);
	if (!OidIsValid(part) || !valid)
		part = create_index(partition, column, "");
	run_sql(psprintf("ALTER INDEX %s ATTACH PARTITION %s",
					 qualified_name(index), qualified_name(part)),
			SPI_OK_UTILITY);
}
