/*
 * main.c
 *		eventlog-notifier: turns what is owed into webhooks, at least once.
 *
 * One process, one thread, one loop.  Its only state is what is in flight; all
 * else is in the database.  This file has the command line and the exit status.
 */
#include "app/check.h"
#include "app/notifier.h"
#include "base/logging.h"
#include "config/config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_FILES		32

enum
{
	EXIT_OK = 0,
	EXIT_RUN_TIME = 1,
	EXIT_USAGE = 2
};

/*
 * Arguments: what the command line says.
 */
typedef struct Arguments
{
	const char *paths[MAX_FILES];
	size_t		npaths;
	bool		check;
	bool		once;
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
		   "  eventlog-notifier --config FILE [--config FILE]... [--check | --once]\n\n"
		   "Options:\n"
		   "  -c, --config FILE  the configuration, in JSON; of several files, later ones\n"
		   "                     override what stands in earlier ones\n"
		   "      --check        check the configuration, the database and the rights in\n"
		   "                     it, say what is wrong, and exit\n"
		   "      --once         deliver what is owed now and exit; 1 if any of it is\n"
		   "                     still owed\n"
		   "  -V, --version      print the version and exit\n"
		   "  -h, --help         print this and exit\n\n"
		   "Exit status: 0 clean, 1 an error at run time, 2 wrong usage or configuration.\n"
		   "SIGTERM, SIGINT: finish what is in flight and exit.  SIGHUP: read the\n"
		   "configuration again; the old one stays where the new one is wrong.\n");
}

/*
 * parse: the exit status when that is all, or -1 to go on.
 */
static int
parse(int argc, char **argv, Arguments *arguments)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, 'k'},
		{"once", no_argument, NULL, 'o'},
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
			case 'k':
				arguments->check = true;
				break;
			case 'o':
				arguments->once = true;
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
	if (arguments->npaths == 0 || optind < argc ||
		(arguments->check && arguments->once))
	{
		print_problem(LOG_LEVEL_ERROR,
					  "usage: eventlog-notifier --config FILE [--check | --once]");
		return EXIT_USAGE;
	}
	return -1;
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

	/* a line at a time, so that those of two processes do not mix */
	(void) setvbuf(stderr, NULL, _IOLBF, BUFSIZ);
	config = config_load(arguments.paths, arguments.npaths, print_problem);
	if (config == NULL)
		return EXIT_USAGE;
	if (arguments.check)
	{
		ok = check_database(config, print_problem);
		if (ok)
			printf("eventlog-notifier: the configuration is right, and so is the database\n");
		config_destroy(config);
	}
	else
		ok = notifier_run(config, arguments.paths, arguments.npaths,
						  arguments.once);
	return ok ? EXIT_OK : EXIT_RUN_TIME;
}
