/*
 * tls_config.h
 *		How a server's certificate is verified, and which one the client
 *		presents.
 */
#ifndef NOTIFIER_TLS_CONFIG_H
#define NOTIFIER_TLS_CONFIG_H

#include "config/jsonreader.h"
#include "config/webhook_config.h"

/*
 * tls_config_read: read tls_config, or set the defaults if it is absent.
 */
extern void tls_config_read(Reader *reader, json_t *object,
							WebhookConfig *webhook);

#endif							/* NOTIFIER_TLS_CONFIG_H */
