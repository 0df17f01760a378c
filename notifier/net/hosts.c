/*
 * hosts.c
 *		The hosts of a connection string.
 *
 * libpq tries hosts in turn, but its non-blocking functions have no time
 * limit, so a silent host would prevent that others are tried.  It also blocks
 * while it looks up names.  So connector.c does both, and gives libpq one
 * address at a time.
 */
#include "net/hosts.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#define USUAL_TIMEOUT	10000	/* ms, without connect_timeout */

static int
count(const char *list)
{
	int			n = 1;

	for (; *list; list++)
		n += *list == ',';
	return n;
}

/*
 * copy: copy a text that is not empty; else NULL.  *ok becomes false if memory
 * runs out.
 */
static char *
copy(const char *text, bool *ok)
{
	char	   *copied = text && *text ? strdup(text) : NULL;

	*ok = *ok && (copied || text == NULL || *text == '\0');
	return copied;
}

/*
 * begin_nothing: start a connection with one wrong option. libpq parses all
 * other options then, and does not connect.
 */
static PGconn *
begin_nothing(const char *option, const char *value)
{
	const char *const names[] = {option, "sslmode", NULL};
	const char *const values[] = {value, "of no kind", NULL};

	return PQconnectStartParams(names, values, 1);
}

/*
 * all_options: the options of a connection string, with libpq's defaults and
 * service files.
 */
static PQconninfoOption *
all_options(const char *database)
{
	PGconn	   *conn = begin_nothing("dbname", database);
	PQconninfoOption *options = conn ? PQconninfo(conn) : NULL;

	PQfinish(conn);
	return options;
}

/*
 * find_usual_host: the host that an empty entry means, which depends on how
 * libpq was built.
 */
static char *
find_usual_host(bool *ok)
{
	PGconn	   *conn = begin_nothing("host", ",");
	char	   *host = copy(PQhost(conn), ok);

	PQfinish(conn);
	return host;
}

bool
hosts_learn(Hosts *hosts, const char *database)
{
	PQconninfoOption *options;
	bool		ok = true;

	if (hosts->n > 0)
		return true;
	options = all_options(database);
	if (options == NULL)
		return false;
	hosts->timeout = USUAL_TIMEOUT;
	for (const PQconninfoOption *option = options; option->keyword; option++)
	{
		if (strcmp(option->keyword, "host") == 0)
			hosts->host = copy(option->val, &ok);
		else if (strcmp(option->keyword, "hostaddr") == 0)
			hosts->hostaddr = copy(option->val, &ok);
		else if (strcmp(option->keyword, "port") == 0)
		{
			hosts->port = copy(option->val, &ok);
			hosts->usual_port = copy(option->compiled, &ok);
		}
		else if (strcmp(option->keyword, "connect_timeout") == 0 &&
				 option->val && atoi(option->val) > 0)
			hosts->timeout = (int64_t) atoi(option->val) * 1000;
	}
	PQconninfoFree(options);
	hosts->usual_host = find_usual_host(&ok);
	if (!ok)
	{
		hosts_destroy(hosts);
		return false;
	}
	hosts->n = hosts->hostaddr ? count(hosts->hostaddr) :
		hosts->host ? count(hosts->host) : 1;
	return true;
}

/*
 * take: the entry of a list at this index, allocated; the default if the entry
 * is empty; NULL if there is no list.  A list of another length is passed on
 * whole: a list of one entry is valid for all hosts, and about others libpq
 * reports the error.
 */
static bool
take(const Hosts *hosts, const char *list, const char *usual, int number,
	 char **entry)
{
	*entry = NULL;
	if (list == NULL)
		return true;
	if (count(list) != hosts->n)
		return (*entry = strdup(list)) != NULL;
	while (number-- > 0)
		list += strcspn(list, ",") + 1;
	if (*list == '\0' || *list == ',')
		return usual == NULL || (*entry = strdup(usual)) != NULL;
	return (*entry = strndup(list, strcspn(list, ","))) != NULL;
}

bool
hosts_get(const Hosts *hosts, int number, Host *host)
{
	bool		ok = take(hosts, hosts->host, hosts->usual_host, number,
						  &host->host);

	ok = take(hosts, hosts->hostaddr, NULL, number, &host->hostaddr) && ok;
	ok = take(hosts, hosts->port, hosts->usual_port, number, &host->port) && ok;
	if (!ok)
		host_free(host);
	return ok;
}

/*
 * An address, the directory of a socket or an abstract socket is not looked
 * up.
 */
bool
host_is_name(const Host *host)
{
	return host->hostaddr == NULL && host->host && host->host[0] != '/' &&
		host->host[0] != '@';
}

void
host_free(Host *host)
{
	free(host->host);
	free(host->hostaddr);
	free(host->port);
	memset(host, 0, sizeof(*host));
}

void
hosts_destroy(Hosts *hosts)
{
	free(hosts->host);
	free(hosts->hostaddr);
	free(hosts->port);
	free(hosts->usual_host);
	free(hosts->usual_port);
	memset(hosts, 0, sizeof(*hosts));
}
