/*
 * doorbell.c
 *		Which session consumes a subscription, and how a sleeping consumer
 *		is woken.
 *
 * 1. Locks
 *
 * There are two kinds of heavyweight locks, in the class of advisory locks
 * with fourth fields that SQL's advisory functions cannot make:
 *
 *	C (CONSUMER)	one for each subscription.  Held Exclusive by the consumer's
 *					session, from its first fetch until it ends or releases.
 *	T (BELL)		NSLOTS for each log; a subscription's T is found by its id.
 *					Held Share by a session while it sleeps as the consumer of
 *					any of T's subscriptions; held RowExclusive by a transaction
 *					that has enqueued a delivery for any of them, from just
 *					before its commit to its end.
 *
 * Nobody ever waits for either lock: both sides only try.
 *
 * 2. The bell
 *
 * A committing NOTIFY holds a lock on the whole database until its WAL is
 * flushed, so notifying transactions commit one at a time.  So the bell works
 * like a network card's interrupts: on when idle, off under load.
 *
 *	writer, before it commits, for each subscription that it enqueued for:
 *						try T in RowExclusive mode.
 *		granted:		no consumer of T sleeps.  Keep T to the end; ring
 *						nothing.
 *		refused:		one does.  NOTIFY, with the subscription's name.
 *	consumer that found nothing:	try T in Share mode.
 *		refused:		a writer is committing: look again soon.
 *		granted:		look once more; if there is still nothing, sleep.
 *
 * RowExclusive does not conflict with itself, nor does Share; they conflict
 * with each other.  A transaction releases its locks after its changes have
 * become visible.  So for any writer W that enqueues for a subscription S, and
 * any sleep of a consumer of S:
 *
 *	- W tried T after the consumer's session had got it: W was refused, and its
 *	  NOTIFY for S comes with its commit.
 *	- W got T before the session tried: either W still held it, so that the
 *	  consumer did not sleep; or W had released it, so that its deliveries were
 *	  visible when the consumer looked once more.
 *
 * Nothing is lost.  The writer tries just before its commit, not when it
 * enqueues, so that a transaction that stays open keeps no consumer awake, and
 * a savepoint's rollback cannot release the lock.  For deliveries that were
 * rolled back with a savepoint, the writer rings or locks for nothing, which
 * is harmless.  A prepared transaction does neither (NOTIFY would make it
 * fail); consumers find its deliveries when they poll.
 *
 * 3. One bell for many subscriptions
 *
 * With a lock for each subscription, anybody who may subscribe to a log could
 * make its writers take any number of locks.  So subscriptions share T.  The
 * argument above still holds, since it does not depend on whose consumer holds
 * T, only that S's does:
 *
 *	- A session that sleeps for two subscriptions of one T takes it once, and
 *	  keeps it until it sleeps for neither.  For the second one, it may have got
 *	  T long before it looks once more.  Whoever tried T in between has rung for
 *	  that subscription, too, and that NOTIFY comes after the look, or its commit
 *	  before it.
 *	- A sleeping consumer of another subscription of T makes W ring for S although
 *	  nobody sleeps there: one NOTIFY too many.
 *	- A writer that enqueues for another subscription of T keeps S's consumer
 *	  awake until it has committed: one look too many.
 */
#include "queue/queue.h"

#include "access/xact.h"
#include "commands/async.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/memutils.h"

#define CHANNEL			"eventlog"

/*
 * fields of the lock tags; bells are numbered from LOCK_BELL on
 */
#define LOCK_CLASS		0x65766c67	/* "evlg", 1702259815; the notifier has
									 * it, too */
#define LOCK_CONSUMER	3
#define LOCK_BELL		64
#define NSLOTS			64

#define MAX_KEPT		1000	/* entries of a table that is kept across
								 * transactions */

/*
 * PendingRing: a subscription for which this transaction has enqueued
 * deliveries.
 */
typedef struct PendingRing
{
	int			subscription;	/* hash key */
	Oid			log;
	char		name[NAMEDATALEN];
} PendingRing;

/*
 * Sleep: a subscription for which this session sleeps.
 */
typedef struct Sleep
{
	int			subscription;
	LOCKTAG		tag;
} Sleep;

static HTAB *pending_rings = NULL;	/* kept, and empty between transactions */
static uint64 transaction = 1;	/* number of the current one */
static List *sleeps = NIL;		/* of Sleep, in TopMemoryContext */

static LOCKTAG
consumer_tag(int subscription)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, LOCK_CLASS, (uint32) subscription,
						 LOCK_CONSUMER);
	return tag;
}

static LOCKTAG
bell_tag(Oid log, int subscription)
{
	LOCKTAG		tag;

	/* subscriptions with adjacent ids use different slots */
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, LOCK_CLASS, log,
						 LOCK_BELL + (uint32) subscription % NSLOTS);
	return tag;
}

/*
 * consumer_lock: become the consumer; false if another session is.
 */
bool
consumer_lock(int subscription)
{
	LOCKTAG		tag = consumer_tag(subscription);

	return LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
}

/*
 * consumer_holds: is this session the consumer?  DISCARD ALL and
 * pg_advisory_unlock_all() release the lock.
 */
bool
consumer_holds(int subscription)
{
	LOCKTAG		tag = consumer_tag(subscription);

	return compat_lock_held_by_me(&tag, ExclusiveLock);
}

void
consumer_unlock(int subscription)
{
	LOCKTAG		tag = consumer_tag(subscription);

	LockRelease(&tag, ExclusiveLock, true);
}

/*
 * consumer_pid: the process ID of the consumer, from GetLockStatusData(); 0 if
 * there is none.
 */
int
consumer_pid(const LockData *locks, int subscription)
{
	for (int i = 0; i < locks->nelements; i++)
	{
		LockInstanceData *lock = &locks->locks[i];

		if (lock->locktag.locktag_type == LOCKTAG_ADVISORY &&
			lock->locktag.locktag_field1 == MyDatabaseId &&
			lock->locktag.locktag_field2 == LOCK_CLASS &&
			lock->locktag.locktag_field3 == (uint32) subscription &&
			lock->locktag.locktag_field4 == LOCK_CONSUMER &&
			lock->holdMask != 0)
			return lock->pid;
	}
	return 0;
}

static bool
is_same_lock(const LOCKTAG *a, const LOCKTAG *b)
{
	return memcmp(a, b, sizeof(LOCKTAG)) == 0;
}

/*
 * forget_sleeps: forget that the session sleeps for one subscription, or for
 * all that share this T; returns whether any remain.
 */
static bool
forget_sleeps(const LOCKTAG *tag, int subscription, bool all)
{
	bool		left = false;
	ListCell   *cell;

	foreach(cell, sleeps)
	{
		Sleep	   *sleep = lfirst(cell);

		if (!is_same_lock(&sleep->tag, tag))
			continue;
		if (all || sleep->subscription == subscription)
		{
			sleeps = foreach_delete_current(sleeps, cell);
			pfree(sleep);
		}
		else
			left = true;
	}
	return left;
}

/*
 * remember_sleep: remember that the session is about to sleep for this
 * subscription.
 */
static void
remember_sleep(const LOCKTAG *tag, int subscription)
{
	MemoryContext outer;
	Sleep	   *sleep;

	(void) forget_sleeps(tag, subscription, false);
	outer = MemoryContextSwitchTo(TopMemoryContext);
	sleep = palloc(sizeof(Sleep));
	sleep->subscription = subscription;
	sleep->tag = *tag;
	sleeps = lappend(sleeps, sleep);
	MemoryContextSwitchTo(outer);
}

/*
 * bell_arm: the consumer's try for T; false if a writer is committing.
 *
 * If DISCARD ALL or pg_advisory_unlock_all() released T, the session no longer
 * sleeps for the subscriptions that shared it.
 */
bool
bell_arm(const Subscription *subscription)
{
	LOCKTAG		tag = bell_tag(subscription->log, subscription->id);

	if (!compat_lock_held_by_me(&tag, ShareLock))
	{
		(void) forget_sleeps(&tag, 0, true);
		if (LockAcquire(&tag, ShareLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
			return false;
	}
	remember_sleep(&tag, subscription->id);
	return true;
}

/*
 * bell_disarm: release T, if it is held, unless the session sleeps for another
 * subscription that shares it.
 */
void
bell_disarm(const Subscription *subscription)
{
	LOCKTAG		tag = bell_tag(subscription->log, subscription->id);

	if (!forget_sleeps(&tag, subscription->id, false) &&
		compat_lock_held_by_me(&tag, ShareLock))
		LockRelease(&tag, ShareLock, true);
}

/*
 * ring_bells: the writer's try for each T, just before it commits.
 */
static void
ring_bells(void)
{
	HASH_SEQ_STATUS status;
	PendingRing *entry;

	hash_seq_init(&status, pending_rings);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		LOCKTAG		tag = bell_tag(entry->log, entry->subscription);

		/* a session's own locks do not conflict, but it may sleep itself */
		if (compat_lock_held_by_me(&tag, ShareLock) ||
			LockAcquire(&tag, RowExclusiveLock, false, true) ==
			LOCKACQUIRE_NOT_AVAIL)
			Async_Notify(CHANNEL, entry->name);
	}
}

/*
 * clear_pending_rings: the transaction has ended.  A table that grew large is
 * not kept.
 */
static void
clear_pending_rings(void)
{
	HASH_SEQ_STATUS status;
	PendingRing *entry;

	transaction++;
	if (hash_get_num_entries(pending_rings) > MAX_KEPT)
	{
		hash_destroy(pending_rings);
		pending_rings = NULL;
		return;
	}
	hash_seq_init(&status, pending_rings);
	while ((entry = hash_seq_search(&status)) != NULL)
		(void) hash_search(pending_rings, &entry->subscription, HASH_REMOVE,
						   NULL);
}

static void
at_transaction_event(XactEvent event, void *arg)
{
	if (pending_rings == NULL || hash_get_num_entries(pending_rings) == 0)
		return;
	if (event == XACT_EVENT_PRE_COMMIT)
		ring_bells();
	else if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
			 event == XACT_EVENT_PREPARE)
		clear_pending_rings();
}

/*
 * create_pending_rings: create the table, once per session.
 */
static void
create_pending_rings(void)
{
	static bool registered = false;
	HASHCTL		ctl = {0};

	if (!registered)
	{
		RegisterXactCallback(at_transaction_event, NULL);
		registered = true;
	}
	ctl.keysize = sizeof(int);
	ctl.entrysize = sizeof(PendingRing);
	pending_rings =
		hash_create("eventlog owing", 16, &ctl, HASH_ELEM | HASH_BLOBS);
}

/*
 * bell_ring_at_commit: this transaction has enqueued a delivery for a
 * subscription, or changed it.
 *
 * The subscription is marked, so that the next row costs one comparison.
 */
void
bell_ring_at_commit(Subscription *subscription)
{
	PendingRing *entry;
	bool		found;

	if (subscription->marked == transaction)
		return;
	if (pending_rings == NULL)
		create_pending_rings();
	entry = hash_search(pending_rings, &subscription->id, HASH_ENTER, &found);
	if (!found)
	{
		entry->log = subscription->log;
		strlcpy(entry->name, subscription->name, sizeof(entry->name));
	}
	subscription->marked = transaction;
}
