/*
 * retry.h
 *		When a delivery that failed is tried again, if at all.
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
 * retry_after_bound: the wait that a receiver asks for, in milliseconds: the
 * seconds that libcurl has read from Retry-After, none of it above
 * RETRY_AFTER_MAX or below 0.
 */
extern int64_t retry_after_bound(int64_t seconds);

/*
 * retry_backoff: how long to wait after so many failures in a row, in
 * milliseconds.  random: from 0 up to, not including, 1.
 *
 * Exponential backoff with full jitter: a random part of
 * initial * 2^(failures - 1), which max bounds.  (Equal jitter would keep the
 * waits of many failed at once too close together.)
 */
extern int64_t retry_backoff(int64_t initial, int64_t max, int failures,
							 double random);

/*
 * retry_delay: how long to wait before attempt number `failures` + 1, in
 * milliseconds; -1: give up.
 *
 * failures: how often it has failed, 1 or more.  age: of the event, in
 * milliseconds.  retry_after: what the receiver asks for, or 0.
 */
extern int64_t retry_delay(const RetryPolicy *policy, int failures, int64_t age,
						   int64_t retry_after, double random);

/*
 * retry_random: from 0 up to, not including, 1.
 */
extern double retry_random(void);

#endif							/* NOTIFIER_RETRY_H */
