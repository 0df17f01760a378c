/*
 * main.c
 *		eventlog-notifier: delivers the events of subscriptions as webhooks,
 *		at least once.
 *
 * One process, one thread, one loop.  Its only state is the requests in
 * flight; everything else is in the database.  This file has the command line
 * and the exit status.
 */
#include "app/check.h"
#include "app/dead.h"
#include "app/notifier.h"
#include "app/sample.h"
#include "base/logging.h"
#include "config/config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILES		32

enum
{
	EXIT_OK = 0,
	EXIT_RUN_TIME = 1,
	EXIT_USAGE = 2
};

enum
{
	TASK_CHECK = 256, TASK_ONCE, TASK_TEST, TASK_DEAD, TASK_RETRY
};

/*
 * Arguments: the command line.
 */
typedef struct Arguments
{
	const char *paths[MAX_FILES];
	size_t		npaths;
	int			task;			/* its option; 0: deliver events */
	int			ntasks;
	const char *webhook;		/* for --test, --dead and --retry */
	const char *seq;			/* for --retry; NULL: all */
} Arguments;

static void
print_problem(LogLevel level, const char *message)
{
	fprintf(stderr, "eventlog-notifier: %s%s\n",
			level == LOG_LEVEL_WARNING ? "warning: " : "", message);
}

static void
print_help(void)
{
	printf("eventlog-notifier sends webhooks for the events of an eventlog database.\n\n"
		   "Usage:\n"
		   "  eventlog-notifier --config FILE [--config FILE]... [TASK]\n\n"
		   "Options:\n"
		   "  -c, --config FILE  the configuration, in JSON; of several files, later ones\n"
		   "                     override earlier ones\n"
		   "Tasks, instead of delivering events:\n"
		   "      --check        check the configuration, the database and the role's\n"
		   "                     rights, report problems, and exit\n"
		   "      --once         deliver what is owed now and exit; 1 if any of it is\n"
		   "                     still owed\n"
		   "      --test WEBHOOK send a sample event to the webhook, print the answer and\n"
		   "                     exit; 1 unless it succeeds\n"
		   "      --dead [WEBHOOK]\n"
		   "                     list dead deliveries, which were given up, and exit\n"
		   "      --retry WEBHOOK [SEQ]\n"
		   "                     make the dead deliveries of the webhook, or one of them,\n"
		   "                     owed again, and exit\n"
		   "  -V, --version      print the version and exit\n"
		   "  -h, --help         print this and exit\n\n"
		   "Exit status: 0 success, 1 an error at run time, 2 wrong usage or configuration.\n"
		   "SIGTERM, SIGINT: finish the requests in flight and exit.  SIGHUP: reload the\n"
		   "configuration; if the new one is wrong, keep the old one.\n");
}

/*
 * parse: read the command line.  Returns the exit status, or -1 to go on.
 */
static int
parse(int argc, char **argv, Arguments *arguments)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, TASK_CHECK},
		{"once", no_argument, NULL, TASK_ONCE},
		{"test", required_argument, NULL, TASK_TEST},
		{"dead", no_argument, NULL, TASK_DEAD},
		{"retry", required_argument, NULL, TASK_RETRY},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0}
	};
	int			option;

	while ((option = getopt_long(argc, argv, "c:Vh", options, NULL)) != -1)
	{
		switch (option)
		{
			case 'c':
				if (arguments->npaths == MAX_FILES)
				{
					print_problem(LOG_LEVEL_ERROR, "too many files");
					return EXIT_USAGE;
				}
				arguments->paths[arguments->npaths++] = optarg;
				break;
			case TASK_CHECK:
			case TASK_ONCE:
			case TASK_TEST:
			case TASK_DEAD:
			case TASK_RETRY:
				arguments->task = option;
				arguments->ntasks++;
				arguments->webhook = optarg;
				break;
			case 'V':
				printf("eventlog-notifier %s\n", EVENTLOG_VERSION);
				return EXIT_OK;
			case 'h':
				print_help();
				return EXIT_OK;
			default:
				print_problem(LOG_LEVEL_ERROR, "see --help");
				return EXIT_USAGE;
		}
	}
	if (arguments->task == TASK_DEAD && optind < argc)
		arguments->webhook = argv[optind++];
	if (arguments->task == TASK_RETRY && optind < argc)
		arguments->seq = argv[optind++];
	if (arguments->seq &&
		(*arguments->seq == '\0' ||
		 arguments->seq[strspn(arguments->seq, "0123456789")] != '\0'))
	{
		print_problem(LOG_LEVEL_ERROR,
					  "SEQ must be a whole number, as --dead shows it");
		return EXIT_USAGE;
	}
	if (arguments->npaths == 0 || optind < argc || arguments->ntasks > 1)
	{
		print_problem(LOG_LEVEL_ERROR,
					  "usage: eventlog-notifier --config FILE [TASK]; see --help");
		return EXIT_USAGE;
	}
	return -1;
}

/*
 * find_webhook: find a webhook by its name; complain and return NULL if there
 * is none.
 */
static const WebhookConfig *
find_webhook(const Config *config, const char *name)
{
	char		shown[128];
	char		message[256];

	for (size_t i = 0; i < config->nwebhooks; i++)
	{
		if (strcmp(config->webhooks[i]->name, name) == 0)
			return config->webhooks[i];
	}
	printable(shown, sizeof(shown), name, strlen(name));
	snprintf(message, sizeof(message), "the configuration has no webhook \"%s\"",
			 shown);
	print_problem(LOG_LEVEL_ERROR, message);
	return NULL;
}

static bool
perform(const Config *config, const Arguments *arguments)
{
	bool		ok;

	switch (arguments->task)
	{
		case TASK_TEST:
			return sample_send(find_webhook(config, arguments->webhook));
		case TASK_DEAD:
			return dead_list(config, arguments->webhook, print_problem);
		case TASK_RETRY:
			return dead_retry(config, arguments->webhook, arguments->seq,
							  print_problem);
		default:
			break;
	}
	ok = sample_check(config, print_problem);
	ok = check_database(config, print_problem) && ok;
	if (ok)
		printf("eventlog-notifier: the configuration and the database are all right\n");
	return ok;
}

int
main(int argc, char **argv)
{
	Arguments	arguments = {0};
	int			status = parse(argc, argv, &arguments);
	Config	   *config;
	bool		ok;

	if (status >= 0)
		return status;

	/* write whole lines, so that those of two processes do not mix */
	(void) setvbuf(stderr, NULL, _IOLBF, BUFSIZ);
	config = config_load(arguments.paths, arguments.npaths, print_problem);
	if (config == NULL)
		return EXIT_USAGE;
	if (arguments.webhook && find_webhook(config, arguments.webhook) == NULL)
	{
		config_destroy(config);
		return EXIT_USAGE;
	}
	if (arguments.task == 0 || arguments.task == TASK_ONCE)
		ok = notifier_run(config, arguments.paths, arguments.npaths,
						  arguments.task == TASK_ONCE);
	else
	{
		ok = perform(config, &arguments);
		config_destroy(config);
	}
	return ok ? EXIT_OK : EXIT_RUN_TIME;
}
