/*
 * gate.h
 *		Whether a request may be sent to a receiver now.
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
	const void *probe;			/* the request that is one; NULL: none is in
								 * flight */
	int			nwaits;			/* pauses in a row that were not the breaker's */
	int64_t		wait_until;		/* loop_now() when the last of these ends */
	RateLimit	rate;
	LoopTimer	timer;			/* until a pause is over */
	LoopTimer	rate_timer;		/* until the rate allows a request */
} Gate;

/*
 * gate_may_send: may one more request be sent beside those in flight?
 */
extern bool gate_may_send(Gate *gate, int nflying);

/*
 * gate_trouble: why nothing is sent, for people; NULL: it may be.
 */
extern const char *gate_trouble(const Gate *gate);

/*
 * gate_is_shut: may nothing be sent for a while?
 */
extern bool gate_is_shut(const Gate *gate);

/*
 * gate_is_failing: is the receiver sent probes alone?
 */
extern bool gate_is_failing(const Gate *gate);

/*
 * gate_sent: a request is on its way.  gate_answered: it came to its end.
 * request: anything that stands for it.
 */
extern void gate_sent(Gate *gate, const void *request);
extern void gate_answered(Gate *gate, const void *request,
						  const HttpResult *result);

/*
 * gate_policy: by which an event that just failed is tried again.
 */
extern RetryPolicy gate_policy(const Gate *gate);

extern void gate_destroy(Gate *gate);

#endif							/* NOTIFIER_GATE_H */
