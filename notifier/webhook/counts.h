/*
 * counts.h
 *		The counters of a webhook, for the metrics and the page at /.
 */
#ifndef NOTIFIER_COUNTS_H
#define NOTIFIER_COUNTS_H

#include <stdint.h>

#include "net/http_result.h"

/*
 * Upper bounds of the histogram of latencies, in seconds.
 */
#define LATENCY_BUCKETS		14

extern const double latency_bounds[LATENCY_BUCKETS];

#define COUNTED_STATUSES	600

/*
 * WebhookCounts: since the process started.  Events and requests are counted
 * apart, since a request can carry a batch of events.
 */
typedef struct WebhookCounts
{
	uint64_t	delivered;		/* events */
	uint64_t	dead;			/* events given up */
	uint64_t	requests;		/* completed requests */
	uint64_t	failed[HTTP_NREASONS];	/* failed requests */
	uint32_t	by_status[COUNTED_STATUSES];	/* answered requests */
	double		seconds;		/* total time of all requests */
	uint64_t	latency[LATENCY_BUCKETS];	/* requests up to each bound */
	double		last_success;	/* seconds since 1970; 0: none yet */
	double		last_failure;	/* seconds since 1970; 0: none yet */
	char		last_error[HTTP_ERROR_SIZE];	/* of the last failure */
} WebhookCounts;

/*
 * counts_request: count a completed request.
 */
extern void counts_request(WebhookCounts *counts, const HttpResult *result);

/*
 * counts_failures: the number of failed requests and of events given up.
 */
extern uint64_t counts_failures(const WebhookCounts *counts);

#endif							/* NOTIFIER_COUNTS_H */
