/*
 * session.h
 *		A session of the database: connected without blocking, one statement
 *		after the other, connected again when it is lost.
 */
#ifndef NOTIFIER_SESSION_H
#define NOTIFIER_SESSION_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/logging.h"

typedef struct Session Session;

/*
 * What a session tells its owner.
 *
 * ready: connected, nothing sent yet.  lost: what was sent had no effect or an
 * unknown one; it connects again by itself, unless it was made to connect once.
 * notified: NOTIFY came.  warning: the server warned; where that is NULL, it is
 * logged.  Any may be NULL.
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
 * What is done with a result.  result is NULL where the session was lost
 * before it came; it is freed behind the callback.
 */
typedef void (*SessionResult) (void *arg, PGresult *result);

/*
 * SessionOptions: database: a connection string, "": libpq's environment.
 * limit: ms for the server to be silent while a statement is under way, before
 * the session is given up; 0: none.  once: do not connect again when that fails
 * or the session is lost.
 */
typedef struct SessionOptions
{
	const char *database;
	int64_t		limit;
	bool		once;
} SessionOptions;

/*
 * session_create: begin to connect.
 */
extern Session *session_create(const SessionOptions *options,
							   const SessionEvents *events);

/*
 * session_destroy: close it.  Callbacks of what is under way are not called.
 */
extern void session_destroy(Session *session);

/*
 * session_leave: close the connection, and connect again in so many ms.  Not to
 * be called from within a SessionResult of the same session.
 */
extern void session_leave(Session *session, int64_t delay);

extern bool session_is_ready(const Session *session);

/*
 * session_silence: ms for which an answer has been waited for; 0: none is.
 */
extern int64_t session_silence(const Session *session);

/*
 * session_problem: why there is no connection; "" where there is one.
 */
extern const char *session_problem(const Session *session);

/*
 * session_connection: for what libpq knows of it; NULL: not connected.
 */
extern PGconn *session_connection(const Session *session);

/*
 * session_query: send a statement when those before it are through.  params:
 * texts or NULLs, copied.  False when memory lacks.  The callback is called
 * later, never from within.
 */
extern bool session_query(Session *session, const char *sql, int nparams,
						  const char *const *params, SessionResult callback,
						  void *arg);

/*
 * session_forget: statements that were sent for something within this memory go
 * on, but their callbacks are not called any more.
 */
extern void session_forget(Session *session, const void *memory, size_t size);

extern bool session_succeeded(const PGresult *result);

/*
 * session_report: log an error or a warning of the server, with its detail and
 * hint.  about: what name says, such as the webhook; may be NULL.
 */
extern void session_report(LogLevel level, const char *what, const char *name,
						   const char *about, const PGresult *report);

/*
 * session_is_idle: is nothing under way?
 */
extern bool session_is_idle(const Session *session);

#endif							/* NOTIFIER_SESSION_H */
