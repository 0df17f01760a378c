/*
 * test_lookup.c
 *		Names that are looked up in threads: found, not found, forgotten, and
 *		looked up for ever.
 */
#include "net/lookup.h"
#include "base/loop.h"
#include "tap.h"

#include <dlfcn.h>
#include <unistd.h>

static int	ncalled = 0;
static bool found = false;

/*
 * getaddrinfo: instead of libc's.
 */
int
getaddrinfo(const char *host, const char *service,
			const struct addrinfo *hints, struct addrinfo **result)
{
	static int	(*real) (const char *, const char *, const struct addrinfo *,
						 struct addrinfo **);

	if (strcmp(host, "never") == 0)
		pause();
	if (strcmp(host, "none") == 0)
		return EAI_NONAME;
	if (real == NULL)
		real = dlsym(RTLD_NEXT, "getaddrinfo");
	return real(host, service, hints, result);
}

static void
done(void *arg, const struct addrinfo *addresses, const char *error)
{
	(void) arg;
	ncalled++;
	found = addresses != NULL;
	ok((addresses == NULL) == (error != NULL), "addresses, or an error");
}

static void
await_call(const char *host)
{
	int			before = ncalled;

	ok(lookup_begin(host, done, NULL) != NULL, host);
	is_int(ncalled, before, "it is not called back from within");
	while (ncalled == before && loop_once())
		;
}

int
main(void)
{
	Lookup	   *lookup;
	int			n = 0;

	ok(loop_init(), "a loop");
	await_call("127.0.0.1");
	ok(found, "found");
	await_call("none");
	ok(!found, "not found");

	lookup = lookup_begin("127.0.0.1", done, NULL);
	ok(lookup != NULL, "one that nobody waits for");
	lookup_forget(lookup);
	lookup_forget(NULL);
	await_call("127.0.0.1");
	is_int(ncalled, 3, "is not told of");

	/* the thread of the forgotten one may not have ended yet */
	while (n <= LOOKUP_MAX && (lookup = lookup_begin("never", done, NULL)))
	{
		lookup_forget(lookup);
		n++;
	}
	ok(n == LOOKUP_MAX || n == LOOKUP_MAX - 1, "names that are looked up for ever: there is an end to them");
	return done_testing();
}
