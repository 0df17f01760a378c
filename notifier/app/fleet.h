/*
 * fleet.h
 *		All webhooks of a configuration, and what becomes of them when another
 *		configuration takes its place.
 */
#ifndef NOTIFIER_FLEET_H
#define NOTIFIER_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "webhook/webhook.h"

/*
 * Fleet: the active webhooks.
 */
typedef struct Fleet
{
	Webhook   **webhooks;
	const char **names;			/* of these */
	size_t		n;
	uint64_t	generation;		/* how often they have been others */
} Fleet;

/*
 * fleet_make: the webhooks of a configuration.  What it has as it was before is
 * taken over from `old` (NULL: none), see fleet_take_over().  False when memory
 * lacks.
 */
extern bool fleet_make(Fleet *fleet, const Config *config, const Fleet *old);

/*
 * fleet_start: the session is ready; those that are in `old`, too, have begun
 * already.
 */
extern void fleet_start(const Fleet *fleet, Session *session, const char *log,
						const Fleet *old);

/*
 * fleet_lost: the session is lost.
 */
extern void fleet_lost(const Fleet *fleet);

/*
 * fleet_wake: the bell of this subscription has rung; "": of any.
 */
extern void fleet_wake(const Fleet *fleet, const char *name);

/*
 * fleet_drain: those that are not in the next configuration as they were begin
 * nothing new; NULL: none does.
 */
extern void fleet_drain(const Fleet *fleet, const Config *next);
extern bool fleet_is_drained(const Fleet *fleet);

/*
 * fleet_take_over: webhooks that are in the next configuration as they were keep
 * theirs, which takes the place of the one that is the same; others are let go,
 * and NULL stands in their place.  session: NULL, or one that is set up.
 */
extern void fleet_take_over(Fleet *fleet, Config *config, Config *next,
							Session *session, bool set_up);

extern bool fleet_is_quiet(const Fleet *fleet);

/*
 * fleet_free: the lists alone; fleet_destroy: the webhooks too.
 */
extern void fleet_free(Fleet *fleet);
extern void fleet_destroy(Fleet *fleet);

#endif							/* NOTIFIER_FLEET_H */
