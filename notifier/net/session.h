/*
 * session.h
 *		A session of the database: connects without blocking, runs one
 *		statement after another, and connects again when it is lost.
 */
#ifndef NOTIFIER_SESSION_H
#define NOTIFIER_SESSION_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/logging.h"

typedef struct Session Session;

/*
 * SessionEvents: callbacks, each of which may be NULL.
 *
 * ready: connected, nothing sent yet.
 * lost: the connection is lost; the effect of the current statement is
 * unknown, later ones had none.  The session connects again, unless it has the
 * option once.
 * notified: a notification has arrived.
 * warning: the server sent a warning; without this callback it is logged.
 */
typedef struct SessionEvents
{
	void		(*ready) (void *arg);
	void		(*lost) (void *arg);
	void		(*notified) (void *arg, const char *channel, const char *payload);
	void		(*warning) (void *arg, const PGresult *warning);
	void	   *arg;
} SessionEvents;

/*
 * SessionResult: the callback of a statement. result: NULL if the session was
 * lost before it arrived.  It is freed after the callback.
 */
typedef void (*SessionResult) (void *arg, PGresult *result);

/*
 * SessionOptions:
 *
 * database: a connection string; "": libpq's environment.
 * limit: ms that the server may take to answer before the session is given up;
 * 0: no limit.
 * once: do not connect again.
 */
typedef struct SessionOptions
{
	const char *database;
	int64_t		limit;
	bool		once;
} SessionOptions;

/*
 * session_create: start to connect.
 */
extern Session *session_create(const SessionOptions *options,
							   const SessionEvents *events);

/*
 * session_destroy: close it.  The callbacks of its statements are not called.
 */
extern void session_destroy(Session *session);

/*
 * session_leave: close the connection, and connect again after `delay` ms.
 * Must not be called from a SessionResult of the same session.
 */
extern void session_leave(Session *session, int64_t delay);

extern bool session_is_ready(const Session *session);

/*
 * session_silence: the ms since when an answer is expected; 0: none is.
 */
extern int64_t session_silence(const Session *session);

/*
 * session_problem: why there is no connection; "": there is one.
 */
extern const char *session_problem(const Session *session);

/*
 * session_connection: the connection, to ask libpq about it; NULL: not
 * connected.
 */
extern PGconn *session_connection(const Session *session);

/*
 * session_query: send a statement after those before it. params: strings or
 * NULLs, copied.
 * False: out of memory.  The callback is called later, never from within.
 */
extern bool session_query(Session *session, const char *sql, int nparams,
						  const char *const *params, SessionResult callback,
						  void *arg);

/*
 * session_forget: do not call the callbacks of statements whose arg is in this
 * memory; the statements are sent all the same.
 */
extern void session_forget(Session *session, const void *memory, size_t size);

extern bool session_succeeded(const PGresult *result);

/*
 * session_report: log an error or a warning of the server with its detail and
 * hint. name,
 * about: a further key and its value, such as the webhook; may be NULL.
 */
extern void session_report(LogLevel level, const char *what, const char *name,
						   const char *about, const PGresult *report);

/*
 * session_is_idle: is no statement in progress or waiting?
 */
extern bool session_is_idle(const Session *session);

#endif							/* NOTIFIER_SESSION_H */
