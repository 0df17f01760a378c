/*
 * budget.c
 *		Counts the bytes in use and keeps a queue of webhooks that wait.
 *
 * The session runs one statement at a time, so a few concurrent fetches keep
 * it busy.  The budget can be exceeded by one large event for each of them.
 */
#include "webhook/budget.h"

#include "base/loop.h"

#define LEAST			((size_t) 64 * 1024)	/* bytes of a reservation */
#define FETCHES			4		/* at once */

static size_t total = 0;		/* used and reserved by all */
static int	nfetches = 0;
static BudgetShare *first = NULL;	/* of the queue */
static int	nwaiting = 0;
static int	nto_wake = 0;		/* of these */
static LoopTimer timer;

/*
 * room_for: how many bytes this webhook may have: three quarters of what the
 * others leave, so that the next one finds some too.
 */
static size_t
room_for(const BudgetShare *share)
{
	size_t		others = total - share->used;
	size_t		room = others < BUDGET ? (BUDGET - others) / 4 * 3 : 0;

	if (share->used == 0 && room < LEAST)
		return total == 0 || total + LEAST <= 4 * BUDGET ? LEAST : 0;
	return room > share->used ? room - share->used : 0;
}

static void
unlink_share(BudgetShare *share)
{
	BudgetShare **at = &first;

	if (!share->waiting)
		return;
	while (*at != share)
		at = &(*at)->next;
	*at = share->next;
	share->waiting = false;
	nwaiting--;
}

/*
 * wake_next: let the first webhook of the queue try again.  If it still finds
 * no room, it goes to the end of the queue.
 */
static void
wake_next(void *arg)
{
	BudgetShare *share = first;

	(void) arg;
	if (share == NULL || nfetches >= FETCHES)
		return;
	unlink_share(share);
	if (--nto_wake > 0)
		loop_timer_set(&timer, 0, wake_next, NULL);
	subscription_changed(share->subscription);
}

/*
 * wake_waiters: memory was released; wake each waiting webhook once.
 */
static void
wake_waiters(void)
{
	if (first == NULL || nfetches >= FETCHES)
		return;
	nto_wake = nwaiting;
	if (!timer.set)
		loop_timer_set(&timer, 0, wake_next, NULL);
}

static void
enqueue_share(BudgetShare *share)
{
	BudgetShare **at = &first;

	if (share->waiting)
		return;
	while (*at)
		at = &(*at)->next;
	*at = share;
	share->next = NULL;
	share->waiting = true;
	nwaiting++;
}

size_t
budget_reserve(BudgetShare *share, size_t wish)
{
	size_t		bytes = nfetches < FETCHES ? room_for(share) : 0;

	if (bytes < LEAST)
	{
		enqueue_share(share);
		return 0;
	}
	if (wish < LEAST)
		wish = LEAST;
	if (bytes > wish)
		bytes = wish;
	unlink_share(share);
	share->reserved = bytes;
	total += bytes;
	nfetches++;
	return bytes;
}

void
budget_fetched(BudgetShare *share)
{
	if (share->reserved == 0)
		return;
	total -= share->reserved;
	share->reserved = 0;
	nfetches--;
	wake_waiters();
}

void
budget_use(BudgetShare *share, size_t size)
{
	share->used += size;
	total += size;
}

void
budget_free(BudgetShare *share, size_t size)
{
	share->used -= size;
	total -= size;
	wake_waiters();
}

void
budget_leave(BudgetShare *share)
{
	budget_fetched(share);
	unlink_share(share);
}
