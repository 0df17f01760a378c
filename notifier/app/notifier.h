/*
 * notifier.h
 *		The process: starts, reloads its configuration, and stops.
 */
#ifndef NOTIFIER_NOTIFIER_H
#define NOTIFIER_NOTIFIER_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

/*
 * notifier_run: run until a signal comes, or with `once` until all events owed
 * are sent.  Takes over the configuration; paths: its files.  Returns false
 * after an error, or with `once` if events are still owed.
 */
extern bool notifier_run(Config *config, const char *const *paths,
						 size_t npaths, bool once);

#endif							/* NOTIFIER_NOTIFIER_H */
