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
								 * libpq's environment */
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
 * config_load: read and check files, of which later ones override what stands
 * in earlier ones, key by key.  NULL on errors, each of which has been handed
 * to `complain` as "path.into.file: what is wrong"; warnings are too.  Files
 * that a configuration names are sought from its own directory.
 */
extern Config *config_load(const char *const *paths, size_t npaths,
						   ReaderComplain complain);

/*
 * config_parse: the same from one text; dir is where named files are sought.
 */
extern Config *config_parse(const char *text, size_t len, const char *dir,
							ReaderComplain complain);

/*
 * config_find_active: where the webhook of that name stands, if events go to it;
 * NULL: they do not.
 */
extern WebhookConfig **config_find_active(const Config *config,
										  const char *name);

/*
 * config_same_text: are two texts, of which either may be absent, the same?
 */
extern bool config_same_text(const char *one, const char *other);
extern void config_destroy(Config *config);

#endif							/* NOTIFIER_CONFIG_H */
