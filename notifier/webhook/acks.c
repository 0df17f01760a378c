/*
 * acks.c
 *		Settles events in the database, many in one statement.
 *
 * While many events arrive, acknowledgements gather for some milliseconds.
 * Failures are reported at once, but gather while a statement is in progress.
 * A statement that fails is sent again.  The size of a statement is limited,
 * so that the statements of other webhooks do not have to wait for long.
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
timer_expired(void *arg)
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
drop_sending(AckBatch *batch)
{
	for (int i = 0; i < BATCH_COLUMNS; i++)
	{
		free(batch->sending[i]);
		batch->sending[i] = NULL;
	}
	batch->nsending = 0;
}

/*
 * drop_first: drop the first gathered group.
 */
static void
drop_first(AckBatch *batch)
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
drop_gathered(AckBatch *batch)
{
	while (batch->first)
		drop_first(batch);
}

/*
 * add_event: gather one more event.  Without memory, all that is gathered is
 * dropped, and those events will be delivered again.
 */
static void
add_event(Acks *acks, AckBatch *batch, int max, const char *const *columns,
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
	drop_gathered(batch);
}

/*
 * finish_statement: the callback of both statements.
 */
static void
finish_statement(Acks *acks, AckBatch *batch, const char *what, PGresult *result)
{
	batch->in_progress = false;
	if (result == NULL)
		return;					/* acks_reset() cleans up */
	if (session_succeeded(result))
	{
		drop_sending(batch);
		problem_over(&acks->problem, acks->subscription);
	}
	else
	{
		problem_found(&acks->problem, acks->subscription, what, result);
		acks->gone = subscription_is_gone(result);
		loop_timer_set(&acks->error_timer, ERROR_DELAY, timer_expired, acks);
	}
	subscription_changed(acks->subscription);
}

static void
delivered_done(void *arg, PGresult *result)
{
	Acks	   *acks = arg;

	finish_statement(acks, &acks->delivered, "could not acknowledge", result);
}

static void
failed_done(void *arg, PGresult *result)
{
	Acks	   *acks = arg;

	finish_statement(acks, &acks->failed, "could not report failures", result);
}

/*
 * take_group: take the first group for the next statement; false if there is
 * none.
 */
static bool
take_group(Acks *acks, AckBatch *batch, int ncolumns)
{
	AckGroup   *group = batch->first;

	if (group == NULL)
		return false;
	for (int i = 0; i < ncolumns; i++)
	{
		batch->sending[i] = array_take(&group->columns[i]);
		if (batch->sending[i])
			continue;
		no_memory(acks);
		drop_sending(batch);
		drop_first(batch);
		return false;
	}
	batch->nsending = group->n;
	drop_first(batch);
	return true;
}

/*
 * send_group: send the group whose statement failed, or else the next one.
 */
static void
send_group(Acks *acks, AckBatch *batch, const char *sql, int ncolumns,
		   SessionResult callback)
{
	if (batch->in_progress ||
		(batch->sending[0] == NULL && !take_group(acks, batch, ncolumns)))
		return;
	batch->in_progress = subscription_query(acks->subscription, sql, ncolumns,
											(const char *const *) batch->sending,
											callback, acks);
}

void
acks_flush(Acks *acks, bool last)
{
	bool		gathering = acks->gather_timer.set && !last &&
		acks->delivered.n < GATHER_EVENTS;

	if (acks->error_timer.set)
		return;
	send_group(acks, &acks->failed, statement_fail, FAILED_COLUMNS, failed_done);
	if (gathering || acks->delivered.in_progress)
		return;
	loop_timer_clear(&acks->gather_timer);
	send_group(acks, &acks->delivered, statement_ack, DELIVERED_COLUMNS,
			   delivered_done);
}

void
acks_delivered(Acks *acks, const char *seq)
{
	if (acks->delivered.n == 0)
		loop_timer_set(&acks->gather_timer, GATHER_TIME, timer_expired, acks);
	add_event(acks, &acks->delivered, DELIVERED_MAX, &seq, DELIVERED_COLUMNS);
}

void
acks_failed(Acks *acks, const char *seq, const char *error, int64_t delay)
{
	char		seconds[32];
	const char *columns[] = {seq, error, delay < 0 ? NULL : seconds};

	snprintf(seconds, sizeof(seconds), "%.3f", (double) delay / 1000);
	add_event(acks, &acks->failed, FAILED_MAX, columns, FAILED_COLUMNS);
}

int
acks_pending(const Acks *acks)
{
	return acks->delivered.n + acks->delivered.nsending +
		acks->failed.n + acks->failed.nsending;
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
	drop_gathered(&acks->delivered);
	drop_gathered(&acks->failed);
	drop_sending(&acks->delivered);
	drop_sending(&acks->failed);
	acks->gone = false;
	problem_forget(&acks->problem);
}

void
acks_reset(Acks *acks)
{
	acks_forget(acks);
	acks->delivered.in_progress = acks->failed.in_progress = false;
}
