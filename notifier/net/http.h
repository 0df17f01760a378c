/*
 * http.h
 *		POST requests by libcurl's multi interface, on the loop.
 */
#ifndef NOTIFIER_HTTP_H
#define NOTIFIER_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "config/webhook_config.h"
#include "net/http_result.h"

/*
 * result: NULL where the client was destroyed before there was one.
 */
typedef void (*HttpCallback) (void *arg, const HttpResult *result);

/*
 * HttpClient: the requests of one webhook: its options, and handles that are
 * used again.
 */
typedef struct HttpClient HttpClient;

extern bool http_init(void);
extern void http_cleanup(void);

/*
 * The configuration must outlive the client.  kept: bytes of an answer that are
 * handed back, and of which an error is made.
 */
#define HTTP_KEPT_ANSWER	2048

extern HttpClient *http_client_create(const WebhookConfig *config, size_t kept);

/*
 * http_client_destroy: what is in flight is broken off, and its callbacks are
 * called without a result.
 */
extern void http_client_destroy(HttpClient *client);

/*
 * http_post: send body, which must last until the callback, with headers
 * ("Name: value") beside the configured ones.  False when it cannot begin.
 */
extern bool http_post(HttpClient *client, const char *url, const char *body,
					  size_t len, const char *const *headers, size_t nheaders,
					  HttpCallback callback, void *arg);

/*
 * http_escape: url-encode; allocated, NULL when memory lacks.
 */
extern char *http_escape(const char *text);

#endif							/* NOTIFIER_HTTP_H */
