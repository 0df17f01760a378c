/*
 * budget.c
 *		Counts bytes, and remembers who waits for them.
 *
 * The session has one statement under way at a time.  So a few fetches that are
 * asked for at once keep it as busy as many would, and that many events of any
 * size is what may come beyond the budget.
 */
#include "webhook/budget.h"

#include "base/loop.h"

#define LEAST			((size_t) 64 * 1024)	/* of a reservation */
#define FETCHES			4		/* under way at once */

static size_t total = 0;		/* used and reserved by all */
static int	nfetches = 0;
static BudgetShare *first = NULL;	/* who waits, in their order */
static int	nwaiting = 0;
static int	ncalls = 0;			/* how many of these to call yet */
static LoopTimer timer;

/*
 * room_for: how much there is for one of them: three quarters of what the others
 * have left, so that something is left for the next one.
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
 * call_next: the first one that waits tries again; without success it is the
 * last one then.
 */
static void
call_next(void *arg)
{
	BudgetShare *share = first;

	(void) arg;
	if (share == NULL || nfetches >= FETCHES)
		return;
	unlink_share(share);
	if (--ncalls > 0)
		loop_timer_set(&timer, 0, call_next, NULL);
	subscription_changed(share->subscription);
}

/*
 * give_way: there may be room for those that wait now.
 */
static void
give_way(void)
{
	if (first == NULL || nfetches >= FETCHES)
		return;
	ncalls = nwaiting;
	if (!timer.set)
		loop_timer_set(&timer, 0, call_next, NULL);
}

static void
wait_in_line(BudgetShare *share)
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
		wait_in_line(share);
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
	give_way();
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
	give_way();
}

void
budget_leave(BudgetShare *share)
{
	budget_fetched(share);
	unlink_share(share);
}
