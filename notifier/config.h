/*
 * config.h
 *		The configuration, from a JSON file.
 */
#ifndef NOTIFIER_CONFIG_H
#define NOTIFIER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "log.h"
#include "retry.h"
#include "signature.h"

#define CONFIG_MAX_KEYS		8	/* secrets of a webhook */
#define CONFIG_MAX_HEADERS	32

typedef enum PayloadFormat
{
	FORMAT_STANDARD,
	FORMAT_CLOUDEVENTS,
	FORMAT_ANCHORE
} PayloadFormat;

/*
 * WebhookConfig: one webhook.  Strings are its own; NULL: not given.
 */
typedef struct WebhookConfig
{
	char	   *name;			/* of the webhook and of its subscription */
	bool		active;			/* events go there */
	char	   *url;
	char	   *levels;			/* as an array literal; NULL: all */
	char	   *event_type;		/* prefix; NULL: any */
	PayloadFormat format;
	SigningKey	keys[CONFIG_MAX_KEYS];
	size_t		nkeys;
	char	   *username;		/* basic authentication */
	char	   *password;
	char	   *authorization;	/* the whole value of the header */
	char	   *headers[CONFIG_MAX_HEADERS];	/* "Name: value" or "Name;" */
	size_t		nheaders;
	char	   *ca_file;
	char	   *cert_file;
	char	   *key_file;
	char	   *server_name;
	bool		insecure_skip_verify;
	long		min_version;	/* CURL_SSLVERSION_… */
	char	   *proxy_url;
	char	   *no_proxy;
	int64_t		timeout;		/* ms, for the whole transfer */
	int			max_concurrency;
	bool		ordered;
	int			max_events;		/* in one request; 1: no batches */
	RetryPolicy retry;
} WebhookConfig;

typedef struct Config
{
	char	   *database;		/* connection string; may hold a password */
	char	   *log;			/* NULL: the database's default */
	LogLevel	log_level;
	char	   *listen;			/* ADDR:PORT; NULL: none */
	struct sockaddr_storage address;	/* the same */
	int64_t		maintain;		/* ms between two calls of maintain; 0: never */
	bool		enabled;
	size_t		nwebhooks;
	WebhookConfig *webhooks;
} Config;

/*
 * config_load: read and check a file.  NULL on errors, each of which has been
 * handed to `complain` as "path.into.file: what is wrong".  Files that the
 * configuration names are sought from its own directory.
 */
typedef void (*ConfigComplain) (const char *message);

extern Config *config_load(const char *path, ConfigComplain complain);

/*
 * config_parse: the same from text; dir is where named files are sought.
 */
extern Config *config_parse(const char *text, size_t len, const char *dir,
							ConfigComplain complain);
extern void config_destroy(Config *config);

#endif							/* NOTIFIER_CONFIG_H */
