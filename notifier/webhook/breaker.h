/*
 * breaker.h
 *		A circuit breaker: a receiver that keeps failing gets one probe at a
 *		time, with pauses between them, until a probe succeeds.
 */
#ifndef NOTIFIER_BREAKER_H
#define NOTIFIER_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_FAILURES	5	/* in a row open it */
#define BREAKER_PAUSE	30000	/* longest pause between two probes, in ms */

typedef enum BreakerState
{
	BREAKER_CLOSED,				/* requests are sent */
	BREAKER_OPEN,				/* a pause: nothing is sent */
	BREAKER_HALF_OPEN			/* one probe may be sent */
} BreakerState;

typedef struct Breaker
{
	BreakerState state;
	int			failures;		/* in a row, while it is closed */
	int			probes;			/* failed probes in a row */
} Breaker;

/*
 * breaker_succeeded: the receiver answered, even if it refused the event.
 */
extern void breaker_succeeded(Breaker *breaker);

/*
 * breaker_failed: a request failed. probe: it was the probe.  Returns true if
 * a pause must begin.
 *
 * Requests that were already in flight when the breaker opened are ignored.
 */
extern bool breaker_failed(Breaker *breaker, bool probe);

/*
 * breaker_pause: the length of the pause, in milliseconds.  It doubles from
 * initial with each failed probe, up to max or BREAKER_PAUSE, whichever is
 * less, and has the jitter of retries.
 */
extern int64_t breaker_pause(const Breaker *breaker, int64_t initial,
							 int64_t max, double random);

/*
 * breaker_paused: the pause is over.
 */
extern void breaker_paused(Breaker *breaker);

#endif							/* NOTIFIER_BREAKER_H */
