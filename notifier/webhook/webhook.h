/*
 * webhook.h
 *		A webhook: consumes its subscription and delivers the events.
 *
 * Its parts do not know each other:
 *
 *		claim.c makes this session the consumer poll.c fetches events, and
 *		waits for them buffer.c keeps them in memory gate.c decides whether a
 *		request may be sent now token.c has the OAuth 2.0 token delivery.c
 *		sends the request acks.c settles events in the database retries.c
 *		knows when failed events are due
 *
 * A part calls subscription_changed() when something has changed.  Then
 * webhook.c checks all of them and starts what can be started.
 */
#ifndef NOTIFIER_WEBHOOK_H
#define NOTIFIER_WEBHOOK_H

#include <stdbool.h>

#include "net/session.h"
#include "webhook/webhook_parts.h"

extern Webhook *webhook_create(const WebhookConfig *config);
extern void webhook_destroy(Webhook *webhook);

/*
 * webhook_start: the session is ready; subscribe and consume.  log: Oid of the
 * log.
 */
extern void webhook_start(Webhook *webhook, Session *session, const char *log);

/*
 * webhook_lost: the session is lost; drop what was fetched.
 */
extern void webhook_lost(Webhook *webhook);

/*
 * webhook_wake: a notification has arrived.
 */
extern void webhook_wake(Webhook *webhook);

/*
 * webhook_yield: leave the subscription to another notifier as soon as the
 * requests in flight are settled.
 */
extern void webhook_yield(Webhook *webhook);

extern bool webhook_is_consumer(const Webhook *webhook);

/*
 * webhook_is_leaving: is it about to leave the subscription?
 */
extern bool webhook_is_leaving(const Webhook *webhook);

/*
 * webhook_is_blocked: order is kept, and an event that failed blocks the
 * others.
 */
extern bool webhook_is_blocked(const Webhook *webhook);

/*
 * webhook_is_settled: is no request and no statement in progress, and are all
 * deliveries settled in the database?
 */
extern bool webhook_is_settled(const Webhook *webhook);

/*
 * webhook_is_quiet: is there nothing that it can do now?  While stopping: has
 * it stopped?
 */
extern bool webhook_is_quiet(const Webhook *webhook);

/*
 * webhook_has_failed: did any delivery or statement fail?
 */
extern bool webhook_has_failed(const Webhook *webhook);

/*
 * WebhookStatus: for the metrics, /readyz and the page at /.
 */
typedef struct WebhookStatus
{
	const WebhookConfig *config;
	const WebhookCounts *counts;
	int			in_flight;		/* requests */
	int			waiting;		/* events fetched, not sent yet */
	int			breaker;		/* BreakerState */
	double		pause_left;		/* s until the next request may begin; 0: now */
	bool		consumer;
	uint64_t	token_failures; /* failed requests for a token */
	const char *trouble;		/* why it does not deliver, for people; NULL:
								 * it does */
} WebhookStatus;

extern void webhook_status(const Webhook *webhook, WebhookStatus *status);

#endif							/* NOTIFIER_WEBHOOK_H */
