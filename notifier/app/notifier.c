/*
 * notifier.c
 *		The process: starts, reloads its configuration, and stops.
 *
 * A reload replaces whatever has changed, as soon as its requests have ended.
 */
#include "app/notifier.h"

#include "app/fleet.h"
#include "app/gauges.h"
#include "app/listener.h"
#include "app/maintain.h"
#include "app/readiness.h"
#include "app/sharing.h"
#include "base/logging.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/signals.h"
#include "base/supervisor.h"
#include "net/database.h"
#include "net/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RELOAD_GRACE	10000	/* ms for requests of webhooks that change */
#define MIN_GRACE		10000	/* ms for requests when the process stops */
#define CHECKED_PER_BEAT	100 /* webhooks */

typedef struct Notifier
{
	const char *const *paths;
	size_t		npaths;
	Config	   *config;
	Config	   *next;			/* waits until webhooks are drained */
	Fleet		fleet;
	char		name[SHARING_NAME_SIZE];	/* of the session */
	bool		once;
	bool		counting;		/* with once: the last statement is running */
	bool		stopping;
	bool		grace_over;		/* do not wait any longer */
	LoopTimer	grace_timer;
	LoopTimer	watchdog_timer;
	bool		reload_ok;
	double		reload_time;
	bool		failed;
	bool		done;
} Notifier;

static Notifier notifier;

static void
list_trouble(char *to, size_t size)
{
	readiness_list(&notifier.fleet, to, size);
}

static void
metrics_source(PageSource *source)
{
	char		trouble[2];

	list_trouble(trouble, sizeof(trouble));
	*source = (PageSource)
	{
		.webhooks = notifier.fleet.webhooks,
			.nwebhooks = notifier.fleet.n,
			.generation = notifier.fleet.generation,
			.ready = *trouble == '\0',
			.enabled = notifier.config->enabled,
			.database_up = database_trouble() == NULL,
			.database_heard = database_heard(),
			.reload_ok = notifier.reload_ok,
			.reload_time = notifier.reload_time
	};
}

/*
 * report_error: log an error about which nothing else can be done.
 */
static void
report_error(void *arg, PGresult *result)
{
	if (result && !session_succeeded(result))
		session_report(LOG_LEVEL_ERROR, arg, NULL, NULL, result);
}

/*
 * unsubscribe: drop the subscriptions of configured webhooks that get no
 * events.
 */
static void
unsubscribe(void)
{
	for (size_t i = 0; i < notifier.config->nwebhooks; i++)
	{
		const WebhookConfig *webhook = notifier.config->webhooks[i];
		const char *params[] = {webhook->name, database_log()};

		if (!webhook->active)
			(void) session_query(database_session(),
								 "SELECT eventlog.unsubscribe(s.name, s.log)"
								 " FROM eventlog.subscriptions s"
								 " WHERE s.name OPERATOR(pg_catalog.=) $1"
								 " AND s.log::pg_catalog.oid"
								 " OPERATOR(pg_catalog.=) $2::pg_catalog.oid",
								 2, params, report_error,
								 "could not unsubscribe");
	}
}

static void
database_ready(void)
{
	unsubscribe();
	fleet_start(&notifier.fleet, database_session(), database_log(), NULL);
}

static void
database_lost(void)
{
	fleet_lost(&notifier.fleet);
}

/*
 * database_failed: with --once, a failed connection is not tried again.
 */
static void
database_failed(void)
{
	if (notifier.once)
		notifier.failed = notifier.done = true;
}

static void
notified(const char *name)
{
	fleet_wake(&notifier.fleet, name);
}

/*
 * beat: let some webhooks check their state, and share the webhooks with other
 * notifiers that have the same ones.
 */
static void
beat(int nnotifiers)
{
	static size_t next = 0;
	const Fleet *fleet = &notifier.fleet;

	for (size_t i = 0; i < fleet->n && i < CHECKED_PER_BEAT; i++)
		webhook_wake(fleet->webhooks[next++ % fleet->n]);
	if (!notifier.stopping && notifier.next == NULL && !notifier.once)
		sharing_balance(notifier.fleet.webhooks, notifier.fleet.n, nnotifiers);
}

static bool
connect_database(void)
{
	static const DatabaseEvents events = {
		.ready = database_ready,.lost = database_lost,.notified = notified,
		.failed = database_failed,.beat = beat
	};

	sharing_name(notifier.fleet.webhooks, notifier.fleet.n, notifier.name);
	return database_begin(notifier.config, notifier.name, &events);
}

/*
 * serve_pages: start the listener and the counts that it shows, or end them if
 * the configuration has no address.  False: the listener could not be started.
 */
static bool
serve_pages(void)
{
	static const ListenerSource source = {
		.source = metrics_source,.trouble = list_trouble
	};
	bool		ok = true;

	if (notifier.config->listen == NULL)
	{
		listener_end();
		gauges_end();
	}
	else
		ok = listener_begin(notifier.config, &source) &&
			gauges_begin(notifier.config->database, notifier.fleet.names,
						 notifier.fleet.n);
	return ok;
}

/*
 * start: create everything for the first configuration.
 */
static bool
start(void)
{
	log_set_level(notifier.config->log_level);
	notifier.reload_ok = true;
	notifier.reload_time = (double) time(NULL);
	if (!notifier.config->enabled)
		log_event(LOG_LEVEL_INFO, "notification is disabled, nothing is sent", NULL);
	if (!fleet_make(&notifier.fleet, notifier.config, NULL) ||
		!connect_database())
		return false;
	if (notifier.once)
		return true;
	maintain_begin(notifier.config);
	readiness_begin(&notifier.fleet);
	return serve_pages();
}

/*
 * moves: does the next configuration have another database or log?
 */
static bool
moves(void)
{
	return strcmp(notifier.config->database, notifier.next->database) != 0 ||
		!config_same_text(notifier.config->log, notifier.next->log);
}

static void
grace_over(void *arg)
{
	(void) arg;
	log_event(LOG_LEVEL_WARNING, "cancelling the requests that are still in flight", NULL);
	notifier.grace_over = true;
}

/*
 * drain: let webhooks that go away start nothing new, and wait at most `grace`
 * ms for their requests.
 */
static void
drain(int64_t grace)
{
	fleet_drain(&notifier.fleet, notifier.stopping || moves() ? NULL :
				notifier.next);
	if (!notifier.grace_timer.set)	/* a second request gets no extra time */
		loop_timer_set(&notifier.grace_timer, grace, grace_over, NULL);
}

static bool
is_drained(void)
{
	return notifier.grace_over || fleet_is_drained(&notifier.fleet);
}

/*
 * switch_database: connect all webhooks to another database.
 */
static bool
switch_database(void)
{
	fleet_lost(&notifier.fleet);
	maintain_end();
	gauges_end();
	database_end();
	maintain_begin(notifier.config);
	return connect_database();
}

/*
 * start_new: start the webhooks that are not in the old configuration.
 */
static void
start_new(const Fleet *old)
{
	sharing_name(notifier.fleet.webhooks, notifier.fleet.n, notifier.name);
	database_use(notifier.config, notifier.name);
	maintain_use(notifier.config);
	if (!database_is_set_up())
		return;
	unsubscribe();
	fleet_start(&notifier.fleet, database_session(), database_log(), old);
}

/*
 * change_over: replace the configuration by the next one.
 */
static void
change_over(void)
{
	Fleet		old = notifier.fleet;
	Config	   *before = notifier.config;
	bool		move = moves();
	bool		ok;

	loop_timer_clear(&notifier.grace_timer);
	notifier.grace_over = false;
	fleet_take_over(&old, before, notifier.next, database_session(),
					database_is_set_up());
	notifier.config = notifier.next;
	notifier.next = NULL;
	log_set_level(notifier.config->log_level);
	ok = fleet_make(&notifier.fleet, notifier.config, &old);
	if (ok && move)
		ok = switch_database();
	else if (ok)
		start_new(&old);
	/* deliveries go on even if the listener failed, which is logged */
	(void) (ok && serve_pages());
	fleet_free(&old);
	config_destroy(before);
	if (!ok)
		notifier.failed = notifier.done = true;
	log_event(LOG_LEVEL_INFO, "reloaded the configuration", NULL);
	supervisor_notify("READY=1");
}

static void
complain(LogLevel level, const char *message)
{
	log_event(level, level == LOG_LEVEL_ERROR ? "wrong configuration" :
			  "questionable configuration", "error", message, NULL);
}

/*
 * reload: read the files again; if that fails, keep the configuration.
 */
static void
reload(void)
{
	Config	   *config;

	if (notifier.stopping || notifier.once)
		return;
	config = config_load(notifier.paths, notifier.npaths, complain);
	notifier.reload_ok = config != NULL;
	if (config == NULL)
	{
		log_event(LOG_LEVEL_ERROR, "keeping the old configuration", NULL);
		return;
	}
	notifier.reload_time = (double) time(NULL);
	log_event(LOG_LEVEL_INFO, "reloading the configuration", NULL);
	if (!config->enabled)
		log_event(LOG_LEVEL_INFO, "notification is disabled, nothing is sent", NULL);
	config_destroy(notifier.next);
	notifier.next = config;
	supervisor_notify("RELOADING=1");
	drain(RELOAD_GRACE);
}

/*
 * stop: wait for requests for as long as the longest timeout; at a second
 * signal, stop at once.
 */
static void
stop(void)
{
	int64_t		grace = MIN_GRACE;
	char		extend[64];

	if (notifier.stopping)
	{
		notifier.done = true;
		return;
	}
	for (size_t i = 0; i < notifier.fleet.n; i++)
	{
		if (notifier.fleet.webhooks[i]->config->timeout > grace)
			grace = notifier.fleet.webhooks[i]->config->timeout;
	}
	log_event(LOG_LEVEL_INFO, "stopping", NULL);
	supervisor_notify("STOPPING=1");
	snprintf(extend, sizeof(extend), "EXTEND_TIMEOUT_USEC=%lld",
			 (long long) (grace + MIN_GRACE) * 1000);
	supervisor_notify(extend);
	notifier.stopping = true;
	loop_timer_clear(&notifier.grace_timer);
	drain(grace);
}

static void
pat_watchdog(void *arg)
{
	uint64_t	usec = *(uint64_t *) arg;

	supervisor_notify("WATCHDOG=1");
	loop_timer_set(&notifier.watchdog_timer, (int64_t) usec / 2000,
				   pat_watchdog, arg);
}

/*
 * counted: with --once, at the end: report the events that are still owed.
 */
static void
counted(void *arg, PGresult *result)
{
	(void) arg;
	if (result == NULL)
		return;
	notifier.done = true;
	if (!session_succeeded(result))
	{
		session_report(LOG_LEVEL_ERROR, "could not count the events owed", NULL,
					   NULL, result);
		notifier.failed = true;
	}
	for (int row = 0; session_succeeded(result) && row < PQntuples(result); row++)
	{
		if (config_find_active(notifier.config, PQgetvalue(result, row, 0)) == NULL)
			continue;
		log_event(LOG_LEVEL_WARNING, "events are still owed",
				  "webhook", PQgetvalue(result, row, 0),
				  "owed", PQgetvalue(result, row, 1), NULL);
		notifier.failed = true;
	}
}

/*
 * end_once: with --once, count what is still owed when all webhooks are quiet.
 */
static void
end_once(void)
{
	const char *params[] = {database_log()};

	if (!fleet_is_quiet(&notifier.fleet) || !database_is_set_up() ||
		!session_is_idle(database_session()) || notifier.counting)
		return;
	notifier.counting = true;
	(void) session_query(database_session(),
						 "SELECT s.name, s.pending OPERATOR(pg_catalog.+) s.retrying"
						 " FROM eventlog.subscriptions s"
						 " WHERE s.pending OPERATOR(pg_catalog.+) s.retrying"
						 " OPERATOR(pg_catalog.>) 0 AND s.log::pg_catalog.oid"
						 " OPERATOR(pg_catalog.=) $1::pg_catalog.oid",
						 1, params, counted, NULL);
}

/*
 * turn: after each turn of the loop, check whether to stop or to change over.
 */
static void
turn(void)
{
	if (notifier.stopping)
		notifier.done = notifier.done || is_drained();
	else if (notifier.next && is_drained())
		change_over();
	else if (notifier.once)
		end_once();
}

/*
 * finish: destroy everything.
 */
static void
finish(void)
{
	loop_timer_clear(&notifier.grace_timer);
	readiness_end();
	loop_timer_clear(&notifier.watchdog_timer);
	maintain_end();
	listener_end();
	gauges_end();
	database_end();
	fleet_destroy(&notifier.fleet);
	config_destroy(notifier.config);
	config_destroy(notifier.next);
	http_cleanup();
}

bool
notifier_run(Config *config, const char *const *paths, size_t npaths,
			 bool once)
{
	static const SignalEvents signals = {.stop = stop,.reload = reload};
	static uint64_t watchdog = 0;

	notifier = (Notifier)
	{
		.config = config,.paths = paths,.npaths = npaths,.once = once
	};
	process_begin();
	if (!loop_init() || !signals_begin(&signals) || !http_init())
	{
		config_destroy(config);
		return false;
	}
	notifier.failed = notifier.done = !start();
	supervisor_notify("READY=1");
	watchdog = supervisor_watchdog();
	if (watchdog > 0)
		pat_watchdog(&watchdog);
	while (!notifier.done)
	{
		if (!loop_once())
			notifier.failed = notifier.done = true;
		turn();
	}
	finish();
	return !notifier.failed;
}
