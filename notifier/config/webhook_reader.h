/*
 * webhook_reader.h
 *		Reads the configuration of one webhook from JSON.
 */
#ifndef NOTIFIER_WEBHOOK_READER_H
#define NOTIFIER_WEBHOOK_READER_H

#include "config/jsonreader.h"
#include "config/webhook_config.h"

/*
 * WebhookDefaults: settings for the webhooks that have none of their own.
 */
typedef struct WebhookDefaults
{
	json_t	   *filter;			/* event_log.notification; NULL: none */
	json_t	   *http;			/* http_config; NULL: none */
} WebhookDefaults;

/*
 * webhook_read: read one webhook; allocated, NULL if out of memory.  Errors
 * are reported through the reader.
 */
extern WebhookConfig *webhook_read(Reader *reader, const char *name,
								   json_t *object,
								   const WebhookDefaults *defaults);

/*
 * webhook_check_filter, webhook_check_http: check the defaults, so that an
 * error in them is reported once and not for each webhook.
 */
extern void webhook_check_filter(Reader *reader, json_t *filter);
extern void webhook_check_http(Reader *reader, json_t *http);

#endif							/* NOTIFIER_WEBHOOK_READER_H */
