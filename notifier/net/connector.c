/*
 * connector.c
 *		Connects to the database without blocking, host by host and address
 *		by address, with a time limit for each.
 *
 * The connection string can contain a password, so it is never logged. libpq's
 * messages about a failed connection name the host and the user but not the
 * password, so they are logged.  Its messages about a string that it cannot
 * parse can quote the string; config.c refuses such strings.
 */
#include "net/connector.h"

#include "base/logging.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_ERROR		512

static void try_next(void *arg);

static void
stop_watching(Connector *connector)
{
	if (connector->watched)
		loop_unwatch(connector->fd);
	connector->watched = false;
	loop_timer_clear(&connector->timer);
}

/*
 * leave_address: end the current attempt.
 */
static void
leave_address(Connector *connector)
{
	stop_watching(connector);
	lookup_forget(connector->lookup);
	connector->lookup = NULL;
	PQfinish(connector->conn);
	connector->conn = NULL;
}

static void
leave_host(Connector *connector)
{
	leave_address(connector);
	for (size_t i = 0; i < connector->naddresses; i++)
		free(connector->addresses[i]);
	free(connector->addresses);
	connector->addresses = NULL;
	connector->naddresses = connector->address = 0;
	host_free(&connector->host);
}

/*
 * fail: the current address failed; try the next one at once, unless it was
 * the last.
 */
static void
fail(Connector *connector, const char *what, const char *error)
{
	bool		last_address = connector->address + 1 >= connector->naddresses;
	Host		host = connector->host;
	char		shown[SHOWN_ERROR];
	size_t		len = strlen(error);

	while (len > 0 && error[len - 1] == '\n')
		len--;
	printable(shown, sizeof(shown), error, len);
	leave_address(connector);
	if (last_address && connector->number + 1 >= connector->hosts.n)
	{
		const ConnectFailure failure = {what, host.host, host.port, shown};

		memset(&connector->host, 0, sizeof(connector->host));
		leave_host(connector);
		connector->failed(connector->arg, &failure);
		host_free(&host);
		return;
	}
	log_event(LOG_LEVEL_WARNING, what, "host", host.host, "address",
			  connector->naddresses > 0 ?
			  connector->addresses[connector->address] : host.hostaddr,
			  "port", host.port, "error", *shown ? shown : NULL,
			  "next", last_address ? "another host" : "another address", NULL);
	if (last_address)
	{
		leave_host(connector);
		connector->number++;
	}
	else
		connector->address++;
	/* there may be many, so return to the loop in between */
	loop_timer_set(&connector->timer, 0, try_next, connector);
}

static void
timed_out(void *arg)
{
	Connector  *connector = arg;
	char		error[64];

	snprintf(error, sizeof(error), "no answer within %lld s",
			 (long long) connector->hosts.timeout / 1000);
	fail(connector, connector->lookup ?
		 "looking up a host of the database took too long" :
		 "connecting to the database took too long", error);
}

static void
fail_by_libpq(Connector *connector)
{
	char		message[SHOWN_ERROR];

	snprintf(message, sizeof(message), "%s", connector->conn ?
			 PQerrorMessage(connector->conn) : "out of memory");
	fail(connector, "could not connect to the database", message);
}

static void at_socket(void *arg, uint32_t events);

static void
watch(Connector *connector, uint32_t events)
{
	int			fd = PQsocket(connector->conn);

	if (connector->watched && connector->fd != fd)
		loop_unwatch(connector->fd);
	connector->fd = fd;
	connector->watched = fd >= 0 &&
		loop_watch(fd, events, at_socket, connector);
	if (!connector->watched)
		fail_by_libpq(connector);
}

static void
at_socket(void *arg, uint32_t events)
{
	Connector  *connector = arg;
	PGconn	   *conn = connector->conn;

	(void) events;
	switch (PQconnectPoll(conn))
	{
		case PGRES_POLLING_READING:
			watch(connector, EPOLLIN);
			break;
		case PGRES_POLLING_WRITING:
			watch(connector, EPOLLOUT);
			break;
		case PGRES_POLLING_OK:
			stop_watching(connector);
			connector->conn = NULL;
			leave_host(connector);
			connector->connected(connector->arg, conn);
			break;
		default:
			fail_by_libpq(connector);
			break;
	}
}

/*
 * try_address: connect to the current address.  The host keeps its name, which
 * is needed for certificates and passwords.
 */
static void
try_address(Connector *connector)
{
	const Host *host = &connector->host;

	/* later values win: these are defaults, except for the host */
	const char *const names[] = {
		"fallback_application_name", "client_encoding", "keepalives_idle",
		"keepalives_interval", "keepalives_count", "tcp_user_timeout",
		"dbname", "host", "hostaddr", "port", NULL
	};
	const char *const values[] = {
		"eventlog-notifier", "UTF8", "10", "5", "3", "30000",
		connector->database, host->host,
		connector->naddresses > 0 ?
		connector->addresses[connector->address] : host->hostaddr,
		host->port, NULL
	};

	connector->conn = PQconnectStartParams(names, values, 1);
	if (connector->conn == NULL || PQstatus(connector->conn) == CONNECTION_BAD)
	{
		fail_by_libpq(connector);
		return;
	}
	(void) PQsetNoticeReceiver(connector->conn, connector->notice,
							   connector->arg);
	loop_timer_set(&connector->timer, connector->hosts.timeout, timed_out,
				   connector);
	watch(connector, EPOLLOUT);
}

/*
 * keep_addresses: copy the addresses as text, in order.
 */
static bool
keep_addresses(Connector *connector, const struct addrinfo *addresses)
{
	size_t		n = 0;

	for (const struct addrinfo *at = addresses; at; at = at->ai_next)
		n++;
	connector->addresses = calloc(n, sizeof(char *));
	for (; connector->addresses && addresses; addresses = addresses->ai_next)
	{
		char		text[NI_MAXHOST];
		char	   *kept;

		if (getnameinfo(addresses->ai_addr, addresses->ai_addrlen, text,
						sizeof(text), NULL, 0, NI_NUMERICHOST) != 0)
			continue;
		kept = strdup(text);
		if (kept == NULL)
			return false;
		connector->addresses[connector->naddresses++] = kept;
	}
	return connector->naddresses > 0;
}

static void
looked_up(void *arg, const struct addrinfo *addresses, const char *error)
{
	Connector  *connector = arg;

	connector->lookup = NULL;
	if (addresses == NULL)
		fail(connector, "could not look up a host of the database", error);
	else if (!keep_addresses(connector, addresses))
		fail(connector, "could not look up a host of the database",
			 "out of memory");
	else
		try_address(connector);
}

static void
try_host(Connector *connector)
{
	if (!hosts_learn(&connector->hosts, connector->database) ||
		!hosts_get(&connector->hosts, connector->number, &connector->host))
		fail(connector, "could not connect to the database", "out of memory");
	else if (!host_is_name(&connector->host))
		try_address(connector);
	else
	{
		loop_timer_set(&connector->timer, connector->hosts.timeout, timed_out,
					   connector);
		connector->lookup = lookup_begin(connector->host.host, looked_up,
										 connector);
		if (connector->lookup == NULL)
			fail(connector, "could not look up a host of the database",
				 "out of memory, or too many lookups in progress");
	}
}

/*
 * try_next: try the next address of the host, or the next host.
 */
static void
try_next(void *arg)
{
	Connector  *connector = arg;

	if (connector->naddresses > 0)
		try_address(connector);
	else
		try_host(connector);
}

void
connector_begin(Connector *connector, int64_t delay)
{
	connector->number = 0;
	loop_timer_set(&connector->timer, delay, try_next, connector);
}

void
connector_stop(Connector *connector)
{
	leave_host(connector);
}

void
connector_destroy(Connector *connector)
{
	connector_stop(connector);
	hosts_destroy(&connector->hosts);
}
