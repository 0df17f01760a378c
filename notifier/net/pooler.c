/*
 * pooler.c
 *		Finds out whether a pooler gives the statements of a session to
 *		different connections.
 *
 * In transaction mode a pooler does so, and locks and LISTEN stay on a
 * connection that other clients use next.
 *
 * At the start of a session the server sends its process number, and a pooler
 * invents one.  If a statement returns the same number, there is no pooler.
 * Otherwise the pooler may still be in session mode.  So the session listens
 * and then does nothing, while another session notifies it: the notification
 * arrives only if the connection belongs to the session.  (Asking for the
 * process number twice is not enough, since an idle pooler uses the same
 * connection again.)
 *
 * The check leaves no setting, no lock and no LISTEN behind.
 */
#include "net/pooler.h"

#include "base/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define HEARING_TIME	5000	/* ms for the notification to arrive */

static struct
{
	Session    *session;
	Session    *speaker;		/* another session, which notifies ours */
	const char *database;
	PoolerChecked callback;
	void	   *arg;
	char		channel[32];
	bool		listening;
	LoopTimer	timer;
}			check;

static void
ignore_result(void *arg, PGresult *result)
{
	(void) arg;
	(void) result;
}

/*
 * unlisten: undo LISTEN as far as possible.
 */
static void
unlisten(void)
{
	char		sql[64];

	if (check.listening)
	{
		snprintf(sql, sizeof(sql), "UNLISTEN %s", check.channel);
		(void) session_query(check.session, sql, 0, NULL, ignore_result, NULL);
	}
	check.listening = false;
}

static void
conclude(bool own)
{
	unlisten();
	pooler_stop();
	check.callback(check.arg, own);
}

static void
not_heard(void *arg)
{
	(void) arg;
	conclude(false);
}

static void
heard(void *arg)
{
	(void) arg;
	conclude(true);
}

bool
pooler_heard(const char *channel)
{
	if (!check.listening || strcmp(channel, check.channel) != 0)
		return false;
	/* a session must not be closed in its own callback */
	loop_timer_set(&check.timer, 0, heard, NULL);
	return true;
}

static void
spoken(void *arg, PGresult *result)
{
	(void) arg;
	if (result && session_succeeded(result))
		loop_timer_set(&check.timer, HEARING_TIME, not_heard, NULL);
	else
		loop_timer_set(&check.timer, 0, not_heard, NULL);
}

static void
speaker_ready(void *arg)
{
	const char *params[] = {check.channel};

	(void) arg;
	(void) session_query(check.speaker, "SELECT pg_catalog.pg_notify($1, '')", 1,
						 params, spoken, NULL);
}

static void
speaker_lost(void *arg)
{
	(void) arg;
	if (!check.timer.set)
		loop_timer_set(&check.timer, 0, not_heard, NULL);
}

/*
 * listening: the session listens; let another session notify it.
 */
static void
listening(void *arg, PGresult *result)
{
	static const SessionEvents events = {
		.ready = speaker_ready,.lost = speaker_lost
	};
	const SessionOptions options = {
		.database = check.database,.limit = HEARING_TIME,.once = true
	};

	(void) arg;
	if (result == NULL)
		return;
	check.listening = session_succeeded(result);
	check.speaker = check.listening ? session_create(&options, &events) : NULL;
	if (check.speaker == NULL)
		loop_timer_set(&check.timer, 0, not_heard, NULL);
}

static void
numbered(void *arg, PGresult *result)
{
	static unsigned int number = 0;
	char		sql[64];
	PGconn	   *conn = session_connection(check.session);

	(void) arg;
	if (result == NULL)
		return;
	if (session_succeeded(result) && conn &&
		atoi(PQgetvalue(result, 0, 0)) == PQbackendPID(conn))
	{
		loop_timer_set(&check.timer, 0, heard, NULL);
		return;
	}
	if (getrandom(&number, sizeof(number), 0) != (ssize_t) sizeof(number))
		number++;
	snprintf(check.channel, sizeof(check.channel), "eventlog_check_%08x", number);
	snprintf(sql, sizeof(sql), "LISTEN %s", check.channel);
	(void) session_query(check.session, sql, 0, NULL, listening, NULL);
}

void
pooler_check(Session *session, const char *database, PoolerChecked callback,
			 void *arg)
{
	pooler_stop();
	check.session = session;
	check.database = database;
	check.callback = callback;
	check.arg = arg;
	check.listening = false;
	(void) session_query(session, "SELECT pg_catalog.pg_backend_pid()", 0, NULL,
						 numbered, NULL);
}

void
pooler_stop(void)
{
	loop_timer_clear(&check.timer);
	session_destroy(check.speaker);
	check.speaker = NULL;
	check.listening = false;
}
