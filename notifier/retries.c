/*
 * retries.c
 *		How many events are to be tried again, and when.
 *
 * Of what failed in this session it is known when it is due, so that nothing is
 * asked until then.  But others may have changed it meanwhile: retried, deleted
 * or cancelled it.  Where it does not come, what is still to be retried is
 * counted.
 */
#include "retries.h"

#include "statements.h"

#include <stdlib.h>

#define COUNT_INTERVAL	10000	/* ms between two counts of retries, unless
								 * all others wait for them */
#define RETRY_POLL		1000	/* ms between looks for retries */
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
	int64_t		interval = retries->buffer->config->ordered ? RETRY_POLL :
		COUNT_INTERVAL;

	if (retries_waiting(retries) == 0 || retries->timer.set ||
		retries->counting)
		return;
	if (loop_now() - retries->counted < interval)
		look_in(retries, RETRY_POLL);
	else
		retries_count(retries);
}

void
retries_reset(Retries *retries)
{
	loop_timer_clear(&retries->timer);
	retries->nowed = 0;
	retries->fetched = 0;
	retries->known = retries->due = retries->time_has_come = false;
	retries->gone = false;
	problem_forget(&retries->problem);
}
