/*
 * subscribe.c
 *		eventlog.subscribe, and the other functions that change
 *		subscriptions.
 */
#include "queue/queue.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#define MAX_LEVELS			32	/* elements of an array; levels may be
								 * repeated */

PG_FUNCTION_INFO_V1(eventlog_subscribe);
PG_FUNCTION_INFO_V1(eventlog_unsubscribe);
PG_FUNCTION_INFO_V1(eventlog_pause);
PG_FUNCTION_INFO_V1(eventlog_resume);
PG_FUNCTION_INFO_V1(eventlog_alter_subscription);

/*
 * levels_from_args: the levels in the form in which they are stored.
 */
static Datum
levels_from_args(FunctionCallInfo fcinfo, int argno)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(argno);
	Datum	   *names;
	bool	   *nulls;
	int			n;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("levels must be a list")));
	n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("levels must not be empty"),
				 errhint("NULL means all levels.")));
	if (n > MAX_LEVELS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many levels: %d", n),
				 errhint("A list has at most %d; NULL means all levels.",
						 MAX_LEVELS)));
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT,
					  &names, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("levels must not contain NULL")));
		names[i] = CStringGetTextDatum(level_names[level_require(DatumGetTextPP(names[i]))]);
	}
	return PointerGetDatum(construct_array(names, n, TEXTOID, -1, false,
										   TYPALIGN_INT));
}

/*
 * prefix_from_args: a prefix of event types.
 */
static Datum
prefix_from_args(FunctionCallInfo fcinfo, int argno)
{
	text	   *prefix = PG_GETARG_TEXT_PP(argno);

	if (VARSIZE_ANY_EXHDR(prefix) > MAX_PREFIX_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("event_type of a subscription is too long: \"%s\"",
						shown_value(prefix)),
				 errhint("A prefix has at most %d bytes.", MAX_PREFIX_BYTES)));
	return PointerGetDatum(prefix);
}

/*
 * Filters: the arguments of subscribe.
 */
typedef struct Filters
{
	Datum		levels;
	Datum		event_type;
	char		nulls[2];		/* of both, in the form that SPI expects */
} Filters;

static Filters
filters_from_args(FunctionCallInfo fcinfo)
{
	Filters		filters = {.nulls = {'n', 'n'}};

	if (!PG_ARGISNULL(1))
	{
		filters.levels = levels_from_args(fcinfo, 1);
		filters.nulls[0] = ' ';
	}
	if (!PG_ARGISNULL(2))
	{
		filters.event_type = prefix_from_args(fcinfo, 2);
		filters.nulls[1] = ' ';
	}
	return filters;
}

/*
 * replace_filters: replace the filters of an existing subscription; false if
 * it was dropped, or its owner was changed, concurrently.  Within SPI.
 */
static bool
replace_filters(const Subscription *found, const Filters *filters)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, OIDOID, TEXTARRAYOID, TEXTOID};
	Datum		values[4];
	char		nulls[] = "    ";

	values[0] = Int32GetDatum(found->id);
	values[1] = ObjectIdGetDatum(found->owner);
	values[2] = filters->levels;
	values[3] = filters->event_type;
	memcpy(nulls + 2, filters->nulls, 2);
	return run_owned(&plan,
					 "UPDATE eventlog._subscription"
					 " SET levels = $3, event_type = $4"
					 " WHERE id OPERATOR(pg_catalog.=) $1"
					 " AND owner::pg_catalog.oid OPERATOR(pg_catalog.=) $2",
					 4, types, values, nulls) > 0;
}

/*
 * require_below_cap: raise an error if a log has more subscriptions than it
 * may.
 *
 * This is checked after inserting the row, and counts rows of open
 * transactions, too: if two sessions add the last one at once, at least one is
 * refused.
 */
static void
require_below_cap(Relation log)
{
	SnapshotData dirty;
	Relation	rel;
	SysScanDesc scan;
	int			n = 0;

	InitDirtySnapshot(dirty);
	scan = subscription_scan(&rel, RelationGetRelid(log), NULL, &dirty);
	while (scan && n <= eventlog_max_subscriptions &&
		   HeapTupleIsValid(systable_getnext(scan)))
		n++;
	end_owned_scan(scan, rel);
	if (n > eventlog_max_subscriptions)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("log \"%s\" cannot have more than %d subscriptions",
						RelationGetRelationName(log),
						eventlog_max_subscriptions),
				 errhint("Drop one with eventlog.unsubscribe, or have a superuser raise eventlog.max_subscriptions.")));
}

/*
 * insert_subscription: insert a subscription that belongs to the caller; false
 * if another session has just made one of that name.  Within SPI.
 */
static bool
insert_subscription(Relation log, const char *name, const Filters *filters)
{
	static SPIPlanPtr insert = NULL;
	static SPIPlanPtr statistics = NULL;
	static const Oid types[] = {TEXTOID, OIDOID, OIDOID, TEXTARRAYOID, TEXTOID};
	Datum		values[5];
	char		nulls[] = "     ";

	values[0] = CStringGetTextDatum(name);
	values[1] = ObjectIdGetDatum(GetUserId());
	values[2] = ObjectIdGetDatum(RelationGetRelid(log));
	values[3] = filters->levels;
	values[4] = filters->event_type;
	memcpy(nulls + 3, filters->nulls, 2);
	if (run_owned(&insert,
				  "INSERT INTO eventlog._subscription"
				  " (name, owner, log, levels, event_type)"
				  " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
				  5, types, values, nulls) == 0)
		return false;
	require_below_cap(log);
	(void) run_owned(&statistics,
					 "INSERT INTO eventlog._tally (subscription)"
					 " SELECT id FROM eventlog._subscription"
					 " WHERE log::pg_catalog.oid OPERATOR(pg_catalog.=) $3"
					 " AND name OPERATOR(pg_catalog.=) $1"
					 " ON CONFLICT DO NOTHING", 3, types, values, nulls);
	return true;
}

/*
 * subscribe: create the subscription of that name, or replace its filters;
 * false if it should be tried again.
 */
static bool
subscribe(Relation log, const char *name, const Filters *filters)
{
	Subscription *found = subscription_find(RelationGetRelid(log), name);

	/* do not reveal names to a role that cannot read the log */
	if (found == NULL || !has_privs_of_role(GetUserId(), found->owner))
		subscription_require_readable(log, GetUserId());
	if (found == NULL)
		return insert_subscription(log, name, filters);
	subscription_require_member(found);
	subscription_require_readable(log, found->owner);
	return replace_filters(found, filters);
}

/*
 * subscribe_call: the same for call_on_workers().
 */
static char *
subscribe_call(const char *name, const Filters *filters)
{
	StringInfoData call;

	initStringInfo(&call);
	appendStringInfo(&call, "subscribe(%s", quote_literal_cstr(name));
	if (filters->nulls[0] == ' ')
		appendStringInfo(&call, ", levels => %s::pg_catalog.text[]",
						 quote_literal_cstr(OidOutputFunctionCall(F_ARRAY_OUT,
																  filters->levels)));
	if (filters->nulls[1] == ' ')
		appendStringInfo(&call, ", event_type => %s",
						 quote_literal_cstr(TextDatumGetCString(filters->event_type)));
	return call.data;
}

/*
 * eventlog.subscribe(name text, levels text[], event_type text, log regclass)
 */
Datum
eventlog_subscribe(PG_FUNCTION_ARGS)
{
	char	   *name = subscription_name_from_arg(fcinfo, 0);
	Filters		filters = filters_from_args(fcinfo);
	EventLog   *log = log_open(log_resolve(fcinfo, 3), AccessShareLock);

	if (log->rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("log \"%s\" is temporary",
						RelationGetRelationName(log->rel)),
				 errhint("Subscribe to a log that other sessions can read.")));
	sql_connect();
	while (!subscribe(log->rel, name, &filters))
		CHECK_FOR_INTERRUPTS();
	SPI_finish();
	if (lead_workers(log->oid))
		(void) call_on_workers(log->oid, subscribe_call(name, &filters));
	log_close(log, NoLock);
	PG_RETURN_VOID();
}

/*
 * tell_named: have workers call a function that takes the subscription alone.
 */
static void
tell_named(const Subscription *subscription, const char *function)
{
	if (lead_workers(subscription->log))
		(void) call_on_workers(subscription->log,
							   psprintf("%s(%s", function,
										quote_literal_cstr(subscription->name)));
}

/*
 * eventlog.unsubscribe(name text, log regclass)
 *
 * The session stops being the consumer even if this is rolled back.
 */
Datum
eventlog_unsubscribe(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plans[3];
	static const char *const sql[] = {
		"DELETE FROM eventlog._subscription WHERE id OPERATOR(pg_catalog.=) $1",
		"DELETE FROM eventlog._tally WHERE subscription OPERATOR(pg_catalog.=) $1",
		"DELETE FROM eventlog._queue WHERE subscription OPERATOR(pg_catalog.=) $1"
	};
	static const Oid types[] = {INT4OID};
	Subscription *subscription = subscription_find_by_args(fcinfo, 0, 1);
	Datum		value = Int32GetDatum(subscription->id);

	if (!subscription_owns_log(subscription->log))
		subscription_require_member(subscription);
	consumer_end(subscription);
	sql_connect();
	for (int i = 0; i < lengthof(sql); i++)
		(void) run_owned(&plans[i], sql[i], 1, types, &value, NULL);
	SPI_finish();
	tell_named(subscription, "unsubscribe");
	PG_RETURN_VOID();
}

static void
set_paused(const Subscription *subscription, bool paused)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, BOOLOID};
	Datum		values[2];

	values[0] = Int32GetDatum(subscription->id);
	values[1] = BoolGetDatum(paused);
	sql_connect();
	(void) run_owned(&plan,
					 "UPDATE eventlog._subscription SET paused = $2"
					 " WHERE id OPERATOR(pg_catalog.=) $1",
					 2, types, values, NULL);
	SPI_finish();
}

/*
 * eventlog.pause(name text, log regclass)
 */
Datum
eventlog_pause(PG_FUNCTION_ARGS)
{
	Subscription *subscription = subscription_require(fcinfo, 0, 1);

	set_paused(subscription, true);
	tell_named(subscription, "pause");
	PG_RETURN_VOID();
}

/*
 * eventlog.resume(name text, log regclass)
 */
Datum
eventlog_resume(PG_FUNCTION_ARGS)
{
	Subscription *subscription = subscription_require(fcinfo, 0, 1);

	set_paused(subscription, false);
	tell_named(subscription, "resume");
	bell_ring_at_commit(subscription);
	PG_RETURN_VOID();
}

/*
 * change_owner: false if it was dropped, or its owner was changed,
 * concurrently.
 */
static bool
change_owner(const Subscription *subscription, Oid owner)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, OIDOID, OIDOID};
	Datum		values[3];
	bool		changed;

	values[0] = Int32GetDatum(subscription->id);
	values[1] = ObjectIdGetDatum(subscription->owner);
	values[2] = ObjectIdGetDatum(owner);
	sql_connect();
	changed = run_owned(&plan,
						"UPDATE eventlog._subscription SET owner = $3"
						" WHERE id OPERATOR(pg_catalog.=) $1"
						" AND owner::pg_catalog.oid OPERATOR(pg_catalog.=) $2",
						3, types, values, NULL) > 0;
	SPI_finish();
	return changed;
}

/*
 * eventlog.alter_subscription(name text, owner regrole, log regclass)
 *
 * As with ALTER ...  OWNER TO, the caller must be able to become the new
 * owner.
 */
Datum
eventlog_alter_subscription(PG_FUNCTION_ARGS)
{
	Subscription *subscription = subscription_require(fcinfo, 0, 2);
	Oid			owner;
	EventLog   *log;

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("owner of a subscription must not be null")));
	owner = PG_GETARG_OID(1);
	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(owner)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role with OID %u does not exist", owner)));
	compat_require_set_role(GetUserId(), owner);
	log = log_open(subscription->log, AccessShareLock);
	subscription_require_readable(log->rel, owner);
	if (!change_owner(subscription, owner))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("subscription \"%s\" was changed concurrently",
						subscription->name)));
	if (lead_workers(subscription->log))
		(void) call_on_workers(subscription->log,
							   psprintf("alter_subscription(%s, %s::pg_catalog.regrole",
										quote_literal_cstr(subscription->name),
										quote_literal_cstr(quote_identifier(GetUserNameFromId(owner, false)))));
	bell_ring_at_commit(subscription);
	log_close(log, NoLock);
	PG_RETURN_VOID();
}
