/*
 * clear.c
 *		eventlog.delete, clear and purge: events removed, by the same filter as
 *		they are read.
 *
 * delete and clear are one DELETE as the caller, and part of the caller's
 * transaction.  purge is for scale: it commits as it goes, drops whole
 * partitions where nothing but a window is asked for and the caller may, and
 * takes the rest in batches, newest first.
 *
 * A caller of purge who has the rights of the log's owner acts as the owner in
 * a security-restricted context, so that a superuser's purge runs no code of
 * the owner's as a superuser.  Any other caller acts as oneself.
 */
#include "eventlog.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(eventlog_delete);
PG_FUNCTION_INFO_V1(eventlog_clear);
PG_FUNCTION_INFO_V1(eventlog_purge);

#define MAX_BATCH	1000000

enum
{
	CLEAR_EVERYTHING = FILTER_NARGS,
	CLEAR_LOG,
	PURGE_BATCH_SIZE = CLEAR_LOG,
	PURGE_LOG,
	PURGE_DELETED
};

/*
 * delete_returning_ids: run a DELETE … RETURNING id into the result.
 */
static Datum
delete_returning_ids(FunctionCallInfo fcinfo, EventLog *log, StringInfo sql)
{
	appendStringInfoString(sql, " RETURNING e.id");
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	(void) sql_into_result(sql->data, false,
						   (ReturnSetInfo *) fcinfo->resultinfo);
	SPI_finish();
	log_close(log, NoLock);
	return (Datum) 0;
}

/*
 * eventlog.delete(id uuid, log regclass) returns setof uuid
 */
Datum
eventlog_delete(PG_FUNCTION_ARGS)
{
	StringInfoData sql;
	EventLog   *log = log_open(log_resolve(fcinfo, 1), RowExclusiveLock);

	initStringInfo(&sql);
	appendStringInfo(&sql, "DELETE FROM %s e WHERE true",
					 qualified_name(log->oid));
	if (PG_ARGISNULL(0))
		appendStringInfoString(&sql, " AND false");
	else
		append_event_key(&sql, PG_GETARG_UUID_P(0));
	return delete_returning_ids(fcinfo, log, &sql);
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
 * eventlog.clear(<filter>, everything boolean, log regclass)
 * returns setof uuid
 */
Datum
eventlog_clear(PG_FUNCTION_ARGS)
{
	StringInfoData sql;
	Filter		filter;
	EventLog   *log;

	filter_from_args(fcinfo, 0, &filter);
	require_choice(fcinfo, &filter);
	log = log_open(log_resolve(fcinfo, CLEAR_LOG), RowExclusiveLock);
	initStringInfo(&sql);
	appendStringInfo(&sql, "DELETE FROM %s e WHERE true",
					 qualified_name(log->oid));
	filter_to_sql(&filter, &sql);
	return delete_returning_ids(fcinfo, log, &sql);
}

/*
 * Purge: a purge under way, across its transactions.
 */
typedef struct Purge
{
	Oid			log;
	Oid			owner;
	bool		as_owner;
	Filter		filter;
	int			batch_size;
	int64		deleted;
	Oid			partition;		/* to be dropped by the next step */
	bool		has_after;		/* batches go on behind this key */
	TimestampTz after_time;
	pg_uuid_t	after;
} Purge;

/*
 * count_rows: how many a table holds, in SPI.
 */
static int64
count_rows(const char *name)
{
	bool		isnull;

	run_sql(psprintf("SELECT pg_catalog.count(*) FROM ONLY %s", name),
			SPI_OK_SELECT);
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
									   SPI_tuptable->tupdesc, 1, &isnull));
}

/*
 * drop_purged: drop one partition, and make it anew unless it is past, so that
 * writers keep a place of their own.
 */
static void
drop_purged(void *arg)
{
	Purge	   *purge = arg;
	EventLog   *log = log_open(purge->log, AccessExclusiveLock);
	PartitionList *list = list_partitions(log->rel);

	log_close(log, NoLock);
	for (int i = 0; i < list->n; i++)
	{
		Partition  *item = &list->items[i];
		char	   *name;
		int64		rows;

		if (item->oid != purge->partition)
			continue;
		name = qualified_name(item->oid);
		lock_for_drop(list, item);
		rows = count_rows(name);
		run_sql(psprintf("DROP TABLE %s", name), SPI_OK_UTILITY);
		if (item->upper > GetCurrentTimestamp())
			create_partition(purge->log, item->lower, item->upper);
		purge->deleted += rows;
		ereport(NOTICE,
				(errmsg("purged %lld events with partition %s",
						(long long) rows, name)));
	}
}

/*
 * may_drop: does the purge choose whatever a partition holds, and may it drop?
 */
static bool
may_drop(const Purge *purge)
{
	return purge->as_owner && purge->filter.only_window &&
		check_enable_rls(purge->log, purge->owner, true) != RLS_ENABLED;
}

/*
 * drop_inside: drop what lies wholly inside the window, one partition a
 * transaction.  What cannot be locked soon is left to the batches.
 */
static void
drop_inside(Purge *purge)
{
	EventLog   *log = log_open(purge->log, AccessShareLock);
	PartitionList *list = list_partitions(log->rel);
	TimestampTz now = GetCurrentTimestamp();

	log_close(log, AccessShareLock);
	for (int i = 0; i < list->n; i++)
	{
		Partition  *item = &list->items[i];

		if (item->lower < purge->filter.since ||
			item->upper > purge->filter.before ||
			get_rel_relkind(item->oid) != RELKIND_RELATION ||
			(item->upper > now && !relation_has_rows(item->oid)))
			continue;
		purge->partition = item->oid;
		(void) attempt(purge->owner, drop_purged, purge,
					   "drop a purged partition");
		SPI_commit();
	}
}

/*
 * append_keys: SELECT the keys of the next batch, newest first.
 */
static void
append_keys(const Purge *purge, StringInfo sql)
{
	appendStringInfo(sql, "SELECT e.occurred_at, e.id FROM %s e WHERE true",
					 qualified_name(purge->log));
	filter_to_sql(&purge->filter, sql);
	if (purge->has_after)
		append_after(sql, &purge->after);
	appendStringInfo(sql, " ORDER BY e.occurred_at DESC, e.id DESC LIMIT %d",
					 purge->batch_size);
}

/*
 * delete_batch: choose the next keys and delete them; false when there is
 * nothing more.
 *
 * The DELETE has the filter again: a row that was changed meanwhile, so that
 * it is chosen no more, stays.
 */
static bool
delete_batch(Purge *purge)
{
	StringInfoData sql;
	Oid			types[2] = {TIMESTAMPTZARRAYOID, UUIDARRAYOID};
	Datum		values[2];
	Datum	   *times;
	Datum	   *ids;
	uint64		n;
	bool		isnull;

	initStringInfo(&sql);
	append_keys(purge, &sql);
	run_sql(sql.data, SPI_OK_SELECT);
	n = SPI_processed;
	if (n == 0)
		return false;

	times = palloc(sizeof(Datum) * n);
	ids = palloc(sizeof(Datum) * n);
	for (uint64 i = 0; i < n; i++)
	{
		times[i] = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc,
								 1, &isnull);
		ids[i] = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc,
							   2, &isnull);
	}
	values[0] = PointerGetDatum(construct_array(times, n, TIMESTAMPTZOID, 8,
												FLOAT8PASSBYVAL,
												TYPALIGN_DOUBLE));
	values[1] = PointerGetDatum(construct_array(ids, n, UUIDOID, UUID_LEN,
												false, TYPALIGN_CHAR));

	resetStringInfo(&sql);
	appendStringInfo(&sql, "DELETE FROM %s e"
					 " USING ROWS FROM (pg_catalog.unnest($1),"
					 " pg_catalog.unnest($2)) k(occurred_at, id)"
					 " WHERE e.occurred_at OPERATOR(pg_catalog.=) k.occurred_at"
					 " AND e.id OPERATOR(pg_catalog.=) k.id"
					 " AND e.occurred_at OPERATOR(pg_catalog.>=) '%s'"
					 " AND e.occurred_at OPERATOR(pg_catalog.<=) '%s'",
					 qualified_name(purge->log),
					 utc_literal(DatumGetTimestampTz(times[n - 1])),
					 utc_literal(DatumGetTimestampTz(times[0])));
	filter_to_sql(&purge->filter, &sql);
	if (SPI_execute_with_args(sql.data, 2, types, values, NULL, false, 0) !=
		SPI_OK_DELETE)
		elog(ERROR, "could not delete: %s", sql.data);
	purge->deleted += SPI_processed;
	purge->has_after = true;
	purge->after = *DatumGetUUIDP(ids[n - 1]);
	return n == purge->batch_size;
}

/*
 * delete_rest: batch by batch, a transaction each.
 */
static void
delete_rest(Purge *purge)
{
	bool		more = true;

	while (more)
	{
		Identity	self;

		CHECK_FOR_INTERRUPTS();
		if (purge->as_owner)
			become(&self, purge->owner);
		more = delete_batch(purge);
		if (purge->as_owner)
			become_again(&self);
		SPI_commit();
		if (more)
			ereport(NOTICE,
					(errmsg("purged %lld events so far",
							(long long) purge->deleted)));
	}
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
	filter_from_args(fcinfo, 0, &purge.filter);
	require_choice(fcinfo, &purge.filter);
	purge.batch_size = PG_ARGISNULL(PURGE_BATCH_SIZE) ? 0 :
		PG_GETARG_INT32(PURGE_BATCH_SIZE);
	if (purge.batch_size < 1 || purge.batch_size > MAX_BATCH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("batch_size must be between 1 and %d: %d", MAX_BATCH,
						purge.batch_size)));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	desc = BlessTupleDesc(desc);

	log = log_open(log_resolve(fcinfo, PURGE_LOG), AccessShareLock);
	purge.log = log->oid;
	purge.owner = log->owner;
	purge.as_owner = has_privs_of_role(GetUserId(), log->owner);
	log_close(log, AccessShareLock);

	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect_ext failed");
	if (may_drop(&purge))
		drop_inside(&purge);
	delete_rest(&purge);
	SPI_finish();

	value = Int64GetDatum(purge.deleted);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, &value, &isnull)));
}
