/*
 * gauges.c
 *		Counts in the database what each webhook is owed.
 *
 * A count takes longer the more is owed.  So it runs in a session of its own,
 * with a timeout, and the longer it takes, the more rarely.
 */
#include "app/gauges.h"

#include "base/array.h"
#include "base/logging.h"
#include "base/loop.h"
#include "net/database.h"
#include "net/session.h"
#include "net/setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTERVAL		15000	/* ms between two counts, at least */
#define INTERVAL_FACTOR	20		/* times the duration of a count, at least */
#define TIMEOUT			10000	/* of a count, in ms */
#define LIMIT			30000	/* ms without an answer: the session is lost */
#define LOG_DELAY		500		/* ms to wait for the Oid of the log */
#define VALID			60000	/* ms for which a count is valid, plus the
								 * interval */

static Session *session = NULL;
static char *database = NULL;
static char *names = NULL;		/* an array literal */
static Gauge *gauges = NULL;
static size_t ngauges = 0;
static bool known = false;
static int64_t known_at = 0;	/* loop_now() */
static int64_t asked_at = 0;
static int64_t took = 0;		/* ms, of the last count */
static LoopTimer timer;

/*
 * join_names: names as an array literal.  Allocated; NULL: out of memory.
 */
static char *
join_names(const char *const *list, size_t n)
{
	ArrayLiteral array = {0};

	if (n == 0)
		return strdup("{}");
	for (size_t i = 0; i < n; i++)
	{
		if (!array_add(&array, list[i]))
		{
			array_forget(&array);
			return NULL;
		}
	}
	return array_take(&array);
}

static void ask(void *arg);

static void
answered(void *arg, PGresult *result)
{
	(void) arg;
	if (result == NULL)
		return;
	took = loop_now() - asked_at;
	loop_timer_set(&timer, took * INTERVAL_FACTOR > INTERVAL ?
				   took * INTERVAL_FACTOR : INTERVAL, ask, NULL);
	if (!session_succeeded(result))
	{
		session_report(LOG_LEVEL_WARNING, "could not count the events owed", NULL,
					   NULL, result);
		return;
	}
	memset(gauges, 0, sizeof(Gauge) * ngauges);
	known = true;
	known_at = loop_now();
	for (int row = 0; row < PQntuples(result); row++)
	{
		long		index = atol(PQgetvalue(result, row, 0)) - 1;

		if (index < 0 || (size_t) index >= ngauges)
			continue;
		gauges[index] = (Gauge)
		{
			.owed = atof(PQgetvalue(result, row, 1)),
				.dead = atof(PQgetvalue(result, row, 2)),
				.oldest_age = atof(PQgetvalue(result, row, 3)),
				.paused = *PQgetvalue(result, row, 4) == 't'
		};
	}
}

#define GAUGES_SQL \
	"SELECT n.number, s.pending OPERATOR(pg_catalog.+) s.retrying, s.dead," \
	" COALESCE(EXTRACT(epoch FROM pg_catalog.clock_timestamp()" \
	" OPERATOR(pg_catalog.-) s.oldest_pending_at), 0)," \
	" s.paused" \
	" FROM pg_catalog.unnest($1::pg_catalog.text[])" \
	" WITH ORDINALITY n(name, number)" \
	" JOIN eventlog.subscriptions s ON s.name OPERATOR(pg_catalog.=) n.name" \
	" AND s.log::pg_catalog.oid OPERATOR(pg_catalog.=) $2::pg_catalog.oid"

static void
ask(void *arg)
{
	const char *params[] = {names, database_log()};

	(void) arg;
	asked_at = loop_now();
	if (database_log() == NULL)
		loop_timer_set(&timer, LOG_DELAY, ask, NULL);
	else if (session_is_ready(session) &&
			 !session_query(session, GAUGES_SQL, 2, params, answered, NULL))
		loop_timer_set(&timer, INTERVAL, ask, NULL);
}

static void
is_set_up(void *arg, PGresult *result)
{
	(void) arg;
	if (result && !session_succeeded(result))
		session_report(LOG_LEVEL_WARNING, "could not set up the session", NULL,
					   NULL, result);
	if (result)
		ask(NULL);
}

static void
ready(void *arg)
{
	(void) arg;
	(void) setup_session(session, "eventlog-notifier-gauges", TIMEOUT, is_set_up,
						 NULL);
}

static void
lost(void *arg)
{
	(void) arg;
	known = false;
	loop_timer_clear(&timer);
}

bool
gauges_begin(const char *conninfo, const char *const *list, size_t n)
{
	static const SessionEvents events = {.ready = ready,.lost = lost};
	SessionOptions options = {.database = conninfo,.limit = LIMIT};

	if (session && strcmp(database, conninfo) != 0)
		gauges_end();
	free(names);
	free(gauges);
	names = join_names(list, n);
	gauges = calloc(n + 1, sizeof(Gauge));
	ngauges = n;
	known = false;
	if (names == NULL || gauges == NULL)
		return false;
	if (session)
	{
		/* a count in progress has the indexes of the old names */
		session_forget(session, NULL, 1);
		loop_timer_set(&timer, 0, ask, NULL);
		return true;
	}
	database = strdup(conninfo);
	session = database ? session_create(&options, &events) : NULL;
	return session != NULL;
}

void
gauges_end(void)
{
	loop_timer_clear(&timer);
	session_destroy(session);
	session = NULL;
	free(database);
	free(names);
	free(gauges);
	database = names = NULL;
	gauges = NULL;
	ngauges = 0;
	known = false;
}

const Gauge *
gauges_of(size_t index)
{
	if (!known || index >= ngauges ||
		loop_now() - known_at > VALID + took * INTERVAL_FACTOR)
		return NULL;
	return &gauges[index];
}
