/*
 * move.c
 *		Moving events from the default partition to one of their own,
 *		unchanged.
 *
 * A move is upkeep and must not run what users have attached to the log:
 * triggers, rules, policies, referential actions, webhooks.  So it is not done
 * by SQL: rows are read, deleted and inserted through the table access method,
 * as they are, including generated columns.  Logical decoding sees a DELETE
 * and an INSERT.  Foreign keys that refer to a moved event remain valid, since
 * it exists again before the transaction ends.
 *
 * The rows are taken out first, then the new partition is attached, then they
 * are put in.  ATTACH fails while the default partition has rows of the range,
 * and a row inserted before the attach would be lost on a logical subscriber,
 * where the table is not published yet.
 */
#include "upkeep/upkeep.h"

#include "access/relation.h"
#include "access/heaptoast.h"
#include "access/tableam.h"
#include "access/tupconvert.h"
#include "access/xact.h"
#include "catalog/pg_publication.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/*
 * unvalidated_check: the name of a CHECK constraint of the log that rows of
 * the default partition may violate; NULL if there is none.
 *
 * A new partition, created empty, would claim that its rows satisfy it.
 */
static char *
unvalidated_check(Relation log, Relation part)
{
	TupleConstr *wanted = RelationGetDescr(log)->constr;
	TupleConstr *given = RelationGetDescr(part)->constr;

	for (int i = 0; wanted != NULL && i < wanted->num_check; i++)
	{
		bool		found = false;

		for (int j = 0; given != NULL && j < given->num_check && !found; j++)
			found = strcmp(wanted->check[i].ccname, given->check[j].ccname) == 0 &&
				given->check[j].ccvalid;
		if (!found)
			return pstrdup(wanted->check[i].ccname);
	}
	return NULL;
}

/*
 * can_publish_delete: do publications of the table allow deleting rows?  The
 * same check as that of CheckCmdReplicaIdentity().
 */
static bool
can_publish_delete(Relation rel)
{
	PublicationDesc desc;

	RelationBuildPublicationDesc(rel, &desc);
	return compat_valid_for_delete(&desc) &&
		(!desc.pubactions.pubdelete ||
		 rel->rd_rel->relreplident == REPLICA_IDENTITY_FULL ||
		 OidIsValid(RelationGetReplicaIndex(rel)));
}

/*
 * obstacle_between: move_find_obstacle() for open tables.
 */
static char *
obstacle_between(Relation log, Relation part)
{
	char	   *check;

	if (part->rd_rel->relkind != RELKIND_RELATION)
		return psprintf("\"%s\" is not an ordinary table",
						RelationGetRelationName(part));
	if (!time_scan_is_possible(part))
		return psprintf("\"%s\" has no primary key that begins with occurred_at",
						RelationGetRelationName(part));
	if (!can_publish_delete(part))
		return psprintf("\"%s\" publishes deletes and has no suitable replica identity",
						RelationGetRelationName(part));
	check = unvalidated_check(log, part);
	if (check != NULL)
		return psprintf("constraint \"%s\" of \"%s\" is not validated", check,
						RelationGetRelationName(part));
	return NULL;
}

/*
 * move_find_obstacle: why no event can be moved out of the default partition,
 * or NULL.  The log is locked.
 */
char *
move_find_obstacle(Oid log, Oid default_oid)
{
	Relation	parent = relation_open(log, NoLock);
	Relation	part = try_relation_open(default_oid, AccessShareLock);
	char	   *obstacle = NULL;

	if (part != NULL)
	{
		obstacle = obstacle_between(parent, part);
		relation_close(part, AccessShareLock);
	}
	relation_close(parent, NoLock);
	return obstacle;
}

/*
 * take_row: store a row, with its toasted values, and delete it.
 */
static void
take_row(Relation rel, TupleTableSlot *slot, Tuplestorestate *store,
		 Snapshot snapshot)
{
	bool		should_free;
	HeapTuple	row = ExecFetchSlotHeapTuple(slot, false, &should_free);

	tuplestore_puttuple(store, toast_flatten_tuple(row, RelationGetDescr(rel)));
	simple_table_tuple_delete(rel, &slot->tts_tid, snapshot);
}

/*
 * move_take_rows: delete a range of the default partition, which is locked,
 * and return the rows in a tuplestore, with their descriptor and number.
 */
Tuplestorestate *
move_take_rows(Oid default_oid, TimestampTz lower, TimestampTz upper,
			   TupleDesc *desc, int64 *rows)
{
	Relation	rel = relation_open(default_oid, NoLock);
	Tuplestorestate *store = tuplestore_begin_heap(false, false, work_mem);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "eventlog moved row",
												  ALLOCSET_DEFAULT_SIZES);
	TimeScan   *scan;

	*desc = CreateTupleDescCopy(RelationGetDescr(rel));
	*rows = 0;
	CheckCmdReplicaIdentity(rel, CMD_DELETE);
	PushActiveSnapshot(GetLatestSnapshot());
	scan = time_scan_begin(rel, lower, upper, ForwardScanDirection);
	while (time_scan_next(scan))
	{
		MemoryContext outer = MemoryContextSwitchTo(context);

		take_row(rel, time_scan_slot(scan), store, GetActiveSnapshot());
		MemoryContextSwitchTo(outer);
		MemoryContextReset(context);
		(*rows)++;
	}
	time_scan_end(scan);
	PopActiveSnapshot();
	MemoryContextDelete(context);
	relation_close(rel, NoLock);
	CommandCounterIncrement();
	return store;
}

/*
 * require_not_null: the only constraint that is checked for each row.
 *
 * The default partition has all constraints of the log, but PostgreSQL 18 does
 * not say whether NOT NULL constraints are validated.
 */
static void
require_not_null(TupleTableSlot *slot)
{
	TupleDesc	desc = slot->tts_tupleDescriptor;

	slot_getallattrs(slot);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attnotnull && !att->attisdropped &&
			att->attgenerated != 'v' && slot->tts_isnull[i])
			ereport(ERROR,
					(errcode(ERRCODE_NOT_NULL_VIOLATION),
					 errmsg("a row of the default partition has null in column \"%s\"",
							NameStr(att->attname))));
	}
}

/*
 * put_row: insert a row into a partition and its indexes.
 */
static void
put_row(ResultRelInfo *result, EState *estate, TupleTableSlot *slot)
{
	require_not_null(slot);
	table_tuple_insert(result->ri_RelationDesc, slot,
					   GetCurrentCommandId(true), 0, NULL);
	if (result->ri_NumIndices > 0 &&
		compat_insert_index_tuples(result, slot, estate) != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("events in the default partition violate a deferrable constraint")));
}

/*
 * move_put_rows: insert what move_take_rows() returned into a new partition.
 */
void
move_put_rows(Oid partition, Tuplestorestate *store, TupleDesc desc,
			  int64 rows)
{
	Relation	rel = relation_open(partition, RowExclusiveLock);
	TupleConversionMap *map = convert_tuples_by_name(desc,
													 RelationGetDescr(rel));
	EState	   *estate = CreateExecutorState();
	ResultRelInfo *result = makeNode(ResultRelInfo);
	TupleTableSlot *in = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	TupleTableSlot *out = table_slot_create(rel, NULL);
	int64		put = 0;

	PushActiveSnapshot(GetLatestSnapshot());
	InitResultRelInfo(result, rel, 1, NULL, 0);
	ExecOpenIndices(result, false);
	while (tuplestore_gettupleslot(store, true, false, in))
	{
		CHECK_FOR_INTERRUPTS();
		if (map != NULL)
			(void) execute_attr_map_slot(map->attrMap, in, out);
		else
			ExecCopySlot(out, in);
		put_row(result, estate, out);
		ExecClearTuple(out);
		ResetPerTupleExprContext(estate);
		put++;
	}
	if (put != rows)
		elog(ERROR, "%lld of %lld events were moved", (long long) put,
			 (long long) rows);
	ExecCloseIndices(result);
	PopActiveSnapshot();
	ExecDropSingleTupleTableSlot(in);
	ExecDropSingleTupleTableSlot(out);
	FreeExecutorState(estate);
	relation_close(rel, NoLock);
	CommandCounterIncrement();
}
