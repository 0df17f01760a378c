/*
 * retry.h
 *		The retry policy: when a failed delivery is tried again, if at all.
 */
#ifndef NOTIFIER_RETRY_H
#define NOTIFIER_RETRY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * RetryPolicy: times in milliseconds.
 */
typedef struct RetryPolicy
{
	int64_t		initial_backoff;
	int64_t		max_backoff;
	int			max_attempts;	/* attempts in all; 0: no limit */
	int64_t		max_age;		/* of the event; 0: no limit */
} RetryPolicy;

/* the longest wait that a receiver may ask for by Retry-After */
#define RETRY_AFTER_MAX	((int64_t) 3600 * 1000)

/*
 * retry_after_bound: the wait that a receiver asks for with Retry-After, from
 * seconds to ms, limited to 0 .. RETRY_AFTER_MAX.
 */
extern int64_t retry_after_bound(int64_t seconds);

/*
 * retry_backoff: the ms to wait after so many failures in a row. random: from
 * 0 up to, but not including, 1.
 *
 * Exponential backoff with full jitter: a random fraction of initial *
 * 2^(failures - 1), limited to max.  (Equal jitter would keep the retries of
 * many events that failed together too close.)
 */
extern int64_t retry_backoff(int64_t initial, int64_t max, int failures,
							 double random);

/*
 * retry_delay: the ms to wait before the next attempt; -1: give up.
 *
 * failures: number of failed attempts, 1 or more.  age: of the event, in ms.
 * retry_after: ms that the receiver asks for, or 0.
 */
extern int64_t retry_delay(const RetryPolicy *policy, int failures, int64_t age,
						   int64_t retry_after, double random);

/*
 * retry_random: from 0 up to, but not including, 1.
 */
extern double retry_random(void);

#endif							/* NOTIFIER_RETRY_H */
