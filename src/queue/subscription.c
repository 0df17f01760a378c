/*
 * subscription.c
 *		Rows of eventlog._subscription: which events are delivered to
 *		whom.
 *
 * A subscription's name is unique within its log, as a trigger's is within its
 * table.  The subscription belongs to a role: members of that role may use and
 * change it, and its events are read with that role's rights, whoever fetches
 * them.
 *
 * These functions read the row by the index on (log, name) with a fresh
 * catalog snapshot.  Writers use a cache instead: subcache.c.
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
#include "utils/syscache.h"

#define MAX_NAME_BYTES		(NAMEDATALEN - 1)
#define MAX_LEVELS_BYTES	4096	/* of a stored array */

/*
 * subscription_scan: scan the subscriptions of a log, or of all logs if that
 * is InvalidOid, or the one with that name; to be ended by end_owned_scan().
 *
 * Returns NULL if the table does not exist, as while the extension is being
 * dropped.  A NULL snapshot means a fresh one.
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
 * read_levels: read a stored array of levels as flags; null means all.  An
 * array that is not valid, or longer than any of ours, has none.
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
 * subscription_read: read a row of the table; false if a value is missing that
 * each row has.
 *
 * Rows also come from restores, from superusers, and from the role that
 * created the extension.  One with values beyond our limits matches no event.
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
 * subscription_wants: does it match an event of this type and level?
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
 * subscription_is_orphan: was its owner dropped?  It is then treated as
 * paused.
 */
bool
subscription_is_orphan(const Subscription *subscription)
{
	return !SearchSysCacheExists1(AUTHOID,
								  ObjectIdGetDatum(subscription->owner));
}

/*
 * subscription_list: copies of all subscriptions of a log.
 */
List *
subscription_list(Oid log)
{
	Relation	rel;
	SysScanDesc scan = subscription_scan(&rel, log, NULL, NULL);
	List	   *found = NIL;
	HeapTuple	row;

	while (scan && HeapTupleIsValid(row = systable_getnext(scan)))
	{
		Subscription *subscription = palloc(sizeof(Subscription));

		CHECK_FOR_INTERRUPTS();
		if (subscription_read(row, RelationGetDescr(rel), subscription))
			found = lappend(found, subscription);
		else
			pfree(subscription);
	}
	end_owned_scan(scan, rel);
	return found;
}

/*
 * subscription_find: find a subscription by name, in the current memory
 * context; NULL if there is none.
 */
Subscription *
subscription_find(Oid log, const char *name)
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
	end_owned_scan(scan, rel);
	return found;
}

/*
 * subscription_name_from_arg: the name of a subscription in an argument.
 */
char *
subscription_name_from_arg(FunctionCallInfo fcinfo, int argno)
{
	text	   *name;

	if (PG_ARGISNULL(argno))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("subscription name must not be null")));
	name = PG_GETARG_TEXT_PP(argno);
	if (VARSIZE_ANY_EXHDR(name) == 0 ||
		VARSIZE_ANY_EXHDR(name) > MAX_NAME_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid subscription name: \"%s\"", shown_value(name)),
				 errhint("A name has 1 to %d bytes.", MAX_NAME_BYTES)));
	return text_to_cstring(name);
}

/*
 * subscription_require_member: raise an error unless the caller is a member of
 * the owner.
 */
void
subscription_require_member(const Subscription *subscription)
{
	if (!has_privs_of_role(GetUserId(), subscription->owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for subscription \"%s\"",
						subscription->name),
				 errhint("Only members of the role that owns the subscription can use it.")));
}

/*
 * subscription_owns_log: does the caller own the log, or have the rights of
 * its owner?
 */
bool
subscription_owns_log(Oid log)
{
	Oid			owner = relation_owner(log);

	return OidIsValid(owner) && has_privs_of_role(GetUserId(), owner);
}

/*
 * subscription_find_by_args: find the subscription that two arguments name,
 * whoever owns it; an error if there is none.  A shard has those of its log.
 */
Subscription *
subscription_find_by_args(FunctionCallInfo fcinfo, int name_arg, int log_arg)
{
	char	   *name = subscription_name_from_arg(fcinfo, name_arg);
	Oid			log = log_resolve(fcinfo, log_arg);
	Oid			distributed = log_of_shard(log);
	Subscription *found;

	if (OidIsValid(distributed))
		log = distributed;
	found = subscription_find(log, name);
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
 * subscription_require: the same; an error if the caller may not use it.
 */
Subscription *
subscription_require(FunctionCallInfo fcinfo, int name_arg, int log_arg)
{
	Subscription *found = subscription_find_by_args(fcinfo, name_arg, log_arg);

	subscription_require_member(found);
	return found;
}

/*
 * subscription_require_readable: raise an error unless a role may read all of
 * a log.
 */
void
subscription_require_readable(Relation log, Oid role)
{
	Oid			schema = RelationGetNamespace(log);
	AclResult	acl = compat_schema_aclcheck(schema, role, ACL_USAGE);

	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, OBJECT_SCHEMA, get_namespace_name(schema));
	acl = pg_class_aclcheck(RelationGetRelid(log), role, ACL_SELECT);
	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, OBJECT_TABLE, RelationGetRelationName(log));
}
