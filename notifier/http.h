/*
 * http.h
 *		POST requests by libcurl's multi interface, on the loop.
 */
#ifndef NOTIFIER_HTTP_H
#define NOTIFIER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "webhook_config.h"

#define HTTP_ERROR_SIZE	1025	/* as much as the database keeps, and a NUL */

/*
 * HttpOutcome: what a request's end says about the event, the receiver and us.
 *
 * HTTP_REFUSED: the receiver is alive and does not want this event (4xx, but
 * for those below).  HTTP_LATER: it asks for a pause (429, or 503 with
 * Retry-After), which is about all events.  HTTP_LOCAL_TROUBLE: the fault is on
 * this side (descriptors, memory, local ports, name lookup, our own
 * certificate files): no attempt is spent, and the webhook waits.
 *
 * A connection that died before the receiver had begun to process a request is
 * not an outcome: the request is repeated at once, within bounds.
 */
typedef enum HttpOutcome
{
	HTTP_OK,					/* any 2xx */
	HTTP_REFUSED,
	HTTP_LATER,
	HTTP_GONE,					/* 410 */
	HTTP_FAILED,				/* any other status, or the connection broke */
	HTTP_TIMEOUT,
	HTTP_LOCAL_TROUBLE
} HttpOutcome;

/*
 * HttpReason: why a request failed; the words are the same in the log and in
 * the metrics.
 */
typedef enum HttpReason
{
	HTTP_REASON_NONE,			/* it did not */
	HTTP_REASON_TIMEOUT,
	HTTP_REASON_DNS,
	HTTP_REASON_CONNECT,
	HTTP_REASON_TLS,
	HTTP_REASON_NETWORK,
	HTTP_REASON_4XX,
	HTTP_REASON_5XX,
	HTTP_REASON_STATUS,			/* neither 2xx nor 4xx nor 5xx */
	HTTP_REASON_LOCAL,
	HTTP_NREASONS
} HttpReason;

extern const char *http_reason_name(HttpReason reason);

/*
 * HttpResult: what became of a request.
 *
 * status: 0 where no answer came.  error: what is wrong, at length, printable,
 * with the beginning of the answer, in which the webhook's secrets are blotted
 * out.
 */
typedef struct HttpResult
{
	HttpOutcome outcome;
	HttpReason	reason;
	long		status;
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
