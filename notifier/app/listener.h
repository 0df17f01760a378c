/*
 * listener.h
 *		Serves health, metrics and the page at / over HTTP.
 */
#ifndef NOTIFIER_LISTENER_H
#define NOTIFIER_LISTENER_H

#include <stdbool.h>

#include "app/page.h"
#include "config/config.h"

/*
 * ListenerSource: where the pages come from.
 *
 * source: fill in what pages report now.
 * trouble: write why the process is not ready, one reason a line; nothing if
 * it is ready.
 */
typedef struct ListenerSource
{
	void		(*source) (PageSource *source);
	void		(*trouble) (char *to, size_t size);
} ListenerSource;

/*
 * listener_begin: serve /, /healthz, /readyz and /metrics at the configured
 * address, or go on if that has not changed.
 */
extern bool listener_begin(const Config *config, const ListenerSource *source);
extern void listener_end(void);

#endif							/* NOTIFIER_LISTENER_H */
