/*
 * breaker.c
 *		The only place where a breaker changes its state.
 */
#include "webhook/breaker.h"

#include "base/retry.h"

void
breaker_succeeded(Breaker *breaker)
{
	*breaker = (Breaker)
	{
		.state = BREAKER_CLOSED
	};
}

bool
breaker_failed(Breaker *breaker, bool probe)
{
	switch (breaker->state)
	{
		case BREAKER_CLOSED:
			if (++breaker->failures < BREAKER_FAILURES)
				return false;
			break;
		case BREAKER_OPEN:
			return false;
		case BREAKER_HALF_OPEN:
			if (!probe)
				return false;
			breaker->probes++;
			break;
	}
	breaker->state = BREAKER_OPEN;
	return true;
}

int64_t
breaker_pause(const Breaker *breaker, int64_t initial, int64_t max,
			  double random)
{
	return retry_backoff(initial, max < BREAKER_PAUSE ? max : BREAKER_PAUSE,
						 breaker->probes + 1, random);
}

void
breaker_paused(Breaker *breaker)
{
	if (breaker->state == BREAKER_OPEN)
		breaker->state = BREAKER_HALF_OPEN;
}
