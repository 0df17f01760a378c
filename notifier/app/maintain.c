/*
 * maintain.c
 *		Periodic upkeep: calls eventlog.maintain, and looks for subscriptions
 *		that grow because no configuration names them any more.
 *
 * Each round has a session of its own, so deliveries do not wait.  If a round
 * takes longer than the interval, the next one is skipped.  Missing rights are
 * usually the operator's choice, and are reported only once.
 */
#include "app/maintain.h"

#include "base/logging.h"
#include "base/loop.h"
#include "net/session.h"
#include "net/setup.h"

#include <string.h>

#define FIRST_DELAY		1000	/* ms: let deliveries start first */
#define USUAL_INTERVAL	3600000 /* ms, without maintain */
#define LOST_DELAY		60000	/* ms to the next round after a failure */
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
 * is_ours: does this process deliver for the subscription?  Then its webhook
 * reports problems itself.
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
				  "a subscription that is owed events has no consumer",
				  "subscription", PQgetvalue(result, i, 0),
				  "owed", PQgetvalue(result, i, 1), NULL);
	}
	/* a session must not be destroyed in its own callback */
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
 * at_ready: run the round.  There is no statement timeout, since maintain
 * commits as it goes.
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
				  "upkeep takes longer than its interval", NULL);
		return;
	}
	loop_timer_clear(&close_timer);
	session_destroy(session);
	begun = loop_now();
	session = session_create(&options, &events);
}

void
maintain_begin(const Config *new_config)
{
	config = new_config;
	loop_timer_set(&timer, FIRST_DELAY, begin_round, NULL);
}

void
maintain_use(const Config *new_config)
{
	bool		sooner = new_config->maintain > 0 &&
		(config->maintain == 0 ||
		 new_config->maintain < config->maintain);

	config = new_config;
	if (sooner && timer.set)
		loop_timer_set(&timer, FIRST_DELAY, begin_round, NULL);
}

void
maintain_end(void)
{
	loop_timer_clear(&timer);
	loop_timer_clear(&close_timer);
	session_destroy(session);
	session = NULL;
}
