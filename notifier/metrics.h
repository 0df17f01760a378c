/*
 * metrics.h
 *		Health and metrics over HTTP.
 */
#ifndef NOTIFIER_METRICS_H
#define NOTIFIER_METRICS_H

#include <stdbool.h>
#include <stddef.h>

#include "webhook.h"

/*
 * MetricsSource: what is told; owned by the caller, looked at when asked.
 */
typedef struct MetricsSource
{
	bool		(*ready) (void);	/* database session and subscriptions held */
	Webhook    *const *webhooks;
	size_t		nwebhooks;
} MetricsSource;

/*
 * metrics_start: serve /healthz, /readyz and /metrics where the
 * configuration says.
 */
extern bool metrics_start(const Config *config, const MetricsSource *source);
extern void metrics_stop(void);

#endif							/* NOTIFIER_METRICS_H */
