/*
 * fleet.h
 *		All webhooks of a configuration, and what happens to them at a reload.
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
	uint64_t	generation;		/* changes with the list */
} Fleet;

/*
 * fleet_make: create the webhooks of a configuration.  Those that
 * fleet_take_over() left in `old` (NULL: none) are reused.  False: out of
 * memory.
 */
extern bool fleet_make(Fleet *fleet, const Config *config, const Fleet *old);

/*
 * fleet_start: the session is ready; start the webhooks that are not in `old`.
 */
extern void fleet_start(const Fleet *fleet, Session *session, const char *log,
						const Fleet *old);

/*
 * fleet_lost: the session is lost.
 */
extern void fleet_lost(const Fleet *fleet);

/*
 * fleet_wake: a notification for this subscription has arrived; "": for all.
 */
extern void fleet_wake(const Fleet *fleet, const char *name);

/*
 * fleet_drain: let webhooks start nothing new unless the next configuration
 * has them unchanged.  NULL: that holds for all.
 * fleet_is_drained: have they finished?
 */
extern void fleet_drain(const Fleet *fleet, const Config *next);
extern bool fleet_is_drained(const Fleet *fleet);

/*
 * fleet_take_over: prepare for fleet_make() with the next configuration.
 *
 * A webhook that it has unchanged stays, and its old WebhookConfig is moved
 * from `config` to `next`.  Others are destroyed; they release their
 * subscriptions if the session, which may be NULL, is set up.
 */
extern void fleet_take_over(Fleet *fleet, Config *config, Config *next,
							Session *session, bool set_up);

extern bool fleet_is_quiet(const Fleet *fleet);

/*
 * fleet_free: free the lists.  fleet_destroy: destroy the webhooks too.
 */
extern void fleet_free(Fleet *fleet);
extern void fleet_destroy(Fleet *fleet);

#endif							/* NOTIFIER_FLEET_H */
