/*
 * oauth2_config.h
 *		OAuth 2.0 client credentials, by Prometheus' words.
 */
#ifndef NOTIFIER_OAUTH2_CONFIG_H
#define NOTIFIER_OAUTH2_CONFIG_H

#include "config/jsonreader.h"
#include "config/webhook_config.h"

/*
 * oauth2_config_read: oauth2, after all else that a webhook says of HTTP: the
 * proxy and the timeout are the same.
 */
extern void oauth2_config_read(Reader *reader, json_t *object,
							   WebhookConfig *webhook);

#endif							/* NOTIFIER_OAUTH2_CONFIG_H */
