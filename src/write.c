/*
 * write.c
 *		eventlog.emit: one event into a log, as the caller.
 *
 * A plain INSERT by a plan that is kept for the session, so that a writer
 * needs INSERT on the log and nothing else.  Only where an id was given can the
 * event be there already: then the INSERT has ON CONFLICT DO NOTHING without a
 * target, since naming one would need SELECT.
 */
#include "eventlog.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(eventlog_emit);

enum
{
	EMIT_OCCURRED_AT = 12,
	EMIT_ID,
	EMIT_LOG
};

/* the columns of emit's arguments, in order */
static const EventColumn emit_columns[] = {
	EVENT_TYPE, EVENT_LEVEL, EVENT_MESSAGE, EVENT_RESOURCE_ID,
	EVENT_RESOURCE_TYPE, EVENT_USER_ID, EVENT_SOURCE_SERVICE,
	EVENT_SOURCE_HOST, EVENT_BASE_URL, EVENT_REQUEST_ID, EVENT_CATEGORY,
	EVENT_DETAILS, EVENT_OCCURRED_AT, EVENT_ID
};

#define EMIT_NCOLUMNS lengthof(emit_columns)

typedef struct PlanKey
{
	Oid			log;
	Oid			may_be_there;	/* 0 or 1; no padding in a hash key */
} PlanKey;

typedef struct InsertPlan
{
	PlanKey		key;
	char	   *name;			/* what the plan was made for: a log may be
								 * renamed */
	SPIPlanPtr	plan;
} InsertPlan;

static HTAB *insert_plans = NULL;

/*
 * prepare_insert: make the plan of an entry anew.
 */
static void
prepare_insert(InsertPlan *entry, const char *name)
{
	StringInfoData sql;
	Oid			types[EMIT_NCOLUMNS];
	SPIPlanPtr	plan;

	initStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO %s (", name);
	for (int i = 0; i < EMIT_NCOLUMNS; i++)
	{
		types[i] = event_columns[emit_columns[i]].type;
		appendStringInfo(&sql, "%s%s", i > 0 ? ", " : "",
						 event_columns[emit_columns[i]].name);
	}
	appendStringInfoString(&sql, ") VALUES (");
	for (int i = 0; i < EMIT_NCOLUMNS; i++)
		appendStringInfo(&sql, "%s$%d", i > 0 ? ", " : "", i + 1);
	appendStringInfoString(&sql, entry->key.may_be_there ?
						   ") ON CONFLICT DO NOTHING" : ")");

	plan = SPI_prepare(sql.data, EMIT_NCOLUMNS, types);
	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "could not prepare: %s", sql.data);
	if (entry->plan)
		SPI_freeplan(entry->plan);
	if (entry->name)
		pfree(entry->name);
	entry->plan = plan;
	entry->name = MemoryContextStrdup(TopMemoryContext, name);
}

/*
 * insert_plan: the plan that inserts into a log.
 */
static SPIPlanPtr
insert_plan(Oid log, bool may_be_there)
{
	PlanKey		key = {log, may_be_there};
	char	   *name = qualified_name(log);
	InsertPlan *entry;
	bool		found;

	if (insert_plans == NULL)
	{
		HASHCTL		ctl = {0};

		ctl.keysize = sizeof(PlanKey);
		ctl.entrysize = sizeof(InsertPlan);
		insert_plans = hash_create("eventlog insert plans", 8, &ctl,
								   HASH_ELEM | HASH_BLOBS);
	}
	entry = hash_search(insert_plans, &key, HASH_ENTER, &found);
	if (!found)
	{
		entry->name = NULL;
		entry->plan = NULL;
	}
	if (entry->plan == NULL || strcmp(entry->name, name) != 0)
		prepare_insert(entry, name);
	return entry->plan;
}

/*
 * require_given: an error for a NULL, before the table has one.
 */
static void
require_given(FunctionCallInfo fcinfo, int argno, EventColumn column)
{
	if (PG_ARGISNULL(argno))
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("%s of an event must not be null",
						event_columns[column].name)));
}

/*
 * complete: the id and time of an event, each from the other where only one
 * is given, both by the clock where none is.
 */
static void
complete(FunctionCallInfo fcinfo, pg_uuid_t *id, TimestampTz *occurred_at)
{
	if (!PG_ARGISNULL(EMIT_ID))
		*id = *PG_GETARG_UUID_P(EMIT_ID);
	if (!PG_ARGISNULL(EMIT_OCCURRED_AT))
		*occurred_at = PG_GETARG_TIMESTAMPTZ(EMIT_OCCURRED_AT);
	else if (!PG_ARGISNULL(EMIT_ID))
		*occurred_at = id_get_time(id);
	else
		*occurred_at = GetCurrentTimestamp();
	require_event_time("occurred_at", *occurred_at);
	if (PG_ARGISNULL(EMIT_ID))
		id_make(id, *occurred_at, NULL);
	else
		id_require_match(id, *occurred_at);
}

/*
 * eventlog.emit(event_type, level, message, resource_id, resource_type,
 * user_id, source_service, source_host, base_url, request_id, category,
 * details, occurred_at, id, log) returns uuid
 */
Datum
eventlog_emit(PG_FUNCTION_ARGS)
{
	Datum		values[EMIT_NCOLUMNS];
	char		nulls[EMIT_NCOLUMNS + 1];
	pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));
	TimestampTz occurred_at;
	EventLog   *log;

	require_given(fcinfo, 0, EVENT_TYPE);
	require_given(fcinfo, 1, EVENT_LEVEL);
	log = log_open(log_resolve(fcinfo, EMIT_LOG), RowExclusiveLock);
	complete(fcinfo, id, &occurred_at);
	for (int i = 0; i < EMIT_OCCURRED_AT; i++)
	{
		values[i] = PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	values[EMIT_OCCURRED_AT] = TimestampTzGetDatum(occurred_at);
	values[EMIT_ID] = UUIDPGetDatum(id);
	nulls[EMIT_OCCURRED_AT] = nulls[EMIT_ID] = ' ';
	nulls[EMIT_NCOLUMNS] = '\0';

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_plan(insert_plan(log->oid, !PG_ARGISNULL(EMIT_ID)),
						 values, nulls, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not insert into log \"%s\"",
			 RelationGetRelationName(log->rel));
	SPI_finish();
	log_close(log, NoLock);
	PG_RETURN_UUID_P(id);
}
