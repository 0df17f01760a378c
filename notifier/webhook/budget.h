/*
 * budget.h
 *		Memory for events: one budget for all webhooks of the process.
 *
 * An event can be large, and a fetch returns at least one.  So a webhook
 * reserves memory before it fetches.  If there is none, it is called when
 * there is.
 */
#ifndef NOTIFIER_BUDGET_H
#define NOTIFIER_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

#include "webhook/subscription.h"

#define BUDGET			((size_t) 8 * 1024 * 1024)	/* bytes of events */

/*
 * BudgetShare: the share of one webhook.  All zeros is a valid start.
 */
typedef struct BudgetShare
{
	const Subscription *subscription;
	size_t		used;			/* by events in memory */
	size_t		reserved;		/* for the fetch in progress */
	bool		waiting;		/* in the queue for memory */
	struct BudgetShare *next;	/* in that queue */
} BudgetShare;

/*
 * budget_reserve: reserve memory for a fetch of `wish` bytes or fewer.
 * Returns the number of bytes; 0: none now, subscription_changed() follows.
 *
 * A webhook without events in memory always gets a little, up to four times
 * the budget in all, so no webhook waits for others whose receivers are stuck.
 */
extern size_t budget_reserve(BudgetShare *share, size_t wish);

/*
 * budget_fetched: the fetch has ended; release its reservation.
 */
extern void budget_fetched(BudgetShare *share);

/*
 * budget_use, budget_free: account for an event of that size, or give it back.
 */
extern void budget_use(BudgetShare *share, size_t size);
extern void budget_free(BudgetShare *share, size_t size);

/*
 * budget_leave: the webhook is being destroyed.
 */
extern void budget_leave(BudgetShare *share);

#endif							/* NOTIFIER_BUDGET_H */
