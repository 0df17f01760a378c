/*
 * consumer.c
 *		Which subscriptions this session consumes, and how far it has come in
 *		what is owed to each.
 *
 * 1. Nothing is written to hand something out
 *
 * A consumer holds its subscription by a lock of its session (doorbell.c), so
 * what it was handed needs no mark: the session remembers it.  Delivery costs
 * one insert, by the writer, and one delete, by ack.  In which order it is
 * handed out is told in generation.c.
 *
 * 2. What is rolled back was not handed out
 *
 * How far the session has come, its position, changes with the transaction or
 * savepoint in which it fetches: if that fails, be it in fetch or in what the
 * caller does with its rows, the session goes back to where it was.  Otherwise
 * what the caller has never got would wait for another session.
 *
 * Of a transaction that is prepared nobody can say yet whether it fails.  Its
 * session begins again: what was handed out in it, or was settled in it, may
 * come twice, and nothing is missed.
 *
 * 3. A consumer that is being fetched from is busy
 *
 * To read events is to run code of the log's owner: policies, and functions of
 * its indexes.  That code may call any of our functions.  It is refused those
 * that would change or free the position that the fetch around it works on.
 */
#include "queue/queue.h"

#include "access/xact.h"
#include "utils/memutils.h"

static List *consumers = NIL;	/* of Consumer, in TopMemoryContext */
static bool registered = false;

/*
 * consumer_find: this session's consumer of a subscription; NULL if it is
 * none.
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
 * forget_consumer: what was handed out is nobody's again.
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
 * keep_place: the transaction has committed: there is no way back.
 */
static void
keep_place(Consumer *consumer)
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
 * restore_position: what was done since this subtransaction began has failed;
 * those within it have greater numbers.
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
 * restart: the session has got nothing yet.  Allocates nothing: it is too
 * late for an error.
 */
static void
restart(Consumer *consumer)
{
	FetchPosition *position;

	keep_place(consumer);
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
			keep_place(consumer);
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
 * consumer_require_idle: an error while the session fetches from this
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
 * consumer_require: be or become the consumer; error 55006 while another
 * session is.
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
					 errhint("The subscription is free when that session ends or calls eventlog.release.")));
		}
	}
	return create_consumer(subscription->id);
}

/*
 * consumer_end: this session is the consumer no more, if it was.
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
