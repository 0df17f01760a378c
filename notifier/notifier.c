/*
 * notifier.c
 *		Sessions and webhooks are made from a configuration.  A reload lets those
 *		webhooks finish that are not in the new configuration as they were, and
 *		makes others; what has not changed goes on with its connections, its
 *		counts and what it has in flight.
 */
#include "notifier.h"

#include "database.h"
#include "gauges.h"
#include "http.h"
#include "listener.h"
#include "log.h"
#include "loop.h"
#include "process.h"
#include "sharing.h"
#include "signals.h"
#include "upkeep.h"
#include "webhook.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#define RELOAD_GRACE	10000	/* ms for what is in flight, and changes */
#define MIN_GRACE		10000	/* ms for what is in flight at the end */
#define LOOKED_AFTER	100		/* webhooks at each beat of the database */
#define READINESS_BEAT	5000	/* ms between two looks at what stands still */

typedef struct Notifier
{
	const char *const *paths;
	size_t		npaths;
	Config	   *config;
	Config	   *next;			/* to reload, when what changes is quiet */
	Webhook   **webhooks;		/* the active ones */
	size_t		nwebhooks;
	const char **names;			/* of these */
	uint64_t	generation;		/* how often they have been others */
	char		name[SHARING_NAME_SIZE];	/* of the session */
	bool		once;
	bool		counting;		/* with once: what is still owed */
	bool		stopping;
	bool		grace_over;		/* to wait for what is in flight */
	LoopTimer	grace_timer;
	LoopTimer	watchdog_timer;
	LoopTimer	readiness_timer;
	bool		unready;		/* it has been told that something stands still */
	bool		reload_ok;
	double		reload_time;
	bool		failed;
	bool		done;
} Notifier;

static Notifier notifier;

/*
 * find_active: the webhook of that name which events go to by a configuration;
 * NULL: none.
 */
static WebhookConfig **
find_active(const Config *config, const char *name)
{
	for (size_t i = 0; i < config->nwebhooks; i++)
	{
		if (config->webhooks[i]->active &&
			strcmp(config->webhooks[i]->name, name) == 0)
			return &config->webhooks[i];
	}
	return NULL;
}

/*
 * list_trouble: what stands still, a line each; as much as there is room for.
 */
static void
list_trouble(char *to, size_t size)
{
	const char *trouble = database_trouble();
	size_t		len = 0;

	*to = '\0';
	if (trouble)
		len = (size_t) snprintf(to, size, "%s\n", trouble);
	for (size_t i = 0; i < notifier.nwebhooks && len < size; i++)
	{
		const Gauge *gauge = gauges_of(i);
		WebhookStatus status;

		webhook_status(notifier.webhooks[i], &status);
		if (status.trouble == NULL && status.standby && gauge && gauge->foreign)
			status.trouble = "a session that is no notifier is the consumer";
		if (status.trouble)
			len += (size_t) snprintf(to + len, size - len, "webhook %s: %s\n",
									 status.config->name, status.trouble);
	}
}

/*
 * look_at_readiness: tell when something stands still, and when nothing does any
 * more.
 */
static void
look_at_readiness(void *arg)
{
	char		trouble[512];

	(void) arg;
	list_trouble(trouble, sizeof(trouble));
	if (*trouble)
		trouble[strcspn(trouble, "\n")] = '\0';
	if (*trouble && !notifier.unready)
		log_event(LOG_LEVEL_WARNING, "not ready", "reason", trouble, NULL);
	else if (*trouble == '\0' && notifier.unready)
		log_event(LOG_LEVEL_INFO, "ready again", NULL);
	notifier.unready = *trouble != '\0';
	loop_timer_set(&notifier.readiness_timer, READINESS_BEAT, look_at_readiness,
				   NULL);
}

static void
metrics_source(MetricsSource *source)
{
	char		trouble[2];

	list_trouble(trouble, sizeof(trouble));
	*source = (MetricsSource)
	{
		.webhooks = notifier.webhooks,
			.nwebhooks = notifier.nwebhooks,
			.generation = notifier.generation,
			.ready = *trouble == '\0',
			.enabled = notifier.config->enabled,
			.database_up = database_trouble() == NULL,
			.database_heard = database_heard(),
			.reload_ok = notifier.reload_ok,
			.reload_time = notifier.reload_time
	};
}

/*
 * report_error: an error is logged, and no more can be done.
 */
static void
report_error(void *arg, PGresult *result)
{
	if (result && !session_succeeded(result))
		session_report(LOG_LEVEL_ERROR, arg, NULL, NULL, result);
}

/*
 * unsubscribe: the configuration names webhooks that events do not go to.
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
	for (size_t i = 0; i < notifier.nwebhooks; i++)
		webhook_start(notifier.webhooks[i], database_session(), database_log());
}

static void
database_lost(void)
{
	for (size_t i = 0; i < notifier.nwebhooks; i++)
		webhook_lost(notifier.webhooks[i]);
}

/*
 * database_failed: with --once, what would be tried again is an error.
 */
static void
database_failed(void)
{
	if (notifier.once)
		notifier.failed = notifier.done = true;
}

/*
 * rung: wake the webhook whose subscription has something; "": any may.
 */
static void
rung(const char *name)
{
	for (size_t i = 0; i < notifier.nwebhooks; i++)
	{
		if (*name == '\0' || strcmp(notifier.names[i], name) == 0)
			webhook_wake(notifier.webhooks[i]);
	}
}

/*
 * beat: some of the webhooks look whether what they wait for is still there; and
 * of other notifiers with the same ones each has its share.
 */
static void
beat(int nnotifiers)
{
	static size_t next = 0;

	for (size_t i = 0; i < notifier.nwebhooks && i < LOOKED_AFTER; i++)
		webhook_wake(notifier.webhooks[next++ % notifier.nwebhooks]);
	if (!notifier.stopping && notifier.next == NULL && !notifier.once)
		sharing_balance(notifier.webhooks, notifier.nwebhooks, nnotifiers);
}

/*
 * make_webhooks: those of the configuration; what is in it as it was before is
 * taken over from `old`, whose configurations take the place of the new ones.
 */
static bool
make_webhooks(Webhook **old, size_t nold)
{
	Config	   *config = notifier.config;

	notifier.webhooks = calloc(config->nwebhooks + 1, sizeof(Webhook *));
	notifier.names = calloc(config->nwebhooks + 1, sizeof(char *));
	notifier.nwebhooks = 0;
	notifier.generation++;
	if (notifier.webhooks == NULL || notifier.names == NULL)
		return false;
	for (size_t i = 0; i < config->nwebhooks; i++)
	{
		Webhook    *webhook = NULL;

		if (!config->webhooks[i]->active)
			continue;
		for (size_t j = 0; j < nold && webhook == NULL; j++)
		{
			if (old[j] && old[j]->config == config->webhooks[i])
				webhook = old[j];
		}
		if (webhook == NULL &&
			(webhook = webhook_create(config->webhooks[i])) == NULL)
			return false;
		notifier.names[notifier.nwebhooks] = config->webhooks[i]->name;
		notifier.webhooks[notifier.nwebhooks++] = webhook;
	}
	sharing_name(notifier.webhooks, notifier.nwebhooks, notifier.name);
	return true;
}

static void
free_webhooks(void)
{
	for (size_t i = 0; i < notifier.nwebhooks; i++)
		webhook_destroy(notifier.webhooks[i]);
	free(notifier.webhooks);
	free(notifier.names);
	notifier.webhooks = NULL;
	notifier.names = NULL;
	notifier.nwebhooks = 0;
}

static bool
connect_database(void)
{
	static const DatabaseEvents events = {
		.ready = database_ready,.lost = database_lost,.rung = rung,
		.failed = database_failed,.beat = beat
	};

	return database_begin(notifier.config, notifier.name, &events);
}

/*
 * begin_beside: what goes on beside deliveries.  False when it was asked for and
 * could not be.
 */
static bool
begin_beside(void)
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
			gauges_begin(notifier.config->database, notifier.names,
						 notifier.nwebhooks);
	return ok;
}

/*
 * start: make everything from the first configuration.
 */
static bool
start(void)
{
	log_set_level(notifier.config->log_level);
	notifier.reload_ok = true;
	notifier.reload_time = (double) time(NULL);
	if (!notifier.config->enabled)
		log_event(LOG_LEVEL_INFO, "notification is off: nothing is sent", NULL);
	if (!make_webhooks(NULL, 0) || !connect_database())
		return false;
	if (notifier.once)
		return true;
	upkeep_begin(notifier.config);
	loop_timer_set(&notifier.readiness_timer, READINESS_BEAT, look_at_readiness,
				   NULL);
	return begin_beside();
}

/*
 * moves: does the new configuration have another database or log?
 */
static bool
moves(void)
{
	return strcmp(notifier.config->database, notifier.next->database) != 0 ||
		!config_same_text(notifier.config->log, notifier.next->log);
}

/*
 * stays: is the webhook in the new configuration as it was?
 */
static bool
stays(const Webhook *webhook)
{
	WebhookConfig **config = find_active(notifier.next, webhook->config->name);

	return config && webhook_config_equal(*config, webhook->config);
}

static void
grace_over(void *arg)
{
	(void) arg;
	log_event(LOG_LEVEL_WARNING, "breaking off what is still in flight", NULL);
	notifier.grace_over = true;
}

/*
 * drain: what goes begins nothing new.
 */
static void
drain(int64_t grace)
{
	for (size_t i = 0; i < notifier.nwebhooks; i++)
		notifier.webhooks[i]->stopping = notifier.stopping || moves() ||
			!stays(notifier.webhooks[i]);
	if (!notifier.grace_timer.set)	/* asked again, it does not take longer */
		loop_timer_set(&notifier.grace_timer, grace, grace_over, NULL);
}

static bool
is_drained(void)
{
	if (notifier.grace_over)
		return true;
	for (size_t i = 0; i < notifier.nwebhooks; i++)
	{
		if (notifier.webhooks[i]->stopping &&
			!webhook_is_quiet(notifier.webhooks[i]))
			return false;
	}
	return true;
}

/*
 * let_go: a webhook that is not in the new configuration as it was.
 */
static void
let_go(Webhook *webhook)
{
	if (database_is_set_up())
		claim_release(&webhook->claim);
	session_forget(database_session(), webhook, sizeof(*webhook));
	webhook_destroy(webhook);
}

/*
 * take_over: webhooks that stay keep their configuration, which takes the place
 * of the one that is the same; others are let go.
 */
static void
take_over(Webhook **old, size_t nold)
{
	for (size_t i = 0; i < nold; i++)
	{
		WebhookConfig **theirs;
		WebhookConfig **ours;
		WebhookConfig *same;

		if (!stays(old[i]))
		{
			let_go(old[i]);
			old[i] = NULL;
			continue;
		}
		theirs = find_active(notifier.next, old[i]->config->name);
		ours = find_active(notifier.config, old[i]->config->name);
		same = *ours;
		*ours = *theirs;
		*theirs = same;
		old[i]->stopping = false;
	}
}

/*
 * switch_database: webhooks that stay lose their session, and get another.
 */
static bool
switch_database(void)
{
	database_lost();
	upkeep_end();
	gauges_end();
	database_end();
	upkeep_begin(notifier.config);
	return connect_database();
}

/*
 * start_new: the webhooks that were not there before.
 */
static void
start_new(Webhook **old, size_t nold)
{
	database_use(notifier.config, notifier.name);
	upkeep_use(notifier.config);
	if (!database_is_set_up())
		return;
	unsubscribe();
	for (size_t i = 0; i < notifier.nwebhooks; i++)
	{
		bool		known = false;

		for (size_t j = 0; j < nold; j++)
			known = known || old[j] == notifier.webhooks[i];
		if (!known)
			webhook_start(notifier.webhooks[i], database_session(),
						  database_log());
	}
}

/*
 * change_over: the new configuration counts from now on.
 */
static void
change_over(void)
{
	Webhook   **old = notifier.webhooks;
	const char **names = notifier.names;
	size_t		nold = notifier.nwebhooks;
	bool		move = moves();
	Config	   *before = notifier.config;
	bool		ok;

	loop_timer_clear(&notifier.grace_timer);
	notifier.grace_over = false;
	take_over(old, nold);
	notifier.config = notifier.next;
	notifier.next = NULL;
	log_set_level(notifier.config->log_level);
	ok = make_webhooks(old, nold);
	if (ok && move)
		ok = switch_database();
	else if (ok)
		start_new(old, nold);
	(void) (ok && begin_beside());
	free(old);
	free(names);
	config_destroy(before);
	if (!ok)
		notifier.failed = notifier.done = true;
	log_event(LOG_LEVEL_INFO, "the new configuration counts", NULL);
	(void) sd_notify(0, "READY=1");
}

static void
complain(LogLevel level, const char *message)
{
	log_event(level, level == LOG_LEVEL_ERROR ? "wrong configuration" :
			  "careless configuration", "error", message, NULL);
}

/*
 * reload: read the files again; the old configuration stays if that fails.
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
		log_event(LOG_LEVEL_INFO, "notification is off: nothing is sent", NULL);
	config_destroy(notifier.next);
	notifier.next = config;
	(void) sd_notify(0, "RELOADING=1");
	drain(RELOAD_GRACE);
}

/*
 * stop: what is in flight has the longest of its timeouts; asked twice, none.
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
	for (size_t i = 0; i < notifier.nwebhooks; i++)
	{
		if (notifier.webhooks[i]->config->timeout > grace)
			grace = notifier.webhooks[i]->config->timeout;
	}
	log_event(LOG_LEVEL_INFO, "stopping", NULL);
	(void) sd_notify(0, "STOPPING=1");
	snprintf(extend, sizeof(extend), "EXTEND_TIMEOUT_USEC=%lld",
			 (long long) (grace + MIN_GRACE) * 1000);
	(void) sd_notify(0, extend);
	notifier.stopping = true;
	loop_timer_clear(&notifier.grace_timer);
	drain(grace);
}

static void
pat_watchdog(void *arg)
{
	uint64_t	usec = *(uint64_t *) arg;

	(void) sd_notify(0, "WATCHDOG=1");
	loop_timer_set(&notifier.watchdog_timer, (int64_t) usec / 2000,
				   pat_watchdog, arg);
}

/*
 * counted: with --once, at the end: is anything still owed?
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
		session_report(LOG_LEVEL_ERROR, "could not count what is owed", NULL,
					   NULL, result);
		notifier.failed = true;
	}
	for (int row = 0; session_succeeded(result) && row < PQntuples(result); row++)
	{
		if (find_active(notifier.config, PQgetvalue(result, row, 0)) == NULL)
			continue;
		log_event(LOG_LEVEL_WARNING, "events are still owed",
				  "webhook", PQgetvalue(result, row, 0),
				  "owed", PQgetvalue(result, row, 1), NULL);
		notifier.failed = true;
	}
}

/*
 * end_once: with --once, when all is quiet.
 */
static void
end_once(void)
{
	const char *params[] = {database_log()};

	for (size_t i = 0; i < notifier.nwebhooks; i++)
	{
		if (!webhook_is_quiet(notifier.webhooks[i]))
			return;
	}
	if (!database_is_set_up() || !session_is_idle(database_session()) ||
		notifier.counting)
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
 * turn: after each turn of the loop: is it time to stop, or to change over?
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
 * finish: unmake everything.
 */
static void
finish(void)
{
	loop_timer_clear(&notifier.grace_timer);
	loop_timer_clear(&notifier.readiness_timer);
	loop_timer_clear(&notifier.watchdog_timer);
	upkeep_end();
	listener_end();
	gauges_end();
	database_end();
	free_webhooks();
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
	(void) sd_notify(0, "READY=1");
	if (sd_watchdog_enabled(0, &watchdog) > 0)
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
