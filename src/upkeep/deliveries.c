/*
 * deliveries.c
 *		Upkeep of the queue: cancels deliveries of deleted events, and
 *		removes old dead deliveries and what belongs to no subscription or
 *		log any more.
 *
 * It works in committed batches and never waits: rows that an open ack or fail
 * has locked are left to the next call.  Within the SPI connection of a
 * procedure.
 */
#include "upkeep/upkeep.h"

#include "miscadmin.h"

/*
 * prune_subscription: remove old dead deliveries, and cancel those of deleted
 * events, batch by batch.
 */
static void
prune_subscription(UpkeepTarget *target, Subscription *subscription)
{
	QueuePrune *prune = palloc0(sizeof(QueuePrune));
	StepResult	result;
	int64		n = 0;

	prune->subscription = subscription;
	prune->after = PG_INT64_MIN;
	do
	{
		CHECK_FOR_INTERRUPTS();
		result = run_upkeep_step(target, NoLock, queue_remove_dead, prune,
								 "could not remove dead deliveries of log %s");
		n += result == STEP_TAKEN ? prune->removed : 0;
	} while (result == STEP_TAKEN && prune->removed == SWEEP_BATCH);
	if (n > 0)
		ereport(NOTICE,
				(errmsg("removed %lld expired dead deliveries of subscription \"%s\"",
						(long long) n, subscription->name)));
	n = 0;
	do
	{
		CHECK_FOR_INTERRUPTS();
		result =
			run_upkeep_step(target, NoLock, queue_cancel_deleted_events, prune,
							"could not cancel deliveries of deleted events of log %s");
		n += result == STEP_TAKEN ? prune->removed : 0;
	} while (result == STEP_TAKEN && prune->n == PRUNE_BATCH);
	if (n > 0)
		ereport(NOTICE,
				(errmsg("cancelled %lld deliveries of deleted events of subscription \"%s\"",
						(long long) n, subscription->name)));
	pfree(prune);
}

/*
 * report_orphan: report that the owner of a subscription was dropped.
 */
static void
report_orphan(const Subscription *subscription)
{
	ereport(WARNING,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("the owner of subscription \"%s\" of log %s was dropped",
					subscription->name, qualified_name(subscription->log)),
			 errdetail("The subscription is treated as paused."),
			 errhint("Give it to another role with eventlog.alter_subscription, or drop it with eventlog.unsubscribe.")));
}

/*
 * upkeep_prune_queue: prune the queue of all subscriptions of one log.
 */
void
upkeep_prune_queue(UpkeepTarget *target)
{
	ListCell   *cell;

	foreach(cell, subscription_list(target->log))
	{
		Subscription *subscription = lfirst(cell);

		if (subscription_is_orphan(subscription))
			report_orphan(subscription);
		prune_subscription(target, subscription);
	}
}

/*
 * upkeep_sweep_queue: remove subscriptions of dropped logs, and deliveries
 * that were enqueued while their subscription was dropped.
 *
 * Called once by each maintain, for all logs.
 */
void
upkeep_sweep_queue(void)
{
	UpkeepTarget target = {0};
	int64		removed;

	target.owner = GetUserId();
	(void) run_upkeep_step(&target, NoLock,
						   queue_remove_orphaned_subscriptions, NULL,
						   "could not remove subscriptions of dropped logs");
	do
	{
		CHECK_FOR_INTERRUPTS();
		if (run_upkeep_step(&target, NoLock, queue_remove_orphaned_deliveries,
							&removed,
							"could not remove deliveries of dropped subscriptions") != STEP_TAKEN)
			removed = 0;
	} while (removed == SWEEP_BATCH);
}
