/*
 * step.c
 *		Steps of procedures that keep logs in order: taken as the log's
 *		owner, bounded in time, and so that a failing step does not affect
 *		the others.
 *
 * A step is a function that runs in a subtransaction.  Its memory is freed at
 * its end.
 *
 * Upkeep runs as little of the owner's code as possible: only triggers that
 * the DELETE of single rows fires, and expressions of indexes.  Such code can
 * raise any error, and it can run forever.  Its errors are reported as a
 * WARNING, whatever their SQLSTATE; only a cancel of the backend itself ends
 * the whole call.  A timer ends a step after eventlog.step_timeout, even if
 * such code catches the cancel.  Each step that it ended halves the time of
 * later steps for the same log, so that all such steps together cost other
 * logs at most twice eventlog.step_timeout.  Slow steps that do end have
 * MAX_SLOW times that in total.  Steps that run none of the owner's code may
 * take any time (target->trusted).
 */
#include "upkeep/upkeep.h"

#include <signal.h>

#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#define LOCK_TIMEOUT_MS	100		/* for a lock that nobody else waits behind */
#define PATIENCE		2000	/* ms, for all tries of a step … */
#define IMPATIENCE		200		/* … and of later steps, once one has failed */
#define TIMER_AGAIN		100		/* ms, in case the cancel was caught */
#define MAX_CUTS		30		/* how often the time is halved */
#define MAX_SLOW		10		/* times eventlog.step_timeout, for all slow
								 * steps, … */
#define SLOW_PART		10		/* … which take this part of it, or more */

static TimeoutId step_timer = MAX_TIMEOUTS;
static volatile sig_atomic_t step_timed_out = false;	/* has the timer fired? */
static TimestampTz step_start;

/*
 * on_step_timeout: the timer's handler, in a signal handler: act as if the
 * query was cancelled.
 */
static void
on_step_timeout(void)
{
	step_timed_out = true;
	InterruptPending = true;
	QueryCancelPending = true;
	SetLatch(MyLatch);
}

/*
 * cancel_again_on_abort: a subtransaction callback.
 *
 * Code that catches errors does so in a subtransaction, which has just been
 * rolled back.  If it caught the timer's cancel, the next cancel follows at
 * once, before the code can begin another subtransaction to catch it in.  So
 * even a loop is ended.
 */
static void
cancel_again_on_abort(SubXactEvent event, SubTransactionId self,
					  SubTransactionId parent,
					  void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB && step_timed_out)
	{
		InterruptPending = true;
		QueryCancelPending = true;
	}
}

/*
 * start_timer, stop_timer: limit the time of a step; stop_timer returns
 * whether it was exceeded.
 *
 * The timer fires repeatedly, in case the owner's code catches the error and
 * starts something else.
 */
static void
start_timer(const UpkeepTarget *target)
{
	int64		left = (int64) eventlog_step_timeout * MAX_SLOW - target->slow_ms;
	int64		limit =
		Min(eventlog_step_timeout >> Min(target->ntimeouts, MAX_CUTS),
			left);

	if (step_timer == MAX_TIMEOUTS)
	{
		step_timer = RegisterTimeout(USER_TIMEOUT, on_step_timeout);
		RegisterSubXactCallback(cancel_again_on_abort, NULL);
	}
	step_timed_out = false;
	step_start = GetCurrentTimestamp();
	if (eventlog_step_timeout > 0 && !target->trusted)
		enable_timeout_every(step_timer,
							 TimestampTzPlusMilliseconds(step_start,
														 Max(limit, 1)),
							 TIMER_AGAIN);
}

static bool
stop_timer(UpkeepTarget *target)
{
	long		ms = TimestampDifferenceMilliseconds(step_start,
													 GetCurrentTimestamp());

	disable_timeout(step_timer, false);
	if (!target->trusted && ms > eventlog_step_timeout / SLOW_PART)
		target->slow_ms += ms;
	if (!step_timed_out)
		return false;
	step_timed_out = false;
	QueryCancelPending = false; /* any cancel was that of the timer */
	target->ntimeouts++;
	return true;
}

/*
 * upkeep_is_cancel: was the error raised because the backend was asked to
 * cancel its query?
 *
 * The SQLSTATE does not show that, since any code can raise it, and the
 * backend cleared its flag when it raised the error.  The function that raised
 * it does.
 */
bool
upkeep_is_cancel(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_QUERY_CANCELED &&
		error->funcname != NULL &&
		strcmp(error->funcname, "ProcessInterrupts") == 0;
}

/*
 * begin_step: act as the owner, without policies.
 *
 * A log with FORCE ROW LEVEL SECURITY could not be kept in order otherwise.
 * Foreign keys of such a table work by the same exemption.
 */
static void
begin_step(Identity *self, Oid owner)
{
	Oid			user;
	int			context;

	switch_user(self, owner);
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(user, context | SECURITY_NOFORCE_RLS);
	upkeep_set_lock_timeout(LOCK_TIMEOUT_MS);
	set_local("row_security", "off");
	upkeep_fire_triggers_now();
}

/*
 * StepCall: one try of a step.
 */
typedef struct StepCall
{
	UpkeepTarget *target;
	LOCKMODE	lockmode;
	UpkeepStep	step;
	void	   *arg;
	bool		timed_out;
} StepCall;

/*
 * upkeep_open_log: open a log within a step; an error if it does not belong to
 * the role as which the step is taken.
 */
EventLog *
upkeep_open_log(Oid relid, LOCKMODE lockmode)
{
	EventLog   *log;

	upkeep_lock(relid, lockmode);
	log = log_open(relid, NoLock);
	if (log->owner != GetUserId())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the owner of log \"%s\" was changed concurrently",
						RelationGetRelationName(log->rel))));
	return log;
}

/*
 * read_target: lock the log and read its settings and partitions.
 */
static void
read_target(UpkeepTarget *target, LOCKMODE lockmode)
{
	EventLog   *log;

	target->log_locked = false;
	log = upkeep_open_log(target->log, lockmode);
	target->log_locked = true;
	target->settings = log->settings;
	target->partitions = partition_list_own(log->rel);
	log_close(log, NoLock);
}

/*
 * work_in_sequence: have Citus use one connection to a node.  It refuses to
 * change a table if the transaction has used several.
 */
static void
work_in_sequence(void)
{
	set_local("citus.multi_shard_modify_mode", "sequential");
}

/*
 * take_step: call a step with an SPI connection of its own, which frees its
 * memory.
 */
static void
take_step(void *arg)
{
	StepCall   *call = arg;

	start_timer(call->target);
	PG_TRY();
	{
		Identity	self;

		sql_connect();
		begin_step(&self, call->target->owner);
		if (OidIsValid(call->target->log) && is_distributed(call->target->log))
			work_in_sequence();
		if (call->lockmode != NoLock)
			read_target(call->target, call->lockmode);
		call->step(call->arg);
		restore_user(&self);
		SPI_finish();
	}
	PG_FINALLY();
	{
		call->timed_out = stop_timer(call->target);
		call->target->partitions = NULL;	/* was in the step's memory */
	}
	PG_END_TRY();
}

/*
 * try_step_once: returns NULL if the step succeeded, or the error.  Rethrows a
 * cancel of the whole call.
 */
static ErrorData *
try_step_once(StepCall *call)
{
	ErrorData  *error = try_in_subtransaction(take_step, call);

	if (error == NULL || !upkeep_is_cancel(error))
		return error;
	if (!call->timed_out)
		ReThrowError(error);
	error->message = psprintf("it took longer than eventlog.step_timeout (%d ms)",
							  eventlog_step_timeout);
	return error;
}

/*
 * try_step: try a step until it succeeds, fails, or has waited too long;
 * returns NULL or the last error.
 */
static ErrorData *
try_step(StepCall *call)
{
	TimestampTz start = GetCurrentTimestamp();
	TimestampTz deadline = TimestampTzPlusMilliseconds(start,
													   call->target->impatient ?
													   IMPATIENCE : PATIENCE);

	contention_reset();
	for (;;)
	{
		ErrorData  *error;

		contention_begin_try();
		error = try_step_once(call);
		if (error == NULL)
			return NULL;
		contention_release();
		if (!upkeep_is_lock_failure(error) || !contention_wait(deadline))
			return error;
		FreeErrorData(error);
	}
}

/*
 * was_reported: was this already reported for this log?
 *
 * What prevents one step often prevents others, so it is reported once.  One
 * WARNING stands for all locks, since the next call will do everything that
 * they prevent.
 */
static bool
was_reported(UpkeepTarget *target, StepResult result, const ErrorData *error)
{
	if (result == STEP_LOCKED)
	{
		bool		reported = target->impatient;

		target->impatient = true;
		return reported;
	}
	if (target->last_warning != NULL &&
		strcmp(target->last_warning, error->message) == 0)
		return true;
	if (target->last_warning != NULL)
		pfree(target->last_warning);
	target->last_warning = pstrdup(error->message);
	return false;
}

/*
 * report_failure: report that a step failed.
 */
static void
report_failure(const UpkeepTarget *target, const char *failure,
			   StepResult result, const ErrorData *error)
{
	char	   *name = get_rel_name(target->log) ?
		qualified_name(target->log) : psprintf("with OID %u", target->log);
	char	   *sentence = psprintf(failure, name);

	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("%s: %s", sentence, error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0,
			 result == STEP_LOCKED ?
			 errhint("The next call will try again.") :
			 error->hint &&
			 error->sqlerrcode != ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST ?
			 errhint("%s", error->hint) : 0));
	pfree(sentence);
	pfree(name);
}

/*
 * run_upkeep_step: take a step as the log's owner, and commit, so that no lock
 * is held that others wait for; a WARNING if the step failed.  It consists of
 * `failure`, a sentence with %s for the log's name, and the error.
 *
 * Unless lockmode is NoLock, the step finds the log locked in that mode but
 * not open, with its settings and partitions in *target.  To be called in a
 * memory context that outlives transactions.
 */
StepResult
run_upkeep_step(UpkeepTarget *target, LOCKMODE lockmode, UpkeepStep step,
				void *arg, const char *failure)
{
	StepCall	call = {
		.target = target,.lockmode = lockmode,.step = step,.arg = arg
	};
	ErrorData  *error = try_step(&call);
	StepResult	result = STEP_TAKEN;

	if (error != NULL)
	{
		result = upkeep_is_lock_failure(error) ? STEP_LOCKED : STEP_FAILED;
		if (!was_reported(target, result, error))
			report_failure(target, failure, result, error);
		FreeErrorData(error);
	}
	SPI_commit();
	return result;
}

/*
 * upkeep_fire_triggers_now: SET CONSTRAINTS ALL IMMEDIATE.
 *
 * A deferred trigger of the log would fire at commit, after the role was
 * restored.  PostgreSQL refuses to queue deferred triggers in a
 * security-restricted operation, so they fire at once.
 */
void
upkeep_fire_triggers_now(void)
{
	ConstraintsSetStmt *statement = makeNode(ConstraintsSetStmt);

	statement->deferred = false;
	AfterTriggerSetState(statement);
}

/*
 * upkeep_require_autocommit: raise an error, before anything was done, if a
 * procedure that commits cannot commit.
 *
 * A PL/pgSQL block with an EXCEPTION clause is a subtransaction, in which
 * nothing can be committed; the call's context does not show that.
 */
void
upkeep_require_autocommit(FunctionCallInfo fcinfo, const char *name)
{
	CallContext *context = (CallContext *) fcinfo->context;

	if (context == NULL || !IsA(context, CallContext) || context->atomic ||
		GetCurrentTransactionNestLevel() > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("eventlog.%s cannot run inside a transaction block",
						name),
				 errdetail("It commits after each step."),
				 errhint("Call it on its own, with autocommit on.")));
}

/*
 * upkeep_require_read_write: raise an error, before anything was done, if the
 * procedure's transactions would be read-only.
 */
void
upkeep_require_read_write(const char *name)
{
	PreventCommandDuringRecovery(name);
	if (XactReadOnly || DefaultXactReadOnly)
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot execute %s in a read-only transaction", name),
				 errhint("Set default_transaction_read_only to off in the session that calls it.")));
}
