/*
 * acks.h
 *		What became of events, told to the database.
 */
#ifndef NOTIFIER_ACKS_H
#define NOTIFIER_ACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"
#include "subscription.h"

typedef struct Acks
{
	const Subscription *subscription;
	char	   *delivered;		/* not told yet: seq,seq,… */
	size_t		len;
	size_t		size;
	int			ndelivered;		/* since the last statement */
	char	   *told;			/* the array that is acknowledged now */
	int			nfailing;		/* statements about failures under way */
	bool		untold;			/* one of these did not succeed */
	LoopTimer	gather_timer;	/* until what is gathered is told anyhow */
	LoopTimer	error_timer;	/* until what could not be told is told again */
} Acks;

/*
 * acks_delivered: the event of that number was delivered; told with others.
 */
extern void acks_delivered(Acks *acks, const char *seq);

/*
 * acks_failed: it failed, and is to be tried again in so many ms; -1: never.
 */
extern void acks_failed(Acks *acks, const char *seq, const char *error,
						int64_t delay);

/*
 * acks_tell: tell what is gathered if it is worth a statement; last: nothing
 * else is to come soon.
 */
extern void acks_tell(Acks *acks, bool last);

/*
 * acks_are_told: does the database know everything?
 */
extern bool acks_are_told(const Acks *acks);

/*
 * acks_reset: the session is lost, and what was not told with it.
 */
extern void acks_reset(Acks *acks);
extern void acks_destroy(Acks *acks);

#endif							/* NOTIFIER_ACKS_H */
