/*
 * hosts.c
 *		libpq tries hosts in turn, but where it does not block, it has no limit
 *		on the time that one takes: a host that is silent keeps it from all
 *		others.  So a try is broken off here, and the next one gets the list
 *		from the host behind that one on.
 */
#include "hosts.h"

#include <stdlib.h>
#include <string.h>

#define USUAL_TIMEOUT	10000	/* ms, where connect_timeout says nothing */

static int
count(const char *list)
{
	int			n = 1;

	for (; *list; list++)
		n += *list == ',';
	return n;
}

/*
 * nth: the entry of a list with that number, and its length.
 */
static const char *
nth(const char *list, int n, size_t *len)
{
	while (n-- > 0)
		list += strcspn(list, ",") + 1;
	*len = strcspn(list, ",");
	return list;
}

static char *
copy(const char *text)
{
	return text && *text ? strdup(text) : NULL;
}

bool
hosts_learn(Hosts *hosts, PGconn *conn)
{
	PQconninfoOption *options;

	if (hosts->n > 0)
		return true;
	options = PQconninfo(conn);
	if (options == NULL)
		return false;
	hosts->timeout = USUAL_TIMEOUT;
	for (const PQconninfoOption *option = options; option->keyword; option++)
	{
		if (strcmp(option->keyword, "host") == 0)
			hosts->host = copy(option->val);
		else if (strcmp(option->keyword, "hostaddr") == 0)
			hosts->hostaddr = copy(option->val);
		else if (strcmp(option->keyword, "port") == 0)
			hosts->port = copy(option->val);
		else if (strcmp(option->keyword, "connect_timeout") == 0 &&
				 option->val && atoi(option->val) > 0)
			hosts->timeout = (int64_t) atoi(option->val) * 1000;
	}
	PQconninfoFree(options);
	hosts->n = hosts->hostaddr ? count(hosts->hostaddr) :
		hosts->host ? count(hosts->host) : 1;
	return true;
}

char *
hosts_rotated(const Hosts *hosts, const char *list)
{
	char	   *rotated;
	char	   *at;

	if (list == NULL || count(list) != hosts->n)
		return list ? strdup(list) : NULL;
	rotated = at = malloc(strlen(list) + 2);
	for (int i = 0; rotated && i < hosts->n; i++)
	{
		size_t		len;
		const char *entry = nth(list, (hosts->first + i) % hosts->n, &len);

		memcpy(at, entry, len);
		at += len;
		*at++ = ',';
	}
	if (rotated)
		at[-1] = '\0';
	return rotated;
}

/*
 * is_entry: is that the entry of a list with this number?  A list of one counts
 * for all.
 */
static bool
is_entry(const char *list, int n, const char *entry)
{
	size_t		len;
	const char *at;

	if (list == NULL || entry == NULL || *entry == '\0')
		return true;
	at = nth(list, count(list) == 1 ? 0 : n, &len);
	return len == 0 || (strlen(entry) == len && strncmp(at, entry, len) == 0);
}

bool
hosts_skip(Hosts *hosts, PGconn *conn)
{
	int			at = 0;
	int			number;

	/* PQhost gives hostaddr where there is no host */
	for (; at < hosts->n - 1; at++)
	{
		number = (hosts->first + at) % hosts->n;
		if (is_entry(hosts->host ? hosts->host : hosts->hostaddr, number,
					 PQhost(conn)) &&
			is_entry(hosts->port, number, PQport(conn)) &&
			(hosts->host == NULL || hosts->hostaddr == NULL ||
			 is_entry(hosts->hostaddr, number, PQhostaddr(conn))))
			break;
	}
	number = (hosts->first + at) % hosts->n;
	hosts->first = (number + 1) % hosts->n;
	return hosts->first != 0;
}

void
hosts_destroy(Hosts *hosts)
{
	free(hosts->host);
	free(hosts->hostaddr);
	free(hosts->port);
}
