/*
 * webhook_config.h
 *		The configuration of one webhook.
 */
#ifndef NOTIFIER_WEBHOOK_CONFIG_H
#define NOTIFIER_WEBHOOK_CONFIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/retry.h"
#include "base/signature.h"

#define CONFIG_MAX_KEYS		8	/* secrets of a webhook */
#define CONFIG_MAX_HEADERS	32
#define CONFIG_NLEVELS		5

typedef enum PayloadFormat
{
	FORMAT_STANDARD,
	FORMAT_CLOUDEVENTS,
	FORMAT_ANCHORE,
	FORMAT_OTLP,
	FORMAT_TEMPLATE
} PayloadFormat;

/*
 * WebhookConfig: one webhook.  It owns its strings; NULL: not given.
 */
typedef struct WebhookConfig
{
	char	   *name;			/* of the webhook and of its subscription */
	bool		active;			/* events go there */
	char	   *url;
	char	   *levels;			/* SQL array literal; NULL: all */
	char	   *event_type;		/* prefix; NULL: any */
	char	   *resource_type;	/* the notifier applies it before sending */
	char	   *source_service; /* the same */
	PayloadFormat format;
	json_t	   *body;			/* with placeholders; NULL: made by format */
	json_t	   *level_words;	/* the receiver's names of levels, by our
								 * names */
	json_t	   *secrets;		/* for the body, by name */
	SigningKey	keys[CONFIG_MAX_KEYS];
	size_t		nkeys;
	char	   *username;		/* basic authentication */
	char	   *password;
	char	   *authorization;	/* the whole value of the header */
	struct WebhookConfig *token_endpoint;	/* of OAuth 2.0; NULL: none */
	char	   *token_form;		/* the body of a request to it */
	char	   *headers[CONFIG_MAX_HEADERS];	/* "Name: value" or "Name;" */
	size_t		nheaders;
	char	   *ca;				/* this and the next two: PEM, the contents of
								 * the files */
	char	   *cert;
	char	   *key;
	char	   *server_name;
	bool		insecure_skip_verify;
	long		min_version;	/* CURL_SSLVERSION_… */
	char	   *proxy_url;
	char	   *no_proxy;
	int64_t		timeout;		/* ms, for the whole transfer */
	int			max_concurrency;
	double		rate_limit;		/* requests a second; 0: no limit */
	bool		enable_http2;
	bool		ordered;
	int			max_events;		/* in one request; 1: no batches */
	RetryPolicy retry;
} WebhookConfig;

extern bool webhook_config_equal(const WebhookConfig *one,
								 const WebhookConfig *other);
extern void webhook_config_destroy(WebhookConfig *webhook);

/*
 * config_same_text: are two texts equal?  Either may be NULL.
 */
extern bool config_same_text(const char *one, const char *other);

#endif							/* NOTIFIER_WEBHOOK_CONFIG_H */
