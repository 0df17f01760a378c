/*
 * faults.c
 *		Loaded before the notifier's libraries, it lets them fail as they seldom
 *		do: looking up "slow.example" takes an hour, that of "lost.example" fails
 *		for now, and "two.example" is 127.0.0.1 and 127.0.0.2; while the file that FAULT names is there, libpq takes no
 *		statement; it removes the file.  The directory SYSTEM_CERTIFICATES stands
 *		in for /etc/ssl/certs.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * two_addresses: the second one behind the first.
 */
static int
two_addresses(int (*real) (const char *, const char *, const struct addrinfo *,
						   struct addrinfo **),
			  const char *service, const struct addrinfo *hints,
			  struct addrinfo **result)
{
	int			status = real("127.0.0.1", service, hints, result);

	return status != 0 ? status :
		real("127.0.0.2", service, hints, &(*result)->ai_next);
}

int
getaddrinfo(const char *host, const char *service,
			const struct addrinfo *hints, struct addrinfo **result)
{
	static int	(*real) (const char *, const char *, const struct addrinfo *,
						 struct addrinfo **);

	if (host && strcmp(host, "slow.example") == 0)
		sleep(3600);
	if (host && strcmp(host, "lost.example") == 0)
		return EAI_AGAIN;
	if (real == NULL)
		real = dlsym(RTLD_NEXT, "getaddrinfo");
	if (host && strcmp(host, "two.example") == 0)
		return two_addresses(real, service, hints, result);
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

/*
 * instead: where a file is really sought.
 */
static const char *
instead(const char *path, char *to, size_t size)
{
	static const char *const system = "/etc/ssl/certs/";
	const char *dir = getenv("SYSTEM_CERTIFICATES");

	if (dir == NULL || strncmp(path, system, strlen(system)) != 0)
		return path;
	snprintf(to, size, "%s/%s", dir, path + strlen(system));
	return to;
}

FILE *
fopen(const char *path, const char *mode)
{
	static FILE *(*real) (const char *, const char *);
	char		other[4096];

	if (real == NULL)
		real = dlsym(RTLD_NEXT, "fopen");
	return real(instead(path, other, sizeof(other)), mode);
}

FILE *
fopen64(const char *path, const char *mode)
{
	return fopen(path, mode);
}

/*
 * look_instead: by stat or lstat.  OpenSSL 3.0.22 looks at a certificate's entry
 * itself, earlier ones at what it refers to.
 */
static int
look_instead(const char *name, const char *path, struct stat *result)
{
	int			(*real) (const char *, struct stat *) = dlsym(RTLD_NEXT, name);
	char		other[4096];

	return real(instead(path, other, sizeof(other)), result);
}

int
stat(const char *path, struct stat *result)
{
	return look_instead("stat", path, result);
}

int
lstat(const char *path, struct stat *result)
{
	return look_instead("lstat", path, result);
}
