/*
 * breaker.c
 *		The only place where a breaker changes its state.
 */
#include "breaker.h"

int
breaker_limit(const Breaker *breaker, int max)
{
	switch (breaker->state)
	{
		case BREAKER_OPEN:
			return 0;
		case BREAKER_HALF_OPEN:
			return 1;
		case BREAKER_CLOSED:
			break;
	}
	return max;
}

void
breaker_succeeded(Breaker *breaker)
{
	breaker->state = BREAKER_CLOSED;
	breaker->failures = 0;
}

bool
breaker_failed(Breaker *breaker)
{
	breaker->failures++;
	if (breaker->state == BREAKER_OPEN)
		return false;			/* one of those that were in flight */
	if (breaker->state == BREAKER_CLOSED &&
		breaker->failures < BREAKER_FAILURES)
		return false;
	breaker->state = BREAKER_OPEN;
	return true;
}

int64_t
breaker_pause(const Breaker *breaker, int64_t initial, int64_t max,
			  double random)
{
	int64_t		pause = initial;

	for (int i = BREAKER_FAILURES; i < breaker->failures && pause < max; i++)
		pause *= 2;
	if (pause > max)
		pause = max;
	return pause / 2 + (int64_t) (random * (double) (pause / 2));
}

void
breaker_paused(Breaker *breaker)
{
	if (breaker->state == BREAKER_OPEN)
		breaker->state = BREAKER_HALF_OPEN;
}
