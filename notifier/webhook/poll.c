/*
 * poll.c
 *		Fetch and listen.
 *
 * When a fetch returns less than was asked for, listen arms the notification.
 * It cannot while a writer is committing; then we poll again shortly.  A slow
 * poll is the last resort.
 *
 * An event whose payload cannot be made does not block the others: it is
 * fetched without payload, and fails.
 *
 * A statement costs as much as several events.  So while many events arrive,
 * we wait some milliseconds between fetches and leave the processors to
 * writers.
 */
#include "webhook/poll.h"

#include "webhook/statements.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FETCH_MAX		1000	/* events of one statement; others wait for it */
#define FLOW_EVENTS			8	/* so many at once, and one each ms: more come */
#define QUICK_POLLS		20		/* 1 ms apart; then 2, 4 ... */
#define POLL_DELAY_MAX	50		/* ms */
#define SLOW_POLL		30000	/* ms, when all else fails */
#define PREPARED_POLL	5000	/* ms, if transactions may be prepared: they
								 * cannot notify */

static void
timer_expired(void *arg)
{
	Poll	   *poll = arg;

	poll_now(poll);
	subscription_changed(poll->subscription);
}

void
poll_now(Poll *poll)
{
	/* the timer is not needed: this poll leads to sleep or to another poll */
	loop_timer_clear(&poll->timer);
	if (poll->state != POLL_OFF)
		poll->state = POLL_READY;
}

void
poll_after(Poll *poll, int64_t delay)
{
	loop_timer_set(&poll->timer, delay, timer_expired, poll);
}

void
poll_wake(Poll *poll)
{
	if (poll->state == POLL_ASLEEP || poll->state == POLL_CAUGHT_UP)
		poll_now(poll);
}

void
poll_begin(Poll *poll)
{
	poll->state = POLL_READY;
	poll->nempty = 0;
}

static void
forget_payload_error(Poll *poll)
{
	free(poll->payload_error);
	poll->payload_error = NULL;
	poll->without_payload = false;
}

void
poll_end(Poll *poll)
{
	loop_timer_clear(&poll->timer);
	buffer_clear(poll->buffer);
	forget_payload_error(poll);
	poll->one_by_one = 0;
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
 * measure_flow: set how long to wait before the next fetch while many events
 * arrive.
 */
static void
measure_flow(Poll *poll, int n)
{
	int64_t		elapsed = loop_now() - poll->fetched;

	poll->fetched = loop_now();
	poll->flow_delay = 0;
	if (n >= FLOW_EVENTS && n > elapsed)
		poll->flow_delay = GATHER_EVENTS * elapsed / n;
	if (poll->flow_delay > GATHER_TIME)
		poll->flow_delay = GATHER_TIME;
}

/*
 * take_events: add the rows of a fetch to the buffer.  Fewer rows than asked
 * for mean that we have caught up, unless the limit in bytes stopped the
 * fetch.  If it did so before a large event, listen will find that event
 * pending.
 */
static void
take_events(Poll *poll, const PGresult *result)
{
	int			n = PQntuples(result);
	size_t		before = poll->buffer->share.used;
	size_t		got;

	for (int i = 0; i < n; i++)
	{
		if (!buffer_add(poll->buffer, result, i, poll->payload_error))
		{
			poll->outcome = POLL_NO_MEMORY;
			return;
		}
	}
	got = poll->buffer->share.used - before;
	if (n == 0 || (n < poll->asked && got < poll->reserved / 2))
	{
		poll->state = POLL_CAUGHT_UP;
		poll->one_by_one = 0;
	}
	else if (poll->one_by_one > 0)
		poll->one_by_one -= n;
	forget_payload_error(poll);
	measure_flow(poll, n);
	if (n > 0)
		poll->nempty = 0;
}

/*
 * isolate: can the error be about one of the events to fetch?  Then fetch them
 * one by one until it is found, and fetch that event without its payload.
 */
static bool
isolate(Poll *poll, const PGresult *result)
{
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	if (poll->without_payload || !subscription_is_about_data(result))
		return false;
	if (poll->asked > 1)
		poll->one_by_one = poll->asked;
	else
	{
		poll->payload_error = strdup(message ? message : "its payload cannot be made");
		poll->without_payload = poll->payload_error != NULL;
	}
	return poll->asked > 1 || poll->without_payload;
}

/*
 * failed: poll again after a while.  We keep the events fetched before.
 */
static void
failed(Poll *poll, const char *what, const PGresult *result)
{
	forget_payload_error(poll);
	problem_found(&poll->problem, poll->subscription, what, result);
	if (subscription_is_gone(result))
		poll->outcome = POLL_GONE;
	poll->state = POLL_CAUGHT_UP;
	poll_after(poll, ERROR_DELAY);
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
	return poll->state == POLL_READY && poll_is_idle(poll);
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
	if (poll->one_by_one > 0 || poll->without_payload)
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
										poll->without_payload ? statement_fetch_bare :
										statement_fetch(poll->config->format),
										5, params, fetched, poll);
	if (!poll->fetching)
		buffer_fetched(poll->buffer);
}

/*
 * poll_delay: how long to wait before the next poll, after n polls in a row
 * that found nothing.
 *
 * A writer is committing, which usually takes as long as a flush of WAL.  So
 * the first polls follow as fast as the clock allows.  A commit that waits for
 * a standby can take long.
 */
static int64_t
poll_delay(int nempty)
{
	int			doublings = nempty - QUICK_POLLS;

	if (doublings < 0)
		return 1;
	return doublings < 5 ? 2 << doublings : POLL_DELAY_MAX;
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
		poll_after(poll, poll_delay(poll->nempty++));
	else if (poll->state == POLL_CAUGHT_UP)
	{
		/* no notification arrived meanwhile */
		poll->state = POLL_ASLEEP;
		poll->nempty = 0;
		poll_after(poll, *PQgetvalue(result, 0, 1) == 't' ?
				   PREPARED_POLL : SLOW_POLL);
	}
	subscription_changed(poll->subscription);
}

/*
 * While many events arrive, some writer is always committing, and listen would
 * fail.  So wait until there are enough events for a fetch instead.
 */
void
poll_sleep(Poll *poll)
{
	if (poll->state != POLL_CAUGHT_UP || !poll_is_idle(poll) ||
		poll->timer.set)
		return;
	if (poll->flow_delay > 0)
	{
		poll_after(poll, poll->flow_delay);
		poll->flow_delay = 0;
	}
	else
		poll->listening = subscription_query(poll->subscription,
											 statement_listen, 0, NULL,
											 listened, poll);
}
