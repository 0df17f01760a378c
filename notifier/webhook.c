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

#include <stdio.h>
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
 * subscribe_again: somebody has dropped the subscription, or what it is of.
 */
static void
subscribe_again(Webhook *webhook)
{
	acks_forget(&webhook->acks);
	if (webhook->state == WEBHOOK_DOWN)
		return;					/* it is done already */
	change_state(webhook, WEBHOOK_DOWN, "the subscription is gone");
	claim_subscribe(&webhook->claim);
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
 * is_too_old: is it to be given up for its age?
 */
static bool
is_too_old(const Webhook *webhook, const OwedEvent *event)
{
	int64_t		max_age = webhook->config->retry.max_age;

	return max_age > 0 && loop_now() - event->created > max_age;
}

/*
 * settle_failure: the request that carried the event has failed.
 *
 * Where neither the event nor the receiver is to blame it is sent again later,
 * and costs no attempt; unless it was fetched when this session was another's
 * consumer: then it comes again by itself.
 */
static void
settle_failure(Webhook *webhook, OwedEvent *event, const HttpResult *result)
{
	RetryPolicy policy = gate_policy(&webhook->gate);
	bool		blameless = result->outcome == HTTP_LATER ||
	result->outcome == HTTP_LOCAL_TROUBLE;

	if (result->outcome == HTTP_GONE)
		settle(webhook, event, result->error, 0);
	else if (!blameless)
		settle(webhook, event, result->error,
			   retry_delay(&policy, event->attempts + 1,
						   loop_now() - event->created, result->retry_after,
						   retry_random()));
	else if (is_too_old(webhook, event))
		settle(webhook, event, result->error, -1);
	else
		buffer_put_back(&webhook->buffer, event, 1);
}

/*
 * settle_unfit: its payload cannot be made; perhaps it can later.
 */
static void
settle_unfit(Webhook *webhook, OwedEvent *event)
{
	char		error[HTTP_ERROR_SIZE];

	snprintf(error, sizeof(error), "could not make its payload: %s",
			 event->body);
	log_event(LOG_LEVEL_ERROR, "could not make the payload of an event",
			  "webhook", webhook->config->name, "event", event->id,
			  "error", event->body, NULL);
	settle(webhook, event, error,
		   retry_delay(&webhook->config->retry, event->attempts + 1,
					   loop_now() - event->created, 0, retry_random()));
}

/*
 * finished: a request has ended; a result of NULL: with the webhook itself.
 */
static void
finished(void *arg, OwedEvent *events, int n, const HttpResult *result)
{
	Webhook    *webhook = arg;

	(void) n;
	if (result)
	{
		counts_request(&webhook->counts, result);
		gate_answered(&webhook->gate, events, result);
		if (result->outcome != HTTP_OK)
			delivery_log_failure(&webhook->sender, events, result);
	}
	while (events)
	{
		OwedEvent  *event = events;

		events = event->next;
		event->next = NULL;
		if (result == NULL)
			buffer_settle(&webhook->buffer, event);
		else if (result->outcome == HTTP_OK)
			settle(webhook, event, NULL, 0);
		else
			settle_failure(webhook, event, result);
	}
	if (result && result->outcome == HTTP_GONE)
		pause_subscription(webhook);
	if (result)
		pump(webhook);
}

/*
 * begin_deliveries: as many as may be in flight.
 */
static void
begin_deliveries(Webhook *webhook)
{
	while (!webhook_is_held_up(webhook) &&
		   gate_may_send(&webhook->gate, webhook->sender.nflying))
	{
		int			n;
		OwedEvent  *events = buffer_take(&webhook->buffer,
										 webhook->config->max_events, &n);

		if (events == NULL)
			return;
		if (events->unfit)
		{
			settle_unfit(webhook, events);
			continue;
		}
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
 * begin_fetch: see that there is always something to send; but what could not
 * be acknowledged would all be sent again, so then nothing more is.
 */
static void
begin_fetch(Webhook *webhook)
{
	int			room = buffer_room(&webhook->buffer,
								   acks_pending(&webhook->acks));

	if (!poll_can_fetch(&webhook->poll) || !webhook->retries.known ||
		webhook->acks.nfailing > 0 || webhook->acks.problem.text)
		return;
	if (webhook_is_held_up(webhook))
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
		case POLL_GONE:
			subscribe_again(webhook);
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
		(webhook_is_held_up(webhook) || !retries->known))
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
	if (webhook->acks.gone || webhook->retries.gone)
		subscribe_again(webhook);
	webhook->retries.gone = false;
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
	else if (webhook->state == WEBHOOK_LEAVING && webhook_is_settled(webhook))
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
