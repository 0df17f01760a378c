/*
 * gate.h
 *		Decides whether a request may be sent to a receiver now.
 */
#ifndef NOTIFIER_GATE_H
#define NOTIFIER_GATE_H

#include <stdbool.h>

#include "base/loop.h"
#include "base/rate.h"
#include "base/retry.h"
#include "config/config.h"
#include "net/http.h"
#include "webhook/breaker.h"
#include "webhook/subscription.h"

typedef struct Gate
{
	const Subscription *subscription;
	const WebhookConfig *config;
	Breaker		breaker;
	const void *probe;			/* the probe in flight; NULL: none */
	int			nwaits;			/* pauses in a row, apart from the breaker's */
	int64_t		wait_until;		/* loop_now() when the last of these ends */
	RateLimit	rate;
	LoopTimer	timer;			/* until a pause is over */
	LoopTimer	rate_timer;		/* until the rate allows a request */
} Gate;

/*
 * gate_may_send: may one more request be sent, with so many in flight?
 */
extern bool gate_may_send(Gate *gate, int in_flight);

/*
 * gate_trouble: why nothing is sent, as a text for people; NULL: requests may
 * be sent.
 */
extern const char *gate_trouble(const Gate *gate);

/*
 * gate_is_closed: is there a pause?
 */
extern bool gate_is_closed(const Gate *gate);

/*
 * gate_is_failing: does the receiver get nothing but probes?
 */
extern bool gate_is_failing(const Gate *gate);

/*
 * gate_sent, gate_answered: a request was sent, or has ended.  request: any
 * pointer that identifies it.
 */
extern void gate_sent(Gate *gate, const void *request);
extern void gate_answered(Gate *gate, const void *request,
						  const HttpResult *result);

/*
 * gate_policy: the retry policy for an event that just failed.
 */
extern RetryPolicy gate_policy(const Gate *gate);

extern void gate_destroy(Gate *gate);

#endif							/* NOTIFIER_GATE_H */
