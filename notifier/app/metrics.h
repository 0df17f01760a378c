/*
 * metrics.h
 *		The page /metrics, in Prometheus' text format.
 */
#ifndef NOTIFIER_METRICS_H
#define NOTIFIER_METRICS_H

#include "app/page.h"

extern const PageWriter metrics_page;

#endif							/* NOTIFIER_METRICS_H */
