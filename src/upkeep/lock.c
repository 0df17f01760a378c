/*
 * lock.c
 *		How the steps of upkeep take locks without making others wait.
 *
 * Whoever waits for a lock that readers or writers hold makes all who come
 * later wait as well.  So no step waits in the queue of such a lock: it takes
 * all its locks at once or none (upkeep_lock).  If one is not to be had,
 * the step is rolled back, and upkeep waits, holding nothing, for the end of
 * the transactions that hold it, as CREATE INDEX CONCURRENTLY does.  That
 * wait holds up nobody.  A holder that stays longer than upkeep's patience
 * ends the step.  Only where the holders change each time, as with many short
 * transactions, does the step queue, once and for QUEUE_TIMEOUT.
 *
 * The order of locks is: the log, its default partition, another partition,
 * tables that foreign keys lead to or come from.  Every wait for a lock is
 * shorter than deadlock_timeout, so nobody becomes the victim of a deadlock
 * with upkeep.
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

#define QUEUE_TIMEOUT	50		/* ms, for one that others queue behind */
#define LONG_WAIT		100		/* ms: no short transaction held the lock */
#define SHORT_HOLDERS	3		/* tries until a step may queue */
#define RETRY_PAUSE		20		/* ms, where it is not known who holds it */

/*
 * Contention: what stood in the way of the current step's last try.  Steps are
 * not nested.
 */
typedef struct Contention
{
	Oid			relid;			/* what could not be locked, or InvalidOid … */
	LOCKMODE	mode;
	int			nholders;		/* … and who held it then … */
	VirtualTransactionId *holders;
	int			ngone;			/* … of whom so many have gone */
	TimestampTz since;			/* when it was found to be held */
	int			rounds;			/* of tries */
	bool		queued;			/* has the step waited for a lock itself? */
	Oid			held;			/* what it was given so, or InvalidOid */
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
 * upkeep_set_lock_timeout: for what is done until the GUC nest level ends;
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
 * remember_holders: which transactions hold a lock that the step needs.  They
 * are kept until the transaction ends.
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
 * upkeep_lock: take one of a step's locks, in their order; an error when it
 * is not to be had now.
 *
 * Nobody is held up behind a wait for a lock up to SHARE UPDATE EXCLUSIVE but
 * those who want such a one themselves.
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
 * wait_in_queue: wait for the contended lock itself.
 *
 * It is done when all who held it have gone, and before others come, which is
 * the best chance there is to get it; and once in a step: when those were many
 * in turn, or one for long, after whom only short ones can be left.
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
 * wait_in_slice: wait until all holders have gone; an error when a slice of
 * the time until the deadline is over.
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
 * try_wait: the same in a subtransaction; was it successful?  Where it was, a
 * lock stays.
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
 * contention_wait: wait until those who were in the step's way have gone;
 * false at the deadline.
 *
 * Waits in slices that are shorter than deadlock_timeout, although upkeep
 * holds no lock meanwhile.
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
 * contention_release: of a lock that was waited for, when the step did not
 * succeed with it.
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
 * contention_reset: a step is to be tried for the first time.
 */
void
contention_reset(void)
{
	memset(&contention, 0, sizeof(contention));
}

/*
 * contention_begin_try: a step is to be tried (again).
 */
void
contention_begin_try(void)
{
	contention.relid = InvalidOid;
	contention.nholders = 0;
	contention.rounds++;
}
