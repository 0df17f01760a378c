/*
 * retries.c
 *		Keeps track of the events that wait for a retry.
 *
 * For events that failed in this session the time of the retry is known; the
 * earliest are kept here.  Older ones are found by polling slowly.
 *
 * Where order is kept, an event that failed blocks all others, even if it
 * failed in another session; and other sessions can retry, delete or cancel
 * it.  So there the failed events are counted in the database.
 */
#include "webhook/retries.h"

#include "webhook/statements.h"

#include <stdlib.h>
#include <string.h>

#define RETRY_POLL		1000	/* ms between two counts, if ordered … */
#define OTHERS_POLL		5000	/* … and for retries of unknown time */
#define OVERDUE_POLL	30000	/* ms, if events that are due are not fetched */

int
retries_waiting(const Retries *retries)
{
	int			n = retries->nfailed - retries->buffer->nretried;

	return n > 0 ? n : 0;
}

static void
timer_expired(void *arg)
{
	Retries    *retries = arg;
	int			n = 0;

	while (n < retries->ntimes && retries->times[n] <= loop_now())
		n++;
	retries->ntimes -= n;
	memmove(retries->times, retries->times + n,
			sizeof(retries->times[0]) * (size_t) retries->ntimes);
	retries->timer_fired = true;
	subscription_changed(retries->subscription);
}

/*
 * set_timer: to `delay` ms, unless it expires earlier already.
 */
static void
set_timer(Retries *retries, int64_t delay)
{
	if (!retries->timer.set || retries->timer.due > loop_now() + delay)
		loop_timer_set(&retries->timer, delay, timer_expired, retries);
}

/*
 * add_time: insert a time in order.  If there are too many, the latest is
 * dropped.
 */
static void
add_time(Retries *retries, int64_t time)
{
	int			at = retries->ntimes;

	while (at > 0 && retries->times[at - 1] > time)
		at--;
	if (at == RETRY_TIMES)
		return;
	if (retries->ntimes == RETRY_TIMES)
		retries->ntimes--;
	memmove(retries->times + at + 1, retries->times + at,
			sizeof(retries->times[0]) * (size_t) (retries->ntimes - at));
	retries->times[at] = time;
	retries->ntimes++;
}

/*
 * counted: the callback of retries_count().  If events that are due were not
 * fetched since the last count, the subscription is paused or the like, and
 * there is no hurry.
 */
static void
counted(void *arg, PGresult *result)
{
	Retries    *retries = arg;
	bool		overdue = retries->fetched == retries->buffer->retries_fetched + 1;
	int			later;
	bool		due;

	retries->counting = false;
	if (result == NULL)
		return;
	if (!session_succeeded(result))
	{
		problem_found(&retries->problem, retries->subscription,
					  "could not count the retries", result);
		retries->gone = subscription_is_gone(result);
		set_timer(retries, ERROR_DELAY);
		subscription_changed(retries->subscription);
		return;
	}
	problem_over(&retries->problem, retries->subscription);
	retries->known = true;
	retries->nfailed = atoi(PQgetvalue(result, 0, 0));
	later = atoi(PQgetvalue(result, 0, 1));
	due = retries_waiting(retries) > later;
	if (due && overdue)
		set_timer(retries, OVERDUE_POLL);
	else if (retries_waiting(retries) > 0 && !due)
		set_timer(retries, atoll(PQgetvalue(result, 0, 2)) + 1);
	retries->due = due && !overdue;
	retries->fetched = due ? retries->buffer->retries_fetched + 1 : 0;
	subscription_changed(retries->subscription);
}

void
retries_count(Retries *retries)
{
	if (retries->counting)
		return;
	retries->counted = loop_now();
	retries->counting = subscription_query(retries->subscription,
										   statement_retries, 0, NULL, counted,
										   retries);
}

void
retries_expect(Retries *retries, int64_t delay)
{
	retries->nfailed++;
	add_time(retries, loop_now() + delay);
	set_timer(retries, delay);
}

void
retries_settled(Retries *retries)
{
	if (retries->nfailed > 0)
		retries->nfailed--;
}

void
retries_schedule(Retries *retries)
{
	if (retries_waiting(retries) == 0 || retries->timer.set ||
		retries->counting)
		return;
	if (retries->ntimes > 0)
		set_timer(retries, retries->times[0] - loop_now());
	else if (!retries->buffer->config->ordered)
		set_timer(retries, OTHERS_POLL);
	else if (loop_now() - retries->counted < RETRY_POLL)
		set_timer(retries, RETRY_POLL);
	else
		retries_count(retries);
}

void
retries_begin(Retries *retries)
{
	retries->known = !retries->buffer->config->ordered;
	if (!retries->known)
		retries_count(retries);
}

void
retries_end(Retries *retries)
{
	loop_timer_clear(&retries->timer);
	retries->nfailed = 0;
	retries->ntimes = 0;
	retries->fetched = 0;
	retries->known = retries->due = retries->timer_fired = false;
	retries->gone = false;
	problem_forget(&retries->problem);
}
