/*
 * http_result.h
 *		What became of a request.
 */
#ifndef NOTIFIER_HTTP_RESULT_H
#define NOTIFIER_HTTP_RESULT_H

#include <stddef.h>
#include <stdint.h>

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
	char	   *answer;			/* its beginning, as it came, until the
								 * callback returns; NULL: none */
	size_t		answer_len;
} HttpResult;

#endif							/* NOTIFIER_HTTP_RESULT_H */
