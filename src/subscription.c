/*
 * subscription.c
 *		Who is owed which events: subscribe and its like, and the backend's
 *		copy of the subscriptions, which every writer looks at.
 *
 * The copy is read with a fresh catalog snapshot, so that it is right under
 * REPEATABLE READ too, and thrown away when the relation cache is told that
 * eventlog._subscription has changed.  A statement trigger on that table tells
 * so, whoever changes it: these functions, a restore, or a superuser by hand.
 * Whoever looks accepts invalidations first: a statement of an open
 * transaction, whose locks are held already, would miss what was committed
 * since.
 */
#include "queue.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#define MAX_NAME_BYTES	255

/* columns of eventlog._subscription */
enum
{
	SUB_ID = 1, SUB_NAME, SUB_OWNER, SUB_LOG, SUB_LEVELS, SUB_EVENT_TYPE,
	SUB_PAUSED
};

PG_FUNCTION_INFO_V1(eventlog_subscription_changed);
PG_FUNCTION_INFO_V1(eventlog_subscribe);
PG_FUNCTION_INFO_V1(eventlog_unsubscribe);
PG_FUNCTION_INFO_V1(eventlog_pause);
PG_FUNCTION_INFO_V1(eventlog_resume);

static MemoryContext copy_context = NULL;
static Subscription *copies = NULL;
static int	ncopies = 0;
static Oid	copied_from = InvalidOid;
static bool copy_is_valid = false;

static void
invalidate_copy(Oid relid)
{
	if (!OidIsValid(relid) || relid == copied_from)
		copy_is_valid = false;
}

/*
 * eventlog._subscription_changed(): AFTER any change, FOR EACH STATEMENT
 */
Datum
eventlog_subscription_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("eventlog._subscription_changed is a trigger")));
	CacheInvalidateRelcache(trigdata->tg_relation);
	return PointerGetDatum(NULL);
}

/*
 * set_levels: the levels of an array as flags; all if it is null.
 */
static void
set_levels(Subscription *copy, Datum levels, bool isnull)
{
	Datum	   *names;
	bool	   *nulls;
	int			n;

	if (isnull)
	{
		memset(copy->levels, true, sizeof(copy->levels));
		return;
	}
	deconstruct_array(DatumGetArrayTypeP(levels), TEXTOID, -1, false,
					  TYPALIGN_INT, &names, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (!nulls[i])
			copy->levels[level_require(DatumGetTextPP(names[i]))] = true;
	}
}

static void
copy_row(Subscription *copy, HeapTuple row, TupleDesc desc)
{
	bool		isnull;
	Datum		value;

	memset(copy, 0, sizeof(*copy));
	copy->id = DatumGetInt32(heap_getattr(row, SUB_ID, desc, &isnull));
	copy->name = TextDatumGetCString(heap_getattr(row, SUB_NAME, desc, &isnull));
	copy->owner = DatumGetObjectId(heap_getattr(row, SUB_OWNER, desc, &isnull));
	copy->log = DatumGetObjectId(heap_getattr(row, SUB_LOG, desc, &isnull));
	copy->paused = DatumGetBool(heap_getattr(row, SUB_PAUSED, desc, &isnull));
	value = heap_getattr(row, SUB_LEVELS, desc, &isnull);
	set_levels(copy, value, isnull);
	value = heap_getattr(row, SUB_EVENT_TYPE, desc, &isnull);
	if (!isnull)
		copy->event_type = DatumGetTextPCopy(value);
}

/*
 * read_subscriptions: make the copy anew.
 */
static void
read_subscriptions(Oid relid)
{
	Relation	rel = table_open(relid, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	row;

	while (HeapTupleIsValid(row = systable_getnext(scan)))
	{
		if (copies == NULL)
			copies = palloc(sizeof(Subscription));
		else
			copies = repalloc(copies, sizeof(Subscription) * (ncopies + 1));
		copy_row(&copies[ncopies], row, RelationGetDescr(rel));
		ncopies++;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/*
 * subscriptions_load: see that the copy is right; how many there are.
 */
int
subscriptions_load(void)
{
	MemoryContext outer;
	Oid			relid;

	AcceptInvalidationMessages();
	if (copy_is_valid)
		return ncopies;
	if (copy_context == NULL)
	{
		copy_context = AllocSetContextCreate(CacheMemoryContext,
											 "eventlog subscriptions",
											 ALLOCSET_SMALL_SIZES);
		on_relation_change(invalidate_copy);
	}
	MemoryContextReset(copy_context);
	copies = NULL;
	ncopies = 0;
	relid = eventlog_relation_oid("_subscription");
	if (!OidIsValid(relid))
		return 0;				/* the extension is gone: look again next time */

	copied_from = relid;
	copy_is_valid = true;		/* until an invalidation, even while we read */
	outer = MemoryContextSwitchTo(copy_context);
	PG_TRY();
	{
		read_subscriptions(relid);
	}
	PG_CATCH();
	{
		copy_is_valid = false;
		PG_RE_THROW();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(outer);
	return ncopies;
}

/*
 * subscription_next: the next subscription of a log at or after *from, which
 * is 0 at first; NULL when there are no more.
 */
const Subscription *
subscription_next(Oid log, int *from)
{
	while (*from < ncopies)
	{
		const Subscription *copy = &copies[(*from)++];

		if (copy->log == log)
			return copy;
	}
	return NULL;
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
 * name_from_args: a subscription's name.
 */
static text *
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
				 errmsg("invalid name of a subscription: \"%s\"",
						text_to_cstring(name)),
				 errhint("A name is 1 to %d bytes.", MAX_NAME_BYTES)));
	return name;
}

/*
 * require_member: only members of its owner may use a subscription.
 */
static void
require_member(const char *name, Oid owner)
{
	if (!has_privs_of_role(GetUserId(), owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for subscription \"%s\"", name),
				 errhint("Only members of the role that made it may use it.")));
}

/*
 * subscription_require: the subscription that an argument names, as a copy of
 * the caller's own; an error when there is none or the caller may not use it.
 */
Subscription *
subscription_require(FunctionCallInfo fcinfo, int argno)
{
	char	   *name = text_to_cstring(name_from_args(fcinfo, argno));
	int			n = subscriptions_load();

	for (int i = 0; i < n; i++)
	{
		Subscription *found;

		if (strcmp(copies[i].name, name) != 0)
			continue;
		require_member(name, copies[i].owner);
		found = palloc(sizeof(Subscription));
		*found = copies[i];
		found->name = name;
		if (found->event_type)
			found->event_type = DatumGetTextPCopy(PointerGetDatum(copies[i].event_type));
		return found;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("subscription \"%s\" does not exist", name),
			 errhint("SELECT eventlog.subscribe(%s)", quote_literal_cstr(name))));
}

/*
 * kept_plan: a statement of our own, prepared once a session.
 */
SPIPlanPtr
kept_plan(SPIPlanPtr *plan, const char *sql, int nargs, const Oid *types)
{
	if (*plan == NULL)
	{
		*plan = SPI_prepare(sql, nargs, (Oid *) types);
		if (*plan == NULL || SPI_keepplan(*plan) != 0)
			elog(ERROR, "could not prepare: %s", sql);
	}
	return *plan;
}

/*
 * run_owned: run such a statement as the extension's owner; how many rows.
 * Within SPI.
 *
 * Its text is ours and everything in it is qualified: what a caller brings
 * comes as parameters.  Each is made for an index, and shall use it also while
 * the queue has no statistics, or those of when it was empty: a sort of all
 * that is owed at each fetch would be the plan then.
 */
int64
run_owned(SPIPlanPtr *plan, const char *sql, int nargs, const Oid *types,
		  Datum *values, const char *nulls)
{
	Identity	self;
	int			result;

	eventlog_require_name();
	become(&self, eventlog_owner());
	set_locally("enable_seqscan", "off");
	set_locally("enable_bitmapscan", "off");
	set_locally("enable_sort", "off");
	set_locally("plan_cache_mode", "force_generic_plan");
	result = SPI_execute_plan(kept_plan(plan, sql, nargs, types), values, nulls,
							  false, 0);
	if (result < 0)
		elog(ERROR, "SPI_execute_plan failed: %s: %s",
			 SPI_result_code_string(result), sql);
	become_again(&self);
	return SPI_processed;
}

/*
 * levels_from_args: the levels as they are kept, each checked; NULL for all.
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
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT,
					  &names, &nulls, &n);
	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("levels must not be empty"),
				 errhint("NULL stands for all levels.")));
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
 * require_replaceable: a subscription of that name may only be replaced by
 * members of its owner.
 */
static void
require_replaceable(const char *name)
{
	int			n = subscriptions_load();

	for (int i = 0; i < n; i++)
	{
		if (strcmp(copies[i].name, name) == 0)
			require_member(name, copies[i].owner);
	}
}

/*
 * eventlog.subscribe(name text, levels text[], event_type text, log regclass)
 */
Datum
eventlog_subscribe(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr upsert = NULL;
	static SPIPlanPtr tally = NULL;
	static const Oid types[] = {TEXTOID, OIDOID, OIDOID, TEXTARRAYOID, TEXTOID};
	Datum		values[5];
	char		nulls[] = "     ";
	text	   *name = name_from_args(fcinfo, 0);
	EventLog   *log;
	AclResult	acl;

	values[0] = PointerGetDatum(name);
	values[1] = ObjectIdGetDatum(GetUserId());
	if (PG_ARGISNULL(1))
		nulls[3] = 'n';
	else
		values[3] = levels_from_args(fcinfo, 1);
	if (PG_ARGISNULL(2))
		nulls[4] = 'n';
	else
		values[4] = PG_GETARG_DATUM(2);

	log = log_open(log_resolve(fcinfo, 3), AccessShareLock);
	acl = pg_class_aclcheck(log->oid, GetUserId(), ACL_SELECT);
	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, OBJECT_TABLE, RelationGetRelationName(log->rel));
	values[2] = ObjectIdGetDatum(log->oid);
	require_replaceable(text_to_cstring(name));

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	/* only a row of the owner that was checked is replaced */
	if (run_owned(&upsert,
				  "INSERT INTO eventlog._subscription AS s"
				  " (name, owner, log, levels, event_type)"
				  " VALUES ($1, $2, $3, $4, $5)"
				  " ON CONFLICT (name) DO UPDATE SET log = excluded.log,"
				  " levels = excluded.levels, event_type = excluded.event_type"
				  " WHERE pg_catalog.pg_has_role($2, s.owner, 'USAGE')",
				  5, types, values, nulls) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for subscription \"%s\"",
						text_to_cstring(name))));
	(void) run_owned(&tally,
					 "INSERT INTO eventlog._tally (subscription)"
					 " SELECT id FROM eventlog._subscription"
					 " WHERE name OPERATOR(pg_catalog.=) $1"
					 " ON CONFLICT DO NOTHING", 1, types, values, nulls);
	SPI_finish();
	log_close(log, NoLock);
	PG_RETURN_VOID();
}

/*
 * eventlog.unsubscribe(name text)
 *
 * What a transaction that began before owes it meanwhile is swept up by
 * maintain.
 */
Datum
eventlog_unsubscribe(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plans[3] = {NULL};
	static const char *const sql[3] = {
		"DELETE FROM eventlog._subscription WHERE id OPERATOR(pg_catalog.=) $1",
		"DELETE FROM eventlog._tally WHERE subscription OPERATOR(pg_catalog.=) $1",
		"DELETE FROM eventlog._queue WHERE subscription OPERATOR(pg_catalog.=) $1"
	};
	static const Oid types[] = {INT4OID};
	Subscription *subscription = subscription_require(fcinfo, 0);
	Datum		value = Int32GetDatum(subscription->id);

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
 * eventlog.pause(name text)
 */
Datum
eventlog_pause(PG_FUNCTION_ARGS)
{
	set_paused(subscription_require(fcinfo, 0), true);
	PG_RETURN_VOID();
}

/*
 * eventlog.resume(name text)
 */
Datum
eventlog_resume(PG_FUNCTION_ARGS)
{
	Subscription *subscription = subscription_require(fcinfo, 0);

	set_paused(subscription, false);
	bell_owes(subscription->id);
	PG_RETURN_VOID();
}
