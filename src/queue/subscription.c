/*
 * subscription.c
 *		Who is owed which events: rows of eventlog._subscription, and the
 *		functions that make, change and drop them.
 *
 * A subscription's name is its log's own, as a trigger's is its table's.  It
 * belongs to a role: members of that role may use and change it, and its events
 * are read with that role's rights, whoever fetches them.
 *
 * These functions read the row by the index on (log, name) with a fresh catalog
 * snapshot.  The copy that writers look at is another matter: subcache.c.
 */
#include "queue/queue.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#define MAX_NAME_BYTES		(NAMEDATALEN - 1)
#define MAX_PREFIX_BYTES	255
#define MAX_LEVELS			32	/* elements of a list; several may be the same */
#define MAX_LEVELS_BYTES	4096	/* of a stored list */

PG_FUNCTION_INFO_V1(eventlog_subscribe);
PG_FUNCTION_INFO_V1(eventlog_unsubscribe);
PG_FUNCTION_INFO_V1(eventlog_pause);
PG_FUNCTION_INFO_V1(eventlog_resume);
PG_FUNCTION_INFO_V1(eventlog_alter_subscription);

/*
 * subscription_scan: the rows of a log, of all logs if that is InvalidOid, or
 * the one with that name.  NULL when there is no such table, as while the
 * extension is being dropped.  A snapshot of NULL is a fresh one.  To be ended
 * by owned_scan_end().
 */
SysScanDesc
subscription_scan(Relation *rel, Oid log, const char *name, Snapshot snapshot)
{
	Oid			relid = eventlog_relation_oid("_subscription");
	Oid			index = eventlog_relation_oid("_subscription_log_name_key");
	ScanKeyData keys[2];
	int			nkeys = 0;

	*rel = OidIsValid(relid) ? table_open(relid, AccessShareLock) : NULL;
	if (*rel == NULL)
		return NULL;
	if (OidIsValid(log))
		ScanKeyInit(&keys[nkeys++], SUB_LOG, BTEqualStrategyNumber, F_OIDEQ,
					ObjectIdGetDatum(log));
	if (name)
		ScanKeyInit(&keys[nkeys++], SUB_NAME, BTEqualStrategyNumber, F_TEXTEQ,
					CStringGetTextDatum(name));
	return systable_beginscan(*rel, index, OidIsValid(index) && nkeys > 0,
							  snapshot, nkeys, keys);
}

/*
 * read_levels: the levels of a stored list as flags; all if it is null.  What
 * is no list of levels, or longer than any of ours, has none.
 */
static void
read_levels(Subscription *subscription, Datum stored, bool isnull)
{
	ArrayType  *array;
	Datum	   *names;
	bool	   *nulls;
	int			n;

	memset(subscription->levels, isnull, sizeof(subscription->levels));
	if (isnull || toast_raw_datum_size(stored) > MAX_LEVELS_BYTES)
		return;
	array = DatumGetArrayTypeP(stored);
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls,
					  &n);
	for (int i = 0; i < n; i++)
	{
		text	   *name = nulls[i] ? NULL : DatumGetTextPP(names[i]);
		int			level = name ? level_find(VARDATA_ANY(name),
											  VARSIZE_ANY_EXHDR(name)) : -1;

		if (level >= 0)
			subscription->levels[level] = true;
	}
}

/*
 * subscription_read: a row of the table; false when it lacks what each has.
 *
 * Rows come from restores, from superusers, and from the role that made the
 * extension: what they hold beyond our bounds wants no event.
 */
bool
subscription_read(HeapTuple row, TupleDesc desc, Subscription *subscription)
{
	static const AttrNumber needed[] = {
		SUB_ID, SUB_NAME, SUB_OWNER, SUB_LOG, SUB_PAUSED
	};
	Datum		values[SUB_PAUSED + 1];
	bool		nulls[SUB_PAUSED + 1];
	text	   *name;

	for (int i = SUB_ID; i <= SUB_PAUSED; i++)
		values[i] = heap_getattr(row, i, desc, &nulls[i]);
	for (int i = 0; i < lengthof(needed); i++)
	{
		if (nulls[needed[i]])
			return false;
	}
	if (toast_raw_datum_size(values[SUB_NAME]) - VARHDRSZ > MAX_NAME_BYTES)
		return false;
	memset(subscription, 0, sizeof(*subscription));
	name = DatumGetTextPP(values[SUB_NAME]);
	text_to_cstring_buffer(name, subscription->name,
						   sizeof(subscription->name));
	subscription->id = DatumGetInt32(values[SUB_ID]);
	subscription->owner = DatumGetObjectId(values[SUB_OWNER]);
	subscription->log = DatumGetObjectId(values[SUB_LOG]);
	subscription->paused = DatumGetBool(values[SUB_PAUSED]);
	read_levels(subscription, values[SUB_LEVELS], nulls[SUB_LEVELS]);
	if (nulls[SUB_EVENT_TYPE])
		return true;
	if (toast_raw_datum_size(values[SUB_EVENT_TYPE]) - VARHDRSZ > MAX_PREFIX_BYTES)
		memset(subscription->levels, false, sizeof(subscription->levels));
	else
		subscription->event_type = DatumGetTextPCopy(values[SUB_EVENT_TYPE]);
	return true;
}

/*
 * subscription_wants: is an event of this type and level owed to it?
 */
bool
subscription_wants(const Subscription *subscription, const text *event_type,
				   const text *level)
{
	const text *prefix = subscription->event_type;
	int			found = level_find(VARDATA_ANY(level),
								   VARSIZE_ANY_EXHDR(level));

	if (found < 0 || !subscription->levels[found])
		return false;
	return prefix == NULL ||
		(VARSIZE_ANY_EXHDR(event_type) >= VARSIZE_ANY_EXHDR(prefix) &&
		 memcmp(VARDATA_ANY(event_type), VARDATA_ANY(prefix),
				VARSIZE_ANY_EXHDR(prefix)) == 0);
}

/*
 * subscription_is_orphan: is the role that it belongs to gone?  It counts as
 * paused then.
 */
bool
subscription_is_orphan(const Subscription *subscription)
{
	return !SearchSysCacheExists1(AUTHOID,
								  ObjectIdGetDatum(subscription->owner));
}

/*
 * find_subscription: the subscription of that name, in the current context;
 * NULL when there is none.
 */
static Subscription *
find_subscription(Oid log, const char *name)
{
	Subscription *found = palloc(sizeof(Subscription));
	Relation	rel;
	SysScanDesc scan = subscription_scan(&rel, log, name, NULL);
	HeapTuple	row = scan ? systable_getnext(scan) : NULL;

	if (!HeapTupleIsValid(row) ||
		!subscription_read(row, RelationGetDescr(rel), found))
	{
		pfree(found);
		found = NULL;
	}
	owned_scan_end(scan, rel);
	return found;
}

/*
 * name_from_args: a subscription's name.
 */
static char *
name_from_args(FunctionCallInfo fcinfo, int argno)
{
	text	   *name;

	if (PG_ARGISNULL(argno))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("name of a subscription must not be null")));
	name = PG_GETARG_TEXT_PP(argno);
	if (VARSIZE_ANY_EXHDR(name) == 0 ||
		VARSIZE_ANY_EXHDR(name) > MAX_NAME_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid name of a subscription: \"%s\"", shown_value(name)),
				 errhint("A name is 1 to %d bytes.", MAX_NAME_BYTES)));
	return text_to_cstring(name);
}

/*
 * require_member: only members of its owner may use a subscription.
 */
static void
require_member(const Subscription *subscription)
{
	if (!has_privs_of_role(GetUserId(), subscription->owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for subscription \"%s\"",
						subscription->name),
				 errhint("Only members of the role that it belongs to may use it.")));
}

/*
 * subscription_log_is_own: does the caller own this log, or has it the rights
 * of the role that does?
 */
bool
subscription_log_is_own(Oid log)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(log));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		return false;
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return has_privs_of_role(GetUserId(), owner);
}

/*
 * subscription_named: the subscription that two arguments name, whoever it
 * belongs to; an error when there is none.
 */
static Subscription *
subscription_named(FunctionCallInfo fcinfo, int name_arg, int log_arg)
{
	char	   *name = name_from_args(fcinfo, name_arg);
	Oid			log = log_resolve(fcinfo, log_arg);
	Subscription *found = find_subscription(log, name);

	if (found == NULL)
	{
		char	   *log_name = get_rel_name(log);

		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("subscription \"%s\" of log \"%s\" does not exist", name,
						log_name ? log_name : psprintf("%u", log)),
				 errhint("The view eventlog.subscriptions lists them with their logs; eventlog.subscribe makes one.")));
	}
	return found;
}

/*
 * subscription_require: the same, as the caller's own; an error when the caller
 * may not use it.
 */
Subscription *
subscription_require(FunctionCallInfo fcinfo, int name_arg, int log_arg)
{
	Subscription *found = subscription_named(fcinfo, name_arg, log_arg);

	require_member(found);
	return found;
}

/*
 * subscription_require_readable: an error unless a role may read all of a log.
 */
void
subscription_require_readable(Relation log, Oid role)
{
	Oid			schema = RelationGetNamespace(log);
	AclResult	acl = compat_schema_aclcheck(schema, role);

	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, OBJECT_SCHEMA, get_namespace_name(schema));
	acl = pg_class_aclcheck(RelationGetRelid(log), role, ACL_SELECT);
	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, OBJECT_TABLE, RelationGetRelationName(log));
}

/*
 * levels_from_args: the levels as they are kept, each checked.
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
				 errhint("NULL stands for all levels.")));
	if (n > MAX_LEVELS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many levels: %d", n),
				 errhint("A list has at most %d; NULL stands for all levels.",
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
 * prefix_from_args: a prefix of types of events.
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
				 errhint("A prefix is at most %d bytes.", MAX_PREFIX_BYTES)));
	return PointerGetDatum(prefix);
}

/*
 * Filters: what subscribe is given.
 */
typedef struct Filters
{
	Datum		levels;
	Datum		event_type;
	char		nulls[2];		/* of these two, as SPI wants them */
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
 * replace_filters: of a subscription that is there; false when it has gone or
 * has got another owner meanwhile.  Within SPI.
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
 * require_below_cap: an error when a log has more subscriptions than it may.
 *
 * This is asked once one's own row is there, and it counts those of open
 * transactions too: of two who add the last one at once, at least one is
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
	owned_scan_end(scan, rel);
	if (n > eventlog_max_subscriptions)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("log \"%s\" cannot have more than %d subscriptions",
						RelationGetRelationName(log),
						eventlog_max_subscriptions),
				 errhint("Drop one with eventlog.unsubscribe, or have a superuser raise eventlog.max_subscriptions.")));
}

/*
 * insert_subscription: a new one, of the caller; false when another session
 * has just made one of that name.  Within SPI.
 */
static bool
insert_subscription(Relation log, const char *name, const Filters *filters)
{
	static SPIPlanPtr insert = NULL;
	static SPIPlanPtr tally = NULL;
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
	(void) run_owned(&tally,
					 "INSERT INTO eventlog._tally (subscription)"
					 " SELECT id FROM eventlog._subscription"
					 " WHERE log::pg_catalog.oid OPERATOR(pg_catalog.=) $3"
					 " AND name OPERATOR(pg_catalog.=) $1"
					 " ON CONFLICT DO NOTHING", 3, types, values, nulls);
	return true;
}

/*
 * subscribe: replace the filters of the subscription of that name, or make it;
 * false when that is to be tried again.
 */
static bool
subscribe(Relation log, const char *name, const Filters *filters)
{
	Subscription *found = find_subscription(RelationGetRelid(log), name);

	/* whoever cannot read the log is not told which names there are */
	if (found == NULL || !has_privs_of_role(GetUserId(), found->owner))
		subscription_require_readable(log, GetUserId());
	if (found == NULL)
		return insert_subscription(log, name, filters);
	require_member(found);
	subscription_require_readable(log, found->owner);
	return replace_filters(found, filters);
}

/*
 * eventlog.subscribe(name text, levels text[], event_type text, log regclass)
 */
Datum
eventlog_subscribe(PG_FUNCTION_ARGS)
{
	char	   *name = name_from_args(fcinfo, 0);
	Filters		filters = filters_from_args(fcinfo);
	EventLog   *log = log_open(log_resolve(fcinfo, 3), AccessShareLock);

	if (log->rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("log \"%s\" is temporary",
						RelationGetRelationName(log->rel)),
				 errhint("Subscribe to a log that other sessions can read.")));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	while (!subscribe(log->rel, name, &filters))
		CHECK_FOR_INTERRUPTS();
	SPI_finish();
	log_close(log, NoLock);
	PG_RETURN_VOID();
}

/*
 * eventlog.unsubscribe(name text, log regclass)
 *
 * If that is rolled back, the session is its consumer no more all the same.
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
	Subscription *subscription = subscription_named(fcinfo, 0, 1);
	Datum		value = Int32GetDatum(subscription->id);

	if (!subscription_log_is_own(subscription->log))
		require_member(subscription);
	consumer_end(subscription);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	for (int i = 0; i < lengthof(sql); i++)
		(void) run_owned(&plans[i], sql[i], 1, types, &value, NULL);
	SPI_finish();
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
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
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
	set_paused(subscription_require(fcinfo, 0, 1), true);
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
	bell_owes(subscription);
	PG_RETURN_VOID();
}

/*
 * change_owner: false when it has gone or has got another owner meanwhile.
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
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
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
 * As with ALTER … OWNER TO, the caller must be able to become the new owner.
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
	compat_require_can_become(GetUserId(), owner);
	log = log_open(subscription->log, AccessShareLock);
	subscription_require_readable(log->rel, owner);
	if (!change_owner(subscription, owner))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("subscription \"%s\" was changed meanwhile",
						subscription->name)));
	bell_owes(subscription);
	log_close(log, NoLock);
	PG_RETURN_VOID();
}
