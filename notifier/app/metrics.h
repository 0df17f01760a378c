/*
 * metrics.h
 *		The metrics, in Prometheus' text format, piece by piece.
 */
#ifndef NOTIFIER_METRICS_H
#define NOTIFIER_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/gauges.h"
#include "webhook/webhook.h"

/*
 * MetricsSource: what is told; looked at when asked.
 *
 * generation: differs when the webhooks are others than before.  Times are
 * seconds since 1970, 0: never.
 */
typedef struct MetricsSource
{
	Webhook    *const *webhooks;
	size_t		nwebhooks;
	uint64_t	generation;
	bool		ready;
	bool		enabled;
	bool		database_up;
	double		database_heard;
	bool		reload_ok;
	double		reload_time;	/* of the last one that was */
} MetricsSource;

/*
 * MetricsPage: how much of a page has been written; zeroed at first.
 */
typedef struct MetricsPage
{
	size_t		family;
	size_t		webhook;
	uint64_t	generation;
	bool		begun;
	bool		done;
} MetricsPage;

/*
 * metrics_piece: the next piece of a page, of at least METRICS_PIECE bytes but
 * at the end, and of not many more; allocated.  NULL where memory lacks or the
 * webhooks have changed since the page was begun.
 */
#define METRICS_PIECE	16384

extern char *metrics_piece(MetricsPage *page, const MetricsSource *source,
						   size_t *len);

#endif							/* NOTIFIER_METRICS_H */
