/*
 * session.c
 *		libpq without blocking, and a queue of statements.
 *
 * The connection string may hold a password, and libpq's messages on a failed
 * connection name host and user but not that; so the messages are logged, the
 * string never is.  What libpq says of a string that it cannot parse may quote
 * it: config.c refuses those.
 *
 * What sends a statement may be in the midst of something, so its callback is
 * never called from within session_query: a connection that turns out to be
 * broken there is told of by the loop.
 */
#include "session.h"

#include "log.h"
#include "loop.h"
#include "retry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PARAMS		8
#define RECONNECT_FIRST	500		/* ms */
#define RECONNECT_MAX	30000
#define CONNECT_TIMEOUT	15000

typedef struct Query
{
	struct Query *next;
	SessionResult callback;
	void	   *arg;
	int			nparams;
	char	   *params[MAX_PARAMS];
	char		sql[];
} Query;

struct Session
{
	char	   *database;
	bool		once;
	SessionEvents events;
	PGconn	   *conn;
	int			fd;
	uint32_t	watched;		/* for what, once it is ready; 0: not known */
	bool		ready;
	bool		sent;			/* the first query is with the server */
	PGresult   *result;			/* of it, so far */
	Query	   *first;
	Query	  **last;
	int			failures;		/* to connect, in a row */
	LoopTimer	timer;			/* to connect; of one that is ready: to lose
								 * it */
};

static void begin_connect(void *arg);
static void at_socket(void *arg, uint32_t events);

/*
 * log_failure: what libpq says, on one line.
 */
static void
log_failure(const char *what, const char *message)
{
	char		line[512];
	size_t		len = strlen(message);

	while (len > 0 && message[len - 1] == '\n')
		len--;
	printable(line, sizeof(line), message, len);
	log_event(LOG_LEVEL_ERROR, what, "error", line, NULL);
}

static void
free_query(Query *query)
{
	for (int i = 0; i < query->nparams; i++)
		free(query->params[i]);
	free(query);
}

/*
 * pop_query: take the first one off the queue.
 */
static Query *
pop_query(Session *session)
{
	Query	   *query = session->first;

	session->first = query->next;
	if (session->first == NULL)
		session->last = &session->first;
	session->sent = false;
	return query;
}

static void
close_connection(Session *session)
{
	if (session->fd >= 0)
		loop_unwatch(session->fd);
	session->fd = -1;
	session->watched = 0;
	loop_timer_clear(&session->timer);
	PQclear(session->result);
	session->result = NULL;
	PQfinish(session->conn);
	session->conn = NULL;
	session->ready = false;
	session->sent = false;
}

/*
 * lose: the connection is gone: tell, and connect again in a while.
 */
static void
lose(Session *session, const char *what)
{
	bool		was_ready = session->ready;
	RetryPolicy policy = {
		.initial_backoff = RECONNECT_FIRST,.max_backoff = RECONNECT_MAX
	};

	log_failure(what, session->conn ? PQerrorMessage(session->conn) :
				"out of memory");
	close_connection(session);
	while (session->first)
	{
		Query	   *query = pop_query(session);

		query->callback(query->arg, NULL);
		free_query(query);
	}
	session->failures = was_ready ? 1 : session->failures + 1;
	if (!session->once)
		loop_timer_set(&session->timer,
					   RECONNECT_FIRST / 2 +
					   retry_delay(&policy, session->failures, 0, 0,
								   retry_random()),
					   begin_connect, session);
	if (session->events.lost)
		session->events.lost(session->events.arg);
}

static void
connect_timed_out(void *arg)
{
	lose(arg, "connecting to the database took too long");
}

/*
 * at_notice: warnings are the owner's; notices are for who looks closely.
 */
static void
at_notice(void *arg, const PGresult *notice)
{
	Session    *session = arg;
	const char *severity = PQresultErrorField(notice,
											  PG_DIAG_SEVERITY_NONLOCALIZED);

	if (session->events.warning && severity && strcmp(severity, "WARNING") == 0)
		session->events.warning(session->events.arg, notice);
	else
		session_report(LOG_LEVEL_DEBUG, "notice from the database", NULL, NULL,
					   notice);
}

/*
 * watch: for input always, for output while libpq has something to send.
 */
static bool
watch(Session *session, uint32_t events)
{
	int			fd = PQsocket(session->conn);

	if (session->watched == events)
		return true;
	if (session->fd >= 0 && session->fd != fd)
		loop_unwatch(session->fd);
	session->fd = fd;
	if (fd < 0 || !loop_watch(fd, events, at_socket, session))
		return false;
	if (session->ready)
		session->watched = events;
	return true;
}

/*
 * poll_connect: one step of connecting.
 */
static void
poll_connect(Session *session)
{
	switch (PQconnectPoll(session->conn))
	{
		case PGRES_POLLING_READING:
			if (!watch(session, EPOLLIN))
				lose(session, "lost the database");
			break;
		case PGRES_POLLING_WRITING:
			if (!watch(session, EPOLLOUT))
				lose(session, "lost the database");
			break;
		case PGRES_POLLING_OK:
			loop_timer_clear(&session->timer);
			session->ready = true;
			session->failures = 0;
			if (PQsetnonblocking(session->conn, 1) != 0 ||
				!watch(session, EPOLLIN))
				lose(session, "lost the database");
			else if (session->events.ready)
				session->events.ready(session->events.arg);
			break;
		default:
			lose(session, "could not connect to the database");
			break;
	}
}

static void
begin_connect(void *arg)
{
	Session    *session = arg;

	/* what stands later wins: these are defaults */
	const char *const names[] = {
		"fallback_application_name", "client_encoding", "keepalives_idle",
		"keepalives_interval", "keepalives_count", "tcp_user_timeout",
		"dbname", NULL
	};
	const char *const values[] = {
		"eventlog-notifier", "UTF8", "10", "5", "3", "30000",
		session->database, NULL
	};

	session->conn = PQconnectStartParams(names, values, 1);
	if (session->conn == NULL || PQstatus(session->conn) == CONNECTION_BAD)
	{
		lose(session, "could not connect to the database");
		return;
	}
	PQsetNoticeReceiver(session->conn, at_notice, session);
	loop_timer_set(&session->timer, CONNECT_TIMEOUT, connect_timed_out, session);
	if (!watch(session, EPOLLOUT))
		lose(session, "could not connect to the database");
}

static void
found_broken(void *arg)
{
	lose(arg, "lost the database");
}

/*
 * send_next: hand the first query to libpq.
 */
static void
send_next(Session *session)
{
	Query	   *query = session->first;
	int			flushed;

	if (!session->ready || session->sent || query == NULL ||
		session->timer.set)
		return;
	if (!PQsendQueryParams(session->conn, query->sql, query->nparams, NULL,
						   (const char *const *) query->params, NULL, NULL, 0) ||
		(flushed = PQflush(session->conn)) < 0 ||
		!watch(session, flushed > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN))
		loop_timer_set(&session->timer, 0, found_broken, session);
	else
		session->sent = true;
}

/*
 * take_results: hand on the results that are complete.
 */
static void
take_results(Session *session)
{
	while (session->conn && session->sent && !PQisBusy(session->conn))
	{
		PGresult   *result = PQgetResult(session->conn);
		Query	   *query;

		if (result)
		{
			PQclear(session->result);
			session->result = result;
			continue;
		}
		query = pop_query(session);
		result = session->result;
		session->result = NULL;
		query->callback(query->arg, result);
		PQclear(result);
		free_query(query);
		if (session->conn)
			send_next(session);
	}
}

static void
take_notifies(Session *session)
{
	PGnotify   *notify;
	bool		any = false;

	while ((notify = PQnotifies(session->conn)) != NULL)
	{
		PQfreemem(notify);
		any = true;
	}
	if (any && session->events.notified)
		session->events.notified(session->events.arg);
}

static void
at_socket(void *arg, uint32_t events)
{
	Session    *session = arg;
	int			flushed = 0;

	if (!session->ready)
	{
		poll_connect(session);
		return;
	}
	if (((events & ~(uint32_t) EPOLLOUT) && !PQconsumeInput(session->conn)) ||
		(flushed = PQflush(session->conn)) < 0)
	{
		lose(session, "lost the database");
		return;
	}
	if (!watch(session, flushed > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN))
	{
		lose(session, "lost the database");
		return;
	}
	take_results(session);
	if (session->conn && session->ready)
		take_notifies(session);
}

Session *
session_create(const char *database, bool once, const SessionEvents *events)
{
	Session    *session = calloc(1, sizeof(Session));

	if (session == NULL || (session->database = strdup(database)) == NULL)
	{
		free(session);
		log_event(LOG_LEVEL_ERROR, "out of memory", NULL);
		return NULL;
	}
	session->once = once;
	session->events = *events;
	session->fd = -1;
	session->last = &session->first;
	/* not at once: the caller does not have the session yet */
	loop_timer_set(&session->timer, 0, begin_connect, session);
	return session;
}

void
session_destroy(Session *session)
{
	if (session == NULL)
		return;
	close_connection(session);
	while (session->first)
		free_query(pop_query(session));
	free(session->database);
	free(session);
}

bool
session_is_ready(const Session *session)
{
	return session->ready;
}

bool
session_is_idle(const Session *session)
{
	return session->first == NULL;
}

void
session_report(LogLevel level, const char *what, const char *name,
			   const char *about, const PGresult *report)
{
	const char *message = PQresultErrorField(report, PG_DIAG_MESSAGE_PRIMARY);
	const char *state = PQresultErrorField(report, PG_DIAG_SQLSTATE);
	char		line[512];

	message = message ? message : PQresultErrorMessage(report);
	printable(line, sizeof(line), message, strcspn(message, "\n"));
	if (name)
		log_event(level, what, name, about, "sqlstate", state, "error", line,
				  NULL);
	else
		log_event(level, what, "sqlstate", state, "error", line, NULL);
}

bool
session_succeeded(const PGresult *result)
{
	return PQresultStatus(result) == PGRES_TUPLES_OK ||
		PQresultStatus(result) == PGRES_COMMAND_OK;
}

bool
session_query(Session *session, const char *sql, int nparams,
			  const char *const *params, SessionResult callback, void *arg)
{
	Query	   *query = calloc(1, sizeof(Query) + strlen(sql) + 1);

	if (query == NULL || nparams > MAX_PARAMS)
		goto fail;
	strcpy(query->sql, sql);
	query->callback = callback;
	query->arg = arg;
	for (; query->nparams < nparams; query->nparams++)
	{
		const char *param = params[query->nparams];

		if (param && (query->params[query->nparams] = strdup(param)) == NULL)
			goto fail;
	}
	*session->last = query;
	session->last = &query->next;
	send_next(session);
	return true;

fail:
	log_event(LOG_LEVEL_ERROR, "out of memory", NULL);
	if (query)
		free_query(query);
	return false;
}
