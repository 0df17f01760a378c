/*
 * webhook_reader.h
 *		From JSON to what the configuration says of one webhook.
 */
#ifndef NOTIFIER_WEBHOOK_READER_H
#define NOTIFIER_WEBHOOK_READER_H

#include "config/jsonreader.h"
#include "config/webhook_config.h"

/*
 * WebhookDefaults: what webhooks have that say nothing of their own.
 */
typedef struct WebhookDefaults
{
	json_t	   *filter;			/* event_log.notification; NULL: none */
	json_t	   *http;			/* http_config; NULL: none */
} WebhookDefaults;

/*
 * webhook_read: one webhook, allocated.  What is wrong is complained of
 * by the reader; NULL when memory lacks.
 */
extern WebhookConfig *webhook_read(Reader *reader, const char *name,
								   json_t *object,
								   const WebhookDefaults *defaults);

/*
 * webhook_check_filter, webhook_check_http: what defaults say,
 * complained of once and not once for each webhook.
 */
extern void webhook_check_filter(Reader *reader, json_t *filter);
extern void webhook_check_http(Reader *reader, json_t *http);

#endif							/* NOTIFIER_WEBHOOK_READER_H */
