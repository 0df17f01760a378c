/*
 * retries.h
 *		When what has failed comes again.
 */
#ifndef NOTIFIER_RETRIES_H
#define NOTIFIER_RETRIES_H

#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"
#include "loop.h"
#include "subscription.h"

typedef struct Retries
{
	const Subscription *subscription;
	const EventBuffer *buffer;	/* where they come to */
	int			nowed;			/* failed and not settled, as far as is known */
	bool		known;			/* they have been counted in this session */
	bool		counting;		/* a statement under way */
	bool		due;			/* some of them are to be fetched */
	bool		time_has_come;	/* by our clock, some of them should be due */
	int64_t		counted;		/* loop_now() when they were counted last */
	uint64_t	fetched;		/* the buffer's retries_fetched when some were
								 * due, plus 1; 0: none were */
	LoopTimer	timer;			/* until that time */
	bool		gone;			/* there is nothing to count any more */
	Problem		problem;
} Retries;

/*
 * retries_waiting: how many have failed, and have not been fetched again.
 */
extern int	retries_waiting(const Retries *retries);

/*
 * retries_count: ask the database.
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
 * retries_seek: where some have failed, see that it is known when they are due.
 */
extern void retries_seek(Retries *retries);

extern void retries_reset(Retries *retries);

#endif							/* NOTIFIER_RETRIES_H */
