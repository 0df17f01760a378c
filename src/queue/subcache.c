/*
 * subcache.c
 *		The backend's cache of subscriptions, which every writer consults.
 *
 * It is kept per log: a log's subscriptions are read when something is first
 * written to it, by an index, and no more than a log may have.  So a writer
 * only pays for the subscriptions of its own log.
 *
 * A set is read with a fresh catalog snapshot, so that it is also right under
 * REPEATABLE READ.  All sets are discarded when the relation cache reports a
 * change of eventlog._subscription.  A statement trigger on that table causes
 * such reports, whoever changes the table: our own functions, a restore, or a
 * superuser.  Callers accept invalidations first: a statement of an open
 * transaction, which takes no new locks, would otherwise miss what was
 * committed in between.
 */
#include "queue/queue.h"

#include "commands/trigger.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#define MAX_SETS	256			/* of a backend; with more logs, all are
								 * discarded */

PG_FUNCTION_INFO_V1(eventlog_subscription_changed);

static MemoryContext sets_context = NULL;
static HTAB *sets = NULL;
static Oid	read_from = InvalidOid;
static bool sets_are_valid = false;

static void
invalidate_sets(Oid relid)
{
	if (!OidIsValid(relid) || relid == read_from)
		sets_are_valid = false;
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
 * begin_sets: discard all sets.
 */
static void
begin_sets(void)
{
	HASHCTL		ctl = {0};

	if (sets_context == NULL)
	{
		sets_context = AllocSetContextCreate(CacheMemoryContext,
											 "eventlog subscriptions",
											 ALLOCSET_SMALL_SIZES);
		add_relation_callback(invalidate_sets);
	}
	sets = NULL;
	MemoryContextReset(sets_context);
	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(SubscriptionSet);
	ctl.hcxt = sets_context;
	sets = hash_create("eventlog subscriptions of logs", 16, &ctl,
					   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/*
 * read_set: read the subscriptions of a log into the current memory context.
 *
 * Invalid rows are skipped: no writer may fail because of what somebody put
 * into the table.
 */
static Subscription *
read_set(Oid log, int *n)
{
	Relation	rel;
	SysScanDesc scan = subscription_scan(&rel, log, NULL, NULL);
	Subscription *items = NULL;
	int			max = 0;
	HeapTuple	row;

	*n = 0;
	while (scan && *n < eventlog_max_subscriptions &&
		   HeapTupleIsValid(row = systable_getnext(scan)))
	{
		if (*n == max)
		{
			max = Max(4, max * 2);
			items = items ? repalloc(items, sizeof(Subscription) * max) :
				palloc(sizeof(Subscription) * max);
		}
		if (subscription_read(row, RelationGetDescr(rel), &items[*n]))
			(*n)++;
	}
	end_owned_scan(scan, rel);
	return items;
}

/*
 * read_new_set: read the set of a log and keep it.  An error leaves nothing
 * behind.
 */
static SubscriptionSet *
read_new_set(Oid log)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "eventlog subscriptions of a log",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(context);
	int			n;
	Subscription *items = read_set(log, &n);
	SubscriptionSet *set;

	MemoryContextSwitchTo(outer);
	set = hash_search(sets, &log, HASH_ENTER, NULL);
	set->n = n;
	set->items = items;
	if (n > 0)
		MemoryContextSetParent(context, sets_context);
	else
		MemoryContextDelete(context);
	return set;
}

/*
 * subscription_cache_get: the subscriptions of a log; valid until the next
 * call.  The caller must have accepted invalidations.
 */
SubscriptionSet *
subscription_cache_get(Oid log)
{
	static SubscriptionSet none;
	SubscriptionSet *set;

	if (!sets_are_valid || hash_get_num_entries(sets) >= MAX_SETS)
	{
		begin_sets();
		read_from = eventlog_relation_oid("_subscription");
		if (!OidIsValid(read_from))
			return &none;		/* the extension was dropped: look again next
								 * time */
		sets_are_valid = true;	/* until an invalidation, even one during the
								 * reading */
	}
	set = hash_search(sets, &log, HASH_FIND, NULL);
	return set ? set : read_new_set(log);
}
