/*
 * acks.c
 *		What was delivered is told in batches, what failed at once.
 *
 * While many events come, acks gather for some ms, so that one statement tells
 * of many.
 */
#include "acks.h"

#include "buffer.h"
#include "log.h"
#include "statements.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACK_BYTES		4096	/* by which their text grows */

/*
 * add: one seq, or some with commas between, to what is to be told.
 */
static void
add(Acks *acks, const char *seqs, size_t len)
{
	if (acks->len + len + 1 > acks->size)
	{
		size_t		size = acks->len + len + 1 + ACK_BYTES;
		char	   *grown = realloc(acks->delivered, size);

		if (grown == NULL)
		{
			log_event(LOG_LEVEL_ERROR, "out of memory, events will be sent twice",
					  "webhook", acks->subscription->name, NULL);
			return;
		}
		acks->delivered = grown;
		acks->size = size;
	}
	memcpy(acks->delivered + acks->len, seqs, len);
	acks->delivered[acks->len + len] = ',';
	acks->len += len + 1;
}

static void
time_is_over(void *arg)
{
	Acks	   *acks = arg;

	subscription_changed(acks->subscription);
}

static void
forget_told(Acks *acks)
{
	free(acks->told);
	acks->told = NULL;
	acks->ntold = 0;
}

/*
 * could_not: what was not acknowledged is again in a while; unless it is owed
 * no more.
 */
static void
could_not(Acks *acks, const PGresult *result)
{
	problem_found(&acks->problem, acks->subscription, "could not acknowledge",
				  result);
	acks->gone = subscription_is_gone(result);
	if (acks->gone)
		return;
	/* the braces are left out */
	add(acks, acks->told + 1, strlen(acks->told) - 2);
	acks->ndelivered += acks->ntold;
	loop_timer_set(&acks->error_timer, ERROR_DELAY, time_is_over, acks);
}

static void
acknowledged(void *arg, PGresult *result)
{
	Acks	   *acks = arg;

	if (result == NULL)
		return;					/* acks_reset() sees to it */
	if (session_succeeded(result))
		problem_over(&acks->problem, acks->subscription);
	else
		could_not(acks, result);
	forget_told(acks);
	subscription_changed(acks->subscription);
}

void
acks_tell(Acks *acks, bool last)
{
	const char *params[1];

	if (acks->told || acks->len == 0 || acks->error_timer.set ||
		(acks->gather_timer.set && acks->ndelivered < GATHERED && !last))
		return;
	loop_timer_clear(&acks->gather_timer);
	acks->told = malloc(acks->len + 3);
	if (acks->told == NULL)
		return;					/* the next one tries again */
	/* the last comma is left out */
	sprintf(acks->told, "{%.*s}", (int) acks->len - 1, acks->delivered);
	params[0] = acks->told;
	if (subscription_query(acks->subscription, statement_ack, 1, params,
						   acknowledged, acks))
	{
		acks->ntold = acks->ndelivered;
		acks->len = 0;
		acks->ndelivered = 0;
	}
	else
		forget_told(acks);
}

void
acks_delivered(Acks *acks, const char *seq)
{
	add(acks, seq, strlen(seq));
	if (acks->ndelivered++ == 0)
		loop_timer_set(&acks->gather_timer, GATHER_TIME, time_is_over, acks);
}

static void
failure_told(void *arg, PGresult *result)
{
	Acks	   *acks = arg;

	acks->nfailing--;
	if (result == NULL)
		return;
	if (!session_succeeded(result))
	{
		problem_found(&acks->problem, acks->subscription,
					  "could not tell of a failure", result);
		acks->gone = subscription_is_gone(result);
		acks->untold = !acks->gone;
	}
	subscription_changed(acks->subscription);
}

void
acks_failed(Acks *acks, const char *seq, const char *error, int64_t delay)
{
	char		seconds[32];
	const char *params[] = {seq, error, seconds};

	snprintf(seconds, sizeof(seconds), "%.3f", (double) delay / 1000);
	if (subscription_query(acks->subscription,
						   delay < 0 ? statement_give_up : statement_fail,
						   delay < 0 ? 2 : 3, params, failure_told, acks))
		acks->nfailing++;
}

int
acks_pending(const Acks *acks)
{
	return acks->ndelivered + acks->ntold + acks->nfailing;
}

bool
acks_are_told(const Acks *acks)
{
	return acks->told == NULL && acks->len == 0 && acks->nfailing == 0;
}

void
acks_forget(Acks *acks)
{
	loop_timer_clear(&acks->gather_timer);
	loop_timer_clear(&acks->error_timer);
	acks->len = 0;
	acks->ndelivered = 0;
	acks->untold = acks->gone = false;
	problem_forget(&acks->problem);
}

void
acks_reset(Acks *acks)
{
	acks_forget(acks);
	forget_told(acks);
	acks->nfailing = 0;
}

void
acks_destroy(Acks *acks)
{
	acks_reset(acks);
	free(acks->delivered);
	acks->delivered = NULL;
}
