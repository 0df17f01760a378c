/*
 * counts.c
 *		Requests, by what became of them and how long they took.
 */
#include "counts.h"

#include <string.h>

/* the bounds that Prometheus' clients use, as far as they make sense here */
const double latency_bounds[LATENCY_BUCKETS] = {
	0.001, 0.005, 0.01, 0.025, 0.1, 0.25, 1, 2.5, 10, 30
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
	if (result->ok)
		return;
	if (result->status != 0)
		counts->failed_status++;
	else if (strcmp(result->reason, "timeout") == 0)
		counts->failed_timeout++;
	else if (strcmp(result->reason, "tls") == 0)
		counts->failed_tls++;
	else if (strcmp(result->reason, "network") == 0)
		counts->failed_network++;
	else
		counts->failed_connect++;
}

uint64_t
counts_failures(const WebhookCounts *counts)
{
	return counts->failed_timeout + counts->failed_connect +
		counts->failed_tls + counts->failed_network + counts->failed_status +
		counts->dead;
}
