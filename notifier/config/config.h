/*
 * config.h
 *		The configuration, from JSON files.
 */
#ifndef NOTIFIER_CONFIG_H
#define NOTIFIER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/logging.h"
#include "config/jsonreader.h"
#include "config/webhook_config.h"

typedef struct Config
{
	char	   *database;		/* connection string, may hold a password; "":
								 * use libpq's environment */
	char	   *log;			/* NULL: the database's default */
	LogLevel	log_level;
	char	   *listen;			/* ADDR:PORT; NULL: none */
	struct sockaddr_storage address;	/* the same */
	int64_t		maintain;		/* ms between two calls of maintain; 0: never */
	bool		enabled;
	size_t		nwebhooks;
	WebhookConfig **webhooks;
} Config;

/*
 * config_load: read and check files.  A key in a later file overrides the same
 * key in earlier ones.  Each error and warning is passed to `complain` as
 * "path.into.file: what is wrong"; after an error the result is NULL.  File
 * names in a file are relative to its directory.
 */
extern Config *config_load(const char *const *paths, size_t npaths,
						   ReaderComplain complain);

/*
 * config_parse: the same for a text.  File names in it are relative to dir.
 */
extern Config *config_parse(const char *text, size_t len, const char *dir,
							ReaderComplain complain);

/*
 * config_find_active: find the webhook of that name, if events go to it.
 * Returns its place in config->webhooks; NULL if there is none.
 */
extern WebhookConfig **config_find_active(const Config *config,
										  const char *name);

extern void config_destroy(Config *config);

#endif							/* NOTIFIER_CONFIG_H */
