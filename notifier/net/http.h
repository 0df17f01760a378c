/*
 * http.h
 *		Sends POST requests by libcurl's multi interface, on the loop.
 */
#ifndef NOTIFIER_HTTP_H
#define NOTIFIER_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "config/webhook_config.h"
#include "net/http_result.h"

/*
 * HttpCallback: result is NULL if the client was destroyed before the request
 * ended.
 */
typedef void (*HttpCallback) (void *arg, const HttpResult *result);

/*
 * HttpClient: the requests of one webhook, their common options, and handles
 * for reuse.
 */
typedef struct HttpClient HttpClient;

extern bool http_init(void);
extern void http_cleanup(void);

/*
 * http_client_create: the configuration must stay valid. kept: the number of
 * bytes of an answer that are kept and returned.
 */
#define HTTP_KEPT_ANSWER	2048

extern HttpClient *http_client_create(const WebhookConfig *config, size_t kept);

/*
 * http_client_destroy: cancel the requests in flight, and call their callbacks
 * without a result.
 */
extern void http_client_destroy(HttpClient *client);

/*
 * http_post: send a body, which must stay valid until the callback, with
 * headers ("Name: value") in addition to the configured ones.  False: it could
 * not be started.
 */
extern bool http_post(HttpClient *client, const char *url, const char *body,
					  size_t len, const char *const *headers, size_t nheaders,
					  HttpCallback callback, void *arg);

#endif							/* NOTIFIER_HTTP_H */
