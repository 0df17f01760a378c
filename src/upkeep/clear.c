/*
 * clear.c
 *		eventlog.delete, clear and purge: events removed, by the same filter as
 *		they are read.
 *
 * delete and clear are part of the caller's transaction.  What clear chooses
 * is found as list finds it, and deleted by key, unless it is so much that one
 * DELETE by the filter is better.  purge is for scale: it commits as it goes,
 * drops whole partitions where nothing but a window is asked for and the caller
 * may, and takes the rest in batches, newest first, and with pauses while others
 * write.
 *
 * A caller of purge who has the rights of the log's owner acts as the owner in
 * a security-restricted context, so that a superuser's purge runs no code of
 * the owner's as a superuser.  Any other caller acts as oneself.
 */
#include "upkeep/upkeep.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "executor/spi.h"
#include "executor/tstoreReceiver.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "parser/parsetree.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(eventlog_delete);
PG_FUNCTION_INFO_V1(eventlog_clear);
PG_FUNCTION_INFO_V1(eventlog_purge);

static const Oid key_types[] = {TIMESTAMPTZARRAYOID, UUIDARRAYOID};

#define MAX_BATCH	1000000
#define MAX_CLEAR_KEYS	10000	/* more than that are cleared by the filter */

/* while others write, a purge … */
#define CHOICE			1000	/* … chooses so many events at once, … */
#define SLICE			200		/* … deletes so many by one statement, … */
#define REST_PERCENT	200		/* … and rests so much of the time worked, … */
#define MAX_WORKED		100L	/* … which is at most so many ms: the rest
								 * was waiting for a lock */

enum
{
	CLEAR_EVERYTHING = FILTER_NARGS,
	CLEAR_LOG,
	PURGE_BATCH_SIZE = CLEAR_LOG,
	PURGE_LOG,
	PURGE_DELETED
};

/*
 * ChosenKeys: the keys of events to delete, newest first.
 */
typedef struct ChosenKeys
{
	int			n;
	int			max;
	Datum	   *times;
	Datum	   *ids;			/* in id_values, if by reference */
	pg_uuid_t  *id_values;
} ChosenKeys;

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
 * put_key: a sink for scan_page().
 */
static void
put_key(OpenPartition *open, void *arg)
{
	const AttrNumber *attnum = open->indexes.attnum;
	bool		isnull;

	add_key(arg, slot_getattr(open->slot, attnum[EVENT_OCCURRED_AT], &isnull),
			slot_getattr(open->slot, attnum[EVENT_ID], &isnull));
}

/*
 * keys_by_sql: the same by one statement.
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
 * choose_keys: the keys of the newest events that match, at most max, behind
 * `after` if that is given.  Within SPI, under a snapshot of now.
 */
static ChosenKeys *
choose_keys(Oid relid, const Filter *filter, const pg_uuid_t *after, int max)
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
	if (!scan_page(log, filter, &page, put_key, keys))
		keys_by_sql(log, filter, &page, keys);
	log_close(log, NoLock);
	PopActiveSnapshot();
	return keys;
}

/*
 * keys_params: the keys as two parameters.
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
 * append_span: AND it is of the keys' range of time, which prunes partitions.
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
 * delete_by_join_sql: DELETE what was chosen, with the keys as $1 and $2.
 *
 * It has the filter again, as the next has: a row that was changed meanwhile,
 * so that it is chosen no more, stays.
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
	append_unreferred(&sql, sparing);
	return sql.data;
}

/*
 * delete_by_ids_sql: the same with constants alone.
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
 * may_reach_foreign: has the log partitions that are, or may have, foreign
 * tables?
 */
static bool
may_reach_foreign(const PartitionList *list)
{
	if (OidIsValid(list->default_oid) &&
		get_rel_relkind(list->default_oid) != RELKIND_RELATION)
		return true;
	for (int i = 0; i < list->n; i++)
	{
		if (get_rel_relkind(list->items[i].oid) != RELKIND_RELATION)
			return true;
	}
	return false;
}

/*
 * require_shipped: an error if a DELETE would reach a row of a foreign table by
 * its ctid: that says nothing where the foreign table stands for a partitioned
 * one, whose partitions have the same ctids.
 *
 * It does not where the foreign server runs the whole statement.
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
						 errdetail("Its server would not run the whole statement, as it cannot where there are triggers or policies for DELETE."),
						 errhint("Delete them on the server that holds them.")));
		}
	}
	if (cached)
		ReleaseCachedPlan(cached, NULL);
}

/*
 * require_deleted: an error unless that was the result of a DELETE: a rule may do
 * something else instead.
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
				 errmsg("a rule does something else instead of a DELETE"),
				 errhint("Drop the rule of the log or of its partition.")));
}

/*
 * delete_shipped: run a DELETE of our own making, which no row of a foreign
 * table may be reached by ctid for; how many rows.  Within SPI.
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
 * run_delete: run a DELETE … e, and put the ids into a result if there is one;
 * how many.  Within SPI.
 *
 * What the log's default partition holds in the window is reached too.
 */
static uint64
run_delete(const EventLog *log, const char *sql, ParamListInfo params,
		   TimestampTz since, TimestampTz before, ReturnSetInfo *rsinfo)
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
 * keys_of_partition: as many of the keys from the first on as are of the same
 * partition.
 */
static ChosenKeys
keys_of_partition(const PartitionList *list, const ChosenKeys *keys, int first)
{
	const Partition *partition =
	partition_at(list, DatumGetTimestampTz(keys->times[first]));
	ChosenKeys	part = {
		.n = 1,.times = keys->times + first,.ids = keys->ids + first
	};

	while (first + part.n < keys->n &&
		   partition_at(list, DatumGetTimestampTz(part.times[part.n])) == partition)
		part.n++;
	return part;
}

/*
 * delete_keys: DELETE what was chosen, sparing events that these foreign keys
 * keep; how many were deleted.  Within SPI.
 *
 * By a join, unless there are foreign partitions: a join is not shipped, so
 * the rows would be reached by ctid.
 */
static uint64
delete_keys(Oid relid, const Filter *filter, const ChosenKeys *keys,
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
			n += run_delete(log, delete_by_ids_sql(relid, filter, &part), NULL,
							oldest, newest + 1, rsinfo);
		else
			n += run_delete(log, delete_by_join_sql(relid, filter, &part,
													sparing),
							keys_params(&part), oldest, newest + 1, rsinfo);
		i += part.n;
	}
	log_close(log, NoLock);
	return n;
}

/*
 * eventlog.delete(id uuid, log regclass) returns setof uuid
 */
Datum
eventlog_delete(PG_FUNCTION_ARGS)
{
	StringInfoData sql;
	EventLog   *log = log_open(log_resolve(fcinfo, 1), RowExclusiveLock);
	const pg_uuid_t *id = id_from_arg(fcinfo, 0);
	TimestampTz at = EVENT_MIN_TIME;

	initStringInfo(&sql);
	appendStringInfo(&sql, "DELETE FROM %s e WHERE true",
					 qualified_name(log->oid));
	if (id == NULL)
		appendStringInfoString(&sql, " AND false");
	else
	{
		append_event_key(&sql, id);
		at = id_get_time(id);
	}
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	(void) run_delete(log, sql.data, NULL, at, at + 1,
					  (ReturnSetInfo *) fcinfo->resultinfo);
	SPI_finish();
	log_close(log, NoLock);
	return (Datum) 0;
}

/*
 * require_choice: an error for no filter and not everything.
 */
static void
require_choice(FunctionCallInfo fcinfo, const Filter *filter)
{
	bool		everything = !PG_ARGISNULL(CLEAR_EVERYTHING) &&
	PG_GETARG_BOOL(CLEAR_EVERYTHING);

	if (!filter->given && !everything)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no filter was given, nothing is deleted"),
				 errhint("To delete all events of the log, say everything => true.")));
}

/*
 * require_delete: who may not delete is told so even where there is nothing to
 * delete.
 */
static void
require_delete(Oid log)
{
	AclResult	result = pg_class_aclcheck(log, GetUserId(), ACL_DELETE);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_TABLE, get_rel_name(log));
}

/*
 * clear_by_filter: one DELETE.
 */
static void
clear_by_filter(const EventLog *log, const Filter *filter,
				ReturnSetInfo *rsinfo)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "DELETE FROM %s e WHERE true",
					 qualified_name(log->oid));
	filter_to_sql(filter, &sql);
	(void) run_delete(log, sql.data, NULL, filter->since, filter->before,
					  rsinfo);
}

/*
 * eventlog.clear(<filter>, everything boolean, log regclass)
 * returns setof uuid
 */
Datum
eventlog_clear(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Filter		filter;
	EventLog   *log;
	ChosenKeys *keys;

	filter_from_args(fcinfo, 0, &filter);
	require_choice(fcinfo, &filter);
	log = log_open(log_resolve(fcinfo, CLEAR_LOG), RowExclusiveLock);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	keys = choose_keys(log->oid, &filter, NULL, MAX_CLEAR_KEYS);
	if (keys->n == MAX_CLEAR_KEYS)
		clear_by_filter(log, &filter, rsinfo);
	else if (keys->n > 0)
		(void) delete_keys(log->oid, &filter, keys, NIL, rsinfo);
	else
		require_delete(log->oid);
	SPI_finish();
	log_close(log, NoLock);
	return (Datum) 0;
}

/*
 * Purge: a purge under way, across its transactions.
 */
typedef struct Purge
{
	UpkeepTarget target;
	Oid			log;
	bool		as_owner;
	Filter		filter;
	int			batch_size;
	int64		deleted;
	int64		chosen;			/* by the batches, whether or not deleted … */
	int64		most;			/* … and how many that can be */
	TimestampTz begun;
	TimestampTz newest;			/* event of the batches */
	TimestampTz oldest;			/* time that they can come to */
	MemoryContext context;		/* of what outlives transactions */
	PartitionList *list;		/* what is dropped first */
	Oid			partition;		/* to be dropped by the next step … */
	bool		ahead;			/* … which ends in the future … */
	bool		may_drop;		/* … if that may be */
	bool		got_log;		/* was the log's own lock to be had? */
	int64		dropped;		/* events, with their partitions */
	int			nth;			/* of the partitions inside the window … */
	int			ninside;		/* … and how many those are */
	bool		has_after;		/* batches go on behind this event */
	pg_uuid_t	after;
} Purge;

/*
 * look_at_purged: a step: is a partition to be dropped?
 *
 * A partition that other tables refer to is left to the batches, and so is an
 * empty one of the future, which there is no need to make anew.
 */
static void
look_at_purged(void *arg)
{
	Purge	   *purge = arg;
	EventLog   *log;
	Relation	rel;

	purge->got_log = purge->may_drop = false;
	log = log_open_owned(purge->log, AccessShareLock);
	purge->got_log = true;
	rel = try_relation_open(purge->partition, AccessShareLock);
	if (rel != NULL)
	{
		relation_close(rel, NoLock);
		purge->may_drop =
			(!purge->ahead || relation_has_rows(purge->partition)) &&
			!partition_is_referred(purge->partition,
								   foreign_keys_to(purge->partition));
	}
	log_close(log, NoLock);
}

/*
 * rows_to_drop: how many rows the locked partition holds.
 */
static int64
rows_to_drop(const Purge *purge)
{
	Relation	rel = relation_open(purge->partition, NoLock);
	int64		rows = count_rows(rel);

	relation_close(rel, NoLock);
	return rows;
}

/*
 * is_inside: does the purge choose whatever the partition holds?
 */
static bool
is_inside(const Purge *purge, const Partition *partition)
{
	return partition->lower >= purge->filter.since &&
		partition->upper <= purge->filter.before;
}

/*
 * drop_purged: a step: drop one partition, and make it anew unless it is past,
 * so that writers keep a place of their own.
 */
static void
drop_purged(void *arg)
{
	Purge	   *purge = arg;
	EventLog   *log;
	PartitionList *list;

	purge->got_log = false;
	log = log_open_owned(purge->log, AccessExclusiveLock);
	purge->got_log = true;
	list = list_own_partitions(log->rel);
	log_close(log, NoLock);
	for (int i = 0; i < list->n; i++)
	{
		Partition  *item = &list->items[i];
		char	   *name;
		int64		rows;

		if (item->oid != purge->partition || !is_inside(purge, item))
			continue;
		lock_to_drop(list, item);
		name = qualified_name(item->oid);
		rows = rows_to_drop(purge);
		drop_partition(purge->log, list, item);
		if (item->upper > GetCurrentTimestamp())
			(void) create_partition(purge->log, item->lower, item->upper);
		purge->deleted += rows;
		purge->dropped += rows;
		ereport(NOTICE,
				(errmsg("purged %lld events with partition %s",
						(long long) rows, name),
				 errdetail("That is %d of %d partitions inside the window.",
						   purge->nth, purge->ninside)));
	}
}

/*
 * may_drop: does the purge choose whatever a partition holds, and may it drop?
 */
static bool
may_drop(const Purge *purge)
{
	return purge->as_owner && purge->filter.only_window &&
		check_enable_rls(purge->log, purge->target.owner, true) != RLS_ENABLED;
}

/*
 * list_to_drop: a step: what the log consists of, into purge->list.
 */
static void
list_to_drop(void *arg)
{
	Purge	   *purge = arg;
	EventLog   *log = log_open_owned(purge->log, AccessShareLock);
	MemoryContext outer = MemoryContextSwitchTo(purge->context);

	purge->list = list_own_partitions(log->rel);
	MemoryContextSwitchTo(outer);
	log_close(log, NoLock);
}

/*
 * drop_one: drop a partition that lies inside the window, in a transaction of
 * its own.
 */
static StepResult
drop_one(Purge *purge, const Partition *item)
{
	StepResult	result;

	purge->partition = item->oid;
	purge->ahead = item->upper > GetCurrentTimestamp();
	result = attempt(&purge->target, look_at_purged, purge,
					 "look at a purged partition");
	SPI_commit();
	if (result != STEP_TAKEN || !purge->may_drop)
		return result;
	result = attempt(&purge->target, drop_purged, purge,
					 "drop a purged partition");
	SPI_commit();
	return result;
}

/*
 * drop_inside: drop what lies wholly inside the window, one partition a
 * transaction.  What cannot be locked soon is left to the batches: all of it, if
 * that is the log itself.
 */
static void
drop_inside(Purge *purge)
{
	PartitionList *list;

	(void) attempt(&purge->target, list_to_drop, purge,
				   "look at the partitions");
	SPI_commit();
	list = purge->list;
	for (int i = 0; list != NULL && i < list->n; i++)
		purge->ninside += is_inside(purge, &list->items[i]);
	for (int i = 0; list != NULL && i < list->n; i++)
	{
		Partition  *item = &list->items[i];

		CHECK_FOR_INTERRUPTS();
		if (!is_inside(purge, item))
			continue;
		purge->nth++;
		if (get_rel_relkind(item->oid) == RELKIND_RELATION &&
			drop_one(purge, item) == STEP_LOCKED && !purge->got_log)
			break;
	}
	if (list != NULL)
		free_partitions(list);
}

/*
 * rest: what a purge deletes has been there for long, and who writes waits now.
 * since: when the work began; afterwards, when it goes on.
 */
static void
rest(TimestampTz *since)
{
	long		worked = Min((GetCurrentTimestamp() - *since) / 1000, MAX_WORKED);

	if (worked < 1)
		return;
	pause_upkeep(worked * REST_PERCENT / 100);
	*since = GetCurrentTimestamp();
}

/*
 * delete_choice: choose the next events, so many, and delete them, at once or
 * slice by slice; how many there were.
 */
static int
delete_choice(Purge *purge, int n, bool sliced)
{
	TimestampTz since = GetCurrentTimestamp();
	ChosenKeys *keys = choose_keys(purge->log, &purge->filter,
								   purge->has_after ? &purge->after : NULL, n);
	List	   *sparing = purge->as_owner && keys->n > 0 ?
	foreign_keys_to(purge->log) : NIL;
	int			step = sliced ? SLICE : n;

	if (keys->n == 0)
		return 0;
	for (int i = 0; i < keys->n; i += step)
	{
		ChosenKeys	slice = {
			.n = Min(step, keys->n - i),
			.times = keys->times + i,
			.ids = keys->ids + i
		};

		purge->deleted += delete_keys(purge->log, &purge->filter, &slice,
									  sparing, NULL);
		purge->chosen += slice.n;
		if (sliced)
			rest(&since);
	}
	if (!purge->has_after)
		purge->newest = id_get_time(DatumGetUUIDP(keys->ids[0]));
	purge->has_after = true;
	purge->after = *DatumGetUUIDP(keys->ids[keys->n - 1]);
	return keys->n;
}

/*
 * delete_batch: in small pieces while others write; false when there is nothing
 * more.
 */
static bool
delete_batch(Purge *purge)
{
	int			left = purge->batch_size;

	while (left > 0)
	{
		bool		others = MinimumActiveBackends(1);
		int			n = others ? Min(left, CHOICE) : left;

		if (delete_choice(purge, n, others) < n)
			return false;
		left -= n;
	}
	return true;
}

/*
 * tell_progress: how many, how fast, and how far in time: the batches go from
 * the newest event to the oldest.
 */
static void
tell_progress(const Purge *purge)
{
	TimestampTz at = id_get_time(&purge->after);
	double		range = Max(purge->newest - purge->oldest, 1);
	double		done = Min((purge->newest - at) / range, 0.99);
	double		seconds = (GetCurrentTimestamp() - purge->begun) / 1e6;

	ereport(NOTICE,
			(errmsg("purged %lld events so far",
					(long long) purge->deleted),
			 errdetail("That is %d %% of the time range, %.0f events a second.",
					   (int) (done * 100),
					   purge->deleted / Max(seconds, 0.001))));
}

/*
 * tell_leftover: rows that were deleted one by one stay until they are
 * vacuumed, which a procedure cannot do.
 */
static void
tell_leftover(const Purge *purge)
{
	int64		rows = purge->deleted - purge->dropped;

	if (rows >= purge->batch_size)
		ereport(NOTICE,
				(errmsg("purged %lld events one by one; their space is not free yet",
						(long long) rows),
				 errhint("VACUUM %s frees it now; autovacuum does when enough of a partition is gone.",
						 qualified_name(purge->log))));
}

/*
 * tell_kept: events that other tables refer to stay.
 */
static void
tell_kept(const Purge *purge)
{
	int64		kept = purge->chosen - (purge->deleted - purge->dropped);
	List	   *keys = purge->as_owner && kept > 0 ?
	foreign_keys_to(purge->log) : NIL;

	if (keys != NIL)
		ereport(WARNING,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("could not purge %lld events: other tables refer to them",
						(long long) kept),
				 errdetail("Foreign keys: %s.", foreign_key_names(keys))));
}

/*
 * rows_at_most: how many rows a table can hold; PG_INT64_MAX where that cannot
 * be told at once.
 */
static int64
rows_at_most(Oid relid)
{
	Relation	rel;
	int64		rows = PG_INT64_MAX;

	if (!ConditionalLockRelationOid(relid, AccessShareLock))
		return rows;
	rel = try_relation_open(relid, NoLock);
	if (rel != NULL && rel->rd_rel->relkind == RELKIND_RELATION)
		rows = (int64) RelationGetNumberOfBlocks(rel) * MaxHeapTuplesPerPage;
	if (rel != NULL)
		relation_close(rel, NoLock);
	UnlockRelationOid(relid, AccessShareLock);
	return rows;
}

/*
 * most_rows: how many rows a log can hold, so that triggers that insert while
 * rows are deleted do not keep a purge busy for ever.
 */
static int64
most_rows(const EventLog *log)
{
	PartitionList *list = list_own_partitions(log->rel);
	int64		sum = 0;

	for (int i = -1; i < list->n; i++)
	{
		Oid			oid = i < 0 ? list->default_oid : list->items[i].oid;

		if (OidIsValid(oid) &&
			pg_add_s64_overflow(sum, rows_at_most(oid), &sum))
			return PG_INT64_MAX;
	}
	free_partitions(list);
	return sum;
}

/*
 * delete_rest: batch by batch, a transaction each.
 */
static void
delete_rest(Purge *purge)
{
	MemoryContext batch = AllocSetContextCreate(CurrentMemoryContext,
												"eventlog purge batch",
												ALLOCSET_DEFAULT_SIZES);
	bool		more = true;

	while (more && purge->chosen <= purge->most)
	{
		MemoryContext outer = MemoryContextSwitchTo(batch);
		Identity	self;

		CHECK_FOR_INTERRUPTS();
		if (purge->as_owner)
		{
			become(&self, purge->target.owner);
			fire_no_trigger_later();
			log_close(log_open_owned(purge->log, RowExclusiveLock), NoLock);
		}
		more = delete_batch(purge);
		if (purge->as_owner)
			become_again(&self);
		MemoryContextSwitchTo(outer);
		MemoryContextReset(batch);
		SPI_commit();
		if (more)
			tell_progress(purge);
	}
	if (more)
		ereport(WARNING,
				(errmsg("purge ends after %lld events, more than the log held",
						(long long) purge->chosen),
				 errhint("See whether a trigger inserts events as others are deleted.")));
	MemoryContextDelete(batch);
}

/*
 * oldest_time: where the window or the log begins.
 */
static TimestampTz
oldest_time(const EventLog *log, const Filter *filter)
{
	PartitionList *list = list_partitions(log->rel);
	TimestampTz begin = list->n > 0 ? list->items[0].lower : EVENT_MIN_TIME;

	return Max(Max(filter->since, begin), EVENT_MIN_TIME);
}

/*
 * eventlog.purge(<filter>, everything boolean, batch_size int, log regclass,
 * INOUT deleted bigint)
 */
Datum
eventlog_purge(PG_FUNCTION_ARGS)
{
	Purge		purge = {0};
	TupleDesc	desc;
	EventLog   *log;
	Datum		value;
	bool		isnull = false;

	require_autocommit(fcinfo, "purge");
	require_read_write("eventlog.purge");
	filter_from_args(fcinfo, 0, &purge.filter);
	require_choice(fcinfo, &purge.filter);
	purge.batch_size = PG_ARGISNULL(PURGE_BATCH_SIZE) ? 0 :
		PG_GETARG_INT32(PURGE_BATCH_SIZE);
	if (purge.batch_size < 1 || purge.batch_size > MAX_BATCH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("batch_size must be between 1 and %d", MAX_BATCH)));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	desc = BlessTupleDesc(desc);

	log = log_open(log_resolve(fcinfo, PURGE_LOG), AccessShareLock);
	purge.log = purge.target.log = log->oid;
	purge.target.owner = log->owner;
	purge.as_owner = has_privs_of_role(GetUserId(), log->owner);
	purge.begun = GetCurrentTimestamp();
	purge.oldest = oldest_time(log, &purge.filter);
	purge.most = most_rows(log);
	log_close(log, AccessShareLock);

	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect_ext failed");
	purge.context = CurrentMemoryContext;
	SPI_commit();				/* what was deferred is the caller's */
	if (!purge.as_owner)
		require_delete(purge.log);
	if (may_drop(&purge))
		drop_inside(&purge);
	delete_rest(&purge);
	tell_kept(&purge);
	tell_leftover(&purge);
	SPI_finish();

	value = Int64GetDatum(purge.deleted);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, &value, &isnull)));
}
