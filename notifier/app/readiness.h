/*
 * readiness.h
 *		Reports why the process is not ready, in the log and in /readyz.
 */
#ifndef NOTIFIER_READINESS_H
#define NOTIFIER_READINESS_H

#include <stddef.h>

#include "app/fleet.h"

/*
 * readiness_list: write the reasons, one a line, as far as there is room;
 * nothing if the process is ready.
 */
extern void readiness_list(const Fleet *fleet, char *to, size_t size);

/*
 * readiness_begin: check periodically, and log changes.
 */
extern void readiness_begin(const Fleet *fleet);
extern void readiness_end(void);

#endif							/* NOTIFIER_READINESS_H */
