/*
 * retry.c
 *		The retry policy: pure functions, except for the random number.
 */
#include "base/retry.h"

#include <stdlib.h>
#include <sys/random.h>

int64_t
retry_after_bound(int64_t seconds)
{
	if (seconds < 0)
		return 0;
	return seconds > RETRY_AFTER_MAX / 1000 ? RETRY_AFTER_MAX : seconds * 1000;
}

int64_t
retry_backoff(int64_t initial, int64_t max, int failures, double random)
{
	int64_t		backoff = initial;

	for (int i = 1; i < failures && backoff > 0 && backoff < max; i++)
		backoff *= 2;
	if (backoff > max)
		backoff = max;
	return (int64_t) (random * (double) backoff);
}

int64_t
retry_delay(const RetryPolicy *policy, int failures, int64_t age,
			int64_t retry_after, double random)
{
	int64_t		delay = retry_backoff(policy->initial_backoff,
									  policy->max_backoff, failures, random);

	if (policy->max_attempts > 0 && failures >= policy->max_attempts)
		return -1;
	if (delay < retry_after)
		delay = retry_after;
	if (policy->max_age > 0 && age > policy->max_age - delay)
		return -1;
	return delay;
}

double
retry_random(void)
{
	uint32_t	value = 0;

	if (getrandom(&value, sizeof(value), 0) != (ssize_t) sizeof(value))
		value = (uint32_t) random();
	return (double) value / 4294967296.0;
}
