/*
 * maintain.h
 *		Periodic upkeep: eventlog.maintain, and warnings about subscriptions
 *		that nobody consumes.
 */
#ifndef NOTIFIER_MAINTAIN_H
#define NOTIFIER_MAINTAIN_H

#include "config/config.h"

/*
 * maintain_begin: start upkeep, soon and then every config->maintain ms.  If
 * that is 0, eventlog.maintain is not called, and the warnings come every
 * hour.  The configuration must stay valid.
 */
extern void maintain_begin(const Config *config);

/*
 * maintain_use: continue with another configuration for the same database.
 */
extern void maintain_use(const Config *config);

extern void maintain_end(void);

#endif							/* NOTIFIER_MAINTAIN_H */
