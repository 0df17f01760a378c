/*
 * connector.c
 *		PQconnectPoll on the loop, with a limit on the time that each host has.
 *
 * The connection string may hold a password, and libpq's messages on a failed
 * connection name host and user but not that; so the messages are logged, the
 * string never is.  What libpq says of a string that it cannot parse may quote
 * it: config.c refuses those.
 */
#include "connector.h"

#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void begin(void *arg);

static void
stop_watching(Connector *connector)
{
	if (connector->watched)
		loop_unwatch(connector->fd);
	connector->watched = false;
	connector->waits_for[0] = '\0';
	loop_timer_clear(&connector->timer);
}

static void
fail(Connector *connector, const char *what)
{
	PGconn	   *conn = connector->conn;

	stop_watching(connector);
	connector->conn = NULL;
	connector->failed(connector->arg, what, conn);
	PQfinish(conn);
}

/*
 * timed_out: this host has had its time; the next one is tried at once, unless
 * all have had it.
 */
static void
timed_out(void *arg)
{
	Connector  *connector = arg;
	char		seconds[24];

	if (!hosts_skip(&connector->hosts, connector->conn))
	{
		fail(connector, "connecting to the database took too long");
		return;
	}
	snprintf(seconds, sizeof(seconds), "%lld",
			 (long long) connector->hosts.timeout / 1000);
	log_event(LOG_LEVEL_WARNING,
			  "connecting to the database took too long, trying the next host",
			  "host", PQhost(connector->conn), "port", PQport(connector->conn),
			  "seconds", seconds, NULL);
	connector_stop(connector);
	begin(connector);
}

/*
 * note_address: each address that libpq tries has the same time.
 */
static void
note_address(Connector *connector)
{
	char		address[sizeof(connector->waits_for)];

	snprintf(address, sizeof(address), "%s %s %s", PQhost(connector->conn),
			 PQhostaddr(connector->conn), PQport(connector->conn));
	if (strcmp(address, connector->waits_for) == 0)
		return;
	strcpy(connector->waits_for, address);
	loop_timer_set(&connector->timer, connector->hosts.timeout, timed_out,
				   connector);
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
		fail(connector, "could not connect to the database");
}

static void
at_socket(void *arg, uint32_t events)
{
	Connector  *connector = arg;
	PostgresPollingStatusType status = PQconnectPoll(connector->conn);
	PGconn	   *conn = connector->conn;

	(void) events;
	switch (status)
	{
		case PGRES_POLLING_READING:
			note_address(connector);
			watch(connector, EPOLLIN);
			break;
		case PGRES_POLLING_WRITING:
			note_address(connector);
			watch(connector, EPOLLOUT);
			break;
		case PGRES_POLLING_OK:
			stop_watching(connector);
			connector->conn = NULL;
			connector->hosts.first = 0;
			connector->connected(connector->arg, conn);
			break;
		default:
			fail(connector, "could not connect to the database");
			break;
	}
}

static void
begin(void *arg)
{
	Connector  *connector = arg;
	Hosts	   *hosts = &connector->hosts;
	char	   *host = hosts_rotated(hosts, hosts->host);
	char	   *hostaddr = hosts_rotated(hosts, hosts->hostaddr);
	char	   *port = hosts_rotated(hosts, hosts->port);

	/* what stands later wins: these are defaults, but for the hosts */
	const char *const names[] = {
		"fallback_application_name", "client_encoding", "keepalives_idle",
		"keepalives_interval", "keepalives_count", "tcp_user_timeout",
		"dbname", "host", "hostaddr", "port", NULL
	};
	const char *const values[] = {
		"eventlog-notifier", "UTF8", "10", "5", "3", "30000",
		connector->database, host, hostaddr, port, NULL
	};

	connector->conn = PQconnectStartParams(names, values, 1);
	free(host);
	free(hostaddr);
	free(port);
	if (connector->conn == NULL || PQstatus(connector->conn) == CONNECTION_BAD ||
		!hosts_learn(hosts, connector->conn))
	{
		fail(connector, "could not connect to the database");
		return;
	}
	(void) PQsetNoticeReceiver(connector->conn, connector->notice,
							   connector->arg);
	note_address(connector);
	watch(connector, EPOLLOUT);
}

void
connector_begin(Connector *connector, int64_t delay)
{
	loop_timer_set(&connector->timer, delay, begin, connector);
}

void
connector_stop(Connector *connector)
{
	stop_watching(connector);
	PQfinish(connector->conn);
	connector->conn = NULL;
}

void
connector_destroy(Connector *connector)
{
	connector_stop(connector);
	hosts_destroy(&connector->hosts);
}
