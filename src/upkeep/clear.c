/*
 * clear.c
 *		eventlog.delete and eventlog.clear: removing events in the
 *		caller's transaction, by the same filter as for reading.
 *
 * clear finds events as list does, and deletes them by key, unless they are so
 * many that one DELETE with the filter is better.
 */
#include "upkeep/upkeep.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(eventlog_delete);
PG_FUNCTION_INFO_V1(eventlog_clear);

#define MAX_CLEAR_KEYS	10000	/* more than that are cleared by one DELETE */

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
	sql_connect();
	(void) delete_by_statement(log, sql.data, NULL, at, at + 1,
							   (ReturnSetInfo *) fcinfo->resultinfo);
	SPI_finish();
	log_close(log, NoLock);
	return (Datum) 0;
}

/*
 * clear_require_filter: raise an error if neither a filter nor everything is
 * given.
 */
void
clear_require_filter(FunctionCallInfo fcinfo, const Filter *filter)
{
	bool		everything = !PG_ARGISNULL(CLEAR_EVERYTHING) &&
		PG_GETARG_BOOL(CLEAR_EVERYTHING);

	if (!filter->given && !everything)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no filter was given, so nothing was deleted"),
				 errhint("To delete all events of the log, pass everything => true.")));
}

/*
 * clear_require_privilege: raise an error if the caller may not delete, even
 * if there is nothing to delete.
 */
void
clear_require_privilege(Oid log)
{
	AclResult	result = pg_class_aclcheck(log, GetUserId(), ACL_DELETE);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_TABLE, get_rel_name(log));
}

/*
 * clear_by_filter: delete events by one DELETE.
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
	(void) delete_by_statement(log, sql.data, NULL, filter->since,
							   filter->before,
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
	clear_require_filter(fcinfo, &filter);
	log = log_open(log_resolve(fcinfo, CLEAR_LOG), RowExclusiveLock);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	sql_connect();
	keys = is_distributed(log->oid) ? NULL :
		delete_choose_keys(log->oid, &filter, NULL, MAX_CLEAR_KEYS);
	if (keys == NULL || keys->n == MAX_CLEAR_KEYS)
		clear_by_filter(log, &filter, rsinfo);
	else if (keys->n > 0)
		(void) delete_by_keys(log->oid, &filter, keys, NIL, rsinfo);
	else
		clear_require_privilege(log->oid);
	SPI_finish();
	log_close(log, NoLock);
	return (Datum) 0;
}
