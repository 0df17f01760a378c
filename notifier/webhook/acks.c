/*
 * acks.c
 *		What was delivered and what failed is told in batches.
 *
 * While many events come, acks gather for some ms, so that one statement tells
 * of many.  Failures are told at once; but while one statement is under way,
 * they gather for the next one.  What could not be told is told again.  A
 * statement tells of so many at most, so that those of other webhooks need not
 * wait for long.
 */
#include "webhook/acks.h"

#include "base/logging.h"
#include "webhook/buffer.h"
#include "webhook/statements.h"

#include <stdio.h>
#include <stdlib.h>

#define DELIVERED_COLUMNS	1
#define FAILED_COLUMNS		3
#define DELIVERED_MAX		1000	/* in one statement */
#define FAILED_MAX			128

static void
time_is_over(void *arg)
{
	Acks	   *acks = arg;

	subscription_changed(acks->subscription);
}

static void
no_memory(const Acks *acks)
{
	log_event(LOG_LEVEL_ERROR, "out of memory, events will be sent twice",
			  "webhook", acks->subscription->name, NULL);
}

static void
forget_told(AckBatch *batch)
{
	for (int i = 0; i < BATCH_COLUMNS; i++)
	{
		free(batch->told[i]);
		batch->told[i] = NULL;
	}
	batch->ntold = 0;
}

/*
 * forget_first: the first group of those that were gathered.
 */
static void
forget_first(AckBatch *batch)
{
	AckGroup   *group = batch->first;

	batch->n -= group->n;
	batch->first = group->next;
	if (batch->first == NULL)
		batch->last = NULL;
	for (int i = 0; i < BATCH_COLUMNS; i++)
		array_forget(&group->columns[i]);
	free(group);
}

static void
forget_gathered(AckBatch *batch)
{
	while (batch->first)
		forget_first(batch);
}

/*
 * gather: one event more, of which the columns tell; where memory lacks, nothing
 * is told of its whole group.
 */
static void
gather(Acks *acks, AckBatch *batch, int max, const char *const *columns,
	   int ncolumns)
{
	AckGroup   *group = batch->last;
	bool		ok = true;

	if (group == NULL || group->n >= max)
	{
		group = calloc(1, sizeof(AckGroup));
		if (group == NULL)
		{
			no_memory(acks);
			return;
		}
		if (batch->last)
			batch->last->next = group;
		else
			batch->first = group;
		batch->last = group;
	}
	for (int i = 0; i < ncolumns; i++)
		ok = ok && array_add(&group->columns[i], columns[i]);
	group->n++;
	batch->n++;
	if (ok)
		return;
	no_memory(acks);
	forget_gathered(batch);
}

/*
 * told: a statement came to its end.
 */
static void
told(Acks *acks, AckBatch *batch, const char *what, PGresult *result)
{
	batch->under_way = false;
	if (result == NULL)
		return;					/* acks_reset() sees to it */
	if (session_succeeded(result))
	{
		forget_told(batch);
		problem_over(&acks->problem, acks->subscription);
	}
	else
	{
		problem_found(&acks->problem, acks->subscription, what, result);
		acks->gone = subscription_is_gone(result);
		loop_timer_set(&acks->error_timer, ERROR_DELAY, time_is_over, acks);
	}
	subscription_changed(acks->subscription);
}

static void
delivered_told(void *arg, PGresult *result)
{
	Acks	   *acks = arg;

	told(acks, &acks->delivered, "could not acknowledge", result);
}

static void
failed_told(void *arg, PGresult *result)
{
	Acks	   *acks = arg;

	told(acks, &acks->failed, "could not tell of a failure", result);
}

/*
 * take_gathered: for the next statement; false when there is nothing.
 */
static bool
take_gathered(Acks *acks, AckBatch *batch, int ncolumns)
{
	AckGroup   *group = batch->first;

	if (group == NULL)
		return false;
	for (int i = 0; i < ncolumns; i++)
	{
		batch->told[i] = array_take(&group->columns[i]);
		if (batch->told[i])
			continue;
		no_memory(acks);
		forget_told(batch);
		forget_first(batch);
		return false;
	}
	batch->ntold = group->n;
	forget_first(batch);
	return true;
}

/*
 * tell: what could not be told before, or else what is gathered.
 */
static void
tell(Acks *acks, AckBatch *batch, const char *sql, int ncolumns,
	 SessionResult callback)
{
	if (batch->under_way ||
		(batch->told[0] == NULL && !take_gathered(acks, batch, ncolumns)))
		return;
	batch->under_way = subscription_query(acks->subscription, sql, ncolumns,
										  (const char *const *) batch->told,
										  callback, acks);
}

void
acks_tell(Acks *acks, bool last)
{
	bool		gathering = acks->gather_timer.set && !last &&
		acks->delivered.n < GATHERED;

	if (acks->error_timer.set)
		return;
	tell(acks, &acks->failed, statement_fail, FAILED_COLUMNS, failed_told);
	if (gathering || acks->delivered.under_way)
		return;
	loop_timer_clear(&acks->gather_timer);
	tell(acks, &acks->delivered, statement_ack, DELIVERED_COLUMNS,
		 delivered_told);
}

void
acks_delivered(Acks *acks, const char *seq)
{
	if (acks->delivered.n == 0)
		loop_timer_set(&acks->gather_timer, GATHER_TIME, time_is_over, acks);
	gather(acks, &acks->delivered, DELIVERED_MAX, &seq, DELIVERED_COLUMNS);
}

void
acks_failed(Acks *acks, const char *seq, const char *error, int64_t delay)
{
	char		seconds[32];
	const char *columns[] = {seq, error, delay < 0 ? NULL : seconds};

	snprintf(seconds, sizeof(seconds), "%.3f", (double) delay / 1000);
	gather(acks, &acks->failed, FAILED_MAX, columns, FAILED_COLUMNS);
}

int
acks_pending(const Acks *acks)
{
	return acks->delivered.n + acks->delivered.ntold +
		acks->failed.n + acks->failed.ntold;
}

bool
acks_are_failing(const Acks *acks)
{
	return acks->problem.text != NULL;
}

void
acks_forget(Acks *acks)
{
	loop_timer_clear(&acks->gather_timer);
	loop_timer_clear(&acks->error_timer);
	forget_gathered(&acks->delivered);
	forget_gathered(&acks->failed);
	forget_told(&acks->delivered);
	forget_told(&acks->failed);
	acks->gone = false;
	problem_forget(&acks->problem);
}

void
acks_reset(Acks *acks)
{
	acks_forget(acks);
	acks->delivered.under_way = acks->failed.under_way = false;
}
