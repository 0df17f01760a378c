/*
 * test_rate.c
 *		The token bucket.
 */
#include "base/rate.h"
#include "tap.h"

/*
 * sent: how many requests a bucket lets through in so many ms, looked at each
 * millisecond.
 */
static int
sent(RateLimit *limit, double rate, int64_t from, int ms)
{
	int			n = 0;

	for (int64_t now = from; now < from + ms; now++)
	{
		while (n < 1000000 && rate_wait(limit, rate, now) == 0)
		{
			rate_take(limit);
			n++;
		}
	}
	return n;
}

int
main(void)
{
	RateLimit	limit = {0};
	int			n;

	is_int(rate_wait(&limit, 0, 1000), 0, "no limit");
	is_int(rate_wait(&limit, 10, 1000), 0, "the first one may go at once");
	rate_take(&limit);
	n = (int) rate_wait(&limit, 10, 1000);
	ok(n >= 100 && n <= 101, "the next one in a tenth of a second");
	is_int(rate_wait(&limit, 10, 1000 + n), 0, "then it may");

	limit = (RateLimit) {0};
	n = sent(&limit, 10, 1000, 10000);
	ok(n >= 99 && n <= 101, "10/s: 100 in ten seconds");
	n = sent(&limit, 10, 1000000, 1000);
	ok(n <= 11, "and no more in one, after a long rest");
	limit = (RateLimit) {0};
	n = sent(&limit, 100.0 / 60, 1000, 60000);
	ok(n >= 99 && n <= 101, "100/m: 100 in a minute");
	limit = (RateLimit) {0};
	n = sent(&limit, 5000, 1000, 1000);
	ok(n >= 4900 && n <= 5500, "5000/s, by a clock of milliseconds");
	return done_testing();
}
