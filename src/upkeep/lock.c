/*
 * lock.c
 *		How steps of upkeep take locks without making others wait.
 *
 * Whoever waits for a lock that readers or writers hold makes everybody who
 * comes later wait, too.  So a step does not queue for such a lock: it takes
 * all of its locks at once, or none (upkeep_lock).  If one is not available,
 * the step is rolled back, and upkeep waits, holding nothing, for the end of
 * the transactions that hold it, as CREATE INDEX CONCURRENTLY does.  That wait
 * delays nobody.  If a holder stays too long, the step is given up.  Only if
 * the holders change each time, as with many short transactions, the step
 * queues, once, for QUEUE_TIMEOUT.
 *
 * The lock order is: the log, its default partition, another partition, tables
 * connected by foreign keys.  Every wait for a lock is shorter than
 * deadlock_timeout, so nobody becomes the victim of a deadlock with upkeep.
 */
#include "upkeep/upkeep.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#define QUEUE_TIMEOUT	50		/* ms, for a lock that others queue behind */
#define LONG_WAIT		100		/* ms: too long for a short transaction */
#define SHORT_HOLDERS	3		/* tries until a step may queue */
#define RETRY_PAUSE		20		/* ms, if the holders are unknown */

/*
 * Contention: the lock that the current step did not get in its last try.
 * Steps are not nested.
 */
typedef struct Contention
{
	Oid			relid;			/* what could not be locked, or InvalidOid */
	LOCKMODE	mode;
	int			nholders;		/* who held it */
	VirtualTransactionId *holders;
	int			ngone;			/* how many of them have ended */
	TimestampTz since;			/* when it was found to be held */
	int			rounds;			/* number of tries */
	bool		queued;			/* has the step queued for a lock? */
	Oid			held;			/* a lock that it got by queueing, or
								 * InvalidOid */
	LOCKMODE	held_mode;
} Contention;

static Contention contention;

bool
upkeep_is_lock_failure(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
		error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED;
}

/*
 * upkeep_set_lock_timeout: set lock_timeout until the GUC nest level ends;
 * always shorter than deadlock_timeout.
 */
void
upkeep_set_lock_timeout(int ms)
{
	set_local("lock_timeout",
			  psprintf("%dms", Max(Min(ms, DeadlockTimeout / 2), 1)));
}

void
upkeep_sleep(long ms)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 ms, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/*
 * remember_holders: remember which transactions hold a lock that the step
 * needs, until the transaction ends.
 */
static void
remember_holders(Oid relid, LOCKMODE mode)
{
	MemoryContext outer = MemoryContextSwitchTo(TopTransactionContext);
	LOCKTAG		tag;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, relid);
	contention.relid = relid;
	contention.mode = mode;
	contention.since = GetCurrentTimestamp();
	contention.holders = GetLockConflicts(&tag, mode, &contention.nholders);
	MemoryContextSwitchTo(outer);
}

/*
 * upkeep_lock: take one of a step's locks, in the lock order; an error if it
 * is not available now.
 *
 * Waiting for a lock up to SHARE UPDATE EXCLUSIVE delays only those who want
 * such a lock, too.
 */
void
upkeep_lock(Oid relid, LOCKMODE mode)
{
	if (mode <= ShareUpdateExclusiveLock)
		LockRelationOid(relid, mode);
	else if (!ConditionalLockRelationOid(relid, mode))
	{
		remember_holders(relid, mode);
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("could not obtain lock on relation \"%s\"",
						get_rel_name(relid) ? get_rel_name(relid) : "?")));
	}
}

static long
ms_until(TimestampTz deadline)
{
	return TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);
}

/*
 * wait_in_queue: wait for the lock itself.
 *
 * This is done once per step, when all holders have ended and before others
 * come, which is the best chance to get the lock: if there were many holders
 * in turn, or a long one, after which only short ones can remain.
 */
static void
wait_in_queue(void)
{
	if (contention.queued ||
		(contention.rounds < SHORT_HOLDERS &&
		 !TimestampDifferenceExceeds(contention.since, GetCurrentTimestamp(),
									 LONG_WAIT)))
		return;
	contention.queued = true;
	upkeep_set_lock_timeout(QUEUE_TIMEOUT);
	LockRelationOid(contention.relid, contention.mode);
	contention.held = contention.relid;
	contention.held_mode = contention.mode;
}

/*
 * wait_in_slice: wait until all holders have ended; an error if the time until
 * the deadline is up.
 */
static void
wait_in_slice(void *arg)
{
	TimestampTz deadline = *(TimestampTz *) arg;
	int			guc_level = NewGUCNestLevel();

	upkeep_set_lock_timeout((int) Max(ms_until(deadline), 1));
	while (contention.ngone < contention.nholders)
	{
		(void) VirtualXactLock(contention.holders[contention.ngone], true);
		contention.ngone++;
	}
	wait_in_queue();
	AtEOXact_GUC(false, guc_level);
}

/*
 * try_wait: the same in a subtransaction; returns whether it succeeded, and
 * then keeps a lock that was taken.
 */
static bool
try_wait(TimestampTz deadline)
{
	ErrorData  *error = try_in_subtransaction(wait_in_slice, &deadline);

	if (error == NULL)
		return true;
	if (!upkeep_is_lock_failure(error))
		ReThrowError(error);
	FreeErrorData(error);
	return false;
}

/*
 * contention_wait: wait until the holders of the lock have ended; false at the
 * deadline.
 *
 * Waits in slices that are shorter than deadlock_timeout, even though upkeep
 * holds no locks meanwhile.
 */
bool
contention_wait(TimestampTz deadline)
{
	contention.ngone = 0;
	if (contention.nholders == 0)
		upkeep_sleep(Max(Min(ms_until(deadline), RETRY_PAUSE), 1));
	else
	{
		while (ms_until(deadline) > 0 && !try_wait(deadline))
			CHECK_FOR_INTERRUPTS();
	}
	return ms_until(deadline) > 0 || OidIsValid(contention.held);
}

/*
 * contention_release: release a lock that was taken while waiting, if the step
 * failed all the same.
 */
void
contention_release(void)
{
	ResourceOwner resowner = CurrentResourceOwner;

	if (!OidIsValid(contention.held))
		return;
	CurrentResourceOwner = CurTransactionResourceOwner;
	UnlockRelationOid(contention.held, contention.held_mode);
	CurrentResourceOwner = resowner;
	contention.held = InvalidOid;
}

/*
 * contention_reset: prepare for a new step.
 */
void
contention_reset(void)
{
	memset(&contention, 0, sizeof(contention));
}

/*
 * contention_begin_try: prepare for a try of the step.
 */
void
contention_begin_try(void)
{
	contention.relid = InvalidOid;
	contention.nholders = 0;
	contention.rounds++;
}
