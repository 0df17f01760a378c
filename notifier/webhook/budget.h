/*
 * budget.h
 *		Memory for events: one budget for all webhooks of the process.
 *
 * An event may be of any size, and a fetch brings one at least.  So who wants
 * to fetch asks for room first; where there is none just now, it is told when
 * there is.
 */
#ifndef NOTIFIER_BUDGET_H
#define NOTIFIER_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

#include "webhook/subscription.h"

#define BUDGET			((size_t) 8 * 1024 * 1024)	/* bytes of events */

/*
 * BudgetShare: one webhook's.  Zeroed, it has none.
 */
typedef struct BudgetShare
{
	const Subscription *subscription;
	size_t		used;			/* by events in memory */
	size_t		reserved;		/* for a fetch under way */
	bool		waiting;		/* for room */
	struct BudgetShare *next;	/* of those that wait */
} BudgetShare;

/*
 * budget_reserve: room for a fetch of so many bytes, or of fewer; how many, or
 * 0: none now, and the webhook will be called when there is.
 *
 * Who has no event in memory may always have a little, within four times the
 * budget: so nobody waits for those whose receivers take nothing.
 */
extern size_t budget_reserve(BudgetShare *share, size_t wish);

/*
 * budget_fetched: the fetch came to its end.
 */
extern void budget_fetched(BudgetShare *share);

/*
 * budget_use, budget_free: an event of that size is in memory, or is no more.
 */
extern void budget_use(BudgetShare *share, size_t size);
extern void budget_free(BudgetShare *share, size_t size);

/*
 * budget_leave: it wants nothing any more.
 */
extern void budget_leave(BudgetShare *share);

#endif							/* NOTIFIER_BUDGET_H */
