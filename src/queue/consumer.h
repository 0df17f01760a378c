/*
 * consumer.h
 *		What a session knows of a subscription that it consumes: what
 *		consumer.c, round.c, fetch.c and settle.c share.
 */
#ifndef EVENTLOG_CONSUMER_H
#define EVENTLOG_CONSUMER_H

#include "queue/queue.h"

/*
 * Place: how far a session has come in what is owed to a subscription.  All of
 * it is in a context of its own.
 */
typedef struct Place
{
	MemoryContext context;
	int			subscription;
	Datum		before;			/* pg_snapshot of the round before; 0: none */
	Datum		round;			/* pg_snapshot of this round; 0: none */
	int64		position;		/* handed out up to this seq in this round */
	int			nretries;		/* retries handed out and not settled */
	int			maxretries;
	Datum	   *retries;		/* their seq */
	SubTransactionId since;		/* taken in it; invalid: in one committed */
	struct Place *former;		/* where to go back to if that fails */
} Place;

/*
 * Consumer: a subscription that this session consumes.
 */
struct Consumer
{
	int			subscription;
	MemoryContext context;
	Place	   *place;
	ItemPointerData tally;		/* where the row in eventlog._tally was last */
	SubTransactionId fetching;	/* a fetch that began in it goes on; invalid:
								 * none does */
};

/*
 * Owed: one delivery on its way to the caller.
 */
typedef struct Owed
{
	int64		seq;
	int			attempts;
	bool		retry;			/* it was handed out before */
	pg_uuid_t	event_id;
} Owed;

typedef struct OwedList
{
	int			n;
	int			max;
	Owed	   *items;
} OwedList;

/* consumer.c */
extern Consumer *consumer_require(const Subscription *subscription);
extern void consumer_require_idle(const Subscription *subscription);
extern Place *place_next(int subscription, const Place *from);
extern void place_take(Consumer *consumer, Place *place);
extern void place_remember_retry(Place *place, int64 seq);

/* round.c */
extern void round_find_retries(const Place *place, OwedList *list);
extern bool round_begin(Place *place);
extern void round_find_new(Place *place, OwedList *list);
extern void round_went(Place *place, const OwedList *list, int n);
extern bool round_is_owed(const Place *place);

#endif							/* EVENTLOG_CONSUMER_H */
