/*
 * dead.h
 *		--dead and --retry: what was given up, and having it owed again.
 */
#ifndef NOTIFIER_DEAD_H
#define NOTIFIER_DEAD_H

#include <stdbool.h>

#include "config/config.h"

/*
 * dead_list: print the dead deliveries of a webhook, or of all if name is NULL,
 * a line each, oldest first.
 */
extern bool dead_list(const Config *config, const char *name,
					  ReaderComplain complain);

/*
 * dead_retry: owe those of a webhook again, or the one with that number if seq
 * is not NULL, and print how many.
 */
extern bool dead_retry(const Config *config, const char *name, const char *seq,
					   ReaderComplain complain);

#endif							/* NOTIFIER_DEAD_H */
