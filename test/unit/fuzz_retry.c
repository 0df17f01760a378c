/*
 * fuzz_retry.c
 *		A fuzz target: whatever Retry-After a receiver asks for, and whatever
 *		the policy is, a wait is within its bounds, or it is given up.
 */
#include "base/retry.h"

#include <stdlib.h>
#include <string.h>

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct
	{
		int64_t		seconds;
		int64_t		age;
		RetryPolicy policy;
		int			failures;
		uint32_t	random;
	}			in;
	int64_t		bounded;
	int64_t		longest;
	int64_t		delay;

	memset(&in, 0, sizeof(in));
	memcpy(&in, data, size < sizeof(in) ? size : sizeof(in));
	bounded = retry_after_bound(in.seconds);
	if (bounded < 0 || bounded > RETRY_AFTER_MAX)
		abort();

	/* what the configuration lets through */
	in.policy.initial_backoff &= INT32_MAX;
	in.policy.max_backoff &= INT32_MAX;
	in.policy.max_age &= INT64_MAX;
	in.policy.max_attempts &= INT32_MAX;
	in.failures = (in.failures & INT32_MAX) | 1;
	in.age &= INT64_MAX;
	longest = in.policy.max_backoff > bounded ? in.policy.max_backoff : bounded;
	delay = retry_delay(&in.policy, in.failures, in.age, bounded,
						in.random / 4294967296.0);
	if (delay < -1 || delay > longest)
		abort();
	if (delay >= 0 && delay < bounded)
		abort();
	return 0;
}
