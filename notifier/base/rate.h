/*
 * rate.h
 *		A token bucket: no more than so many requests a second.
 */
#ifndef NOTIFIER_RATE_H
#define NOTIFIER_RATE_H

#include <stdint.h>

/*
 * RateLimit: zeroed, it begins with a full bucket at the first call.
 */
typedef struct RateLimit
{
	double		tokens;
	int64_t		filled;			/* ms, when that many were there; 0: never yet */
} RateLimit;

/*
 * rate_wait: how long to wait, in milliseconds, until a request may be sent; 0:
 * it may be now.  rate: requests a second; 0: any number.
 *
 * The bucket holds a tenth of a second's requests, one at least.
 */
extern int64_t rate_wait(RateLimit *limit, double rate, int64_t now);

/*
 * rate_take: one is sent.
 */
extern void rate_take(RateLimit *limit);

#endif							/* NOTIFIER_RATE_H */
