/*
 * http.h
 *		POST requests by libcurl's multi interface, on the loop.
 */
#ifndef NOTIFIER_HTTP_H
#define NOTIFIER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

#define HTTP_ERROR_SIZE	1025	/* as much as the database keeps, and a NUL */

/*
 * HttpResult: what became of a request.
 *
 * status: 0 where no answer came.  reason: of a failure, one word for metrics.
 * error: the same at length, printable, with the beginning of the answer, in
 * which what the webhook has of secrets is blotted out.
 */
typedef struct HttpResult
{
	bool		ok;				/* any 2xx */
	long		status;
	const char *reason;
	char		error[HTTP_ERROR_SIZE];
	int64_t		retry_after;	/* ms; 0: not asked for */
	double		seconds;
} HttpResult;

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
 * http_forget: close the connections that are kept, and forget what was read of
 * certificates.  Only while there is no client.
 */
extern void http_forget(void);

/*
 * The configuration must outlive the client.
 */
extern HttpClient *http_client_create(const WebhookConfig *config);

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
