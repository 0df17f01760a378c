/*
 * emit.c
 *		eventlog.emit: writing one event, as the caller.
 *
 * It runs a plain INSERT by a plan that is kept for the session, so that a
 * writer needs only INSERT on the log.  Only an event with a given id can
 * already exist: then the INSERT has ON CONFLICT DO NOTHING, without a target,
 * since naming one would need SELECT.
 */
#include "log/log.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "executor/spi.h"
#include "rewrite/prs2lock.h"
#include "rewrite/rewriteDefine.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(eventlog_emit);

/* arguments */
enum
{
	EMIT_OCCURRED_AT = 12,
	EMIT_ID,
	EMIT_LOG
};

/*
 * the columns of emit's arguments, in order
 */
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
	char	   *name;			/* name in the plan: a log may be renamed */
	SPIPlanPtr	plan;
	int			users;			/* number of emits that are running it */
	uint64		last_use;
} InsertPlan;

#define MAX_PLANS	64

static HTAB *insert_plans = NULL;
static uint64 plan_uses = 0;

/*
 * refuse_rule: raise an error for a log with a rule that does something else
 * instead of an INSERT: the event would not be stored.
 */
static void
refuse_rule(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("log %s has a rule that does something else instead of an INSERT",
					name),
			 errdetail("The event would not be stored."),
			 errhint("Drop the rule, or write to the table that it writes to.")));
}

/*
 * require_no_rule: raise an error if there is such a rule without a condition.
 */
static void
require_no_rule(const EventLog *log)
{
	RuleLock   *rules = log->rel->rd_rules;
	bool		found = false;

	for (int i = 0; rules && i < rules->numLocks; i++)
	{
		RewriteRule *rule = rules->rules[i];

		if (rule->event == CMD_INSERT && rule->isInstead &&
			rule->qual == NULL && rule->enabled != RULE_DISABLED)
			found = true;
	}
	if (found)
		refuse_rule(qualified_name(log->oid));
}

/*
 * prepare_insert: prepare a plan that inserts an event into this table.
 */
static SPIPlanPtr
prepare_insert(const char *name, bool may_be_there)
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
	appendStringInfoString(&sql, may_be_there ?
						   ") ON CONFLICT DO NOTHING" : ")");

	plan = SPI_prepare(sql.data, EMIT_NCOLUMNS, types);
	if (plan == NULL)
		elog(ERROR, "could not prepare: %s", sql.data);
	return plan;
}

/*
 * forget_plan: free the plan of an entry that is not in use.
 */
static void
forget_plan(InsertPlan *entry)
{
	if (entry->plan)
		SPI_freeplan(entry->plan);
	if (entry->name)
		pfree(entry->name);
	entry->plan = NULL;
	entry->name = NULL;
}

/*
 * make_room: if the maximum number of plans is kept, forget the least recently
 * used one; false if all are in use.
 */
static bool
make_room(void)
{
	HASH_SEQ_STATUS status;
	InsertPlan *entry;
	InsertPlan *oldest = NULL;

	if (hash_get_num_entries(insert_plans) < MAX_PLANS)
		return true;
	hash_seq_init(&status, insert_plans);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if (entry->users == 0 &&
			(oldest == NULL || entry->last_use < oldest->last_use))
			oldest = entry;
	}
	if (oldest == NULL)
		return false;
	forget_plan(oldest);
	(void) hash_search(insert_plans, &oldest->key, HASH_REMOVE, NULL);
	return true;
}

/*
 * find_entry: find or create the entry for a plan, possibly without a plan;
 * NULL if there is no room.
 */
static InsertPlan *
find_entry(const PlanKey *key)
{
	InsertPlan *entry;

	if (insert_plans == NULL)
	{
		HASHCTL		ctl = {0};

		ctl.keysize = sizeof(PlanKey);
		ctl.entrysize = sizeof(InsertPlan);
		insert_plans = hash_create("eventlog insert plans", MAX_PLANS, &ctl,
								   HASH_ELEM | HASH_BLOBS);
	}
	entry = hash_search(insert_plans, key, HASH_FIND, NULL);
	if (entry == NULL && make_room())
	{
		entry = hash_search(insert_plans, key, HASH_ENTER, NULL);
		entry->name = NULL;
		entry->plan = NULL;
		entry->users = 0;
	}
	if (entry)
		entry->last_use = ++plan_uses;
	return entry;
}

/*
 * kept_entry: the entry with a kept plan for this table; NULL if none can be
 * kept.
 *
 * Code of the log's owner runs during execution: a trigger may rename the log
 * and emit.  A plan that is in use is not replaced.
 */
static InsertPlan *
kept_entry(Oid log, const char *name, bool may_be_there)
{
	PlanKey		key = {log, may_be_there};
	InsertPlan *entry = find_entry(&key);
	SPIPlanPtr	plan;

	if (entry == NULL)
		return NULL;
	if (entry->plan && strcmp(entry->name, name) == 0)
		return entry;
	if (entry->users > 0)
		return NULL;
	plan = prepare_insert(name, may_be_there);	/* runs nobody else's code */
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "could not keep a plan");
	forget_plan(entry);
	entry->name = MemoryContextStrdup(TopMemoryContext, name);
	entry->plan = plan;
	return entry;
}

/*
 * execute_kept: execute the plan of an entry, which is in use meanwhile.
 */
static int
execute_kept(InsertPlan *entry, Datum *values, const char *nulls)
{
	volatile int result = 0;

	entry->users++;
	PG_TRY();
	{
		result = SPI_execute_plan(entry->plan, values, nulls, false, 0);
	}
	PG_FINALLY();
	{
		entry->users--;
	}
	PG_END_TRY();
	return result;
}

/*
 * run_insert: insert an event; returns the number of rows.  Within SPI.
 */
static uint64
run_insert(const EventLog *log, bool may_be_there, Datum *values,
		   const char *nulls)
{
	char	   *name = qualified_name(log->oid);
	InsertPlan *entry = kept_entry(log->oid, name, may_be_there);
	int			result;

	if (entry)
		result = execute_kept(entry, values, nulls);
	else
		result = SPI_execute_plan(prepare_insert(name, may_be_there), values,
								  nulls, false, 0);
	if (result < 0)
		elog(ERROR, "could not insert into log %s: %s", name,
			 SPI_result_code_string(result));
	if (result != SPI_OK_INSERT)
		refuse_rule(name);
	return SPI_processed;
}

/*
 * find_key_index: open the primary key of a partition; NULL if it has none on
 * (occurred_at, id).
 */
static Relation
find_key_index(Relation rel)
{
	AttrNumber	attnum[EVENT_NCOLUMNS];
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *cell;

	if (!event_map_columns(RelationGetDescr(rel), attnum))
		return NULL;
	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);
		Form_pg_index form = index->rd_index;

		if (form->indisprimary && form->indisvalid &&
			form->indnkeyatts == 2 &&
			form->indkey.values[0] == attnum[EVENT_OCCURRED_AT] &&
			form->indkey.values[1] == attnum[EVENT_ID] &&
			index->rd_rel->relam == BTREE_AM_OID)
			return index;
		index_close(index, AccessShareLock);
	}
	return NULL;
}

/*
 * key_is_there: does a partition contain an event with this key now?
 */
static bool
key_is_there(Relation rel, Relation index, TimestampTz occurred_at,
			 const pg_uuid_t *id)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	IndexScanDesc scan = compat_index_beginscan(rel, index, snapshot, 2);
	ScanKeyData keys[2];
	bool		found;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_TIMESTAMPTZ_EQ,
				TimestampTzGetDatum(occurred_at));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_UUID_EQ,
				UUIDPGetDatum(id));
	index_rescan(scan, keys, 2, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, slot);
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	return found;
}

/*
 * event_is_there: does the log contain an event with this key now?
 *
 * This is checked by the primary key and not by SQL, since a writer need not
 * have the right to read.  It reveals only that the writer's own INSERT of
 * this very id met the event.  A partition without such an index, like a
 * foreign table, is assumed to contain it, and so is a distributed log.
 */
static bool
event_is_there(const EventLog *log, TimestampTz occurred_at,
			   const pg_uuid_t *id)
{
	PartitionList *list;
	const Partition *partition;
	Oid			oid;
	Relation	rel;
	bool		found = true;

	if (is_distributed(log->oid))
		return true;
	list = partition_list(log->rel);
	partition = partition_find(list, occurred_at);
	oid = partition ? partition->oid : list->default_oid;
	rel = OidIsValid(oid) ? try_relation_open(oid, AccessShareLock) : NULL;
	if (rel == NULL)
		return false;
	if (rel->rd_rel->relkind == RELKIND_RELATION)
	{
		Relation	index = find_key_index(rel);

		if (index)
		{
			found = key_is_there(rel, index, occurred_at, id);
			index_close(index, AccessShareLock);
		}
	}
	relation_close(rel, AccessShareLock);
	return found;
}

/*
 * complete: set the id and time of an event: each from the other if only one
 * is given, both from the clock if none is.
 */
static void
complete(FunctionCallInfo fcinfo, Oid log, pg_uuid_t *id,
		 TimestampTz *occurred_at)
{
	EventErrorContext subject;

	event_push_error_context(&subject, log);
	subject.column = EVENT_TYPE;
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("event_type of an event must not be null")));
	subject.column = EVENT_ID;
	if (!PG_ARGISNULL(EMIT_ID))
		*id = *PG_GETARG_UUID_P(EMIT_ID);
	if (!PG_ARGISNULL(EMIT_OCCURRED_AT))
		*occurred_at = PG_GETARG_TIMESTAMPTZ(EMIT_OCCURRED_AT);
	else if (!PG_ARGISNULL(EMIT_ID))
		*occurred_at = id_get_time(id);
	else
		*occurred_at = GetCurrentTimestamp();
	subject.column = EVENT_OCCURRED_AT;
	id_require_time("occurred_at", *occurred_at);
	subject.column = EVENT_ID;
	if (PG_ARGISNULL(EMIT_ID))
		id_create(id, *occurred_at, NULL);
	else
		id_require_match(id, *occurred_at);
	event_pop_error_context(&subject);
}

/*
 * find_stored: find the id under which the event just inserted was stored;
 * false if that is unknown.
 *
 * A BEFORE trigger of the log's owner may have changed it.  The last row that
 * was checked has the id, unless such a trigger has inserted other rows, too.
 */
static bool
find_stored(const EventLog *log, TimestampTz occurred_at, pg_uuid_t *id)
{
	pg_uuid_t	checked = event_last_checked();

	if (memcmp(&checked, id, UUID_LEN) == 0 ||
		event_is_there(log, occurred_at, id))
		return true;
	if (!id_is_valid(&checked) ||
		!event_is_there(log, id_get_time(&checked), &checked))
		return false;
	*id = checked;
	return true;
}

/*
 * insert_event: returns whether the event is in the log now, and sets its id.
 *
 * If the INSERT of a given id stores nothing, the event may already exist.  If
 * it does not, a plain INSERT shows the reason: another unique index raises
 * its error, and a trigger that suppresses the row raises none.
 */
static bool
insert_event(const EventLog *log, bool id_given, Datum *values,
			 const char *nulls)
{
	TimestampTz occurred_at = DatumGetTimestampTz(values[EMIT_OCCURRED_AT]);
	pg_uuid_t  *id = DatumGetUUIDP(values[EMIT_ID]);
	bool		stored = run_insert(log, id_given, values, nulls) > 0;

	if (!stored && id_given)
	{
		if (event_is_there(log, occurred_at, id))
			return true;
		stored = run_insert(log, false, values, nulls) > 0;
	}
	return stored && find_stored(log, occurred_at, id);
}

/*
 * eventlog.emit(event_type, level, message, resource_id, resource_type,
 * user_id, source_service, source_host, base_url, request_id, category,
 * details, occurred_at, id, log) returns uuid
 *
 * Returns NULL if a trigger of the log suppressed the event, or changed its id
 * to one that is unknown.
 */
Datum
eventlog_emit(PG_FUNCTION_ARGS)
{
	Datum		values[EMIT_NCOLUMNS];
	char		nulls[EMIT_NCOLUMNS + 1];
	pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));
	TimestampTz occurred_at;
	EventLog   *log;
	bool		is_there;

	log = log_open(log_resolve(fcinfo, EMIT_LOG), RowExclusiveLock);
	require_no_rule(log);
	complete(fcinfo, log->oid, id, &occurred_at);
	for (int i = 0; i < EMIT_OCCURRED_AT; i++)
	{
		values[i] = PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	values[EMIT_OCCURRED_AT] = TimestampTzGetDatum(occurred_at);
	values[EMIT_ID] = UUIDPGetDatum(id);
	nulls[EMIT_OCCURRED_AT] = nulls[EMIT_ID] = ' ';
	nulls[EMIT_NCOLUMNS] = '\0';

	sql_connect();
	is_there = insert_event(log, !PG_ARGISNULL(EMIT_ID), values, nulls);
	SPI_finish();
	log_close(log, NoLock);
	if (!is_there)
		PG_RETURN_NULL();
	PG_RETURN_UUID_P(id);
}
