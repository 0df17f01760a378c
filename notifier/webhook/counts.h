/*
 * counts.h
 *		What is counted of a webhook, for the metrics and the page at /.
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
 * WebhookCounts: since the process began.  A count of events never mixes with
 * one of requests: a request may carry a batch.
 */
typedef struct WebhookCounts
{
	uint64_t	delivered;		/* events */
	uint64_t	dead;			/* events given up */
	uint64_t	requests;		/* that have ended */
	uint64_t	failed[HTTP_NREASONS];	/* requests */
	uint32_t	by_status[COUNTED_STATUSES];	/* requests that were answered */
	double		seconds;		/* of all requests */
	uint64_t	latency[LATENCY_BUCKETS];	/* requests up to each bound */
	double		last_success;	/* seconds since 1970; 0: none yet */
	double		last_failure;	/* the same */
	char		last_error[HTTP_ERROR_SIZE];	/* of that one */
} WebhookCounts;

/*
 * counts_request: a request has ended.
 */
extern void counts_request(WebhookCounts *counts, const HttpResult *result);

/*
 * counts_failures: requests that failed and events that were given up.
 */
extern uint64_t counts_failures(const WebhookCounts *counts);

#endif							/* NOTIFIER_COUNTS_H */
