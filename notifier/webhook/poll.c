/*
 * poll.c
 *		Fetch and listen.
 *
 * When a fetch gives less than was asked for, listen arms the bell.  Where a
 * writer is just committing it cannot; then it looks again shortly.  A slow poll
 * is the last resort.
 *
 * One event whose payload cannot be made does not hold up the others: it is
 * fetched without, and fails.
 *
 * A statement costs as much as several events.  So while many come, those to
 * fetch gather for some ms, and writers have the processors.
 */
#include "webhook/poll.h"

#include "webhook/statements.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FETCH_MAX		1000	/* events by one statement: others wait for it */
#define FLOWING			8		/* events at once, one each ms: more come */
#define QUICK_LOOKS		20		/* 1 ms apart; then 2, 4 ... */
#define LOOK_DELAY_MAX	50		/* ms */
#define SLOW_POLL		30000	/* ms, when all else fails */

static void
look_now(void *arg)
{
	Poll	   *poll = arg;

	poll_look(poll);
	subscription_changed(poll->subscription);
}

void
poll_look(Poll *poll)
{
	/* no later look is needed: this one leads to sleep, or to another */
	loop_timer_clear(&poll->timer);
	if (poll->state != POLL_OFF)
		poll->state = POLL_LOOKING;
}

void
poll_look_in(Poll *poll, int64_t delay)
{
	loop_timer_set(&poll->timer, delay, look_now, poll);
}

void
poll_wake(Poll *poll)
{
	if (poll->state == POLL_ASLEEP || poll->state == POLL_CAUGHT_UP)
		poll_look(poll);
}

void
poll_begin(Poll *poll)
{
	poll->state = POLL_LOOKING;
	poll->nlooks = 0;
}

static void
forget_unfit(Poll *poll)
{
	free(poll->unfit);
	poll->unfit = NULL;
	poll->bare = false;
}

void
poll_end(Poll *poll)
{
	loop_timer_clear(&poll->timer);
	buffer_clear(poll->buffer);
	forget_unfit(poll);
	poll->singly = 0;
	poll->state = POLL_OFF;
	problem_forget(&poll->problem);
}

PollOutcome
poll_outcome(Poll *poll)
{
	PollOutcome outcome = poll->outcome;

	poll->outcome = POLL_NOTHING;
	return outcome;
}

bool
poll_is_idle(const Poll *poll)
{
	return !poll->fetching && !poll->listening;
}

/*
 * note_flow: while many events come, how long the next ones shall gather.
 */
static void
note_flow(Poll *poll, int n)
{
	int64_t		elapsed = loop_now() - poll->fetched;

	poll->fetched = loop_now();
	poll->flow_delay = 0;
	if (n >= FLOWING && n > elapsed)
		poll->flow_delay = GATHERED * elapsed / n;
	if (poll->flow_delay > GATHER_TIME)
		poll->flow_delay = GATHER_TIME;
}

/*
 * take_events: what a fetch gave.  Where that were fewer than were asked for, it
 * may be for their size; where they are too small for that, nothing is left but
 * perhaps one that is big, of which listen will know.
 */
static void
take_events(Poll *poll, const PGresult *result)
{
	int			n = PQntuples(result);
	size_t		before = poll->buffer->share.used;
	size_t		got;

	for (int i = 0; i < n; i++)
	{
		if (!buffer_add(poll->buffer, result, i, poll->unfit))
		{
			poll->outcome = POLL_NO_MEMORY;
			return;
		}
	}
	got = poll->buffer->share.used - before;
	if (n == 0 || (n < poll->asked && got < poll->reserved / 2))
	{
		poll->state = POLL_CAUGHT_UP;
		poll->singly = 0;
	}
	else if (poll->singly > 0)
		poll->singly -= n;
	forget_unfit(poll);
	note_flow(poll, n);
	if (n > 0)
		poll->nlooks = 0;
}

/*
 * isolate: may the error be about one event that was to be fetched?  Then fetch
 * one by one until it is found, and that one without its payload.
 */
static bool
isolate(Poll *poll, const PGresult *result)
{
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	if (poll->bare || !subscription_is_about_data(result))
		return false;
	if (poll->asked > 1)
		poll->singly = poll->asked;
	else
	{
		poll->unfit = strdup(message ? message : "its payload cannot be made");
		poll->bare = poll->unfit != NULL;
	}
	return poll->asked > 1 || poll->bare;
}

/*
 * failed: look again in a while; what was handed out before is still ours.
 */
static void
failed(Poll *poll, const char *what, const PGresult *result)
{
	forget_unfit(poll);
	problem_found(&poll->problem, poll->subscription, what, result);
	if (subscription_is_gone(result))
		poll->outcome = POLL_GONE;
	poll->state = POLL_CAUGHT_UP;
	poll_look_in(poll, ERROR_DELAY);
}

static void
fetched(void *arg, PGresult *result)
{
	Poll	   *poll = arg;

	poll->fetching = false;
	buffer_fetched(poll->buffer);
	if (result == NULL || poll->state == POLL_OFF)
		return;
	if (subscription_is_taken(result))
		poll->outcome = POLL_REFUSED;
	else if (session_succeeded(result))
	{
		problem_over(&poll->problem, poll->subscription);
		take_events(poll, result);
	}
	else if (!isolate(poll, result))
		failed(poll, "could not fetch", result);
	subscription_changed(poll->subscription);
}

bool
poll_can_fetch(const Poll *poll)
{
	return poll->state == POLL_LOOKING && poll_is_idle(poll);
}

void
poll_fetch(Poll *poll, int max)
{
	char		number[16];
	char		bytes[32];
	char		age[32];
	const char *params[] = {
		number, bytes, age, poll->config->resource_type,
		poll->config->source_service
	};

	if (max > FETCH_MAX)
		max = FETCH_MAX;
	if (poll->singly > 0 || poll->bare)
		max = 1;
	poll->reserved = buffer_reserve(poll->buffer, max);
	if (poll->reserved == 0)
		return;
	poll->asked = max;
	snprintf(bytes, sizeof(bytes), "%zu", poll->reserved);
	snprintf(number, sizeof(number), "%d", max);
	snprintf(age, sizeof(age), "%lld",
			 (long long) poll->config->retry.max_age / 1000);
	poll->fetching = subscription_query(poll->subscription,
										poll->bare ? statement_fetch_bare :
										statement_fetch(poll->config->format),
										5, params, fetched, poll);
	if (!poll->fetching)
		buffer_fetched(poll->buffer);
}

/*
 * look_delay: how long to wait before the next look, after so many in a row
 * that found nothing.
 *
 * A writer is committing, which takes about as long as its WAL takes to be
 * flushed: so at first as often as the clock allows.  A commit that waits for a
 * standby can take long.
 */
static int64_t
look_delay(int nlooks)
{
	int			doublings = nlooks - QUICK_LOOKS;

	if (doublings < 0)
		return 1;
	return doublings < 5 ? 2 << doublings : LOOK_DELAY_MAX;
}

static void
listened(void *arg, PGresult *result)
{
	Poll	   *poll = arg;

	poll->listening = false;
	if (result == NULL || poll->state == POLL_OFF)
		return;
	if (!session_succeeded(result))
		failed(poll, "could not listen", result);
	else if (*PQgetvalue(result, 0, 0) != 't')
		poll_look_in(poll, look_delay(poll->nlooks++));
	else if (poll->state == POLL_CAUGHT_UP)
	{
		/* it was not woken meanwhile */
		poll->state = POLL_ASLEEP;
		poll->nlooks = 0;
		poll_look_in(poll, SLOW_POLL);
	}
	subscription_changed(poll->subscription);
}

/*
 * While many events come, a writer is committing at any time, and listen would
 * fail: so look again when there is enough to be worth a statement.
 */
void
poll_sleep(Poll *poll)
{
	if (poll->state != POLL_CAUGHT_UP || !poll_is_idle(poll) ||
		poll->timer.set)
		return;
	if (poll->flow_delay > 0)
	{
		poll_look_in(poll, poll->flow_delay);
		poll->flow_delay = 0;
	}
	else
		poll->listening = subscription_query(poll->subscription,
											 statement_listen, 0, NULL,
											 listened, poll);
}
