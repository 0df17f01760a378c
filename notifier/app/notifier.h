/*
 * notifier.h
 *		The life of the process: it starts, reloads its configuration, and stops.
 */
#ifndef NOTIFIER_NOTIFIER_H
#define NOTIFIER_NOTIFIER_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

/*
 * notifier_run: until it is told to stop, or `once` until all that is owed is
 * sent.  The configuration becomes the notifier's; paths is where it came from.
 * False when something did not work, or with `once` when anything is still
 * owed.
 */
extern bool notifier_run(Config *config, const char *const *paths,
						 size_t npaths, bool once);

#endif							/* NOTIFIER_NOTIFIER_H */
