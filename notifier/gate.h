/*
 * gate.h
 *		Whether a request may be sent to a receiver now.
 */
#ifndef NOTIFIER_GATE_H
#define NOTIFIER_GATE_H

#include <stdbool.h>

#include "breaker.h"
#include "config.h"
#include "http.h"
#include "loop.h"
#include "subscription.h"

typedef struct Gate
{
	const Subscription *subscription;
	const WebhookConfig *config;
	Breaker		breaker;
	LoopTimer	timer;			/* until its pause is over */
} Gate;

/*
 * gate_limit: how many requests may be in flight.
 */
extern int	gate_limit(const Gate *gate);

/*
 * gate_is_shut: may nothing be sent for a while?
 */
extern bool gate_is_shut(const Gate *gate);

/*
 * gate_answered: what became of a request.
 */
extern void gate_answered(Gate *gate, const HttpResult *result);

extern void gate_destroy(Gate *gate);

#endif							/* NOTIFIER_GATE_H */
