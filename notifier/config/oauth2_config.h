/*
 * oauth2_config.h
 *		OAuth 2.0 client credentials, with the keys of Prometheus.
 */
#ifndef NOTIFIER_OAUTH2_CONFIG_H
#define NOTIFIER_OAUTH2_CONFIG_H

#include "config/jsonreader.h"
#include "config/webhook_config.h"

/*
 * oauth2_config_read: read oauth2.  Must come last, since the proxy and the
 * timeout of the webhook are used.
 */
extern void oauth2_config_read(Reader *reader, json_t *object,
							   WebhookConfig *webhook);

#endif							/* NOTIFIER_OAUTH2_CONFIG_H */
