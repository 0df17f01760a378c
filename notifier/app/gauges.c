/*
 * gauges.c
 *		To count what is owed takes as long as much is: so it is done in a session
 *		that nothing waits for, with a limit, and the longer it took the less
 *		often.
 */
#include "app/gauges.h"

#include "base/logging.h"
#include "base/loop.h"
#include "net/database.h"
#include "net/session.h"
#include "net/setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BEAT			15000	/* ms from one answer to the next question */
#define REST			20		/* times as long as it took, at least */
#define TIMEOUT			10000	/* ms that a count may take */
#define LIMIT			30000	/* ms of silence */
#define LOG_DELAY		500		/* ms until the log may be known */
#define VALID			60000	/* ms, and REST times what it took */

static Session *session = NULL;
static char *database = NULL;
static char *names = NULL;		/* as an array literal */
static Gauge *gauges = NULL;
static size_t ngauges = 0;
static bool known = false;
static int64_t known_at = 0;	/* loop_now() */
static int64_t asked_at = 0;
static int64_t took = 0;		/* ms, the last time */
static LoopTimer timer;

/*
 * array_literal: texts as an array literal of SQL, allocated.
 */
static char *
array_literal(const char *const *texts, size_t n)
{
	size_t		size = 3;
	char	   *literal;
	char	   *at;

	for (size_t i = 0; i < n; i++)
		size += 2 * strlen(texts[i]) + 3;
	literal = at = malloc(size);
	if (literal == NULL)
		return NULL;
	*at++ = '{';
	for (size_t i = 0; i < n; i++)
	{
		if (i > 0)
			*at++ = ',';
		*at++ = '"';
		for (const char *c = texts[i]; *c; c++)
		{
			if (*c == '"' || *c == '\\')
				*at++ = '\\';
			*at++ = *c;
		}
		*at++ = '"';
	}
	strcpy(at, "}");
	return literal;
}

static void ask(void *arg);

static void
answered(void *arg, PGresult *result)
{
	(void) arg;
	if (result == NULL)
		return;
	took = loop_now() - asked_at;
	loop_timer_set(&timer, took * REST > BEAT ? took * REST : BEAT, ask, NULL);
	if (!session_succeeded(result))
	{
		session_report(LOG_LEVEL_WARNING, "could not count what is owed", NULL,
					   NULL, result);
		return;
	}
	memset(gauges, 0, sizeof(Gauge) * ngauges);
	known = true;
	known_at = loop_now();
	for (int row = 0; row < PQntuples(result); row++)
	{
		long		number = atol(PQgetvalue(result, row, 0)) - 1;

		if (number < 0 || (size_t) number >= ngauges)
			continue;
		gauges[number] = (Gauge)
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
		loop_timer_set(&timer, BEAT, ask, NULL);
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
gauges_begin(const char *of, const char *const *whose, size_t n)
{
	static const SessionEvents events = {.ready = ready,.lost = lost};
	SessionOptions options = {.database = of,.limit = LIMIT};

	if (session && strcmp(database, of) != 0)
		gauges_end();
	free(names);
	free(gauges);
	names = array_literal(whose, n);
	gauges = calloc(n + 1, sizeof(Gauge));
	ngauges = n;
	known = false;
	if (names == NULL || gauges == NULL)
		return false;
	if (session)
	{
		/* what is asked now may be by other numbers */
		session_forget(session, NULL, 1);
		loop_timer_set(&timer, 0, ask, NULL);
		return true;
	}
	database = strdup(of);
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
gauges_of(size_t number)
{
	if (!known || number >= ngauges ||
		loop_now() - known_at > VALID + took * REST)
		return NULL;
	return &gauges[number];
}
