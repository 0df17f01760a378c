/*
 * session.c
 *		A session of the database: libpq without blocking, and a queue of
 *		statements.
 *
 * The caller of session_query() may be in the middle of something, so a
 * callback is never called from within.  If the connection turns out to be
 * broken there, the loop reports it later.
 *
 * A server can be silent forever: its host is gone, a firewall drops packets,
 * the backend is stopped.  So each statement has a limit; after half of it the
 * silence is logged, and at its end the session is given up.
 */
#include "net/session.h"

#include "base/logging.h"
#include "base/loop.h"
#include "base/retry.h"
#include "net/connector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PARAMS		8
#define RECONNECT_FIRST	500		/* ms */
#define RECONNECT_MAX	30000
#define SHOWN_PROBLEM	512

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
	int64_t		limit;
	bool		once;
	SessionEvents events;
	Connector	connector;
	char		problem[SHOWN_PROBLEM];
	PGconn	   *conn;			/* NULL: not connected */
	int			fd;				/* its socket, even if libpq has closed it */
	uint32_t	watched;		/* events that are watched; 0: none */
	bool		sent;			/* the first query is with the server */
	PGresult   *result;			/* of it, so far */
	Query	   *first;
	Query	  **last;
	int			failures;		/* failed attempts to connect, in a row */
	LoopTimer	timer;			/* until a broken connection is closed */
	int64_t		asked;			/* loop_now() when the server last sent data
								 * while an answer was expected */
	LoopTimer	limit_timer;	/* until half of the limit, then all of it */
};

static void at_socket(void *arg, uint32_t events);

/*
 * log_failure: log the message of libpq on one line, and keep it.
 */
static void
log_failure(Session *session, const ConnectFailure *failure)
{
	size_t		len = strlen(failure->error);

	while (len > 0 && failure->error[len - 1] == '\n')
		len--;
	printable(session->problem, sizeof(session->problem), failure->error, len);
	log_event(LOG_LEVEL_ERROR, failure->what, "host", failure->host,
			  "port", failure->port,
			  "error", *session->problem ? session->problem : NULL, NULL);
	if (*session->problem == '\0')
		snprintf(session->problem, sizeof(session->problem), "%s",
				 failure->what);
}

static void
free_query(Query *query)
{
	for (int i = 0; i < query->nparams; i++)
		free(query->params[i]);
	free(query);
}

/*
 * pop_query: remove the first query from the queue.
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
	connector_stop(&session->connector);
	if (session->watched)
		loop_unwatch(session->fd);
	session->watched = 0;
	loop_timer_clear(&session->timer);
	loop_timer_clear(&session->limit_timer);
	PQclear(session->result);
	session->result = NULL;
	PQfinish(session->conn);
	session->conn = NULL;
	session->sent = false;
}

/*
 * drop: close the connection, and call the waiting callbacks without a result.
 */
static void
drop(Session *session)
{
	close_connection(session);
	while (session->first)
	{
		Query	   *query = pop_query(session);

		if (query->callback)
			query->callback(query->arg, NULL);
		free_query(query);
	}
}

/*
 * connect_again: connect after a while, unless the session has the option
 * once; call lost.
 */
static void
connect_again(Session *session)
{
	RetryPolicy policy = {
		.initial_backoff = RECONNECT_FIRST,.max_backoff = RECONNECT_MAX
	};

	if (!session->once)
		connector_begin(&session->connector, RECONNECT_FIRST / 2 +
						retry_delay(&policy, session->failures, 0, 0,
									retry_random()));
	if (session->events.lost)
		session->events.lost(session->events.arg);
}

/*
 * lose: the connection is lost.
 */
static void
lose(Session *session, const char *what)
{
	const ConnectFailure failure = {
		what, PQhost(session->conn), PQport(session->conn),
		PQerrorMessage(session->conn)
	};

	log_failure(session, &failure);
	session->failures = 1;
	drop(session);
	connect_again(session);
}

static void
connect_failed(void *arg, const ConnectFailure *failure)
{
	Session    *session = arg;

	log_failure(session, failure);
	session->failures++;
	drop(session);
	connect_again(session);
}

/*
 * too_silent: the server has not answered for half of the limit, or for all of
 * it.
 */
static void
too_silent(void *arg)
{
	Session    *session = arg;
	char		seconds[24];

	snprintf(seconds, sizeof(seconds), "%lld",
			 (long long) session_silence(session) / 1000);
	if (session_silence(session) < session->limit)
	{
		log_event(LOG_LEVEL_WARNING, "the database does not answer",
				  "host", PQhost(session->conn), "port", PQport(session->conn),
				  "seconds", seconds, NULL);
		loop_timer_set(&session->limit_timer,
					   session->limit - session_silence(session), too_silent,
					   session);
	}
	else
		lose(session, "the database did not answer in time");
}

/*
 * await_answer: from now on an answer is expected.
 */
static void
await_answer(Session *session)
{
	session->asked = loop_now();
	if (session->limit > 0)
		loop_timer_set(&session->limit_timer, session->limit / 2, too_silent,
					   session);
}

/*
 * at_notice: pass warnings on; log notices for debugging.  An error that
 * arrives without a statement is the reason why the session ends.
 */
static void
at_notice(void *arg, const PGresult *notice)
{
	Session    *session = arg;
	const char *severity = PQresultErrorField(notice,
											  PG_DIAG_SEVERITY_NONLOCALIZED);

	if (severity == NULL)
		severity = "";
	if (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0 ||
		strcmp(severity, "ERROR") == 0)
		session_report(LOG_LEVEL_ERROR, "the server ended the session", NULL,
					   NULL, notice);
	else if (strcmp(severity, "WARNING") != 0)
		session_report(LOG_LEVEL_DEBUG, "notice from the server", NULL, NULL,
					   notice);
	else if (session->events.warning)
		session->events.warning(session->events.arg, notice);
	else
		session_report(LOG_LEVEL_WARNING, "warning from the server", NULL, NULL,
					   notice);
}

/*
 * watch: watch for input, and for output while libpq has data to send.
 */
static bool
watch(Session *session, uint32_t events)
{
	if (session->watched == events)
		return true;
	if (!loop_watch(session->fd, events, at_socket, session))
		return false;
	session->watched = events;
	return true;
}

static void
connected(void *arg, PGconn *conn)
{
	Session    *session = arg;

	session->conn = conn;
	session->fd = PQsocket(conn);
	session->failures = 0;
	session->problem[0] = '\0';
	if (PQsetnonblocking(conn, 1) != 0 || !watch(session, EPOLLIN))
		lose(session, "lost the database");
	else if (session->events.ready)
		session->events.ready(session->events.arg);
}

static void
found_broken(void *arg)
{
	lose(arg, "lost the database");
}

/*
 * send_next: send the first query.
 */
static void
send_next(Session *session)
{
	Query	   *query = session->first;
	int			flushed;

	if (session->conn == NULL || session->sent || query == NULL ||
		session->timer.set)
		return;
	if (!PQsendQueryParams(session->conn, query->sql, query->nparams, NULL,
						   (const char *const *) query->params, NULL, NULL, 0) ||
		(flushed = PQflush(session->conn)) < 0 ||
		!watch(session, flushed > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN))
		loop_timer_set(&session->timer, 0, found_broken, session);
	else
	{
		session->sent = true;
		await_answer(session);
	}
}

/*
 * take_results: pass on the results that are complete.
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
		loop_timer_clear(&session->limit_timer);
		result = session->result;
		session->result = NULL;
		if (query->callback)
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

	while (session->conn && (notify = PQnotifies(session->conn)) != NULL)
	{
		if (session->events.notified)
			session->events.notified(session->events.arg, notify->relname,
									 notify->extra);
		PQfreemem(notify);
	}
}

static void
at_socket(void *arg, uint32_t events)
{
	Session    *session = arg;
	int			flushed = 0;

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
	if ((events & EPOLLIN) && session->sent)
		await_answer(session);
	take_results(session);
	take_notifies(session);
}

Session *
session_create(const SessionOptions *options, const SessionEvents *events)
{
	Session    *session = calloc(1, sizeof(Session));

	if (session == NULL ||
		(session->database = strdup(options->database)) == NULL)
	{
		free(session);
		log_event(LOG_LEVEL_ERROR, "out of memory", NULL);
		return NULL;
	}
	session->once = options->once;
	session->limit = options->limit;
	session->events = *events;
	session->last = &session->first;
	session->connector = (Connector)
	{
		.database = session->database,.connected = connected,
			.failed = connect_failed,.notice = at_notice,.arg = session
	};
	/* later, since the caller does not have the session yet */
	connector_begin(&session->connector, 0);
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
	connector_destroy(&session->connector);
	free(session->database);
	free(session);
}

void
session_leave(Session *session, int64_t delay)
{
	drop(session);
	connector_begin(&session->connector, delay);
}

bool
session_is_ready(const Session *session)
{
	return session->conn != NULL;
}

bool
session_is_idle(const Session *session)
{
	return session->first == NULL;
}

int64_t
session_silence(const Session *session)
{
	return session->sent ? loop_now() - session->asked : 0;
}

const char *
session_problem(const Session *session)
{
	return session->problem;
}

PGconn *
session_connection(const Session *session)
{
	return session->conn;
}

void
session_forget(Session *session, const void *memory, size_t size)
{
	const char *begin = memory;

	for (Query *query = session->first; query; query = query->next)
	{
		const char *arg = query->arg;

		if (arg >= begin && arg < begin + size)
			query->callback = NULL;
	}
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
