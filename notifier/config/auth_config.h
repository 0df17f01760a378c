/*
 * auth_config.h
 *		Signatures, credentials and headers of a webhook's requests.
 */
#ifndef NOTIFIER_AUTH_CONFIG_H
#define NOTIFIER_AUTH_CONFIG_H

#include "config/jsonreader.h"
#include "config/webhook_config.h"

/*
 * auth_config_read: read the signing secrets, basic_auth, authorization and
 * http_headers.
 */
extern void auth_config_read(Reader *reader, json_t *object,
							 WebhookConfig *webhook);

#endif							/* NOTIFIER_AUTH_CONFIG_H */
