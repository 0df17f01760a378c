/*
 * retries.c
 *		When events are to be tried again.
 *
 * Of what failed in this session it is known when it is due: the next times are
 * kept.  What failed before is found by the slow poll.
 *
 * Where order is to be kept, what failed holds up all others, also what failed
 * before; and others may have retried, deleted or cancelled it meanwhile.  So
 * there it is counted, which takes long only where there is much of it.
 */
#include "webhook/retries.h"

#include "webhook/statements.h"

#include <stdlib.h>
#include <string.h>

#define RETRY_POLL		1000	/* ms between looks for retries, in order … */
#define OTHERS_POLL		5000	/* … and for those whose time is not known */
#define OVERDUE_POLL	30000	/* ms, when those that are due do not come */

int
retries_waiting(const Retries *retries)
{
	int			n = retries->nowed - retries->buffer->nretried;

	return n > 0 ? n : 0;
}

static void
time_has_come(void *arg)
{
	Retries    *retries = arg;
	int			n = 0;

	while (n < retries->ntimes && retries->times[n] <= loop_now())
		n++;
	retries->ntimes -= n;
	memmove(retries->times, retries->times + n,
			sizeof(retries->times[0]) * (size_t) retries->ntimes);
	retries->time_has_come = true;
	subscription_changed(retries->subscription);
}

/*
 * look_in: unless that is sooner already.
 */
static void
look_in(Retries *retries, int64_t delay)
{
	if (!retries->timer.set || retries->timer.due > loop_now() + delay)
		loop_timer_set(&retries->timer, delay, time_has_come, retries);
}

/*
 * keep_time: in their order; where there are too many, the latest are not kept.
 */
static void
keep_time(Retries *retries, int64_t time)
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
 * counted: what is due and does not come is paused, or the like: there is no
 * hurry then.
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
					  "could not count what is to be retried", result);
		retries->gone = subscription_is_gone(result);
		look_in(retries, ERROR_DELAY);
		subscription_changed(retries->subscription);
		return;
	}
	problem_over(&retries->problem, retries->subscription);
	retries->known = true;
	retries->nowed = atoi(PQgetvalue(result, 0, 0));
	later = atoi(PQgetvalue(result, 0, 1));
	due = retries_waiting(retries) > later;
	if (due && overdue)
		look_in(retries, OVERDUE_POLL);
	else if (retries_waiting(retries) > 0 && !due)
		look_in(retries, atoll(PQgetvalue(result, 0, 2)) + 1);
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
	retries->nowed++;
	keep_time(retries, loop_now() + delay);
	look_in(retries, delay);
}

void
retries_settled(Retries *retries)
{
	if (retries->nowed > 0)
		retries->nowed--;
}

void
retries_seek(Retries *retries)
{
	if (retries_waiting(retries) == 0 || retries->timer.set ||
		retries->counting)
		return;
	if (retries->ntimes > 0)
		look_in(retries, retries->times[0] - loop_now());
	else if (!retries->buffer->config->ordered)
		look_in(retries, OTHERS_POLL);
	else if (loop_now() - retries->counted < RETRY_POLL)
		look_in(retries, RETRY_POLL);
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
	retries->nowed = 0;
	retries->ntimes = 0;
	retries->fetched = 0;
	retries->known = retries->due = retries->time_has_come = false;
	retries->gone = false;
	problem_forget(&retries->problem);
}
