/*
 * rate.c
 *		A token bucket that limits requests per second.
 */
#include "base/rate.h"

int64_t
rate_wait(RateLimit *limit, double rate, int64_t now)
{
	double		capacity = rate / 10 > 1 ? rate / 10 : 1;
	double		tokens = limit->tokens +
		(double) (now - limit->filled) * rate / 1000;

	if (rate <= 0)
		return 0;
	if (limit->filled == 0 || tokens > capacity)
		tokens = capacity;
	limit->tokens = tokens;
	limit->filled = now;
	return tokens >= 1 ? 0 : (int64_t) ((1 - tokens) * 1000 / rate) + 1;
}

void
rate_take(RateLimit *limit)
{
	limit->tokens--;
}
