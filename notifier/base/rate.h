/*
 * rate.h
 *		A token bucket that limits requests per second.
 */
#ifndef NOTIFIER_RATE_H
#define NOTIFIER_RATE_H

#include <stdint.h>

/*
 * RateLimit: zeroed, it starts with a full bucket.
 */
typedef struct RateLimit
{
	double		tokens;
	int64_t		filled;			/* ms, when tokens was computed; 0: never */
} RateLimit;

/*
 * rate_wait: the ms until a request may be sent; 0: now.  rate: requests per
 * second; 0: no limit.
 *
 * The bucket holds the requests of a tenth of a second, but at least one.
 */
extern int64_t rate_wait(RateLimit *limit, double rate, int64_t now);

/*
 * rate_take: count a request that is sent.
 */
extern void rate_take(RateLimit *limit);

#endif							/* NOTIFIER_RATE_H */
