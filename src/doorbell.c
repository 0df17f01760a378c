/*
 * doorbell.c
 *		Who consumes a subscription, and how a sleeping consumer is woken.
 *
 * 1. Locks
 *
 * Two heavyweight locks stand for each subscription, in the class of advisory
 * locks with fourth fields that SQL's advisory functions cannot make:
 *
 *	C (CONSUMER)	held Exclusive by the consumer's session, from its first fetch
 *					until it ends or releases.
 *	T (BELL)		held Share by a consumer's session that sleeps; held
 *					RowExclusive by a transaction that owes something, from just
 *					before its commit to its end.
 *
 * Nobody ever waits for either: both sides only try.
 *
 * 2. The bell
 *
 * A committing NOTIFY holds a lock of the whole database until its WAL is
 * flushed, so notifying transactions commit one at a time.  So the bell works
 * as a network card's interrupt does: on when idle, off under load.
 *
 *	writer, before it commits:	try T in RowExclusive mode.
 *		It has it:		no consumer sleeps.  Keep it to the end; ring nothing.
 *		It has not:		one does.  NOTIFY.
 *	consumer, nothing found:	try T in Share mode.
 *		It has not:		a writer is committing: look again soon.
 *		It has it:		look once more; if there is still nothing, sleep.
 *
 * RowExclusive does not conflict with itself, nor Share with itself; they
 * conflict with each other.  A transaction lets its locks go after what it did
 * has become visible.  So for any writer W and any sleep of the consumer:
 *
 *	- W tried T after the consumer had it: W could not have it, and its NOTIFY
 *	  comes with its commit.
 *	- W had T before the consumer tried: either W still held it, and then the
 *	  consumer did not sleep; or W had let it go, and then what it owes was
 *	  visible when the consumer looked once more.
 *
 * Nothing is lost.  It is done just before the commit and not when the row is
 * owed, so that a writer that idles in its transaction keeps nobody awake, and
 * so that a savepoint's rollback cannot let the lock go.  What was owed in a
 * savepoint that was rolled back rings or locks for nothing, which is harmless.
 * A transaction that is prepared does neither (NOTIFY would make it fail); a
 * consumer finds what it owes by its slow poll.
 */
#include "queue.h"

#include "access/xact.h"
#include "commands/async.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/memutils.h"

#define CHANNEL			"eventlog"

/* fields of the lock tags; the view eventlog.subscriptions knows them too */
#define LOCK_CLASS		0x65766c67	/* "evlg", 1702259815 */
#define LOCK_CONSUMER	3
#define LOCK_BELL		4

/* subscriptions that this transaction owes something, in TopTransactionContext */
static List *owing = NIL;
static bool registered = false;

static LOCKTAG
lock_tag(int subscription, int which)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, LOCK_CLASS, (uint32) subscription,
						 which);
	return tag;
}

/*
 * consumer_lock: become the consumer; false when another session is.
 */
bool
consumer_lock(int subscription)
{
	LOCKTAG		tag = lock_tag(subscription, LOCK_CONSUMER);

	return LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
}

/*
 * consumer_holds: is this session the consumer?  DISCARD ALL and
 * pg_advisory_unlock_all() let all such locks of a session go.
 */
bool
consumer_holds(int subscription)
{
	LOCKTAG		tag = lock_tag(subscription, LOCK_CONSUMER);

	return compat_lock_held_by_me(&tag, ExclusiveLock);
}

void
consumer_unlock(int subscription)
{
	LOCKTAG		tag = lock_tag(subscription, LOCK_CONSUMER);

	LockRelease(&tag, ExclusiveLock, true);
}

/*
 * consumer_pid: which session is the consumer; 0 when none is any more.
 */
int
consumer_pid(int subscription)
{
	LockData   *locks = GetLockStatusData();

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

/*
 * bell_arm: the consumer's try for T; false when a writer is committing.
 */
bool
bell_arm(int subscription)
{
	LOCKTAG		tag = lock_tag(subscription, LOCK_BELL);

	return compat_lock_held_by_me(&tag, ShareLock) ||
		LockAcquire(&tag, ShareLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
}

/*
 * bell_disarm: let T go, if it is held.
 */
void
bell_disarm(int subscription)
{
	LOCKTAG		tag = lock_tag(subscription, LOCK_BELL);

	if (compat_lock_held_by_me(&tag, ShareLock))
		LockRelease(&tag, ShareLock, true);
}

/*
 * ring: the writer's try for each T, just before it commits.
 */
static void
ring(void)
{
	bool		sleeping = false;
	ListCell   *cell;

	foreach(cell, owing)
	{
		LOCKTAG		tag = lock_tag(lfirst_int(cell), LOCK_BELL);

		/* one's own locks do not conflict, but one may go to sleep oneself */
		if (compat_lock_held_by_me(&tag, ShareLock) ||
			LockAcquire(&tag, RowExclusiveLock, false, true) ==
			LOCKACQUIRE_NOT_AVAIL)
			sleeping = true;
	}
	if (sleeping)
		Async_Notify(CHANNEL, "");
}

static void
at_transaction_event(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_COMMIT)
	{
		if (owing != NIL)
			ring();
	}
	else if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
			 event == XACT_EVENT_PREPARE)
		owing = NIL;			/* its memory goes with the transaction */
}

/*
 * bell_owes: this transaction owes something to a subscription.
 */
void
bell_owes(int subscription)
{
	MemoryContext context;

	if (!registered)
	{
		RegisterXactCallback(at_transaction_event, NULL);
		registered = true;
	}
	if (list_member_int(owing, subscription))
		return;
	context = MemoryContextSwitchTo(TopTransactionContext);
	owing = lappend_int(owing, subscription);
	MemoryContextSwitchTo(context);
}
