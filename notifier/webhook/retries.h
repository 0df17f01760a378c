/*
 * retries.h
 *		Keeps track of the events that wait for a retry.
 */
#ifndef NOTIFIER_RETRIES_H
#define NOTIFIER_RETRIES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "webhook/buffer.h"
#include "webhook/subscription.h"

#define RETRY_TIMES		64

typedef struct Retries
{
	const Subscription *subscription;
	const EventBuffer *buffer;	/* where they are fetched to */
	int			nfailed;		/* known number of failed, unsettled events */
	int64_t		times[RETRY_TIMES]; /* loop_now() when the next are due */
	int			ntimes;
	bool		known;			/* ordered: the events have been counted */
	bool		counting;		/* the statement is in progress */
	bool		due;			/* some are due, by the database's clock */
	bool		timer_fired;	/* some should be due, by our clock */
	bool		gone;			/* the subscription does not exist any more */
	int64_t		counted;		/* loop_now() when they were last counted */
	uint64_t	fetched;		/* the buffer's retries_fetched plus 1 when
								 * the last count found some due; 0: it found
								 * none */
	Problem		problem;
	LoopTimer	timer;			/* until the next event is due */
} Retries;

/*
 * retries_begin: this session has become the consumer.
 * retries_end: it is not the consumer any more.
 */
extern void retries_begin(Retries *retries);
extern void retries_end(Retries *retries);

/*
 * retries_waiting: the number of failed events that were not fetched again.
 */
extern int	retries_waiting(const Retries *retries);

/*
 * retries_count: count them in the database; only used where order is kept.
 */
extern void retries_count(Retries *retries);

/*
 * retries_expect: an event failed and is due after `delay` ms.
 */
extern void retries_expect(Retries *retries, int64_t delay);

/*
 * retries_settled: an event that had failed before was settled.
 */
extern void retries_settled(Retries *retries);

/*
 * retries_schedule: if events wait for a retry, make sure that the timer runs.
 */
extern void retries_schedule(Retries *retries);

#endif							/* NOTIFIER_RETRIES_H */
