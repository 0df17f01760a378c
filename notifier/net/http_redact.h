/*
 * http_redact.h
 *		Removes secrets from what a receiver answers.
 */
#ifndef NOTIFIER_HTTP_REDACT_H
#define NOTIFIER_HTTP_REDACT_H

#include <curl/curl.h>
#include <stddef.h>

#include "config/webhook_config.h"

/*
 * http_redact: overwrite each secret of the webhook in the text.
 */
extern void http_redact(const WebhookConfig *config, char *text, size_t len);

/*
 * http_redact_headers: overwrite the credentials of a request that are not in
 * the configuration.
 */
extern void http_redact_headers(const struct curl_slist *headers, char *text,
								size_t len);

#endif							/* NOTIFIER_HTTP_REDACT_H */
