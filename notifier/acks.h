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
	int			ndelivered;		/* how many these are */
	char	   *told;			/* the array that is acknowledged now */
	int			ntold;			/* of how many */
	int			nfailing;		/* statements about failures under way */
	bool		untold;			/* one of these did not succeed */
	bool		gone;			/* there is nothing to acknowledge any more */
	Problem		problem;
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
 * acks_pending: how many were sent, and the database does not know yet.
 */
extern int	acks_pending(const Acks *acks);

/*
 * acks_are_told: does the database know everything?
 */
extern bool acks_are_told(const Acks *acks);

/*
 * acks_forget: what was not told yet is owed no more.
 * acks_reset: the session is lost, and what was not told with it.
 */
extern void acks_forget(Acks *acks);
extern void acks_reset(Acks *acks);
extern void acks_destroy(Acks *acks);

#endif							/* NOTIFIER_ACKS_H */
