/*
 * maintain.h
 *		What is done now and then beside deliveries.
 */
#ifndef NOTIFIER_MAINTAIN_H
#define NOTIFIER_MAINTAIN_H

#include "config/config.h"

/*
 * upkeep_begin: soon, and then every `maintain` (an hour, where that is 0),
 * maintain is called, if `maintain` is not 0, and forgotten subscriptions are
 * told of.  The configuration must outlive it.
 */
extern void upkeep_begin(const Config *config);

/*
 * upkeep_use: a configuration with the same database takes the place of the one
 * before.
 */
extern void upkeep_use(const Config *config);

extern void upkeep_end(void);

#endif							/* NOTIFIER_MAINTAIN_H */
