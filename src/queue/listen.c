/*
 * listen.c
 *		eventlog.listen and eventlog.release: a consumer goes to sleep, or
 *		ends.
 */
#include "queue/queue.h"

PG_FUNCTION_INFO_V1(eventlog_release);
PG_FUNCTION_INFO_V1(eventlog_listen);

/*
 * eventlog.release(name text, log regclass)
 */
Datum
eventlog_release(PG_FUNCTION_ARGS)
{
	consumer_end(subscription_require(fcinfo, 0, 1));
	PG_RETURN_VOID();
}

/*
 * has_deliveries: is there anything to hand out now?
 */
static bool
has_deliveries(const Subscription *subscription, const Consumer *consumer)
{
	bool		found;

	if (subscription->paused || subscription_is_orphan(subscription))
		return false;
	sql_connect();
	found = generation_has_deliveries(consumer->position);
	SPI_finish();
	return found;
}

/*
 * eventlog.listen(name text, log regclass) returns boolean
 *
 * After the bell is armed, the subscription is read again, too: it may have
 * been resumed.
 */
Datum
eventlog_listen(PG_FUNCTION_ARGS)
{
	Subscription *subscription = subscription_require(fcinfo, 0, 1);
	Consumer   *consumer = consumer_require(subscription);

	if (!bell_arm(subscription))
		PG_RETURN_BOOL(false);
	if (has_deliveries(subscription_require(fcinfo, 0, 1), consumer))
	{
		bell_disarm(subscription);
		PG_RETURN_BOOL(false);
	}
	PG_RETURN_BOOL(true);
}
