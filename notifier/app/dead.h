/*
 * dead.h
 *		--dead and --retry: list dead deliveries, and make them owed again.
 */
#ifndef NOTIFIER_DEAD_H
#define NOTIFIER_DEAD_H

#include <stdbool.h>

#include "config/config.h"

/*
 * dead_list: print the dead deliveries of a webhook, or of all if name is
 * NULL, one a line, oldest first.
 */
extern bool dead_list(const Config *config, const char *name,
					  ReaderComplain complain);

/*
 * dead_retry: make the dead deliveries of a webhook owed again, or the one
 * with number seq if that is not NULL, and print how many.
 */
extern bool dead_retry(const Config *config, const char *name, const char *seq,
					   ReaderComplain complain);

#endif							/* NOTIFIER_DEAD_H */
