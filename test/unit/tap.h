/*
 * tap.h
 *		As much of the Test Anything Protocol as the unit tests need.
 */
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int	tap_tests = 0;
static int	tap_failed = 0;

static inline bool
ok(bool passed, const char *name)
{
	printf("%sok %d - %s\n", passed ? "" : "not ", ++tap_tests, name);
	if (!passed)
		tap_failed++;
	return passed;
}

static inline bool
is_text(const char *got, const char *expected, const char *name)
{
	bool		same = got && expected ? strcmp(got, expected) == 0 :
		got == expected;

	if (!ok(same, name))
		printf("# got:      %s\n# expected: %s\n", got ? got : "(null)",
			   expected ? expected : "(null)");
	return same;
}

static inline bool
is_int(long long got, long long expected, const char *name)
{
	if (!ok(got == expected, name))
		printf("# got:      %lld\n# expected: %lld\n", got, expected);
	return got == expected;
}

static inline int
done_testing(void)
{
	printf("1..%d\n", tap_tests);
	return tap_failed ? 1 : 0;
}

#endif							/* TAP_H */
