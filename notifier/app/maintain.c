/*
 * maintain.c
 *		What is done now and then, on a session of its own that is closed
 *		after it, so that no delivery waits: eventlog.maintain, and a look for
 *		subscriptions that grow because no configuration names them any more.
 *
 * A lack of rights is the operator's choice as a rule, and told once only.  A
 * round may take longer than the time between two: then the next one waits.
 */
#include "app/maintain.h"

#include "base/logging.h"
#include "base/loop.h"
#include "net/session.h"
#include "net/setup.h"

#include <string.h>

#define FIRST_DELAY		1000	/* ms: what delivers comes first */
#define USUAL_INTERVAL	3600000 /* ms, where maintain is not to be called */
#define LOST_DELAY		60000	/* ms until what could not be done is */
#define LONGEST_ROUND	86400000	/* ms */

#define SQLSTATE_DENIED	"42501"

static const Config *config = NULL;
static Session *session = NULL;
static LoopTimer timer;
static LoopTimer close_timer;
static int64_t begun = 0;		/* loop_now() */
static bool denied = false;

static void
report(LogLevel level, const char *what, const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	if (state && strcmp(state, SQLSTATE_DENIED) == 0)
	{
		if (denied)
			return;
		denied = true;
	}
	session_report(level, what, NULL, NULL, result);
}

static void
at_warning(void *arg, const PGresult *warning)
{
	(void) arg;
	report(LOG_LEVEL_WARNING, "warning from upkeep", warning);
}

static void
maintained(void *arg, PGresult *result)
{
	(void) arg;
	if (result && !session_succeeded(result))
		report(LOG_LEVEL_ERROR, "could not maintain the logs", result);
	else if (result)
		log_event(LOG_LEVEL_DEBUG, "maintained the logs", NULL);
}

static void
close_session(void *arg)
{
	(void) arg;
	session_destroy(session);
	session = NULL;
}

/*
 * is_ours: do our events go there?  Then the webhook itself tells what is wrong.
 */
static bool
is_ours(const char *name)
{
	for (size_t i = 0; i < config->nwebhooks; i++)
	{
		if (config->webhooks[i]->active &&
			strcmp(config->webhooks[i]->name, name) == 0)
			return true;
	}
	return false;
}

static void
orphans_found(void *arg, PGresult *result)
{
	(void) arg;
	if (result && !session_succeeded(result))
		report(LOG_LEVEL_ERROR, "could not look for forgotten subscriptions",
			   result);
	for (int i = 0; result && i < PQntuples(result); i++)
	{
		if (is_ours(PQgetvalue(result, i, 0)))
			continue;
		log_event(LOG_LEVEL_WARNING,
				  "nobody fetches from a subscription that is owed events",
				  "subscription", PQgetvalue(result, i, 0),
				  "owed", PQgetvalue(result, i, 1), NULL);
	}
	/* not from within a callback of the session itself */
	loop_timer_set(&close_timer, 0, close_session, NULL);
}

static void
is_set_up(void *arg, PGresult *result)
{
	(void) arg;
	if (result && !session_succeeded(result))
		report(LOG_LEVEL_ERROR, "could not set up the session", result);
}

/*
 * at_ready: maintain commits as it goes, so no timeout is to cut a round.
 */
static void
at_ready(void *arg)
{
	(void) arg;
	(void) setup_session(session, "eventlog-notifier-upkeep", 0, is_set_up, NULL);
	if (config->maintain > 0)
		(void) session_query(session, "CALL eventlog.maintain()", 0, NULL,
							 maintained, NULL);
	(void) session_query(session,
						 "SELECT s.name, s.pending OPERATOR(pg_catalog.+) s.retrying"
						 " FROM eventlog.subscriptions s"
						 " WHERE s.consumer IS NULL AND NOT s.paused"
						 " AND s.pending OPERATOR(pg_catalog.+) s.retrying"
						 " OPERATOR(pg_catalog.>) 0",
						 0, NULL, orphans_found, NULL);
}

static void begin_round(void *arg);

static void
at_lost(void *arg)
{
	(void) arg;
	if (config->maintain == 0 || config->maintain > LOST_DELAY)
		loop_timer_set(&timer, LOST_DELAY, begin_round, NULL);
}

static void
begin_round(void *arg)
{
	static const SessionEvents events = {
		.ready = at_ready,.lost = at_lost,.warning = at_warning
	};
	const SessionOptions options = {.database = config->database,.once = true};

	(void) arg;
	loop_timer_set(&timer, config->maintain > 0 ? config->maintain :
				   USUAL_INTERVAL, begin_round, NULL);
	if (session && session_is_ready(session) && !session_is_idle(session) &&
		loop_now() - begun < LONGEST_ROUND)
	{
		log_event(LOG_LEVEL_WARNING,
				  "upkeep takes longer than the time between two rounds", NULL);
		return;
	}
	loop_timer_clear(&close_timer);
	session_destroy(session);
	begun = loop_now();
	session = session_create(&options, &events);
}

void
upkeep_begin(const Config *of)
{
	config = of;
	loop_timer_set(&timer, FIRST_DELAY, begin_round, NULL);
}

void
upkeep_use(const Config *of)
{
	bool		sooner = of->maintain > 0 &&
		(config->maintain == 0 || of->maintain < config->maintain);

	config = of;
	if (sooner && timer.set)
		loop_timer_set(&timer, FIRST_DELAY, begin_round, NULL);
}

void
upkeep_end(void)
{
	loop_timer_clear(&timer);
	loop_timer_clear(&close_timer);
	session_destroy(session);
	session = NULL;
}
