/*
 * indexes.c
 *		The indexes of a log besides its primary key: two on classes of
 *		events, a BRIN index on their time, and one on each filter column
 *		that the owner chose.
 *
 * Unlike those of version 0.2, none of them ends in the time: a B-tree then
 * keeps equal keys in posting lists, which take a tenth of the space.
 * src/read/newest.c explains how events are found by them.
 *
 * PostgreSQL builds an index of a partitioned table on all partitions at once,
 * under a lock on the table that all writers wait for.  Locking a partition
 * first would deadlock with writers.  So this is done only if there is little
 * to build.  Otherwise alter_log, or maintain of a log of an older version,
 * creates the log's own index alone, which takes a moment and leaves it
 * invalid. maintain then builds the index of one partition after another, each
 * in a transaction of its own.  When all are there, the log's index becomes
 * valid, and the index that it replaces is dropped.  Partitions created in
 * between have it from the start.
 */
#include "log/log.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "commands/defrem.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#define INDEX_LOCK_TIMEOUT	"1s"
#define MAX_BUILD_BYTES		(16 * 1024 * 1024)	/* size of a log whose indexes
												 * are built at once */

/*
 * IndexShape: an index that a log can have.
 */
typedef struct IndexShape
{
	const char *what;			/* what it is on, for people */
	const char *name;			/* the part of its name that distinguishes it */
	bool		brin;
	int			n;
	EventColumn columns[CLASS_NCOLUMNS];
} IndexShape;

/*
 * every log has this one and those on classes
 */
static const IndexShape time_shape = {
	"occurred_at", "time", true, 1, {EVENT_OCCURRED_AT}
};

#define MAX_SHAPES (NCLASS_INDEXES + 1 + EVENT_NCOLUMNS)

/*
 * has_shape: is it an index on exactly these columns? ends_in_time: followed
 * by (occurred_at, id), as in version 0.2.
 */
static bool
has_shape(const Form_pg_index form, HeapTuple tuple, const AttrNumber *attnum,
		  const IndexShape *shape, bool ends_in_time)
{
	int			n = shape->n + (ends_in_time ? 2 : 0);

	if (form->indnatts != n || form->indnkeyatts != n || form->indisunique ||
		!heap_attisnull(tuple, Anum_pg_index_indpred, NULL) ||
		!heap_attisnull(tuple, Anum_pg_index_indexprs, NULL))
		return false;
	for (int i = 0; i < shape->n; i++)
	{
		if (form->indkey.values[i] != attnum[shape->columns[i]])
			return false;
	}
	return !ends_in_time ||
		(form->indkey.values[shape->n] == attnum[EVENT_OCCURRED_AT] &&
		 form->indkey.values[shape->n + 1] == attnum[EVENT_ID]);
}

/*
 * access_method: the access method of an index; InvalidOid if it was dropped.
 */
static Oid
access_method(Oid index)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(index));
	Oid			method = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		method = ((Form_pg_class) GETSTRUCT(tuple))->relam;
		ReleaseSysCache(tuple);
	}
	return method;
}

/*
 * find_index: find a table's index of a shape, and whether it is valid;
 * InvalidOid if there is none.
 */
static Oid
find_index(Relation rel, const IndexShape *shape, bool ends_in_time,
		   bool *valid)
{
	AttrNumber	attnum[EVENT_NCOLUMNS];
	Oid			found = InvalidOid;
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *cell;

	*valid = false;
	if (!event_map_columns(RelationGetDescr(rel), attnum))
		return InvalidOid;
	foreach(cell, indexes)
	{
		HeapTuple	tuple;
		Form_pg_index form;

		if (access_method(lfirst_oid(cell)) !=
			(shape->brin ? BRIN_AM_OID : BTREE_AM_OID))
			continue;
		tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));
		if (!HeapTupleIsValid(tuple))
			continue;
		form = (Form_pg_index) GETSTRUCT(tuple);
		if (!*valid && has_shape(form, tuple, attnum, shape, ends_in_time))
		{
			found = lfirst_oid(cell);
			*valid = form->indisvalid;
		}
		ReleaseSysCache(tuple);
	}
	return found;
}

/*
 * index_of: the same for a table that is locked and not open.
 */
static Oid
index_of(Oid relid, const IndexShape *shape, bool ends_in_time, bool *valid)
{
	Relation	rel = relation_open(relid, NoLock);
	Oid			index = find_index(rel, shape, ends_in_time, valid);

	relation_close(rel, NoLock);
	return index;
}

/*
 * create_index: create an index with a generated name; returns its OID.
 */
static Oid
create_index(Oid relid, const IndexShape *shape, const char *only)
{
	Oid			schema = get_rel_namespace(relid);
	char	   *name = ChooseRelationName(get_rel_name(relid), shape->name,
										  "idx", schema, false);
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE INDEX %s ON %s%s%s (",
					 quote_identifier(name), only, qualified_name(relid),
					 shape->brin ? " USING brin" : "");
	for (int i = 0; i < shape->n; i++)
		appendStringInfo(&sql, "%s%s", i > 0 ? ", " : "",
						 event_columns[shape->columns[i]].name);
	appendStringInfo(&sql, ")%s",
					 shape->brin ? " WITH (pages_per_range = 128)" : "");
	run_sql(sql.data, SPI_OK_UTILITY);
	return get_relname_relid(name, schema);
}

static IndexShape
class_shape(ClassIndex which)
{
	static const char *const whats[] = {
		"event_type and its class", "level and its class"
	};
	static const char *const names[] = {"class", "level_class"};
	IndexShape	shape = {
		.what = whats[which],.name = names[which],
		.n = class_indexes[which].ncolumns
	};

	memcpy(shape.columns, class_indexes[which].columns, sizeof(shape.columns));
	return shape;
}

static IndexShape
column_shape(EventColumn column)
{
	const char *name = event_columns[column].name;
	IndexShape	shape = {.what = name,.name = name,.n = 1,.columns = {column}};

	return shape;
}

/*
 * shapes_of: the indexes that a log should have: those of every log, and those
 * on the filter columns that are wanted, or already indexed if wanted is NULL;
 * returns how many.
 */
static int
shapes_of(Relation rel, const bool *wanted, IndexShape *shapes)
{
	int			n = 0;

	for (ClassIndex which = 0; which < NCLASS_INDEXES; which++)
		shapes[n++] = class_shape(which);
	shapes[n++] = time_shape;
	for (int col = 0; col < EVENT_NCOLUMNS; col++)
	{
		IndexShape	shape = column_shape(col);
		bool		valid;

		if (!event_columns[col].collate_c)
			continue;
		if (wanted ? wanted[col] :
			(OidIsValid(find_index(rel, &shape, false, &valid)) ||
			 OidIsValid(find_index(rel, &shape, true, &valid))))
			shapes[n++] = shape;
	}
	return n;
}

static int
shapes_of_log(Oid relid, const bool *wanted, IndexShape *shapes)
{
	Relation	rel = relation_open(relid, NoLock);
	int			n = shapes_of(rel, wanted, shapes);

	relation_close(rel, NoLock);
	return n;
}

/*
 * indexes_add: create the indexes of a new log.  Within SPI, as its owner.
 */
void
indexes_add(Oid relid, const bool *wanted)
{
	IndexShape	shapes[MAX_SHAPES];
	int			n = shapes_of_log(relid, wanted, shapes);

	for (int i = 0; i < n; i++)
		(void) create_index(relid, &shapes[i], "");
}

static void
drop_index(Oid index)
{
	if (OidIsValid(index))
		run_sql(psprintf("DROP INDEX %s", qualified_name(index)),
				SPI_OK_UTILITY);
}

/*
 * drop_replaced: drop an index of version 0.2 that a valid one replaces;
 * returns whether there was any.
 */
static bool
drop_replaced(Oid relid, const IndexShape *shape)
{
	bool		valid;
	bool		old_valid;
	Oid			old = index_of(relid, shape, true, &old_valid);

	(void) index_of(relid, shape, false, &valid);
	if (!valid || shape->brin || !OidIsValid(old))
		return false;
	drop_index(old);
	return true;
}

/*
 * has_foreign: does the log have foreign partitions?  An index of such a log
 * never becomes valid by building it partition by partition.
 */
static bool
has_foreign(Oid relid)
{
	Relation	rel = relation_open(relid, NoLock);
	PartitionList *list = partition_list(rel);
	bool		found = false;

	relation_close(rel, NoLock);
	for (int i = 0; i < list->n; i++)
		found |= get_rel_relkind(list->items[i].oid) == RELKIND_FOREIGN_TABLE;
	return found;
}

/*
 * indexes_change: give a log the indexes of every log, and those on these
 * filter columns and no others; NULL: those on the columns already indexed.
 * Within SPI, between switch_user() and restore_user() as the log's owner,
 * with the log locked against other changes.
 *
 * Writers queue up behind a lock that is waited for, so waits are short unless
 * the session has set a limit of its own.
 */
void
indexes_change(Oid relid, const bool *wanted)
{
	IndexShape	shapes[MAX_SHAPES];
	int			n = shapes_of_log(relid, wanted, shapes);
	int64		events;
	int64		bytes;
	bool		valid;

	log_sum_sizes(relid, &events, &bytes);
	if (LockTimeout == 0)
		set_local("lock_timeout", INDEX_LOCK_TIMEOUT);
	for (int i = 0; i < n; i++)
	{
		if (OidIsValid(index_of(relid, &shapes[i], false, &valid)))
			;
		else if (bytes <= MAX_BUILD_BYTES || has_foreign(relid))
			(void) create_index(relid, &shapes[i], "");
		else
		{
			(void) create_index(relid, &shapes[i], "ONLY ");
			ereport(NOTICE,
					(errmsg("eventlog.maintain will build the index on %s, one partition at a time",
							shapes[i].what)));
		}
		(void) drop_replaced(relid, &shapes[i]);
	}
	for (int col = 0; wanted && col < EVENT_NCOLUMNS; col++)
	{
		IndexShape	shape = column_shape(col);

		if (wanted[col] || !event_columns[col].collate_c)
			continue;
		drop_index(index_of(relid, &shape, false, &valid));
		drop_index(index_of(relid, &shape, true, &valid));
	}
}

/*
 * indexes_are_missing: is there anything for indexes_renew_next() to do?  The
 * log is locked.
 */
bool
indexes_are_missing(Oid relid)
{
	IndexShape	shapes[MAX_SHAPES];
	int			n = shapes_of_log(relid, NULL, shapes);
	bool		valid;
	bool		old_valid;

	for (int i = 0; i < n; i++)
	{
		if (!OidIsValid(index_of(relid, &shapes[i], false, &valid)) ||
			(valid && !shapes[i].brin &&
			 OidIsValid(index_of(relid, &shapes[i], true, &old_valid))))
			return true;
	}
	return false;
}

/*
 * indexes_renew_next: create one index that a log of an older version lacks,
 * to be built by indexes_build_part(), or drop one that is no longer needed.
 * Within SPI, as the log's owner, with the log locked against other changes
 * and not open.
 */
void
indexes_renew_next(Oid relid)
{
	IndexShape	shapes[MAX_SHAPES];
	int			n = shapes_of_log(relid, NULL, shapes);
	bool		valid;

	for (int i = 0; i < n; i++)
	{
		if (drop_replaced(relid, &shapes[i]))
			return;
		if (OidIsValid(index_of(relid, &shapes[i], false, &valid)))
			continue;
		(void) create_index(relid, &shapes[i],
							has_foreign(relid) ? "" : "ONLY ");
		return;
	}
}

/*
 * indexed_tables: the tables whose indexes are attached to an index of the
 * log.
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
 * partitions_without: the partitions without a part of an index of the log;
 * the current one, which is written to most, comes last.
 */
static List *
partitions_without(const PartitionList *list, Oid index)
{
	List	   *having = indexed_tables(index);
	List	   *result = NIL;
	const Partition *current = partition_find(list, GetCurrentTimestamp());

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
 * indexes_find_unbuilt: find an index of the log, described by *what, that
 * some partitions lack, and return those partitions; NIL if there is none.
 * Takes no locks.
 */
List *
indexes_find_unbuilt(const EventLog *log, const PartitionList *list,
					 Oid *index,
					 const char **what)
{
	IndexShape	shapes[MAX_SHAPES];
	int			n = shapes_of(log->rel, NULL, shapes);

	for (int i = 0; i < n; i++)
	{
		bool		valid;
		List	   *missing;

		*index = find_index(log->rel, &shapes[i], false, &valid);
		*what = shapes[i].what;
		if (!OidIsValid(*index) || valid)
			continue;
		missing = partitions_without(list, *index);
		if (missing != NIL)
			return missing;
	}
	return NIL;
}

/*
 * indexes_build_part: build or attach one partition's part of the log's index.
 * Within SPI, as the log's owner, with the log locked against other changes
 * and not open.
 */
void
indexes_build_part(Oid relid, Oid index, Oid partition)
{
	IndexShape	shapes[MAX_SHAPES];
	int			n = shapes_of_log(relid, NULL, shapes);
	bool		valid;

	LockRelationOid(partition, ShareLock);
	for (int i = 0; i < n; i++)
	{
		Oid			part;

		if (index_of(relid, &shapes[i], false, &valid) != index)
			continue;
		part = index_of(partition, &shapes[i], false, &valid);
		if (!OidIsValid(part) || !valid)
			part = create_index(partition, &shapes[i], "");
		run_sql(psprintf("ALTER INDEX %s ATTACH PARTITION %s",
						 qualified_name(index), qualified_name(part)),
				SPI_OK_UTILITY);
		return;
	}
}
