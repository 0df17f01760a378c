/*
 * oauth2_config.h
 *		OAuth 2.0 client credentials, with the same keys as in Prometheus.
 */
#ifndef NOTIFIER_OAUTH2_CONFIG_H
#define NOTIFIER_OAUTH2_CONFIG_H

#include "config/jsonreader.h"
#include "config/webhook_config.h"

/*
 * oauth2_config_read: read oauth2.  Call it after all other HTTP settings have
 * been read, because the token endpoint shares the proxy and the timeout.
 */
extern void oauth2_config_read(Reader *reader, json_t *object,
							   WebhookConfig *webhook);

#endif							/* NOTIFIER_OAUTH2_CONFIG_H */
