/*
 * faults.c
 *		Loaded before the notifier's libraries, it lets them fail as they seldom
 *		do: looking up "slow.example" takes an hour, and while the file that
 *		FAULT names is there, libpq takes no statement; it removes the file.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
getaddrinfo(const char *host, const char *service,
			const struct addrinfo *hints, struct addrinfo **result)
{
	static int	(*real) (const char *, const char *, const struct addrinfo *,
						 struct addrinfo **);

	if (host && strcmp(host, "slow.example") == 0)
		sleep(3600);
	if (real == NULL)
		real = dlsym(RTLD_NEXT, "getaddrinfo");
	return real(host, service, hints, result);
}

int
PQsendQueryParams(void *conn, const char *sql, int nparams, const void *types,
				  const void *values, const void *lengths,
				  const void *formats, int format)
{
	static int	(*real) (void *, const char *, int, const void *, const void *,
						 const void *, const void *, int);
	const char *fault = getenv("FAULT");

	if (fault && unlink(fault) == 0)
		return 0;
	if (real == NULL)
		real = dlsym(RTLD_NEXT, "PQsendQueryParams");
	return real(conn, sql, nparams, types, values, lengths, formats, format);
}
