/*
 * retries.h
 *		When what has failed comes again.
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
	const EventBuffer *buffer;	/* where they come to */
	int			nowed;			/* failed and not settled, as far as is known */
	int64_t		times[RETRY_TIMES]; /* loop_now() when the next are due */
	int			ntimes;
	bool		known;			/* in order: they have been counted */
	bool		counting;		/* a statement under way */
	bool		due;			/* some of them are to be fetched */
	bool		time_has_come;	/* by our clock, some of them should be due */
	bool		gone;			/* there is nothing to count any more */
	int64_t		counted;		/* loop_now() when they were counted last */
	uint64_t	fetched;		/* the buffer's retries_fetched when some were
								 * due, plus 1; 0: none were */
	Problem		problem;
	LoopTimer	timer;			/* until the next time */
} Retries;

/*
 * retries_begin: this session is the consumer now.
 * retries_end: it is not any more.
 */
extern void retries_begin(Retries *retries);
extern void retries_end(Retries *retries);

/*
 * retries_waiting: how many have failed, and have not been fetched again.
 */
extern int	retries_waiting(const Retries *retries);

/*
 * retries_count: in order: ask the database.
 */
extern void retries_count(Retries *retries);

/*
 * retries_expect: one has failed and is due in so many ms.
 */
extern void retries_expect(Retries *retries, int64_t delay);

/*
 * retries_settled: one that had been fetched again is settled.
 */
extern void retries_settled(Retries *retries);

/*
 * retries_seek: where some have failed, see that there is a time at which they
 * are looked for.
 */
extern void retries_seek(Retries *retries);

#endif							/* NOTIFIER_RETRIES_H */
