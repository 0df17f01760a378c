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
#define BREAKER_PAUSE	30000	/* ms at most between two probes: how soon it
								 * is noticed that a receiver has come back */

typedef enum BreakerState
{
	BREAKER_CLOSED,				/* all is well */
	BREAKER_OPEN,				/* nothing is sent */
	BREAKER_HALF_OPEN			/* one probe may be sent */
} BreakerState;

typedef struct Breaker
{
	BreakerState state;
	int			failures;		/* in a row, while it is closed */
	int			probes;			/* in a row that failed */
} Breaker;

/*
 * breaker_succeeded: the receiver is alive, whatever it thinks of an event.
 */
extern void breaker_succeeded(Breaker *breaker);

/*
 * breaker_failed: a request did; probe: it was one.  True if a pause shall
 * begin.
 *
 * Requests that were already in flight when the breaker opened say nothing new.
 */
extern bool breaker_failed(Breaker *breaker, bool probe);

/*
 * breaker_pause: how long, in milliseconds: what doubles from initial with each
 * failed probe up to max, or up to BREAKER_PAUSE if that is less, with the jitter
 * of retries.
 */
extern int64_t breaker_pause(const Breaker *breaker, int64_t initial,
							 int64_t max, double random);

/*
 * breaker_paused: the pause is over.
 */
extern void breaker_paused(Breaker *breaker);

#endif							/* NOTIFIER_BREAKER_H */
