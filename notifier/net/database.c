/*
 * database.c
 *		The session that delivers: sets it up, finds the log, and watches it.
 *
 * Steps: check that no pooler shares the connection, apply our settings, check
 * the extension and its version, find the log, listen.  A step that fails is
 * logged and tried again.
 *
 * While all is well, a slow beat checks that it still is: the extension and
 * the log may be dropped and created again, and a database that does not
 * answer must be noticed even if no events are owed.
 */
#include "net/database.h"

#include "base/logging.h"
#include "base/loop.h"
#include "net/pooler.h"
#include "net/setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STATEMENT_LIMIT		30000	/* ms without an answer; half of it is
									 * logged */
#define STATEMENT_TIMEOUT	25000	/* ms, by the server */
#define BEAT				10000	/* ms */
#define TRY_AGAIN			10000	/* ms, if something does not exist */
#define POOLER_DELAY		30000	/* ms to the next try behind a pooler */

static const Config *config = NULL;
static const DatabaseEvents *events = NULL;
static Session *session = NULL;
static char session_name[64];
static char *log_oid = NULL;	/* as text; NULL: not known */
static char extension[64];		/* its Oid and version */
static bool set_up = false;
static const char *trouble = "not connected to the database";
static bool pooler_told = false;
static double heard = 0;
static LoopTimer step_timer;	/* until a step is tried again */
static LoopTimer beat_timer;

static void look_for_extension(void *arg);
static void beat(void *arg);

/*
 * try_again: schedule a step again, after a problem that has been logged.
 */
static void
try_again(const char *what, LoopTimerCallback step)
{
	trouble = what;
	loop_timer_set(&step_timer, TRY_AGAIN, step, NULL);
	events->failed();
}

/*
 * succeeded: is there a result that is no error?  Logs an error and schedules
 * the step again.
 */
static bool
succeeded(PGresult *result, const char *what, LoopTimerCallback step)
{
	if (result == NULL)
		return false;
	heard = (double) time(NULL);
	if (session_succeeded(result))
		return true;
	session_report(LOG_LEVEL_ERROR, what, NULL, NULL, result);
	try_again(what, step);
	return false;
}

static void
listening(void *arg, PGresult *result)
{
	(void) arg;
	if (!succeeded(result, "could not listen", look_for_extension))
		return;
	set_up = true;
	trouble = NULL;
	events->ready();
	beat(NULL);
}

/*
 * log_found: the callback of find_log().
 */
static void
log_found(void *arg, PGresult *result)
{
	(void) arg;
	if (!succeeded(result, "could not look for the log", look_for_extension))
		return;
	if (PQgetisnull(result, 0, 0))
	{
		log_event(LOG_LEVEL_ERROR, "the log does not exist",
				  "log", PQgetvalue(result, 0, 1),
				  "hint", "SELECT eventlog.create_log(...) makes one.", NULL);
		try_again("the log does not exist", look_for_extension);
		return;
	}
	free(log_oid);
	log_oid = strdup(PQgetvalue(result, 0, 0));
	(void) session_query(session, "LISTEN eventlog", 0, NULL, listening, NULL);
}

static void
ignore_result(void *arg, PGresult *result)
{
	(void) arg;
	(void) result;
}

/*
 * find_log: find the log by the search_path of the role or database, which is
 * set for this statement only.
 */
static void
find_log(SessionResult callback)
{
	const char *params[] = {config->log};

	(void) session_query(session, "RESET search_path", 0, NULL, ignore_result,
						 NULL);
	(void) session_query(session,
						 "SELECT pg_catalog.to_regclass(l.name)::pg_catalog.oid,"
						 " l.name FROM (SELECT COALESCE($1,"
						 " pg_catalog.current_setting('eventlog.default_log', true),"
						 " 'events')) l(name)",
						 1, params, callback, NULL);
	(void) session_query(session, "SET search_path = ''", 0, NULL, ignore_result,
						 NULL);
}

/*
 * check_version: report if the versions of extension and notifier differ.  An
 * older extension lacks functions that we call.
 */
static void
check_version(const char *version)
{
	bool		older = strverscmp(version, EVENTLOG_VERSION) < 0;

	if (setup_fits(version))
		return;
	log_event(LOG_LEVEL_WARNING, "extension and notifier are of different versions",
			  "extension", version, "notifier", EVENTLOG_VERSION,
			  "hint", older ? "ALTER EXTENSION eventlog UPDATE" :
			  "Update the notifier.", NULL);
}

static void
extension_found(void *arg, PGresult *result)
{
	(void) arg;
	if (!succeeded(result, "could not look for the extension", look_for_extension))
		return;
	if (PQntuples(result) == 0)
	{
		log_event(LOG_LEVEL_ERROR,
				  "the extension eventlog is not in this database",
				  "database", PQdb(session_connection(session)),
				  "hint", "CREATE EXTENSION eventlog", NULL);
		try_again("the extension eventlog is not in the database",
				  look_for_extension);
		return;
	}
	if (strcmp(extension, PQgetvalue(result, 0, 0)) != 0)
		check_version(PQgetvalue(result, 0, 1));
	snprintf(extension, sizeof(extension), "%s", PQgetvalue(result, 0, 0));
	find_log(log_found);
}

#define EXTENSION_SQL \
	"SELECT pg_catalog.concat(e.oid, ' ', e.extversion), e.extversion" \
	" FROM pg_catalog.pg_extension e" \
	" WHERE e.extname OPERATOR(pg_catalog.=) 'eventlog'"

static void
look_for_extension(void *arg)
{
	(void) arg;
	(void) session_query(session, EXTENSION_SQL, 0, NULL, extension_found, NULL);
}

static void
settings_made(void *arg, PGresult *result)
{
	(void) arg;
	if (succeeded(result, "could not set up the session", look_for_extension))
		look_for_extension(NULL);
}

/*
 * pooler_checked: the callback of pooler_check().
 */
static void
pooler_checked(void *arg, bool own)
{
	(void) arg;
	if (own)
	{
		pooler_told = false;
		(void) setup_session(session, session_name, STATEMENT_TIMEOUT,
							 settings_made, NULL);
		return;
	}
	trouble = "a pooler gives the session's statements to different connections";
	log_event(pooler_told ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR,
			  "a pooler gives the session's statements to different connections, on which its locks and LISTEN are lost",
			  "host", PQhost(session_connection(session)),
			  "port", PQport(session_connection(session)),
			  "hint", "Connect to the server directly, or use a pool of sessions (in pgbouncer, pool_mode = session).",
			  NULL);
	pooler_told = true;
	session_leave(session, POOLER_DELAY);
	events->failed();
}

static void
session_ready(void *arg)
{
	(void) arg;
	heard = (double) time(NULL);
	log_event(LOG_LEVEL_INFO, "connected to the database",
			  "host", PQhost(session_connection(session)),
			  "port", PQport(session_connection(session)),
			  "database", PQdb(session_connection(session)), NULL);
	trouble = "the session is not set up yet";
	pooler_check(session, config->database, pooler_checked, NULL);
}

/*
 * forget: drop what is known about the session.
 */
static void
forget(void)
{
	pooler_stop();
	set_up = false;
	loop_timer_clear(&step_timer);
}

static void
session_lost(void *arg)
{
	(void) arg;
	forget();
	trouble = "not connected to the database";
	events->lost();
	events->failed();
}

static void
notified(void *arg, const char *channel, const char *payload)
{
	(void) arg;
	heard = (double) time(NULL);
	if (!pooler_heard(channel) && strcmp(channel, "eventlog") == 0 && set_up)
		events->notified(payload);
}

/*
 * begin_anew: what the session was set up with was dropped; start again.
 */
static void
begin_anew(void *arg)
{
	(void) arg;
	forget();
	session_leave(session, 0);
	events->lost();
}

static void
leave_for(const char *why)
{
	log_event(LOG_LEVEL_WARNING, why, NULL);
	trouble = why;
	/* a session must not be closed in its own callback */
	loop_timer_set(&step_timer, 0, begin_anew, NULL);
}

/*
 * log_read: is the log still the same?
 */
static void
log_read(void *arg, PGresult *result)
{
	(void) arg;
	if (result == NULL || !session_succeeded(result) || !set_up)
		return;
	if (PQgetisnull(result, 0, 0))
		leave_for("the log is gone");
	else if (log_oid == NULL || strcmp(log_oid, PQgetvalue(result, 0, 0)) != 0)
		leave_for("the log is another one now");
}

static void
beaten(void *arg, PGresult *result)
{
	(void) arg;
	if (result == NULL)
		return;
	heard = (double) time(NULL);
	if (!session_succeeded(result))
	{
		session_report(LOG_LEVEL_WARNING, "could not check the database",
					   NULL, NULL, result);
		return;
	}
	if (!set_up)
		return;
	if (strcmp(extension, PQgetvalue(result, 0, 1)) != 0)
		leave_for("the extension is gone or another one now");
	else
		events->beat(atoi(PQgetvalue(result, 0, 0)));
}

/*
 * beat: check that the database answers, and what has changed.
 */
static void
beat(void *arg)
{
	const char *params[] = {session_name};

	(void) arg;
	loop_timer_set(&beat_timer, BEAT, beat, NULL);
	if (!set_up || session_silence(session) > 0)
		return;
	(void) session_query(session,
						 "SELECT (SELECT pg_catalog.count(*)"
						 " FROM pg_catalog.pg_stat_activity a"
						 " WHERE a.application_name OPERATOR(pg_catalog.=) $1"
						 " AND a.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()),"
						 " COALESCE((SELECT pg_catalog.concat(e.oid, ' ', e.extversion)"
						 " FROM pg_catalog.pg_extension e"
						 " WHERE e.extname OPERATOR(pg_catalog.=) 'eventlog'), '')",
						 1, params, beaten, NULL);
	find_log(log_read);
}

bool
database_begin(const Config *of, const char *name, const DatabaseEvents *whose)
{
	static const SessionEvents session_events = {
		.ready = session_ready,.lost = session_lost,.notified = notified
	};
	const SessionOptions options = {
		.database = of->database,.limit = STATEMENT_LIMIT
	};

	config = of;
	events = whose;
	snprintf(session_name, sizeof(session_name), "%s", name);
	session = session_create(&options, &session_events);
	loop_timer_set(&beat_timer, BEAT, beat, NULL);
	return session != NULL;
}

void
database_end(void)
{
	forget();
	loop_timer_clear(&beat_timer);
	session_destroy(session);
	session = NULL;
	free(log_oid);
	log_oid = NULL;
	extension[0] = '\0';
	trouble = "not connected to the database";
}

void
database_use(const Config *of, const char *name)
{
	const char *params[] = {name};

	config = of;
	if (strcmp(session_name, name) == 0)
		return;
	snprintf(session_name, sizeof(session_name), "%s", name);
	if (set_up)
		(void) session_query(session,
							 "SELECT pg_catalog.set_config('application_name', $1, false)",
							 1, params, ignore_result, NULL);
}

Session *
database_session(void)
{
	return session;
}

const char *
database_log(void)
{
	return log_oid;
}

bool
database_is_set_up(void)
{
	return set_up;
}

const char *
database_trouble(void)
{
	if (set_up && session_silence(session) > STATEMENT_LIMIT / 2)
		return "the database does not answer";
	return trouble;
}

double
database_heard(void)
{
	return heard;
}
