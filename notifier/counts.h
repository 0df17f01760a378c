/*
 * counts.h
 *		What a webhook has done, counted for the metrics.
 */
#ifndef NOTIFIER_COUNTS_H
#define NOTIFIER_COUNTS_H

#include <stdint.h>

#include "http.h"

/*
 * Bounds of the histogram of latencies, in seconds.
 */
#define LATENCY_BUCKETS		10

extern const double latency_bounds[LATENCY_BUCKETS];

typedef struct WebhookCounts
{
	uint64_t	delivered;		/* events */
	uint64_t	failed_timeout;
	uint64_t	failed_connect; /* dns and connect */
	uint64_t	failed_tls;
	uint64_t	failed_network;
	uint64_t	failed_status;	/* anything but 2xx */
	uint64_t	dead;			/* events given up */
	uint64_t	requests;
	double		seconds;		/* of all requests */
	uint64_t	latency[LATENCY_BUCKETS];	/* requests up to each bound */
} WebhookCounts;

extern void counts_request(WebhookCounts *counts, const HttpResult *result);

/*
 * counts_failures: requests that failed and events that were given up.
 */
extern uint64_t counts_failures(const WebhookCounts *counts);

#endif							/* NOTIFIER_COUNTS_H */
