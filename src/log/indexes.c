/*
 * indexes.c
 *		The indexes that a log has besides its primary key: two of classes of
 *		events, BRIN on their time, and one of each filter column of its owner's
 *		choice.
 *
 * None of them ends in the time, as they did up to version 0.2: a B-tree makes
 * posting lists of equal keys, which take a tenth of the room; see
 * src/read/newest.c for how events are found by them.
 *
 * PostgreSQL builds an index of a log on all partitions at once, with a lock
 * on the log that all writers wait for, and to lock a partition first would
 * deadlock with them.  So that is done only where little is to be built.
 * Otherwise alter_log, or maintain of a log of an older version, makes the
 * log's own index alone, which takes a moment and is not valid yet, and
 * maintain builds the partitions' one by one, each in a transaction of its
 * own; when all are there it is valid, and what it is in place of is dropped.
 * Partitions made meanwhile have it from the beginning.
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
#define MAX_BUILD_BYTES		(16 * 1024 * 1024)	/* of a log whose indexes are
												 * built at once */

/*
 * IndexShape: an index of a log.
 */
typedef struct IndexShape
{
	const char *what;			/* it is on, for people */
	const char *name;			/* a part of its own */
	bool		brin;
	int			n;
	EventColumn columns[CLASS_NCOLUMNS];
} IndexShape;

/* what every log has besides those of its classes */
static const IndexShape time_shape = {
	"occurred_at", "time", true, 1, {EVENT_OCCURRED_AT}
};

#define MAX_SHAPES (NCLASS_INDEXES + 1 + EVENT_NCOLUMNS)

/*
 * has_shape: is it an index of these columns, and nothing more?  ends_in_time:
 * and of (occurred_at, id) behind them, as of old.
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
 * access_method: of an index, as far as it exists.
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
 * find_index: the index of a table that has a shape, and whether it is valid;
 * InvalidOid when it has none.
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
 * index_of: the same of a table that is locked and not open.
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
 * create_index: on a table, a name being chosen; its Oid.
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
 * shapes_of: what a log has to have: what all have, and the filter columns
 * that are wanted, or of which it has an index if wanted is NULL; how many.
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
 * indexes_add: to a log that is new.  Within SPI, as its owner.
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
 * drop_replaced: drop the index of an older version that a valid one is in
 * place of; was there any?
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
 * has_foreign: an index of a log with foreign partitions does not become valid
 * by its parts.
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
 * indexes_change: see that a log has what every log has, and indexes on these
 * filter columns and no others; NULL: on those on which it has any.  Within
 * SPI, between switch_user() and restore_user() as the log's owner, the log
 * locked against other changes.
 *
 * A lock that is waited for makes those who write queue up behind, so no wait
 * is long, unless the session has a limit of its own.
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
 * indexes_renew_next: make one index that a log of an older version lacks, to
 * be built on its partitions by indexes_build_part(), or drop one that it
 * needs no more.  Within SPI, as the log's owner, the log locked against
 * other changes and not open.
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
 * indexes_find_unbuilt: an index of the log, on *what, that some partitions
 * lack, and those partitions; NIL when there is none.  Locks nothing.
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
 * indexes_build_part: a part of the log's index for one partition, which may
 * have had such an index of its own before.  Within SPI, as the log's owner,
 * the log locked against other changes and not open.
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
