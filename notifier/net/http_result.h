/*
 * http_result.h
 *		The result of a request.
 */
#ifndef NOTIFIER_HTTP_RESULT_H
#define NOTIFIER_HTTP_RESULT_H

#include <stddef.h>
#include <stdint.h>

#define HTTP_ERROR_SIZE	1025	/* as much as the database keeps, and a NUL */

/*
 * HttpOutcome: what the end of a request says about the event, the receiver
 * and this host.
 *
 * HTTP_REFUSED: the receiver works, but does not want this event (4xx, except
 * for those below).  HTTP_LATER: it asks for a pause (429, or 503 with
 * Retry-After), which is about all events.  HTTP_LOCAL_TROUBLE: the problem is
 * on this host (descriptors, memory, local ports, name lookup, our own
 * certificate files): no attempt is lost, and the webhook waits.
 *
 * If a connection breaks before the receiver has begun to process a request,
 * that is not an outcome: the request is sent again at once, within limits.
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
 * HttpReason: why a request failed, with the same words in the log and in the
 * metrics.
 */
typedef enum HttpReason
{
	HTTP_REASON_NONE,			/* success */
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
 * HttpResult: the result of a request.
 *
 * status: 0 without an answer. error: a description, printable, with the
 * beginning of the answer, in which the secrets of the webhook are
 * overwritten.
 */
typedef struct HttpResult
{
	HttpOutcome outcome;
	HttpReason	reason;
	long		status;
	char		error[HTTP_ERROR_SIZE];
	int64_t		retry_after;	/* ms; 0: no Retry-After */
	double		seconds;
	char	   *answer;			/* its beginning, valid until the callback
								 * returns; NULL: none */
	size_t		answer_len;
} HttpResult;

#endif							/* NOTIFIER_HTTP_RESULT_H */
