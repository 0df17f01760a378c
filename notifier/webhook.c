/*
 * webhook.c
 *		A webhook consumes its subscription: what is owed is fetched ahead and
 *		sent, and where nothing is owed it sleeps.
 *
 * Whatever happens, webhook_pump() begins what can be begun then: requests, an
 * ack, a fetch, sleep.  There is one statement of a kind under way at a time.  A
 * statement costs as much as several events: so while many come they gather for
 * some ms, both those to fetch and those to tell of, and writers have the
 * processors.
 *
 * When a fetch gives less than was asked for, listen arms the bell.  Where a
 * writer is just committing it cannot; then it looks again shortly.  A slow poll
 * is the last resort.
 */
#include "webhook.h"

#include "log.h"
#include "payload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLOWING			8		/* events at once, one each ms: more come */
#define QUICK_LOOKS		20		/* 1 ms apart; then 2, 4 ... */
#define LOOK_DELAY_MAX	50		/* ms */

Webhook *
webhook_create(const WebhookConfig *config)
{
	Webhook    *webhook = calloc(1, sizeof(Webhook));

	if (webhook == NULL || (webhook->http = http_client_create(config)) == NULL)
	{
		log_event(LOG_LEVEL_ERROR, "out of memory", NULL);
		free(webhook);
		return NULL;
	}
	webhook->config = config;
	webhook_init_events(webhook);
	return webhook;
}

/*
 * clear_timers: those of the database's side.
 */
static void
clear_timers(Webhook *webhook)
{
	loop_timer_clear(&webhook->look_timer);
	loop_timer_clear(&webhook->retry_timer);
	loop_timer_clear(&webhook->ack_timer);
	loop_timer_clear(&webhook->gather_timer);
}

void
webhook_destroy(Webhook *webhook)
{
	if (webhook == NULL)
		return;
	clear_timers(webhook);
	loop_timer_clear(&webhook->breaker_timer);
	http_client_destroy(webhook->http);
	webhook_drop_waiting(webhook);
	free(webhook->consumers);
	free(webhook->told);
	free(webhook->acks);
	free(webhook);
}

void
webhook_log_result(const Webhook *webhook, const char *what,
				   const PGresult *result)
{
	session_report(LOG_LEVEL_ERROR, what, "webhook", webhook->config->name,
				   result);
}

bool
webhook_query(Webhook *webhook, const char *sql, const char *second,
			  const char *third, const char *fourth, SessionResult callback)
{
	const char *params[] = {webhook->config->name, second, third, fourth};
	int			n = fourth ? 4 : third ? 3 : second ? 2 : 1;

	return session_query(webhook->session, sql, n, params, callback, webhook);
}

void
webhook_told(void *arg, PGresult *result)
{
	if (result && !session_succeeded(result))
		webhook_log_result(arg, "a statement failed", result);
}

void
webhook_release(Webhook *webhook)
{
	(void) webhook_query(webhook, "SELECT eventlog.release($1)", NULL, NULL,
						 NULL, webhook_told);
}

void
webhook_look_in(Webhook *webhook, int64_t delay)
{
	loop_timer_set(&webhook->look_timer, delay, webhook_look, webhook);
}

void
webhook_look(void *arg)
{
	Webhook    *webhook = arg;

	/* no later look is needed: this one leads to sleep, or to another */
	loop_timer_clear(&webhook->look_timer);
	if (webhook->state == WEBHOOK_STANDBY)
		webhook_claim(webhook);
	if (!webhook_is_consumer(webhook))
		return;
	webhook->state = WEBHOOK_LOOKING;
	webhook->caught_up = false;
	webhook_pump(webhook);
}

/*
 * give_up_session: what cannot be kept goes back by way of a new session's fetch.
 */
static void
give_up_session(Webhook *webhook)
{
	log_event(LOG_LEVEL_ERROR, "out of memory, releasing the subscription",
			  "webhook", webhook->config->name, NULL);
	webhook_release(webhook);
	webhook_stand_by(webhook, ERROR_DELAY);
}

/*
 * note_flow: while many events come, how long the next ones shall gather.
 */
static void
note_flow(Webhook *webhook, int n)
{
	int64_t		elapsed = loop_now() - webhook->fetched;

	webhook->fetched = loop_now();
	webhook->flow_delay = 0;
	if (n >= FLOWING && n > elapsed)
		webhook->flow_delay = GATHERED * elapsed / n;
	if (webhook->flow_delay > GATHER_TIME)
		webhook->flow_delay = GATHER_TIME;
}

static void
fetched(void *arg, PGresult *result)
{
	Webhook    *webhook = arg;
	int			n;

	webhook->fetching = false;
	if (result == NULL)
		return;					/* webhook_lost() sees to it */
	if (webhook_in_use(result))
	{
		webhook_stand_by(webhook, STANDBY_DELAY);
		return;
	}
	webhook->unable = !session_succeeded(result);
	if (webhook->unable)
	{
		/* what was handed out before is still ours */
		webhook_log_result(webhook, "could not fetch", result);
		webhook->caught_up = true;
		webhook_look_in(webhook, ERROR_DELAY);
		webhook_pump(webhook);
		return;
	}
	if (!webhook_is_consumer(webhook))
		return;					/* it was released meanwhile */
	n = PQntuples(result);
	if (n > 0)
		webhook->usual_size /= 2;
	for (int i = 0; i < n; i++)
	{
		OwedEvent  *event = webhook_take_event(result, i);

		if (event == NULL)
		{
			give_up_session(webhook);
			return;
		}
		webhook_put_event(webhook, event);
	}
	webhook->caught_up = n < webhook->asked;
	note_flow(webhook, n);
	if (n > 0)
		webhook->nlooks = 0;
	webhook_pump(webhook);
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
	Webhook    *webhook = arg;

	webhook->listening = false;
	if (result == NULL || !webhook_is_consumer(webhook))
		return;
	if (!session_succeeded(result))
	{
		webhook_log_result(webhook, "could not listen", result);
		webhook_look_in(webhook, ERROR_DELAY);
		return;
	}
	if (*PQgetvalue(result, 0, 0) == 't')
	{
		webhook->state = WEBHOOK_ASLEEP;
		webhook->nlooks = 0;
		webhook_look_in(webhook, SLOW_POLL);
		return;
	}
	webhook_look_in(webhook, look_delay(webhook->nlooks++));
}

/*
 * begin_deliveries: as many as may be in flight.
 */
static void
begin_deliveries(Webhook *webhook)
{
	const WebhookConfig *config = webhook->config;

	/* in order: what failed comes again before anything else is sent */
	if (config->ordered && webhook->nretrying > 0)
		return;
	while (webhook->first && webhook->nflying <
		   breaker_limit(&webhook->breaker, config->max_concurrency))
	{
		OwedEvent  *events = webhook->first;
		OwedEvent  *last = events;
		int			n = 1;

		while (n < config->max_events && last->next)
		{
			last = last->next;
			n++;
		}
		webhook->first = last->next;
		if (webhook->first == NULL)
			webhook->last = &webhook->first;
		last->next = NULL;
		webhook->nwaiting -= n;
		if (deliver(webhook, events, n))
			continue;

		/* back to where they were, for another time */
		last->next = webhook->first;
		webhook->first = events;
		if (last->next == NULL)
			webhook->last = &last->next;
		webhook->nwaiting += n;
		webhook_look_in(webhook, ERROR_DELAY);
		break;
	}
}

/*
 * begin_fetch: see that there is always something to send.
 */
static void
begin_fetch(Webhook *webhook)
{
	int			room = webhook_ahead(webhook) - webhook->nwaiting -
	webhook->nflying_events;
	char		max[16];
	char		age[32];

	if (webhook->fetching || webhook->listening || webhook->caught_up ||
		webhook->state != WEBHOOK_LOOKING || webhook->failing > 0)
		return;
	if (webhook->config->ordered && webhook->nretrying > 0)
	{
		/* in order: only what failed is wanted, when its time has come */
		if (webhook->retry_timer.set || webhook->counting)
			return;
		room = 1;
	}
	else if (room < webhook_ahead(webhook) / 2 ||
			 (room = webhook_fitting(webhook, room)) == 0)
		return;					/* wait until it is worth while */
	webhook->asked = room;
	snprintf(max, sizeof(max), "%d", room);
	snprintf(age, sizeof(age), "%lld",
			 (long long) webhook->config->retry.max_age / 1000);
	webhook->fetching = webhook_query(webhook,
									  payload_fetch_sql(webhook->config->format),
									  max, age, NULL, fetched);
}

/*
 * begin_listen: go to sleep, if nothing is owed.
 *
 * While many events come, a writer is committing at any time, and it could not:
 * so it looks again when there is enough to be worth a statement.
 */
static void
begin_listen(Webhook *webhook)
{
	if (!webhook->caught_up || webhook->listening || webhook->fetching ||
		webhook->look_timer.set || webhook->state != WEBHOOK_LOOKING)
		return;
	if (webhook->flow_delay > 0)
	{
		webhook_look_in(webhook, webhook->flow_delay);
		webhook->flow_delay = 0;
		return;
	}
	webhook->listening = webhook_query(webhook, "SELECT eventlog.listen($1)",
									   NULL, NULL, NULL, listened);
}

/*
 * is_settled: has all that was begun come to its end?
 */
static bool
is_settled(const Webhook *webhook)
{
	return webhook->nflying == 0 && !webhook->fetching &&
		!webhook->claiming && !webhook->counting && !webhook->listening &&
		!webhook->acking && webhook->failing == 0 && webhook->acks_len == 0;
}

void
webhook_yield(Webhook *webhook)
{
	log_event(LOG_LEVEL_INFO, "leaving the subscription to another notifier",
			  "webhook", webhook->config->name, NULL);
	webhook->yielding = true;
	webhook_pump(webhook);
}

bool
webhook_is_consumer(const Webhook *webhook)
{
	return webhook->state == WEBHOOK_LOOKING ||
		webhook->state == WEBHOOK_ASLEEP;
}

bool
webhook_is_ready(const Webhook *webhook)
{
	return webhook->state != WEBHOOK_DOWN && !webhook->unable;
}

void
webhook_pump(Webhook *webhook)
{
	bool		idle = webhook->stopping || webhook->yielding;

	if (webhook->state == WEBHOOK_DOWN)
		return;
	if (!idle)
		begin_deliveries(webhook);
	webhook_ack(webhook);
	if (webhook->yielding && !webhook->stopping && is_settled(webhook))
		webhook_end_yield(webhook);
	if (idle)
		return;
	begin_fetch(webhook);
	webhook_seek_retries(webhook);
	begin_listen(webhook);
}

void
webhook_start(Webhook *webhook, Session *session, const char *log)
{
	webhook->session = session;
	webhook->log = log;
	webhook->caught_up = false;
	webhook_subscribe(webhook);
}

void
webhook_lost(Webhook *webhook)
{
	webhook_drop_waiting(webhook);
	clear_timers(webhook);
	free(webhook->told);
	free(webhook->consumers);
	webhook->told = webhook->consumers = NULL;
	webhook->state = WEBHOOK_DOWN;
	webhook->yielding = webhook->overdue = webhook->unable = false;
	webhook->claiming = webhook->counting = false;
	webhook->fetching = webhook->listening = webhook->acking = false;
	webhook->failing = 0;
	webhook->acks_len = 0;
	webhook->nacks = 0;
	webhook->nretrying = 0;
	webhook->nlooks = 0;
}

void
webhook_wake(Webhook *webhook)
{
	if (webhook->state == WEBHOOK_ASLEEP ||
		(webhook->state == WEBHOOK_LOOKING && webhook->caught_up))
	{
		webhook_look(webhook);
	}
}

bool
webhook_is_quiet(const Webhook *webhook)
{
	/* nothing can be sent now: the receiver, or what is to come first, fails */
	bool		held_up = webhook->breaker.state == BREAKER_OPEN ||
	(webhook->config->ordered && webhook->nretrying > 0 &&
	 webhook->retry_timer.set);

	if (webhook->nflying > 0)
		return false;
	if (webhook->state == WEBHOOK_DOWN)
		return true;
	return is_settled(webhook) &&
		(webhook->stopping || held_up ||
		 (webhook->nwaiting == 0 &&
		  (webhook->caught_up || webhook->state == WEBHOOK_STANDBY)));
}

bool
webhook_has_failed(const Webhook *webhook)
{
	const WebhookCounts *counts = &webhook->counts;
	uint64_t	failed = counts->given_up;

	for (int i = 0; i < HTTP_NREASONS; i++)
		failed += counts->failed[i];
	return webhook->unable || failed > 0;
}

void
webhook_status(const Webhook *webhook, WebhookStatus *status)
{
	const LoopTimer *pause = &webhook->breaker_timer;

	*status = (WebhookStatus)
	{
		.config = webhook->config,
			.counts = &webhook->counts,
			.in_flight = webhook->nflying,
			.waiting = webhook->nwaiting,
			.breaker = webhook->breaker.state,
			.consumer = webhook_is_consumer(webhook),
			.standby = webhook->state == WEBHOOK_STANDBY
	};
	if (pause->set && pause->due > loop_now())
		status->pause_left = (double) (pause->due - loop_now()) / 1000;
	if (webhook->state == WEBHOOK_DOWN)
		status->trouble = "not subscribed";
	else if (webhook->unable)
		status->trouble = "cannot fetch";
}
