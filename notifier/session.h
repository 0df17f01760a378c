/*
 * session.h
 *		A session of the database: connected without blocking, one statement
 *		after the other, connected again when it is lost.
 */
#ifndef NOTIFIER_SESSION_H
#define NOTIFIER_SESSION_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "log.h"

typedef struct Session Session;

/*
 * What a session tells its owner.
 *
 * ready: connected, nothing sent yet.  lost: what was sent had no effect or an
 * unknown one; it connects again by itself, unless it was made to connect once.
 * notified: NOTIFY came.  warning: the server warned.  Any may be NULL.
 */
typedef struct SessionEvents
{
	void		(*ready) (void *arg);
	void		(*lost) (void *arg);
	void		(*notified) (void *arg);
	void		(*warning) (void *arg, const PGresult *warning);
	void	   *arg;
} SessionEvents;

/*
 * What is done with a result.  result is NULL where the session was lost
 * before it came; it is freed behind the callback.
 */
typedef void (*SessionResult) (void *arg, PGresult *result);

/*
 * session_create: begin to connect.  database: a connection string.  once: not
 * again when it fails or is lost.
 */
extern Session *session_create(const char *database, bool once,
							   const SessionEvents *events);

/*
 * session_destroy: close it.  Callbacks of what is under way are not called.
 */
extern void session_destroy(Session *session);

extern bool session_is_ready(const Session *session);

/*
 * session_query: send a statement when those before it are through.  params:
 * texts or NULLs, copied.  False when memory lacks.  The callback is called
 * later, never from within.
 */
extern bool session_query(Session *session, const char *sql, int nparams,
						  const char *const *params, SessionResult callback,
						  void *arg);

extern bool session_succeeded(const PGresult *result);

/*
 * session_report: log an error or a warning of the server.  about: what name
 * says, such as the webhook; may be NULL.
 */
extern void session_report(LogLevel level, const char *what, const char *name,
						   const char *about, const PGresult *report);

/*
 * session_is_idle: is nothing under way?
 */
extern bool session_is_idle(const Session *session);

#endif							/* NOTIFIER_SESSION_H */
