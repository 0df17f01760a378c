/*
 * tls_config.h
 *		How a server is recognised, and we by it.
 */
#ifndef NOTIFIER_TLS_CONFIG_H
#define NOTIFIER_TLS_CONFIG_H

#include "config/jsonreader.h"
#include "config/webhook_config.h"

/*
 * tls_config_read: tls_config; where it is not there, what is so without.
 */
extern void tls_config_read(Reader *reader, json_t *object,
							WebhookConfig *webhook);

#endif							/* NOTIFIER_TLS_CONFIG_H */
