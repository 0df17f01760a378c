/*
 * landing.h
 *		The page at /, for a person with a browser.
 */
#ifndef NOTIFIER_LANDING_H
#define NOTIFIER_LANDING_H

#include "app/metrics.h"

/*
 * landing_piece: the next piece of the page, as metrics_piece() has it.
 */
extern char *landing_piece(MetricsPage *page, const MetricsSource *source,
						   size_t *len);

#endif							/* NOTIFIER_LANDING_H */
