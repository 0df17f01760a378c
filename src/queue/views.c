/*
 * views.c
 *		The contents of the views eventlog.subscriptions and
 *		eventlog.deliveries.
 *
 * The views read through these functions and not from the tables, so that not
 * even the row counts of a plan reveal anything about subscriptions of others.
 * Each function checks what the caller may see: everything about subscriptions
 * that belong to the caller's roles; names and counts, but no filters or
 * errors, if the caller owns the log or is a member of pg_read_all_stats.
 */
#include "queue/queue.h"

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(eventlog_subscriptions);
PG_FUNCTION_INFO_V1(eventlog_subscription_counts);
PG_FUNCTION_INFO_V1(eventlog_deliveries);

typedef enum Visibility
{
	SEES_NOTHING,
	SEES_COUNTS,
	SEES_ALL
} Visibility;

/*
 * visibility_of: what the caller may see of a role's subscription to a log.
 */
static Visibility
visibility_of(Oid owner, Oid log)
{
	if (has_privs_of_role(GetUserId(), owner))
		return SEES_ALL;
	return has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS) ||
		subscription_owns_log(log) ? SEES_COUNTS : SEES_NOTHING;
}

/*
 * visibility_by_id: the same for a subscription given by its id, which is read
 * into *subscription.
 */
static Visibility
visibility_by_id(int id, Subscription *subscription)
{
	Relation	rel;
	SysScanDesc scan =
		begin_owned_scan(&rel, "_subscription", "_subscription_pkey",
						 SUB_ID, id, GetActiveSnapshot());
	HeapTuple	row = scan ? systable_getnext(scan) : NULL;
	Visibility	result = SEES_NOTHING;

	if (HeapTupleIsValid(row))
	{
		TupleDesc	desc = RelationGetDescr(rel);

		if (subscription_read(row, desc, subscription))
			result = visibility_of(subscription->owner, subscription->log);
	}
	end_owned_scan(scan, rel);
	return result;
}

/*
 * put_subscription: put a row (id, name, owner, log, levels, event_type,
 * paused, consumer) into the result, if the caller may see it.
 */
static void
put_subscription(ReturnSetInfo *rsinfo, HeapTuple row, TupleDesc desc,
				 LockData **locks)
{
	Subscription subscription;
	Visibility	sees;
	Datum		values[SUB_PAUSED + 1];
	bool		nulls[SUB_PAUSED + 1];
	int			pid;

	if (!subscription_read(row, desc, &subscription) ||
		(sees = visibility_of(subscription.owner,
							  subscription.log)) == SEES_NOTHING)
		return;
	if (*locks == NULL)
		*locks = GetLockStatusData();
	heap_deform_tuple(row, desc, values, nulls);
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(subscription.log)))
		nulls[SUB_LOG - 1] = true;
	if (sees != SEES_ALL)
		nulls[SUB_LEVELS - 1] = nulls[SUB_EVENT_TYPE - 1] = true;
	values[SUB_PAUSED - 1] = BoolGetDatum(subscription.paused ||
										  subscription_is_orphan(&subscription));
	pid = consumer_pid(*locks, subscription.id);
	values[SUB_PAUSED] = Int32GetDatum(pid);
	nulls[SUB_PAUSED] = pid == 0;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * eventlog._subscriptions()
 */
Datum
eventlog_subscriptions(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Relation	rel;
	SysScanDesc scan;
	HeapTuple	row;
	LockData   *locks = NULL;

	InitMaterializedSRF(fcinfo, 0);
	scan = subscription_scan(&rel, InvalidOid, NULL, GetActiveSnapshot());
	while (scan && HeapTupleIsValid(row = systable_getnext(scan)))
	{
		CHECK_FOR_INTERRUPTS();
		put_subscription(rsinfo, row, RelationGetDescr(rel), &locks);
	}
	end_owned_scan(scan, rel);
	return (Datum) 0;
}

/*
 * DeliveryRow: a row of eventlog._queue as the views show it.
 */
typedef enum DeliveryState
{
	DELIVERY_PENDING,
	DELIVERY_RETRYING,
	DELIVERY_DEAD
} DeliveryState;

#define DELIVERY_NSTATES	(DELIVERY_DEAD + 1)

static const char *const state_names[DELIVERY_NSTATES] = {
	"pending", "retrying", "dead"
};

typedef struct DeliveryRow
{
	DeliveryState state;
	Datum		values[QUEUE_NCOLUMNS];
	bool		nulls[QUEUE_NCOLUMNS];
} DeliveryRow;

static void
read_delivery(HeapTuple row, TupleDesc desc, DeliveryRow *delivery)
{
	bool		has_time;

	heap_deform_tuple(row, desc, delivery->values, delivery->nulls);
	has_time = !delivery->nulls[QUEUE_NEXT_ATTEMPT_AT - 1];
	if (has_time &&
		TIMESTAMP_IS_NOEND(DatumGetTimestampTz(delivery->values[QUEUE_NEXT_ATTEMPT_AT - 1])))
		delivery->state = DELIVERY_DEAD;
	else if (DatumGetInt32(delivery->values[QUEUE_ATTEMPTS - 1]) == 0)
		delivery->state = DELIVERY_PENDING;
	else
		delivery->state = DELIVERY_RETRYING;
}

/*
 * put_counts: pending, retrying, dead, oldest_pending_at.
 */
static void
put_counts(int subscription, Datum *values, bool *nulls)
{
	Relation	rel;
	SysScanDesc scan = begin_owned_scan(&rel, "_queue", "_queue_owed",
										QUEUE_SUBSCRIPTION, subscription,
										GetActiveSnapshot());
	HeapTuple	row;
	int64		counts[DELIVERY_NSTATES] = {0};
	TimestampTz oldest = DT_NOEND;

	while (scan && HeapTupleIsValid(row = systable_getnext(scan)))
	{
		DeliveryRow delivery;
		TimestampTz t;

		CHECK_FOR_INTERRUPTS();
		read_delivery(row, RelationGetDescr(rel), &delivery);
		counts[delivery.state]++;
		if (delivery.state != DELIVERY_DEAD &&
			id_find_time(DatumGetUUIDP(delivery.values[QUEUE_EVENT_ID - 1]),
						 &t))
			oldest = Min(oldest, t);
	}
	end_owned_scan(scan, rel);
	for (int i = 0; i < DELIVERY_NSTATES; i++)
		values[i] = Int64GetDatum(counts[i]);
	values[DELIVERY_NSTATES] = TimestampTzGetDatum(oldest);
	nulls[DELIVERY_NSTATES] = TIMESTAMP_IS_NOEND(oldest);
}

/*
 * put_statistics: delivered, cancelled, last_delivered_at, last_error,
 * last_error_at; nulls if there are no statistics.
 */
static void
put_statistics(int subscription, const Subscription *found, Visibility sees,
			   ReturnSetInfo *rsinfo, Datum *values, bool *nulls)
{
	Datum		columns[6];
	bool		column_nulls[6];
	Relation	rel;
	SysScanDesc scan = begin_owned_scan(&rel, "_tally", "_tally_pkey", 1,
										subscription, GetActiveSnapshot());
	HeapTuple	row = scan ? systable_getnext(scan) : NULL;

	memset(column_nulls, true, sizeof(column_nulls));
	if (HeapTupleIsValid(row))
		heap_deform_tuple(row, RelationGetDescr(rel), columns, column_nulls);
	if (sees != SEES_ALL)
		column_nulls[4] = true;
	memcpy(values, columns + 1, sizeof(Datum) * 5);
	memcpy(nulls, column_nulls + 1, sizeof(bool) * 5);
	if (lead_workers(found->log) && !nulls[0])
		add_worker_counts(found->log, found->name,
						  "s.delivered, s.cancelled", 2, values);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc,
						 values - (DELIVERY_NSTATES + 1),
						 nulls - (DELIVERY_NSTATES + 1));
	end_owned_scan(scan, rel);
}

/*
 * eventlog._subscription_counts(subscription int)
 */
Datum
eventlog_subscription_counts(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int			subscription = PG_GETARG_INT32(0);
	Subscription found;
	Visibility	sees = visibility_by_id(subscription, &found);
	Datum		values[DELIVERY_NSTATES + 1 + 5];
	bool		nulls[DELIVERY_NSTATES + 1 + 5] = {0};

	InitMaterializedSRF(fcinfo, 0);
	if (sees == SEES_NOTHING)
		return (Datum) 0;
	put_counts(subscription, values, nulls);
	if (lead_workers(found.log))
		add_worker_counts(found.log, found.name,
						  "s.pending, s.retrying, s.dead", DELIVERY_NSTATES,
						  values);
	put_statistics(subscription, &found, sees, rsinfo,
				   values + DELIVERY_NSTATES + 1, nulls + DELIVERY_NSTATES + 1);
	return (Datum) 0;
}

/*
 * state_from_arg: the state with this name; -1 if there is none.
 */
static int
state_from_arg(const text *name)
{
	for (int i = 0; i < DELIVERY_NSTATES; i++)
	{
		if (VARSIZE_ANY_EXHDR(name) == strlen(state_names[i]) &&
			memcmp(VARDATA_ANY(name), state_names[i],
				   strlen(state_names[i])) == 0)
			return i;
	}
	return -1;
}

/*
 * put_delivery: a row (seq, event_id, attempts, next_attempt_at, last_error).
 */
static void
put_delivery(ReturnSetInfo *rsinfo, const DeliveryRow *delivery)
{
	static const AttrNumber shown[] = {
		QUEUE_SEQ, QUEUE_EVENT_ID, QUEUE_ATTEMPTS, QUEUE_NEXT_ATTEMPT_AT,
		QUEUE_LAST_ERROR
	};
	Datum		values[lengthof(shown)];
	bool		nulls[lengthof(shown)];

	for (int i = 0; i < lengthof(shown); i++)
	{
		values[i] = delivery->values[shown[i] - 1];
		nulls[i] = delivery->nulls[shown[i] - 1] ||
			(shown[i] == QUEUE_NEXT_ATTEMPT_AT &&
			 delivery->state == DELIVERY_DEAD);
	}
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * eventlog._deliveries(subscription int, state text)
 *
 * Failed deliveries have an index of their own, so that finding the few
 * retries does not visit the many new deliveries.
 */
Datum
eventlog_deliveries(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int			subscription = PG_GETARG_INT32(0);
	int			state = state_from_arg(PG_GETARG_TEXT_PP(1));
	Subscription found;
	Relation	rel;
	SysScanDesc scan;
	HeapTuple	row;

	InitMaterializedSRF(fcinfo, 0);
	if (state < 0 || visibility_by_id(subscription, &found) != SEES_ALL)
		return (Datum) 0;
	scan = begin_owned_scan(&rel, "_queue",
							state == DELIVERY_PENDING ? "_queue_owed" :
							"_queue_retry",
							QUEUE_SUBSCRIPTION, subscription,
							GetActiveSnapshot());
	while (scan && HeapTupleIsValid(row = systable_getnext(scan)))
	{
		DeliveryRow delivery;

		CHECK_FOR_INTERRUPTS();
		read_delivery(row, RelationGetDescr(rel), &delivery);
		if (delivery.state == state)
			put_delivery(rsinfo, &delivery);
	}
	end_owned_scan(scan, rel);
	return (Datum) 0;
}
