/*
 * acks.h
 *		What became of events, told to the database.
 */
#ifndef NOTIFIER_ACKS_H
#define NOTIFIER_ACKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/array.h"
#include "base/loop.h"
#include "webhook/subscription.h"

#define BATCH_COLUMNS	3

/*
 * AckGroup: as many as one statement tells of at most.
 */
typedef struct AckGroup
{
	struct AckGroup *next;
	ArrayLiteral columns[BATCH_COLUMNS];
	int			n;
} AckGroup;

/*
 * AckBatch: what one statement tells, and what the next ones will.
 */
typedef struct AckBatch
{
	AckGroup   *first;			/* gathered for the next ones */
	AckGroup   *last;
	int			n;				/* how many these are in all */
	char	   *told[BATCH_COLUMNS];	/* told now; the first NULL: nothing
										 * is */
	int			ntold;
	bool		under_way;		/* the statement is; if not, it has failed */
} AckBatch;

typedef struct Acks
{
	const Subscription *subscription;
	AckBatch	delivered;		/* seq */
	AckBatch	failed;			/* seq, error, seconds until the next attempt */
	bool		gone;			/* there is nothing to tell of any more */
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
 * acks_pending: how many were sent, and the database does not know yet what
 * became of them.
 */
extern int	acks_pending(const Acks *acks);

/*
 * acks_are_failing: can nothing be told just now?
 */
extern bool acks_are_failing(const Acks *acks);

/*
 * acks_forget: what was not told yet is owed no more.
 * acks_reset: the session is lost, and what was not told with it.
 */
extern void acks_forget(Acks *acks);
extern void acks_reset(Acks *acks);

#endif							/* NOTIFIER_ACKS_H */
