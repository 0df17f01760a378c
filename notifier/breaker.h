/*
 * breaker.h
 *		A circuit breaker: a receiver that fails again and again is sent one
 *		probe at a time, with pauses between, until one succeeds.
 */
#ifndef NOTIFIER_BREAKER_H
#define NOTIFIER_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_FAILURES	5	/* in a row open it */

typedef enum BreakerState
{
	BREAKER_CLOSED,				/* all is well */
	BREAKER_OPEN,				/* nothing is sent */
	BREAKER_HALF_OPEN			/* one probe may be sent */
} BreakerState;

typedef struct Breaker
{
	BreakerState state;
	int			failures;		/* in a row */
} Breaker;

/*
 * breaker_limit: how many requests may be in flight where max would be.
 */
extern int	breaker_limit(const Breaker *breaker, int max);

extern void breaker_succeeded(Breaker *breaker);

/*
 * breaker_failed: true if it is open now, so that a pause shall begin.
 */
extern bool breaker_failed(Breaker *breaker);

/*
 * breaker_pause: how long, in milliseconds: a random time around what doubles
 * from initial to max with each failed probe.
 */
extern int64_t breaker_pause(const Breaker *breaker, int64_t initial,
							 int64_t max, double random);

/*
 * breaker_paused: the pause is over.
 */
extern void breaker_paused(Breaker *breaker);

#endif							/* NOTIFIER_BREAKER_H */
