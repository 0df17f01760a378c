/*
 * webhook.c
 *		Runs a webhook: fetches ahead, sends, and sleeps when no events are
 *		pending.
 *
 * After any change in one of the parts, pump() evaluates it and starts
 * whatever can be started: requests, acknowledgements, a fetch, sleep.  There
 * is at most one statement of each kind in progress.  Only change_state()
 * changes the state.
 */
#include "webhook/webhook.h"

#include "base/logging.h"
#include "webhook/outcome.h"

#include <stdlib.h>

#define IDLE_BYTES		(64 * 1024) /* of events kept for a receiver that
									 * fails */
#define YIELD_DELAY		6000	/* ms in which another notifier can claim it */

static void pump(void *arg);
static void finished(void *arg, FetchedEvent *events, int n,
					 const HttpResult *result);

Webhook *
webhook_create(const WebhookConfig *config)
{
	Webhook    *webhook = calloc(1, sizeof(Webhook));
	HttpClient *http = webhook ? http_client_create(config,
													HTTP_KEPT_ANSWER) : NULL;
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
	buffer_init(&webhook->buffer, config, subscription);
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
		.config = config,.http = http,.token = &webhook->token,
			.done = finished,.arg = webhook
	};
	webhook->token = (Token)
	{
		.config = config,.subscription = subscription
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
	token_end(&webhook->token);
	claim_reset(&webhook->claim);
	poll_end(&webhook->poll);
	buffer_destroy(&webhook->buffer);
	retries_end(&webhook->retries);
	acks_reset(&webhook->acks);
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
 * change_state: the only place where the state changes.  Polling begins and
 * ends with being the consumer.
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
	if (webhook_is_consumer(webhook))
		webhook->claim.foreign = false;
	if (webhook_is_consumer(webhook) && !was_consumer)
	{
		poll_begin(&webhook->poll);
		retries_begin(&webhook->retries);
	}
	if (!webhook_is_consumer(webhook))
	{
		poll_end(&webhook->poll);
		retries_end(&webhook->retries);
	}
}

/*
 * stand_by: wait until this session can be the consumer.
 */
static void
stand_by(Webhook *webhook, int64_t delay, const char *reason)
{
	change_state(webhook, WEBHOOK_STANDBY, reason);
	claim_try_after(&webhook->claim, delay);
}

/*
 * release: let another session be the consumer, and try again after `delay`
 * ms.  Events that were fetched and not sent go back.
 */
static void
release(Webhook *webhook, int64_t delay, const char *reason)
{
	claim_release(&webhook->claim);
	stand_by(webhook, delay, reason);
}

/*
 * subscribe_again: the subscription, its log or the extension was dropped.
 */
static void
subscribe_again(Webhook *webhook)
{
	acks_forget(&webhook->acks);
	if (webhook->state == WEBHOOK_DOWN)
		return;					/* already done */
	change_state(webhook, WEBHOOK_DOWN, "the subscription is gone");
	claim_subscribe(&webhook->claim);
}

/*
 * pause_subscription: the receiver answered 410 Gone.  Events wait until
 * somebody calls eventlog.resume.
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
 * needs_new_token: did the receiver refuse the token rather than the event?
 * Then the event is sent once more with a new token, which costs no attempt.
 */
static bool
needs_new_token(Webhook *webhook, FetchedEvent *events, const HttpResult *result)
{
	if (result->outcome == HTTP_OK)
		token_accepted(&webhook->token, events->token);
	if (result->status != 401 || events->renewed ||
		!token_refused(&webhook->token, events->token))
		return false;
	events->renewed = true;
	return true;
}

/*
 * finished: a request has ended.  result is NULL if the webhook is being
 * destroyed.
 */
static void
finished(void *arg, FetchedEvent *events, int n, const HttpResult *result)
{
	Webhook    *webhook = arg;

	if (result)
	{
		counts_request(&webhook->counts, result);
		gate_answered(&webhook->gate, events, result);
		if (needs_new_token(webhook, events, result))
		{
			buffer_put_back(&webhook->buffer, events, n);
			pump(webhook);
			return;
		}
		if (result->outcome != HTTP_OK)
			delivery_log_failure(&webhook->sender, events, result);
	}
	settle_request(webhook, events, result);
	if (result && result->outcome == HTTP_GONE)
		pause_subscription(webhook);
	if (result)
		pump(webhook);
}

/*
 * begin_deliveries: send as many requests as may be in flight.
 */
static void
begin_deliveries(Webhook *webhook)
{
	while (!webhook_is_blocked(webhook) &&
		   gate_may_send(&webhook->gate, webhook->sender.in_flight) &&
		   webhook->buffer.first && token_ready(&webhook->token))
	{
		int			n;
		const char *problem;
		FetchedEvent *events = buffer_take(&webhook->buffer,
										   webhook->config->max_events, &n);

		if (events == NULL)
			return;
		if (events->no_payload || events->filtered_out)
		{
			settle_unsent(webhook, events);
			continue;
		}
		switch (deliver(&webhook->sender, events, n, &problem))
		{
			case DELIVERY_BEGUN:
				gate_sent(&webhook->gate, events);
				break;
			case DELIVERY_IMPOSSIBLE:
				settle_impossible(webhook, events, problem);
				break;
			case DELIVERY_NOT_NOW:
				buffer_put_back(&webhook->buffer, events, n);
				poll_after(&webhook->poll, ERROR_DELAY);
				return;
		}
	}
}

/*
 * begin_fetch: keep the buffer filled.  While deliveries cannot be
 * acknowledged, do not fetch more, since all of them would be sent again.
 */
static void
begin_fetch(Webhook *webhook)
{
	int			room = buffer_room(&webhook->buffer,
								   acks_pending(&webhook->acks));

	if (!poll_can_fetch(&webhook->poll) || !webhook->retries.known ||
		acks_are_failing(&webhook->acks))
		return;
	if (webhook_is_blocked(webhook))
	{
		/* fetch only the failed event, when it is due */
		if (webhook->retries.timer.set || webhook->retries.counting ||
			acks_pending(&webhook->acks) > 0)
			return;
		room = 1;
	}
	else if (gate_is_failing(&webhook->gate))
		room = webhook->buffer.nwaiting == 0;	/* for a probe */
	if (room > 0)
		poll_fetch(&webhook->poll, room);
}

/*
 * holds_too_much: does it use up memory for a receiver that fails?
 */
static bool
holds_too_much(const Webhook *webhook)
{
	return gate_is_failing(&webhook->gate) && webhook->buffer.nwaiting > 1 &&
		webhook->buffer.share.used > IDLE_BYTES &&
		webhook_is_settled(webhook);
}

/*
 * follow_claim: react to what the claim found out.
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
 * follow_poll: react to the result of a fetch.
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
			/* the next consumer will fetch these events again */
			log_event(LOG_LEVEL_ERROR,
					  "out of memory, releasing the subscription",
					  "webhook", webhook->config->name, NULL);
			release(webhook, ERROR_DELAY, "out of memory");
			break;
	}
}

/*
 * follow_retries: fetch the events that are due.  By the database's clock they
 * may not be due yet, and then a fetch would return later events.  So where
 * order is kept, ask the database first.
 */
static void
follow_retries(Webhook *webhook)
{
	Retries    *retries = &webhook->retries;

	if (retries->timer_fired &&
		(webhook_is_blocked(webhook) || !retries->known))
		retries_count(retries);
	else if (retries->timer_fired || retries->due)
		poll_now(&webhook->poll);
	retries->timer_fired = retries->due = false;
}

/*
 * follow_acks: subscribe again if the subscription is gone.
 */
static void
follow_acks(Webhook *webhook)
{
	if (webhook->acks.gone || webhook->retries.gone)
		subscribe_again(webhook);
	webhook->retries.gone = false;
}

/*
 * pump: something has changed; start whatever can be started now.
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
		acks_flush(&webhook->acks, webhook->sender.in_flight == 0);
	if (webhook->stopping)
		claim_stop(&webhook->claim);
	else if (webhook->state == WEBHOOK_LEAVING && webhook_is_settled(webhook))
		release(webhook, YIELD_DELAY, "requests in flight are settled");
	else if (webhook->state == WEBHOOK_CONSUMER && holds_too_much(webhook))
		release(webhook, 0, "events of a failing receiver take up memory");
	else if (webhook->state == WEBHOOK_CONSUMER)
	{
		begin_fetch(webhook);
		retries_schedule(&webhook->retries);
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
	change_state(webhook, WEBHOOK_LEAVING, "another notifier takes it over");
	pump(webhook);
}
