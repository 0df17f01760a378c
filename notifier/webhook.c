/*
 * webhook.c
 *		A webhook consumes its subscription: what is owed is fetched ahead and
 *		sent, and where nothing is owed it sleeps.
 *
 * Whatever happens in one of its parts, pump() takes note of it and begins what
 * can be begun then: requests, an ack, a fetch, sleep.  There is one statement
 * of a kind under way at a time.  Only change_state() changes the state, and
 * only settle() says what becomes of an event.
 */
#include "webhook.h"

#include "log.h"
#include "retry.h"

#include <stdlib.h>

#define YIELD_DELAY		6000	/* ms in which another can take what was
								 * yielded */

static void pump(void *arg);
static void finished(void *arg, OwedEvent *events, int n,
					 const HttpResult *result);

Webhook *
webhook_create(const WebhookConfig *config)
{
	Webhook    *webhook = calloc(1, sizeof(Webhook));
	HttpClient *http = webhook ? http_client_create(config) : NULL;
	const Subscription *subscription;

	if (http == NULL)
	{
		log_event(LOG_LEVEL_ERROR, "out of memory", NULL);
		free(webhook);
		return NULL;
	}
	subscription = &webhook->subscription;
	webhook->config = config;
	webhook->subscription = (Subscription)
	{
		.name = config->name,.changed = pump,.arg = webhook
	};
	webhook->claim = (Claim)
	{
		.subscription = subscription,.config = config
	};
	buffer_init(&webhook->buffer, config);
	webhook->poll = (Poll)
	{
		.subscription = subscription,.config = config,
			.buffer = &webhook->buffer
	};
	webhook->gate = (Gate)
	{
		.subscription = subscription,.config = config
	};
	webhook->sender = (Sender)
	{
		.config = config,.http = http,.done = finished,.arg = webhook
	};
	webhook->acks = (Acks)
	{
		.subscription = subscription
	};
	webhook->retries = (Retries)
	{
		.subscription = subscription,.buffer = &webhook->buffer
	};
	return webhook;
}

void
webhook_destroy(Webhook *webhook)
{
	if (webhook == NULL)
		return;
	http_client_destroy(webhook->sender.http);
	claim_reset(&webhook->claim);
	poll_end(&webhook->poll);
	retries_reset(&webhook->retries);
	acks_destroy(&webhook->acks);
	gate_destroy(&webhook->gate);
	free(webhook);
}

static const char *
state_name(WebhookState state)
{
	switch (state)
	{
		case WEBHOOK_DOWN:
			return "down";
		case WEBHOOK_STANDBY:
			return "standby";
		case WEBHOOK_CONSUMER:
			return "consumer";
		case WEBHOOK_LEAVING:
			break;
	}
	return "leaving";
}

/*
 * change_state: the only place where it changes.  Polling begins and ends with
 * being the consumer.
 */
static void
change_state(Webhook *webhook, WebhookState to, const char *reason)
{
	bool		was_consumer = webhook_is_consumer(webhook);

	if (webhook->state == to)
		return;
	log_event(LOG_LEVEL_DEBUG, "state changed",
			  "webhook", webhook->config->name,
			  "from", state_name(webhook->state), "to", state_name(to),
			  "reason", reason, NULL);
	webhook->state = to;
	if (webhook_is_consumer(webhook) && !was_consumer)
	{
		poll_begin(&webhook->poll);
		retries_count(&webhook->retries);
	}
	if (!webhook_is_consumer(webhook))
	{
		poll_end(&webhook->poll);
		retries_reset(&webhook->retries);
	}
}

/*
 * stand_by: until this session may be the consumer again.
 */
static void
stand_by(Webhook *webhook, int64_t delay, const char *reason)
{
	change_state(webhook, WEBHOOK_STANDBY, reason);
	claim_try_in(&webhook->claim, delay);
}

/*
 * release: let another session be the consumer, and be it again in a while.
 * What was fetched and not sent goes back.
 */
static void
release(Webhook *webhook, int64_t delay, const char *reason)
{
	claim_release(&webhook->claim);
	stand_by(webhook, delay, reason);
}

/*
 * pause_subscription: the receiver is gone: what is owed waits until somebody calls
 * eventlog.resume.
 */
static void
pause_subscription(Webhook *webhook)
{
	log_event(LOG_LEVEL_ERROR, "receiver is gone (410), subscription paused",
			  "webhook", webhook->config->name, NULL);
	if (webhook->state == WEBHOOK_DOWN)
		return;
	claim_pause(&webhook->claim);
	release(webhook, 0, "receiver is gone");
}

/*
 * settle: an event is delivered (error is NULL), or is tried again in so many
 * ms, or given up (-1).  Between two sessions nobody can be told: it comes again.
 */
static void
settle(Webhook *webhook, OwedEvent *event, const char *error, int64_t delay)
{
	if (error == NULL)
		webhook->counts.delivered++;
	else if (delay < 0)
	{
		webhook->counts.dead++;
		log_event(LOG_LEVEL_ERROR, "delivery given up",
				  "webhook", webhook->config->name, "event", event->id, NULL);
	}
	if (event->attempts > 0)
		retries_settled(&webhook->retries);
	if (webhook->state != WEBHOOK_DOWN && error == NULL)
		acks_delivered(&webhook->acks, event->seq);
	else if (webhook->state != WEBHOOK_DOWN)
	{
		acks_failed(&webhook->acks, event->seq, error, delay);
		if (delay >= 0)
			retries_expect(&webhook->retries, delay);
	}
	buffer_settle(&webhook->buffer, event);
}

/*
 * finished: a request has ended; a result of NULL: with the webhook itself.
 */
static void
finished(void *arg, OwedEvent *events, int n, const HttpResult *result)
{
	Webhook    *webhook = arg;
	RetryPolicy policy;
	bool		gone = result && result->outcome == HTTP_GONE;

	(void) n;
	if (result)
	{
		counts_request(&webhook->counts, result);
		gate_answered(&webhook->gate, events, result);
		if (result->outcome != HTTP_OK)
			delivery_log_failure(&webhook->sender, events, result);
	}
	policy = gate_policy(&webhook->gate);
	while (events)
	{
		OwedEvent  *event = events;

		events = event->next;
		if (result == NULL)
			buffer_settle(&webhook->buffer, event);
		else if (result->outcome == HTTP_OK)
			settle(webhook, event, NULL, 0);
		else
			settle(webhook, event, result->error, gone ? 0 :
				   retry_delay(&policy, event->attempts + 1,
							   loop_now() - event->created,
							   result->retry_after, retry_random()));
	}
	if (gone)
		pause_subscription(webhook);
	if (result)
		pump(webhook);
}

/*
 * is_held_up: where order is to be kept, does an event that failed hold up all
 * others?
 */
static bool
is_held_up(const Webhook *webhook)
{
	return webhook->config->ordered && retries_waiting(&webhook->retries) > 0;
}

/*
 * begin_deliveries: as many as may be in flight.
 */
static void
begin_deliveries(Webhook *webhook)
{
	while (!is_held_up(webhook) &&
		   gate_may_send(&webhook->gate, webhook->sender.nflying))
	{
		int			n;
		OwedEvent  *events = buffer_take(&webhook->buffer,
										 webhook->config->max_events, &n);

		if (events == NULL)
			return;
		switch (deliver(&webhook->sender, events, n))
		{
			case DELIVERY_BEGUN:
				gate_sent(&webhook->gate, events);
				break;
			case DELIVERY_IMPOSSIBLE:
				settle(webhook, events,
					   "the event's user_id cannot stand in the path of the url",
					   -1);
				break;
			case DELIVERY_NOT_NOW:
				buffer_put_back(&webhook->buffer, events, n);
				poll_look_in(&webhook->poll, ERROR_DELAY);
				return;
		}
	}
}

/*
 * begin_fetch: see that there is always something to send.
 */
static void
begin_fetch(Webhook *webhook)
{
	int			room = buffer_room(&webhook->buffer);

	if (!poll_can_fetch(&webhook->poll) || !webhook->retries.known ||
		webhook->acks.nfailing > 0)
		return;
	if (is_held_up(webhook))
	{
		/* only what failed is wanted, when its time has come */
		if (webhook->retries.timer.set || webhook->retries.counting)
			return;
		room = 1;
	}
	if (room > 0)
		poll_fetch(&webhook->poll, room);
}

/*
 * is_settled: has all that was begun come to its end?
 */
static bool
is_settled(const Webhook *webhook)
{
	return webhook->sender.nflying == 0 && !webhook->claim.asking &&
		poll_is_idle(&webhook->poll) && !webhook->retries.counting &&
		acks_are_told(&webhook->acks);
}

/*
 * follow_claim: take note of who is the consumer.
 */
static void
follow_claim(Webhook *webhook)
{
	switch (claim_outcome(&webhook->claim))
	{
		case CLAIM_NOTHING:
			break;
		case CLAIM_SUBSCRIBED:
			log_event(LOG_LEVEL_INFO, "subscribed",
					  "webhook", webhook->config->name, NULL);
			stand_by(webhook, 0, "subscribed");
			break;
		case CLAIM_REFUSED:
			log_event(LOG_LEVEL_INFO,
					  "standing by, another session is the consumer",
					  "webhook", webhook->config->name, NULL);
			break;
		case CLAIM_WON:
			change_state(webhook, WEBHOOK_CONSUMER, "claimed");
			break;
	}
}

/*
 * follow_poll: take note of what came of fetching.
 */
static void
follow_poll(Webhook *webhook)
{
	switch (poll_outcome(&webhook->poll))
	{
		case POLL_NOTHING:
			break;
		case POLL_REFUSED:
			stand_by(webhook, 0, "another session is the consumer");
			break;
		case POLL_NO_MEMORY:
			/* what cannot be kept goes back by way of a new consumer */
			log_event(LOG_LEVEL_ERROR,
					  "out of memory, releasing the subscription",
					  "webhook", webhook->config->name, NULL);
			release(webhook, ERROR_DELAY, "out of memory");
			break;
	}
}

/*
 * follow_retries: fetch what is due.  By the database's clock it may not quite
 * be, and a fetch would bring what comes behind it; so where order is to be
 * kept, see first.
 */
static void
follow_retries(Webhook *webhook)
{
	Retries    *retries = &webhook->retries;

	if (retries->time_has_come &&
		(is_held_up(webhook) || !retries->known))
		retries_count(retries);
	else if (retries->time_has_come || retries->due)
		poll_look(&webhook->poll);
	retries->time_has_come = retries->due = false;
}

/*
 * follow_acks: a failure that could not be told is owed, but this consumer will
 * not be handed it again: so let there be another.
 */
static void
follow_acks(Webhook *webhook)
{
	if (webhook->acks.untold && webhook->state == WEBHOOK_CONSUMER)
		change_state(webhook, WEBHOOK_LEAVING, "a failure could not be told");
	webhook->acks.untold = false;
}

/*
 * pump: something has changed: begin whatever can be begun now.
 */
static void
pump(void *arg)
{
	Webhook    *webhook = arg;

	follow_claim(webhook);
	follow_poll(webhook);
	follow_retries(webhook);
	follow_acks(webhook);
	if (webhook->state == WEBHOOK_CONSUMER && !webhook->stopping)
		begin_deliveries(webhook);
	if (webhook->state != WEBHOOK_DOWN)
		acks_tell(&webhook->acks, webhook->sender.nflying == 0);
	if (webhook->stopping)
		claim_stop(&webhook->claim);
	else if (webhook->state == WEBHOOK_LEAVING && is_settled(webhook))
		release(webhook, YIELD_DELAY, "all that was begun is settled");
	else if (webhook->state == WEBHOOK_CONSUMER)
	{
		begin_fetch(webhook);
		retries_seek(&webhook->retries);
		poll_sleep(&webhook->poll);
	}
}

void
webhook_start(Webhook *webhook, Session *session, const char *log)
{
	webhook->subscription.session = session;
	webhook->subscription.log = log;
	claim_subscribe(&webhook->claim);
}

void
webhook_lost(Webhook *webhook)
{
	claim_reset(&webhook->claim);
	acks_reset(&webhook->acks);
	change_state(webhook, WEBHOOK_DOWN, "the session is lost");
}

void
webhook_wake(Webhook *webhook)
{
	poll_wake(&webhook->poll);
	pump(webhook);
}

void
webhook_yield(Webhook *webhook)
{
	log_event(LOG_LEVEL_INFO, "leaving the subscription to another notifier",
			  "webhook", webhook->config->name, NULL);
	change_state(webhook, WEBHOOK_LEAVING, "another notifier is to have it");
	pump(webhook);
}

bool
webhook_is_consumer(const Webhook *webhook)
{
	return webhook->state == WEBHOOK_CONSUMER ||
		webhook->state == WEBHOOK_LEAVING;
}

bool
webhook_is_leaving(const Webhook *webhook)
{
	return webhook->state == WEBHOOK_LEAVING;
}

bool
webhook_is_ready(const Webhook *webhook)
{
	return webhook->state != WEBHOOK_DOWN && !webhook->claim.failed &&
		!webhook->poll.failed;
}

bool
webhook_is_quiet(const Webhook *webhook)
{
	/* nothing can be sent now: the receiver, or what is to come first, fails */
	bool		waits = gate_is_shut(&webhook->gate) ||
		(is_held_up(webhook) && webhook->retries.timer.set);

	if (webhook->sender.nflying > 0)
		return false;
	if (webhook->state == WEBHOOK_DOWN)
		return true;
	return is_settled(webhook) &&
		(webhook->stopping || waits || webhook->state == WEBHOOK_STANDBY ||
		 (webhook->buffer.nwaiting == 0 &&
		  webhook->poll.state != POLL_LOOKING));
}

bool
webhook_has_failed(const Webhook *webhook)
{
	return webhook->claim.failed || webhook->poll.failed ||
		counts_failures(&webhook->counts) > 0;
}

void
webhook_status(const Webhook *webhook, WebhookStatus *status)
{
	const LoopTimer *pause = &webhook->gate.timer;

	*status = (WebhookStatus)
	{
		.config = webhook->config,
			.counts = &webhook->counts,
			.in_flight = webhook->sender.nflying,
			.waiting = webhook->buffer.nwaiting,
			.breaker = webhook->gate.breaker.state,
			.consumer = webhook_is_consumer(webhook),
			.standby = webhook->state == WEBHOOK_STANDBY
	};
	if (pause->set && pause->due > loop_now())
		status->pause_left = (double) (pause->due - loop_now()) / 1000;
	if (webhook->state == WEBHOOK_DOWN)
		status->trouble = "not subscribed";
	else if (webhook->claim.failed || webhook->poll.failed)
		status->trouble = "cannot fetch";
}
