/*
 * main.c
 *		eventlog-notifier: turns what is owed into webhooks, at least once.
 *
 * One process, one thread, one loop.  Its only state is what is in flight; all
 * else is in the database.  This file has the command line, the signals, and
 * the life of a configuration: sessions and webhooks are made from it, and a
 * reload lets them finish and makes others.
 */
#include "config.h"
#include "http.h"
#include "log.h"
#include "loop.h"
#include "metrics.h"
#include "session.h"
#include "upkeep.h"
#include "webhook.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define GRACE			10000	/* ms to finish what is in flight */
#define LOG_DELAY		10000	/* ms between two looks for the log */
#define LOOK_AROUND		15000	/* ms between two looks at how it goes */

enum
{
	EXIT_OK = 0,
	EXIT_RUN_TIME = 1,
	EXIT_USAGE = 2
};

/*
 * Notifier: what is made from a configuration.
 */
typedef struct Notifier
{
	const char *path;
	Config	   *config;
	Config	   *next;			/* to reload, when all is quiet */
	Session    *session;
	Webhook   **webhooks;		/* the active ones */
	size_t		nwebhooks;
	char	   *log;			/* Oid of the log, as text; NULL: not known */
	bool		set_up;			/* the session is, and all are subscribed */
	LoopTimer	log_timer;		/* until the log is looked for again */
	LoopTimer	around_timer;	/* until look_around() */
	char		name[64];		/* of the session, the same for notifiers of
								 * the same webhooks */
	LoopTimer	grace_timer;
	bool		grace_over;		/* to wait for what is in flight */
	LoopTimer	watchdog_timer;
	bool		once;
	bool		reloaded;
	bool		stopping;
	bool		failed;			/* with --once: something did not work */
	bool		done;
	MetricsSource metrics;
} Notifier;

static Notifier notifier;

static void find_log(void *arg);
static void listen_again(void *arg);

/*
 * fail_once: with --once, what would be tried again is an error.
 */
static void
fail_once(void)
{
	if (notifier.once)
		notifier.failed = notifier.done = true;
}

static bool
is_ready(void)
{
	if (!notifier.set_up)
		return false;
	for (size_t i = 0; i < notifier.nwebhooks; i++)
	{
		if (!webhook_is_ready(notifier.webhooks[i]))
			return false;
	}
	return true;
}

static bool
has_failed(void)
{
	for (size_t i = 0; i < notifier.nwebhooks; i++)
	{
		if (webhook_has_failed(notifier.webhooks[i]))
			return true;
	}
	return false;
}

/*
 * name_session: by a hash (FNV-1a) of the webhooks' names.
 */
static void
name_session(void)
{
	uint32_t	hash = 2166136261u;

	for (size_t i = 0; i < notifier.nwebhooks; i++)
	{
		/* with the zero at the end, so that names cannot run together */
		for (const char *at = notifier.webhooks[i]->config->name;; at++)
		{
			hash = (hash ^ (unsigned char) *at) * 16777619u;
			if (*at == '\0')
				break;
		}
	}
	snprintf(notifier.name, sizeof(notifier.name), "eventlog-notifier %08x",
			 (unsigned) hash);
}

/*
 * share_out: of so many notifiers with these webhooks each has its share; who
 * has more leaves the rest to the others.
 */
static void
share_out(int nnotifiers)
{
	size_t		n = (size_t) nnotifiers;
	size_t		held = 0;
	size_t		share;

	if (nnotifiers < 2)
		return;
	share = (notifier.nwebhooks + n - 1) / n;
	for (size_t i = 0; i < notifier.nwebhooks; i++)
		held += webhook_is_consumer(notifier.webhooks[i]) &&
			!notifier.webhooks[i]->yielding;
	for (size_t i = notifier.nwebhooks; i > 0 && held > share; i--)
	{
		Webhook    *webhook = notifier.webhooks[i - 1];

		if (!webhook_is_consumer(webhook) || webhook->yielding)
			continue;
		webhook_yield(webhook);
		held--;
	}
}

/*
 * looked_around: rows are (subscription, owed, age of the oldest, notifiers).
 */
static void
looked_around(void *arg, PGresult *result)
{
	(void) arg;
	if (result == NULL)
		return;
	if (!session_succeeded(result))
	{
		session_report(LOG_LEVEL_WARNING, "could not see what is owed", NULL,
					   NULL, result);
		return;
	}
	for (int row = 0; row < PQntuples(result); row++)
	{
		for (size_t i = 0; i < notifier.nwebhooks; i++)
		{
			Webhook    *webhook = notifier.webhooks[i];

			if (strcmp(webhook->config->name, PQgetvalue(result, row, 0)) != 0)
				continue;
			webhook->owed = atof(PQgetvalue(result, row, 1));
			webhook->oldest_age = atof(PQgetvalue(result, row, 2));
		}
	}
	if (PQntuples(result) > 0 && !notifier.stopping && notifier.next == NULL)
		share_out(atoi(PQgetvalue(result, 0, 3)));
}

#define NOTIFIERS_SQL \
	"(SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity" \
	" WHERE application_name OPERATOR(pg_catalog.=) $1" \
	" AND datname OPERATOR(pg_catalog.=) pg_catalog.current_database())"

/*
 * look_around: what is owed, if there are metrics to tell it, and who else is
 * there.
 */
static void
look_around(void *arg)
{
	const char *params[] = {notifier.name};

	(void) arg;
	if (notifier.set_up)
		(void) session_query(notifier.session,
							 notifier.config->listen ?
							 "SELECT s.name, s.pending OPERATOR(pg_catalog.+) s.retrying,"
							 " COALESCE(EXTRACT(epoch FROM pg_catalog.clock_timestamp()"
							 " OPERATOR(pg_catalog.-) s.oldest_pending_at), 0),"
							 " " NOTIFIERS_SQL " FROM eventlog.subscriptions s" :
							 "SELECT '', 0, 0, " NOTIFIERS_SQL,
							 1, params, looked_around, NULL);
	loop_timer_set(&notifier.around_timer, LOOK_AROUND, look_around, NULL);
}

/*
 * set_up_done: the last statement of the set-up came through.
 */
static void
set_up_done(void *arg, PGresult *result)
{
	(void) arg;
	if (result == NULL)
		return;
	if (!session_succeeded(result))
	{
		session_report(LOG_LEVEL_ERROR, "could not listen", NULL, NULL, result);
		fail_once();
		loop_timer_set(&notifier.log_timer, LOG_DELAY, listen_again, NULL);
		return;
	}
	notifier.set_up = true;
	if (!notifier.once)
		look_around(NULL);
}

static void
listen_again(void *arg)
{
	(void) arg;
	(void) session_query(notifier.session, "LISTEN eventlog", 0, NULL,
						 set_up_done, NULL);
}

static void
ignore_result(void *arg, PGresult *result)
{
	if (result && PQresultStatus(result) == PGRES_FATAL_ERROR)
		session_report(LOG_LEVEL_ERROR, arg, NULL, NULL, result);
}

/*
 * unsubscribe: the configuration names a webhook that events do not go to.
 */
static void
unsubscribe(const WebhookConfig *webhook)
{
	const char *params[] = {webhook->name};

	(void) session_query(notifier.session,
						 "SELECT eventlog.unsubscribe(s.name)"
						 " FROM eventlog.subscriptions s"
						 " WHERE s.name OPERATOR(pg_catalog.=) $1"
						 " AND s.log::pg_catalog.oid OPERATOR(pg_catalog.=)"
						 " pg_catalog.to_regclass(pg_catalog.current_setting("
						 "'eventlog.default_log'))::pg_catalog.oid",
						 1, params, ignore_result, "could not unsubscribe");
}

/*
 * log_found: the log has a number now; subscribe.
 */
static void
log_found(void *arg, PGresult *result)
{
	const char *params[1];

	(void) arg;
	if (result == NULL)
		return;
	if (!session_succeeded(result) || PQgetisnull(result, 0, 0))
	{
		if (!session_succeeded(result))
			session_report(LOG_LEVEL_ERROR, "could not find the log", NULL,
						   NULL, result);
		else
			log_event(LOG_LEVEL_ERROR, "the log does not exist",
					  "log", notifier.config->log ? notifier.config->log :
					  "(eventlog.default_log)", NULL);
		fail_once();
		loop_timer_set(&notifier.log_timer, LOG_DELAY, find_log, NULL);
		return;
	}
	free(notifier.log);
	notifier.log = strdup(PQgetvalue(result, 0, 0));
	params[0] = notifier.log;
	(void) session_query(notifier.session,
						 "SELECT pg_catalog.set_config('search_path', '', false),"
						 " pg_catalog.set_config('eventlog.default_log',"
						 " pg_catalog.format('%I.%I', n.nspname, c.relname), false)"
						 " FROM pg_catalog.pg_class c"
						 " JOIN pg_catalog.pg_namespace n"
						 " ON n.oid OPERATOR(pg_catalog.=) c.relnamespace"
						 " WHERE c.oid OPERATOR(pg_catalog.=) $1::pg_catalog.oid",
						 1, params, ignore_result, "could not set up the session");
	for (size_t i = 0; i < notifier.config->nwebhooks; i++)
	{
		if (!notifier.config->webhooks[i].active)
			unsubscribe(&notifier.config->webhooks[i]);
	}
	for (size_t i = 0; i < notifier.nwebhooks; i++)
		webhook_start(notifier.webhooks[i], notifier.session, notifier.log);
	listen_again(NULL);
}

/*
 * find_log: by the user's search_path.
 */
static void
find_log(void *arg)
{
	const char *params[] = {notifier.config->log};

	(void) arg;
	(void) session_query(notifier.session,
						 "SELECT pg_catalog.to_regclass(COALESCE($1,"
						 " pg_catalog.current_setting('eventlog.default_log', true),"
						 " 'events'))::pg_catalog.oid",
						 1, params, log_found, NULL);
}

/*
 * session_ready: set the session up.
 *
 * An acknowledgement that a crash of the server loses is a duplicate at worst,
 * so none waits for the disk.  What the role or the database sets for people's
 * sessions is not for this one.  The server is to notice soon when this host is
 * gone, so that another notifier can take over.  search_path is emptied when
 * the log is found.
 */
static void
session_ready(void *arg)
{
	const char *params[] = {notifier.name};

	(void) arg;
	log_event(LOG_LEVEL_INFO, "connected to the database", NULL);
	(void) session_query(notifier.session,
						 "SELECT pg_catalog.set_config('synchronous_commit', 'off', false),"
						 " pg_catalog.set_config('statement_timeout', '0', false),"
						 " pg_catalog.set_config('lock_timeout', '0', false),"
						 " pg_catalog.set_config('idle_session_timeout', '0', false),"
						 " pg_catalog.set_config('tcp_keepalives_idle', '10', false),"
						 " pg_catalog.set_config('tcp_keepalives_interval', '5', false),"
						 " pg_catalog.set_config('tcp_keepalives_count', '3', false),"
						 " pg_catalog.set_config('tcp_user_timeout', '30000', false),"
						 " pg_catalog.set_config('default_transaction_read_only', 'off', false),"
						 " pg_catalog.set_config('default_transaction_isolation', 'read committed', false),"
						 " pg_catalog.set_config('application_name', $1, false)",
						 1, params, ignore_result, "could not set up the session");
	find_log(NULL);
}

static void
session_lost(void *arg)
{
	(void) arg;
	notifier.set_up = false;
	loop_timer_clear(&notifier.log_timer);
	for (size_t i = 0; i < notifier.nwebhooks; i++)
		webhook_lost(notifier.webhooks[i]);
	fail_once();
}

static void
session_notified(void *arg)
{
	(void) arg;
	for (size_t i = 0; i < notifier.nwebhooks; i++)
		webhook_wake(notifier.webhooks[i]);
}

/*
 * end: what was made from the configuration is unmade.
 */
static void
end(void)
{
	loop_timer_clear(&notifier.log_timer);
	loop_timer_clear(&notifier.around_timer);
	upkeep_end();
	metrics_stop();
	session_destroy(notifier.session);
	notifier.session = NULL;
	for (size_t i = 0; i < notifier.nwebhooks; i++)
		webhook_destroy(notifier.webhooks[i]);
	http_forget();
	free(notifier.webhooks);
	free(notifier.log);
	notifier.webhooks = NULL;
	notifier.nwebhooks = 0;
	notifier.log = NULL;
	notifier.set_up = false;
}

static bool
make_webhooks(void)
{
	notifier.webhooks = calloc(notifier.config->nwebhooks + 1,
							   sizeof(Webhook *));
	for (size_t i = 0; notifier.webhooks && i < notifier.config->nwebhooks; i++)
	{
		const WebhookConfig *config = &notifier.config->webhooks[i];

		if (!config->active)
			continue;
		notifier.webhooks[notifier.nwebhooks] = webhook_create(config);
		if (notifier.webhooks[notifier.nwebhooks] == NULL)
			return false;
		notifier.nwebhooks++;
	}
	return notifier.webhooks != NULL;
}

/*
 * begin: make everything from the configuration, anew if need be.
 */
static void
begin(void)
{
	static const SessionEvents events = {
		.ready = session_ready,.lost = session_lost,
		.notified = session_notified
	};

	end();
	log_set_level(notifier.config->log_level);
	if (!make_webhooks() ||
		(notifier.session = session_create(notifier.config->database, false,
										   &events)) == NULL)
	{
		notifier.failed = notifier.done = true;
		return;
	}
	notifier.metrics.ready = is_ready;
	notifier.metrics.webhooks = notifier.webhooks;
	notifier.metrics.nwebhooks = notifier.nwebhooks;
	name_session();
	if (notifier.once)
		return;
	if (notifier.config->listen &&
		!metrics_start(notifier.config, &notifier.metrics) &&
		!notifier.reloaded)
	{
		/* at a start somebody is looking; later deliveries matter more */
		notifier.failed = notifier.done = true;
		return;
	}
	upkeep_begin(notifier.config);
	loop_timer_set(&notifier.around_timer, LOOK_AROUND, look_around, NULL);
}

static void
grace_over(void *arg)
{
	(void) arg;
	log_event(LOG_LEVEL_WARNING, "breaking off what is still in flight", NULL);
	notifier.grace_over = true;
}

/*
 * drain: begin nothing new, to stop or to reload.
 */
static void
drain(void)
{
	for (size_t i = 0; i < notifier.nwebhooks; i++)
		notifier.webhooks[i]->stopping = true;
	if (!notifier.grace_timer.set)	/* asked again, it does not take longer */
		loop_timer_set(&notifier.grace_timer, GRACE, grace_over, NULL);
}

static void
complain(const char *message)
{
	log_event(LOG_LEVEL_ERROR, "wrong configuration", "error", message, NULL);
}

/*
 * reload: read the file again; the old configuration stays if that fails.
 */
static void
reload(void)
{
	Config	   *config = config_load(notifier.path, complain);

	if (config == NULL)
	{
		log_event(LOG_LEVEL_ERROR, "keeping the old configuration", NULL);
		return;
	}
	log_event(LOG_LEVEL_INFO, "reloading the configuration", NULL);
	config_destroy(notifier.next);
	notifier.next = config;
	(void) sd_notify(0, "RELOADING=1");
	drain();
}

static void
at_signal(void *arg, uint32_t events)
{
	struct signalfd_siginfo info;
	int			fd = (int) (intptr_t) arg;

	(void) events;
	while (read(fd, &info, sizeof(info)) == (ssize_t) sizeof(info))
	{
		if (info.ssi_signo == SIGHUP)
		{
			if (!notifier.stopping && !notifier.once)
				reload();
			continue;
		}
		if (notifier.stopping)
		{
			notifier.done = true;	/* asked twice */
			continue;
		}
		log_event(LOG_LEVEL_INFO, "stopping", NULL);
		(void) sd_notify(0, "STOPPING=1");
		notifier.stopping = true;
		drain();
	}
}

static bool
watch_signals(void)
{
	sigset_t	set;
	int			fd;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 ||
		(fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)) < 0)
	{
		log_event(LOG_LEVEL_ERROR, "could not watch signals",
				  "error", strerror(errno), NULL);
		return false;
	}
	return loop_watch(fd, EPOLLIN, at_signal, (void *) (intptr_t) fd);
}

static void
pat_watchdog(void *arg)
{
	uint64_t	usec = *(uint64_t *) arg;

	(void) sd_notify(0, "WATCHDOG=1");
	loop_timer_set(&notifier.watchdog_timer, (int64_t) usec / 2000,
				   pat_watchdog, arg);
}

static bool
all_quiet(void)
{
	for (size_t i = 0; i < notifier.nwebhooks; i++)
	{
		if (!webhook_is_quiet(notifier.webhooks[i]))
			return false;
	}
	return true;
}

/*
 * turn: after each turn of the loop: is it time to stop, or to reload?
 */
static void
turn(void)
{
	bool		drained = (notifier.stopping || notifier.next) &&
	(notifier.grace_over || all_quiet());

	if (drained && notifier.stopping)
		notifier.done = true;
	else if (drained)
	{
		loop_timer_clear(&notifier.grace_timer);
		notifier.grace_over = false;
		end();
		config_destroy(notifier.config);
		notifier.config = notifier.next;
		notifier.next = NULL;
		notifier.reloaded = true;
		begin();
		(void) sd_notify(0, "READY=1");
	}
	if (notifier.once && notifier.set_up &&
		session_is_idle(notifier.session) && all_quiet())
	{
		notifier.failed = !is_ready() || has_failed();
		notifier.done = true;
	}
}

static int
run(void)
{
	static uint64_t watchdog = 0;

	/* a line at a time, so that those of two processes do not mix */
	(void) setvbuf(stderr, NULL, _IOLBF, BUFSIZ);
	if (!loop_init() || !watch_signals() || !http_init())
		return EXIT_RUN_TIME;
	begin();
	(void) sd_notify(0, "READY=1");
	if (sd_watchdog_enabled(0, &watchdog) > 0)
		pat_watchdog(&watchdog);
	while (!notifier.done)
	{
		if (!loop_once())
			notifier.failed = notifier.done = true;
		turn();
	}
	end();
	config_destroy(notifier.config);
	config_destroy(notifier.next);
	http_cleanup();
	return notifier.failed ? EXIT_RUN_TIME : EXIT_OK;
}

static void
print_complaint(const char *message)
{
	fprintf(stderr, "eventlog-notifier: %s\n", message);
}

static void
print_help(void)
{
	printf("eventlog-notifier sends webhooks for the events of an eventlog database.\n\n"
		   "Usage:\n"
		   "  eventlog-notifier --config FILE [--check | --once]\n\n"
		   "Options:\n"
		   "  -c, --config FILE  the configuration, in JSON\n"
		   "      --check        check the configuration and exit\n"
		   "      --once         deliver what is owed now and exit; 1 if any of it failed\n"
		   "  -V, --version      print the version and exit\n"
		   "  -h, --help         print this and exit\n\n"
		   "Exit status: 0 clean, 1 an error at run time, 2 wrong usage or configuration.\n"
		   "SIGTERM, SIGINT: finish what is in flight and exit.  SIGHUP: read the\n"
		   "configuration again; the old one stays where the new one is wrong.\n");
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, 'k'},
		{"once", no_argument, NULL, 'o'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0}
	};
	bool		check = false;
	int			option;

	while ((option = getopt_long(argc, argv, "c:Vh", options, NULL)) != -1)
	{
		switch (option)
		{
			case 'c':
				notifier.path = optarg;
				break;
			case 'k':
				check = true;
				break;
			case 'o':
				notifier.once = true;
				break;
			case 'V':
				printf("eventlog-notifier %s\n", EVENTLOG_VERSION);
				return EXIT_OK;
			case 'h':
				print_help();
				return EXIT_OK;
			default:
				print_complaint("see --help");
				return EXIT_USAGE;
		}
	}
	if (notifier.path == NULL || optind < argc || (check && notifier.once))
	{
		print_complaint("usage: eventlog-notifier --config FILE [--check | --once]");
		return EXIT_USAGE;
	}
	notifier.config = config_load(notifier.path, print_complaint);
	if (notifier.config == NULL)
		return EXIT_USAGE;
	if (check)
	{
		config_destroy(notifier.config);
		return EXIT_OK;
	}
	return run();
}
