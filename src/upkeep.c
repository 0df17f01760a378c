/*
 * upkeep.c
 *		How procedures that keep a log in order take their steps: as the log's
 *		owner, with bounded waits for locks, and no step failing the others.
 *
 * A step is a function run in a subtransaction.  It locks the parent before
 * any partition, as everybody does.  No wait for a lock lasts longer than
 * LOCK_TIMEOUT: whoever waits for ACCESS EXCLUSIVE makes all others queue
 * behind, so a wait is short, given up, and tried again after a pause in which
 * writers go on.  What cannot be locked soon is left for the next call.
 */
#include "eventlog.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#define LOCK_TIMEOUT	"200ms"
#define LOCK_TRIES		10
#define LOCK_PAUSE		100L	/* ms between two tries */

/*
 * run_step: one try of a step in a subtransaction; NULL when it succeeded, or
 * the error.  What ends the session or the query is thrown on.
 */
static ErrorData *
run_step(Oid owner, UpkeepStep step, void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner resowner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		Identity	self;

		become(&self, owner);
		set_locally("lock_timeout", LOCK_TIMEOUT);
		set_locally("row_security", "off");
		fire_no_trigger_later();
		step(arg);
		become_again(&self);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = resowner;

	if (error && ERRCODE_TO_CATEGORY(error->sqlerrcode) ==
		ERRCODE_OPERATOR_INTERVENTION)
		ReThrowError(error);
	return error;
}

static bool
is_lock_failure(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
		error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED;
}

void
pause_upkeep(long ms)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 ms, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/*
 * attempt: take a step as the log's owner; a WARNING when it could not be
 * taken now.  `what` completes the sentence "could not … of LOG".
 */
StepResult
attempt(Oid log, Oid owner, UpkeepStep step, void *arg, const char *what)
{
	char	   *name = get_rel_name(log) ? qualified_name(log) : "a dropped log";
	ErrorData  *error = NULL;
	StepResult	result;

	for (int i = 0; i < LOCK_TRIES; i++)
	{
		if (i > 0)
			pause_upkeep(LOCK_PAUSE);
		error = run_step(owner, step, arg);
		if (error == NULL)
			return STEP_TAKEN;
		if (!is_lock_failure(error))
			break;
	}
	result = is_lock_failure(error) ? STEP_LOCKED : STEP_FAILED;
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("could not %s of %s: %s", what, name, error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0,
			 result == STEP_LOCKED ?
			 errhint("It is left for the next call.") : 0));
	FreeErrorData(error);
	return result;
}

/*
 * log_open_owned: open a log within a step; an error when it has another owner
 * than the one as whom the step is taken.
 */
EventLog *
log_open_owned(Oid relid, LOCKMODE lockmode)
{
	EventLog   *log = log_open(relid, lockmode);

	if (log->owner != GetUserId())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("log \"%s\" has got another owner meanwhile",
						RelationGetRelationName(log->rel))));
	return log;
}

/*
 * fire_no_trigger_later: SET CONSTRAINTS ALL IMMEDIATE.
 *
 * A deferred trigger of the log would fire at the commit, when one is oneself
 * again.  PostgreSQL refuses to defer one in a security-restricted context;
 * so that upkeep of such a log can go on, it fires at once.
 */
void
fire_no_trigger_later(void)
{
	ConstraintsSetStmt *statement = makeNode(ConstraintsSetStmt);

	statement->deferred = false;
	AfterTriggerSetState(statement);
}

/*
 * lock_for_drop: the locks of a DROP, in order, the parent being locked.
 */
void
lock_for_drop(const PartitionList *list, const Partition *item)
{
	if (OidIsValid(list->default_oid))
		LockRelationOid(list->default_oid, AccessExclusiveLock);
	LockRelationOid(item->oid, AccessExclusiveLock);
}
