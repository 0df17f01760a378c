/*
 * test_retry.c
 *		The retry policy, and the breaker.
 */
#include "webhook/breaker.h"
#include "base/retry.h"
#include "tap.h"

static void
test_policy(void)
{
	RetryPolicy policy = {
		.initial_backoff = 1000,.max_backoff = 60000,.max_attempts = 10,
		.max_age = 86400000
	};

	is_int(retry_delay(&policy, 1, 0, 0, 0.0), 0, "full jitter begins at zero");
	is_int(retry_delay(&policy, 1, 0, 0, 0.999), 999, "the first below a second");
	is_int(retry_delay(&policy, 4, 0, 0, 0.5), 4000, "it doubles");
	is_int(retry_delay(&policy, 9, 0, 0, 0.5), 30000, "up to the maximum");
	is_int(retry_delay(&policy, 10, 0, 0, 0.5), -1, "the attempts are spent");
	is_int(retry_delay(&policy, 1, 0, 5000, 0.1), 5000, "Retry-After is honoured");
	is_int(retry_delay(&policy, 1, 86400000, 0, 0.5), -1, "the event is too old");
	is_int(retry_delay(&policy, 1, 86399000, 5000, 0.0), -1,
		   "or would be by then");
	policy.max_attempts = 0;
	policy.max_age = 0;
	is_int(retry_delay(&policy, 1000000, INT64_MAX / 2, 0, 0.5), 30000,
		   "without limits, for ever");
	for (int i = 0; i < 1000; i++)
	{
		double		r = retry_random();

		if (r < 0 || r >= 1)
		{
			ok(false, "random numbers are from 0 to 1");
			return;
		}
	}
	ok(true, "random numbers are from 0 to 1");
}

static void
test_retry_after(void)
{
	is_int(retry_after_bound(0), 0, "not asked for");
	is_int(retry_after_bound(-5), 0, "a time that is past");
	is_int(retry_after_bound(120), 120000, "seconds");
	is_int(retry_after_bound(INT64_MAX), RETRY_AFTER_MAX, "bounded");
}

static void
test_breaker(void)
{
	Breaker		breaker = {0};

	for (int i = 1; i < BREAKER_FAILURES; i++)
		ok(!breaker_failed(&breaker, false), "a few failures change nothing");
	breaker_succeeded(&breaker);
	for (int i = 1; i < BREAKER_FAILURES; i++)
		breaker_failed(&breaker, false);
	is_int(breaker.state, BREAKER_CLOSED, "they count in a row only");
	ok(breaker_failed(&breaker, false), "the last one opens it");
	is_int(breaker.state, BREAKER_OPEN, "open, nothing goes");
	for (int i = 0; i < 100; i++)
		breaker_failed(&breaker, false);
	ok(!breaker_failed(&breaker, false),
	   "what was in flight opens it no more");
	is_int(breaker_pause(&breaker, 1000, 3600000, 0.999), 999,
		   "nor makes the pause longer");
	is_int(breaker_pause(&breaker, 1000, 3600000, 0.0), 0,
		   "its jitter is that of retries");
	breaker_paused(&breaker);
	is_int(breaker.state, BREAKER_HALF_OPEN, "after a pause, one probe");
	ok(!breaker_failed(&breaker, false) && breaker.state == BREAKER_HALF_OPEN,
	   "what was in flight is no probe");
	ok(breaker_failed(&breaker, true), "which fails: another pause");
	is_int(breaker_pause(&breaker, 1000, 3600000, 0.5), 1000, "a longer one");
	for (int i = 0; i < 1000; i++)
	{
		breaker_paused(&breaker);
		breaker_failed(&breaker, true);
	}
	ok(breaker_pause(&breaker, 1000, 3600000, 0.999) <= 30000,
	   "never longer than 30 seconds");
	ok(breaker_pause(&breaker, 1000, 5000, 0.999) <= 5000,
	   "nor than retries may wait");
	breaker_paused(&breaker);
	breaker_succeeded(&breaker);
	is_int(breaker.state, BREAKER_CLOSED, "a probe that succeeds closes it");
	breaker_failed(&breaker, false);
	is_int(breaker.state, BREAKER_CLOSED, "for good");
}

int
main(void)
{
	test_policy();
	test_retry_after();
	test_breaker();
	return done_testing();
}
