/*
 * delete.c
 *		Choosing events by a filter, and deleting them by their keys.
 */
#include "upkeep/upkeep.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tstoreReceiver.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "parser/parsetree.h"
#include "storage/bufmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

static const Oid key_types[] = {TIMESTAMPTZARRAYOID, UUIDARRAYOID};

static void
add_key(ChosenKeys *keys, Datum occurred_at, Datum id)
{
	Assert(keys->n < keys->max);
	keys->times[keys->n] = occurred_at;
	keys->id_values[keys->n] = *DatumGetUUIDP(id);
	keys->ids[keys->n] = UUIDPGetDatum(&keys->id_values[keys->n]);
	keys->n++;
}

/*
 * put_key: a sink for read_page() that adds the key of the event.
 */
static void
put_key(PartitionReader *reader, void *arg)
{
	const AttrNumber *attnum = reader->attnum;
	bool		isnull;

	add_key(arg, slot_getattr(reader->slot, attnum[EVENT_OCCURRED_AT], &isnull),
			slot_getattr(reader->slot, attnum[EVENT_ID], &isnull));
}

/*
 * keys_by_sql: find the keys by one statement.
 */
static void
keys_by_sql(const EventLog *log, const Filter *filter, const EventPage *page,
			ChosenKeys *keys)
{
	int			level = reach_default(log, filter->since, filter->before);
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT e.occurred_at, e.id FROM %s e WHERE true",
					 qualified_name(log->oid));
	filter_to_sql(filter, &sql);
	if (page->after)
		append_after(&sql, page->after);
	appendStringInfo(&sql, " ORDER BY e.occurred_at DESC, e.id DESC LIMIT %d",
					 keys->max);
	run_sql(sql.data, SPI_OK_SELECT);
	AtEOXact_GUC(false, level);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		bool		isnull;

		add_key(keys, SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull),
				SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
}

/*
 * delete_choose_keys: find the keys of the newest events that match, at most
 * max, behind event `after` if that is given.  Within SPI, under a current
 * snapshot.
 */
ChosenKeys *
delete_choose_keys(Oid relid, const Filter *filter, const pg_uuid_t *after,
				   int max)
{
	ChosenKeys *keys = palloc0(sizeof(ChosenKeys));
	EventPage	page = {0};
	EventLog   *log;

	page.limit = max;
	page.after = after;
	keys->max = max;
	keys->times = palloc(sizeof(Datum) * max);
	keys->ids = palloc(sizeof(Datum) * max);
	keys->id_values = palloc(sizeof(pg_uuid_t) * max);

	CommandCounterIncrement();
	PushCopiedSnapshot(GetTransactionSnapshot());
	UpdateActiveSnapshotCommandId();
	log = log_open(relid, AccessShareLock);
	if (!read_page(log, filter, &page, put_key, keys, NULL))
		keys_by_sql(log, filter, &page, keys);
	log_close(log, NoLock);
	PopActiveSnapshot();
	return keys;
}

/*
 * keys_params: the keys as two parameters of a statement.
 */
static ParamListInfo
keys_params(const ChosenKeys *keys)
{
	ParamListInfo params = makeParamList(lengthof(key_types));
	Datum		values[lengthof(key_types)];

	values[0] = PointerGetDatum(construct_array(keys->times, keys->n,
												TIMESTAMPTZOID, 8,
												FLOAT8PASSBYVAL,
												TYPALIGN_DOUBLE));
	values[1] = PointerGetDatum(construct_array(keys->ids, keys->n, UUIDOID,
												UUID_LEN, false,
												TYPALIGN_CHAR));
	for (int i = 0; i < lengthof(key_types); i++)
	{
		params->params[i].value = values[i];
		params->params[i].isnull = false;
		params->params[i].pflags = PARAM_FLAG_CONST;
		params->params[i].ptype = key_types[i];
	}
	return params;
}

/*
 * append_span: append the range of the keys' times, which prunes partitions.
 */
static void
append_span(StringInfo sql, const ChosenKeys *keys)
{
	appendStringInfo(sql,
					 " AND e.occurred_at OPERATOR(pg_catalog.>=) '%s'::pg_catalog.timestamptz"
					 " AND e.occurred_at OPERATOR(pg_catalog.<=) '%s'::pg_catalog.timestamptz",
					 utc_literal(DatumGetTimestampTz(keys->times[keys->n - 1])),
					 utc_literal(DatumGetTimestampTz(keys->times[0])));
}

/*
 * delete_by_join_sql: a DELETE of the keys in $1 and $2.
 *
 * It contains the filter again, as the next one does: a row that was changed
 * concurrently, so that it no longer matches, stays.
 */
static char *
delete_by_join_sql(Oid log, const Filter *filter, const ChosenKeys *keys,
				   List *sparing)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "DELETE FROM %s e"
					 " USING ROWS FROM (pg_catalog.unnest($1),"
					 " pg_catalog.unnest($2)) k(occurred_at, id)"
					 " WHERE e.occurred_at OPERATOR(pg_catalog.=) k.occurred_at"
					 " AND e.id OPERATOR(pg_catalog.=) k.id",
					 qualified_name(log));
	append_span(&sql, keys);
	filter_to_sql(filter, &sql);
	foreign_key_append_unreferred(&sql, sparing);
	return sql.data;
}

/*
 * delete_by_ids_sql: the same without parameters.
 */
static char *
delete_by_ids_sql(Oid log, const Filter *filter, const ChosenKeys *keys)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "DELETE FROM %s e"
					 " WHERE e.id OPERATOR(pg_catalog.=) ANY ('{",
					 qualified_name(log));
	for (int i = 0; i < keys->n; i++)
		appendStringInfo(&sql, "%s%s", i > 0 ? "," : "",
						 DatumGetCString(DirectFunctionCall1(uuid_out,
															 keys->ids[i])));
	appendStringInfoString(&sql, "}'::pg_catalog.uuid[])");
	append_span(&sql, keys);
	filter_to_sql(filter, &sql);
	return sql.data;
}

/*
 * may_reach_foreign: may the log have partitions whose rows are on other
 * servers?
 */
static bool
may_reach_foreign(const PartitionList *list)
{
	if (OidIsValid(list->default_oid) &&
		(get_rel_relkind(list->default_oid) != RELKIND_RELATION ||
		 is_distributed(list->default_oid)))
		return true;
	for (int i = 0; i < list->n; i++)
	{
		if (get_rel_relkind(list->items[i].oid) != RELKIND_RELATION)
			return true;
	}
	return false;
}

/*
 * require_shipped: raise an error if a DELETE would address rows of a foreign
 * table by ctid.
 *
 * If the foreign table stands for a partitioned one, a ctid is ambiguous,
 * since each of its partitions has the same ones.  If the foreign server runs
 * the whole statement, no ctid is used.
 */
static void
require_shipped(SPIPlanPtr plan)
{
	CachedPlan *cached = SPI_plan_get_cached_plan(plan);
	ListCell   *cell;

	foreach(cell, cached ? cached->stmt_list : NIL)
	{
		PlannedStmt *statement = lfirst_node(PlannedStmt, cell);
		ModifyTable *modify = (ModifyTable *) statement->planTree;
		ListCell   *target;

		if (!IsA(modify, ModifyTable))
			continue;
		foreach(target, modify->resultRelations)
		{
			RangeTblEntry *entry = rt_fetch(lfirst_int(target),
											statement->rtable);

			if (entry->relkind == RELKIND_FOREIGN_TABLE &&
				!bms_is_member(foreach_current_index(target),
							   modify->fdwDirectModifyPlans))
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("cannot delete events of foreign table \"%s\"",
								get_rel_name(entry->relid)),
						 errdetail("The foreign server would not run the whole statement; triggers and policies for DELETE prevent that."),
						 errhint("Delete them on the server that holds them.")));
		}
	}
	if (cached)
		ReleaseCachedPlan(cached, NULL);
}

/*
 * require_deleted: raise an error unless the result is that of a DELETE: a
 * rule may do something else instead.
 */
static void
require_deleted(int result, int expected, const char *sql)
{
	if (result < 0)
		elog(ERROR, "could not delete events: %s: %s",
			 SPI_result_code_string(result), sql);
	if (result != expected)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a rule does something else instead of the DELETE"),
				 errhint("Drop the rule of the log or of its partition.")));
}

/*
 * delete_shipped: run one of our own DELETEs, which must not address rows of a
 * foreign table by ctid; returns the number of rows.  Within SPI.
 */
uint64
delete_shipped(const char *sql)
{
	SPIPlanPtr	plan = SPI_prepare(sql, 0, NULL);

	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s: %s",
			 SPI_result_code_string(SPI_result), sql);
	require_shipped(plan);
	require_deleted(SPI_execute_plan(plan, NULL, NULL, false, 0), SPI_OK_DELETE,
					sql);
	SPI_freeplan(plan);
	return SPI_processed;
}

/*
 * delete_by_statement: run a DELETE with alias e, and put the ids into a
 * result if there is one; returns the number of rows.  Within SPI.
 *
 * It also reaches events in the default partition that are in the window.
 */
uint64
delete_by_statement(const EventLog *log, const char *sql, ParamListInfo params,
					TimestampTz since, TimestampTz before,
					ReturnSetInfo *rsinfo)
{
	int			level = reach_default(log, since, before);
	DestReceiver *dest = CreateDestReceiver(rsinfo ? DestTuplestore : DestNone);
	SPIExecuteOptions options = {.params = params,.dest = dest};
	SPIPlanPtr	plan;
	int			result;

	if (rsinfo)
		SetTuplestoreDestReceiverParams(dest, rsinfo->setResult,
										rsinfo->econtext->ecxt_per_query_memory,
										false, NULL, NULL);
	plan = SPI_prepare(rsinfo ? psprintf("%s RETURNING e.id", sql) : sql,
					   params ? lengthof(key_types) : 0,
					   params ? (Oid *) key_types : NULL);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s: %s",
			 SPI_result_code_string(SPI_result), sql);
	if (params == NULL)
		require_shipped(plan);
	result = SPI_execute_plan_extended(plan, &options);
	require_deleted(result, rsinfo ? SPI_OK_DELETE_RETURNING : SPI_OK_DELETE,
					sql);
	SPI_freeplan(plan);
	dest->rDestroy(dest);
	AtEOXact_GUC(false, level);
	return SPI_processed;
}

/*
 * keys_of_partition: as many keys, from the first on, as belong to the same
 * partition.
 */
static ChosenKeys
keys_of_partition(const PartitionList *list, const ChosenKeys *keys, int first)
{
	const Partition *partition =
		partition_find(list, DatumGetTimestampTz(keys->times[first]));
	ChosenKeys	part = {
		.n = 1,.times = keys->times + first,.ids = keys->ids + first
	};

	while (first + part.n < keys->n &&
		   partition_find(list,
						  DatumGetTimestampTz(part.times[part.n])) == partition)
		part.n++;
	return part;
}

/*
 * delete_by_keys: delete the chosen events, except those that these foreign
 * keys protect; returns how many.  Within SPI.
 *
 * It uses a join, unless there are foreign partitions: a foreign server cannot
 * run a join, so rows would be addressed by ctid.
 */
uint64
delete_by_keys(Oid relid, const Filter *filter, const ChosenKeys *keys,
			   List *sparing, ReturnSetInfo *rsinfo)
{
	EventLog   *log = log_open(relid, RowExclusiveLock);
	PartitionList *list = partitions_to_read(log);
	bool		by_partition = may_reach_foreign(list);
	uint64		n = 0;

	for (int i = 0; i < keys->n;)
	{
		ChosenKeys	part = by_partition ?
			keys_of_partition(list, keys, i) : *keys;
		TimestampTz oldest = DatumGetTimestampTz(part.times[part.n - 1]);
		TimestampTz newest = DatumGetTimestampTz(part.times[0]);

		CHECK_FOR_INTERRUPTS();
		if (by_partition)
			n += delete_by_statement(log,
									 delete_by_ids_sql(relid, filter, &part), NULL,
									 oldest, newest + 1, rsinfo);
		else
			n += delete_by_statement(log,
									 delete_by_join_sql(relid, filter, &part,
														sparing),
									 keys_params(&part), oldest, newest + 1,
									 rsinfo);
		i += part.n;
	}
	log_close(log, NoLock);
	return n;
}
