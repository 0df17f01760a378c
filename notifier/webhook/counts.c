/*
 * counts.c
 *		Counts the results of requests.
 */
#include "webhook/counts.h"

#include <string.h>
#include <time.h>

/* the default bounds of Prometheus' clients, and some beyond them */
const double latency_bounds[LATENCY_BUCKETS] = {
	0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30
};

void
counts_request(WebhookCounts *counts, const HttpResult *result)
{
	counts->requests++;
	counts->seconds += result->seconds;
	for (int i = 0; i < LATENCY_BUCKETS; i++)
	{
		if (result->seconds <= latency_bounds[i])
			counts->latency[i]++;
	}
	if (result->status > 0 && result->status < COUNTED_STATUSES)
		counts->by_status[result->status]++;
	if (result->outcome == HTTP_OK)
		counts->last_success = (double) time(NULL);
	else
	{
		counts->failed[result->reason]++;
		counts->last_failure = (double) time(NULL);
		strcpy(counts->last_error, result->error);
	}
}

uint64_t
counts_failures(const WebhookCounts *counts)
{
	uint64_t	failures = counts->dead;

	for (int i = 0; i < HTTP_NREASONS; i++)
		failures += counts->failed[i];
	return failures;
}
