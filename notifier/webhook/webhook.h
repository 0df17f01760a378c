/*
 * webhook.h
 *		A webhook: its subscription consumed, its events on their way.
 *
 * It is made of parts that know nothing of each other:
 *
 *		claim.c			is this session the consumer?
 *		poll.c			fetches what is owed, and sleeps
 *		buffer.c		keeps it in memory
 *		gate.c			may a request be sent now?
 *		token.c			the token that it is sent with
 *		delivery.c		sends it
 *		acks.c			tells the database what became of it
 *		retries.c		knows when what failed is due again
 *
 * Each says when something about it has changed; webhook.c looks at all of them
 * then, and begins what can be begun.
 */
#ifndef NOTIFIER_WEBHOOK_H
#define NOTIFIER_WEBHOOK_H

#include <stdbool.h>

#include "net/session.h"
#include "webhook/webhook_parts.h"

extern Webhook *webhook_create(const WebhookConfig *config);
extern void webhook_destroy(Webhook *webhook);

/*
 * webhook_start: the session is ready: subscribe, and consume.  log: Oid of the
 * log.
 */
extern void webhook_start(Webhook *webhook, Session *session, const char *log);

/*
 * webhook_lost: the session is lost, and with it what was fetched.
 */
extern void webhook_lost(Webhook *webhook);

/*
 * webhook_wake: the bell has rung.
 */
extern void webhook_wake(Webhook *webhook);

/*
 * webhook_yield: let another notifier have the subscription, as soon as what is
 * in flight is settled.
 */
extern void webhook_yield(Webhook *webhook);

extern bool webhook_is_consumer(const Webhook *webhook);

/*
 * webhook_is_leaving: has it been told to yield, and has not yet?
 */
extern bool webhook_is_leaving(const Webhook *webhook);

/*
 * webhook_is_held_up: where order is to be kept, does an event that failed hold
 * up all others?
 */
extern bool webhook_is_held_up(const Webhook *webhook);

/*
 * webhook_is_settled: has all that was begun come to its end?
 */
extern bool webhook_is_settled(const Webhook *webhook);

/*
 * webhook_is_quiet: is nothing under way?  (With stopping: has it stopped?)
 */
extern bool webhook_is_quiet(const Webhook *webhook);

/*
 * webhook_has_failed: has anything not been delivered?
 */
extern bool webhook_has_failed(const Webhook *webhook);

/*
 * WebhookStatus: what the metrics and /readyz tell of a webhook.
 */
typedef struct WebhookStatus
{
	const WebhookConfig *config;
	const WebhookCounts *counts;
	int			in_flight;		/* requests */
	int			waiting;		/* events fetched and not sent yet */
	int			breaker;		/* BreakerState */
	double		pause_left;		/* s until the next request may begin; 0: now */
	bool		consumer;
	uint64_t	token_failures; /* of requests for a token */
	const char *trouble;		/* what stands still, for people; NULL: all is
								 * well */
} WebhookStatus;

extern void webhook_status(const Webhook *webhook, WebhookStatus *status);

#endif							/* NOTIFIER_WEBHOOK_H */
