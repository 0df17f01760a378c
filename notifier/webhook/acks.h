/*
 * acks.h
 *		Acknowledges deliveries, and reports failed ones, to the database.
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
 * AckGroup: the events of one statement; each column is an array parameter.
 */
typedef struct AckGroup
{
	struct AckGroup *next;
	ArrayLiteral columns[BATCH_COLUMNS];
	int			n;
} AckGroup;

/*
 * AckBatch: the groups that wait for a statement, and the one being sent.
 */
typedef struct AckBatch
{
	AckGroup   *first;			/* gathered for later statements */
	AckGroup   *last;
	int			n;				/* events in them */
	char	   *sending[BATCH_COLUMNS]; /* sending now; the first NULL:
										 * nothing is */
	int			nsending;
	bool		in_progress;	/* the statement; if not, it has failed */
} AckBatch;

typedef struct Acks
{
	const Subscription *subscription;
	AckBatch	delivered;		/* seq */
	AckBatch	failed;			/* seq, error, seconds until the next attempt */
	bool		gone;			/* the subscription does not exist any more */
	Problem		problem;
	LoopTimer	gather_timer;	/* until gathered events are sent at the
								 * latest */
	LoopTimer	error_timer;	/* until a failed statement is sent again */
} Acks;

/*
 * acks_delivered: acknowledge an event, together with others.
 */
extern void acks_delivered(Acks *acks, const char *seq);

/*
 * acks_failed: report that an event failed.  delay: ms until it is to be tried
 * again; -1: never.
 */
extern void acks_failed(Acks *acks, const char *seq, const char *error,
						int64_t delay);

/*
 * acks_flush: send what is gathered if it is worth a statement.  last: no more
 * events are expected soon, so send it in any case.
 */
extern void acks_flush(Acks *acks, bool last);

/*
 * acks_pending: the number of events that were sent to the receiver but are
 * not settled in the database yet.
 */
extern int	acks_pending(const Acks *acks);

/*
 * acks_are_failing: did the last statement fail?
 */
extern bool acks_are_failing(const Acks *acks);

/*
 * acks_forget: drop what is gathered, because the subscription is gone.
 * acks_reset: the same, because the session is lost.
 */
extern void acks_forget(Acks *acks);
extern void acks_reset(Acks *acks);

#endif							/* NOTIFIER_ACKS_H */
