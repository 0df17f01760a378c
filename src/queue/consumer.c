/*
 * consumer.c
 *		The subscriptions that this session consumes, and how far it has
 *		come in the queue of each.
 *
 * 1. Handing out a delivery writes nothing
 *
 * A consumer holds a session lock on its subscription (doorbell.c), so
 * deliveries that it was handed need no mark: the session remembers them.  A
 * delivery costs one insert, by the writer, and one delete, by ack.
 * generation.c explains the order in which deliveries are handed out.
 *
 * 2. Rolled back deliveries were not handed out
 *
 * The session's position changes with the transaction or savepoint in which it
 * fetches.  If that fails, be it in fetch or in what the caller does with the
 * rows, the session returns to its previous position.  Otherwise deliveries
 * that the caller never got would wait for another session.
 *
 * Whether a prepared transaction will fail is unknown.  Its session starts
 * again from the beginning: deliveries that were handed out or settled in the
 * transaction may be handed out twice, and none is missed.
 *
 * 3. A consumer is busy while it fetches
 *
 * Reading events runs code of the log's owner: policies, and functions of its
 * indexes.  That code may call any of our functions.  Those that would change
 * or free the position that the outer fetch works on are refused.
 */
#include "queue/queue.h"

#include "access/xact.h"
#include "utils/memutils.h"

static List *consumers = NIL;	/* of Consumer, in TopMemoryContext */
static bool registered = false;

/*
 * consumer_find: this session's consumer of a subscription, or NULL.
 */
Consumer *
consumer_find(int subscription)
{
	ListCell   *cell;

	foreach(cell, consumers)
	{
		Consumer   *consumer = lfirst(cell);

		if (consumer->subscription == subscription)
			return consumer;
	}
	return NULL;
}

/*
 * forget_consumer: what it was handed out can be handed out again.
 */
static void
forget_consumer(Consumer *consumer)
{
	consumers = list_delete_ptr(consumers, consumer);
	MemoryContextDelete(consumer->context);
}

/*
 * consumer_set_position: the session has come this far, if the transaction
 * commits.
 */
void
consumer_set_position(Consumer *consumer, FetchPosition *position)
{
	FetchPosition *older = consumer->position;

	position->set_in = GetCurrentSubTransactionId();
	if (older->set_in == position->set_in)
	{
		position->older = older->older;
		MemoryContextDelete(older->context);
	}
	else
		position->older = older;
	MemoryContextSetParent(position->context, consumer->context);
	consumer->position = position;
}

/*
 * keep_position: the transaction has committed, so drop older positions.
 */
static void
keep_position(Consumer *consumer)
{
	FetchPosition *position = consumer->position;

	while (position->older)
	{
		FetchPosition *older = position->older;

		position->older = older->older;
		MemoryContextDelete(older->context);
	}
	position->set_in = InvalidSubTransactionId;
}

/*
 * restore_position: return to the position before this subtransaction, which
 * failed; those nested in it have greater numbers.
 */
static void
restore_position(Consumer *consumer, SubTransactionId failed)
{
	while (consumer->position->set_in >= failed)
	{
		FetchPosition *position = consumer->position;

		consumer->position = position->older;
		MemoryContextDelete(position->context);
	}
}

/*
 * restart: return to the beginning.  Allocates no memory: it is too late for
 * an error.
 */
static void
restart(Consumer *consumer)
{
	FetchPosition *position;

	keep_position(consumer);
	position = consumer->position;
	position->previous = position->current = (Datum) 0;
	position->seq = 0;
	position->nretries = 0;
}

static void
at_transaction_event(XactEvent event, void *arg)
{
	ListCell   *cell;

	foreach(cell, consumers)
	{
		Consumer   *consumer = lfirst(cell);

		if (event == XACT_EVENT_COMMIT)
			keep_position(consumer);
		else if (event == XACT_EVENT_PREPARE)
		{
			if (consumer->position->set_in != InvalidSubTransactionId)
				restart(consumer);
		}
		else if (event == XACT_EVENT_ABORT)
			restore_position(consumer, TopSubTransactionId);
		else
			continue;
		consumer->fetching = InvalidSubTransactionId;
	}
}

static void
at_subtransaction_event(SubXactEvent event, SubTransactionId self,
						SubTransactionId parent, void *arg)
{
	ListCell   *cell;

	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	foreach(cell, consumers)
	{
		Consumer   *consumer = lfirst(cell);

		restore_position(consumer, self);
		if (consumer->fetching >= self)
			consumer->fetching = InvalidSubTransactionId;
	}
}

static Consumer *
create_consumer(int subscription)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext,
												  "eventlog consumer",
												  ALLOCSET_SMALL_SIZES);
	Consumer   *consumer = MemoryContextAllocZero(context, sizeof(Consumer));
	MemoryContext outer;

	if (!registered)
	{
		RegisterXactCallback(at_transaction_event, NULL);
		RegisterSubXactCallback(at_subtransaction_event, NULL);
		registered = true;
	}
	consumer->subscription = subscription;
	consumer->context = context;
	ItemPointerSetInvalid(&consumer->statistics);
	outer = MemoryContextSwitchTo(context);
	consumer->position = position_copy(subscription, NULL);
	MemoryContextSwitchTo(TopMemoryContext);
	consumers = lappend(consumers, consumer);
	MemoryContextSwitchTo(outer);
	return consumer;
}

/*
 * consumer_require_idle: raise an error if this session is fetching from the
 * subscription.
 */
void
consumer_require_idle(const Subscription *subscription)
{
	Consumer   *consumer = consumer_find(subscription->id);

	if (consumer && consumer->fetching != InvalidSubTransactionId)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("subscription \"%s\" is already being fetched from in this session",
						subscription->name),
				 errhint("Functions that run while its events are read, such as those of policies, cannot consume the same subscription.")));
}

/*
 * consumer_require: be or become the consumer; error 55006 if another session
 * is.
 */
Consumer *
consumer_require(const Subscription *subscription)
{
	Consumer   *consumer = consumer_find(subscription->id);
	int			pid;

	consumer_require_idle(subscription);
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("eventlog.fetch and eventlog.listen require isolation level READ COMMITTED"),
				 errhint("Begin the transaction with ISOLATION LEVEL READ COMMITTED.")));
	if (consumer_holds(subscription->id))
	{
		if (consumer)
			return consumer;
	}
	else
	{
		if (consumer)
			forget_consumer(consumer);
		if (!consumer_lock(subscription->id))
		{
			pid = consumer_pid(GetLockStatusData(), subscription->id);
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("subscription \"%s\" has another consumer",
							subscription->name),
					 pid ? errdetail("The consumer is the session with PID %d.", pid) : 0,
					 errhint("The subscription is free when that session ends or calls eventlog.release. Behind a pooler a consumer needs pool_mode = session.")));
		}
	}
	return create_consumer(subscription->id);
}

/*
 * consumer_end: stop being the consumer, if this session is.
 */
void
consumer_end(const Subscription *subscription)
{
	Consumer   *consumer = consumer_find(subscription->id);

	consumer_require_idle(subscription);
	if (consumer)
		forget_consumer(consumer);
	bell_disarm(subscription);
	if (consumer_holds(subscription->id))
		consumer_unlock(subscription->id);
}
