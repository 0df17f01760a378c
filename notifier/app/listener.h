/*
 * listener.h
 *		Health and metrics over HTTP.
 */
#ifndef NOTIFIER_LISTENER_H
#define NOTIFIER_LISTENER_H

#include <stdbool.h>

#include "app/metrics.h"
#include "config/config.h"

/*
 * ListenerSource: source: what the metrics are to tell now.  trouble: write
 * what stands still, a line each; nothing when all is well.
 */
typedef struct ListenerSource
{
	void		(*source) (MetricsSource *source);
	void		(*trouble) (char *to, size_t size);
} ListenerSource;

/*
 * listener_begin: serve /, /healthz, /readyz and /metrics where the
 * configuration says; begun before for the same address, it goes on.
 */
extern bool listener_begin(const Config *config, const ListenerSource *source);
extern void listener_end(void);

#endif							/* NOTIFIER_LISTENER_H */
