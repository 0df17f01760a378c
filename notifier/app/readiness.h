/*
 * readiness.h
 *		What stands still is told, in the log and in /readyz.
 */
#ifndef NOTIFIER_READINESS_H
#define NOTIFIER_READINESS_H

#include <stddef.h>

#include "app/fleet.h"

/*
 * readiness_list: what stands still, a line each; as much as there is room for,
 * and nothing when all is well.
 */
extern void readiness_list(const Fleet *fleet, char *to, size_t size);

/*
 * readiness_begin: look now and then, and log what has changed.
 */
extern void readiness_begin(const Fleet *fleet);
extern void readiness_end(void);

#endif							/* NOTIFIER_READINESS_H */
