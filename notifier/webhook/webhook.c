/*
 * webhook.c
 *		A webhook consumes its subscription: what is owed is fetched ahead and
 *		sent, and where nothing is owed it sleeps.
 *
 * Whatever happens in one of its parts, pump() takes note of it and begins what
 * can be begun then: requests, an ack, a fetch, sleep.  There is one statement
 * of a kind under way at a time.  Only change_state() changes the state.
 */
#include "webhook/webhook.h"

#include "base/logging.h"
#include "webhook/outcome.h"

#include <stdlib.h>

#define IDLE_BYTES		(64 * 1024) /* of events whose receiver fails */
#define YIELD_DELAY		6000	/* ms in which another can take what was
								 * yielded */

static void pump(void *arg);
static void finished(void *arg, OwedEvent *events, int n,
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
 * needs_new_token: has the receiver refused the token and not the event?  Then it
 * is sent once more with another one, which costs no attempt.
 */
static bool
needs_new_token(Webhook *webhook, OwedEvent *events, const HttpResult *result)
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
 * finished: a request has ended; a result of NULL: with the webhook itself.
 */
static void
finished(void *arg, OwedEvent *events, int n, const HttpResult *result)
{
	Webhook    *webhook = arg;

	if (result)
	{
		counts_request(&webhook->counts, result);
		if (needs_new_token(webhook, events, result))
		{
			gate_answered(&webhook->gate, events, result);
			buffer_put_back(&webhook->buffer, events, n);
			pump(webhook);
			return;
		}
		gate_answered(&webhook->gate, events, result);
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
 * begin_deliveries: as many as may be in flight.
 */
static void
begin_deliveries(Webhook *webhook)
{
	while (!webhook_is_held_up(webhook) &&
		   gate_may_send(&webhook->gate, webhook->sender.nflying) &&
		   webhook->buffer.first && token_ready(&webhook->token))
	{
		int			n;
		const char *problem;
		OwedEvent  *events = buffer_take(&webhook->buffer,
										 webhook->config->max_events, &n);

		if (events == NULL)
			return;
		if (events->unfit || events->unwanted)
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
		acks_are_failing(&webhook->acks))
		return;
	if (webhook_is_held_up(webhook))
	{
		/* only what failed is wanted, when its time has come */
		if (webhook->retries.timer.set || webhook->retries.counting ||
			acks_pending(&webhook->acks) > 0)
			return;
		room = 1;
	}
	else if (gate_is_failing(&webhook->gate))
		room = webhook->buffer.nwaiting == 0;	/* to probe with */
	if (room > 0)
		poll_fetch(&webhook->poll, room);
}

/*
 * holds_too_much: does it keep memory from others for a receiver that fails?
 */
static bool
holds_too_much(const Webhook *webhook)
{
	return gate_is_failing(&webhook->gate) && webhook->buffer.nwaiting > 1 &&
		webhook->buffer.share.used > IDLE_BYTES &&
		webhook_is_settled(webhook);
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
 * follow_acks: see whether there is anything to tell of.
 */
static void
follow_acks(Webhook *webhook)
{
	if (webhook->acks.gone || webhook->retries.gone)
		subscribe_again(webhook);
	webhook->retries.gone = false;
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
	else if (webhook->state == WEBHOOK_CONSUMER && holds_too_much(webhook))
		release(webhook, 0, "what waits for the receiver need not be in memory");
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
