/*
 * queue.h
 *		What is owed to whom: what subscription.c, queue.c, doorbell.c and
 *		consumer.c share.
 */
#ifndef EVENTLOG_QUEUE_H
#define EVENTLOG_QUEUE_H

#include "eventlog.h"

#include "executor/spi.h"

/*
 * Subscription: as the backend knows it.
 */
typedef struct Subscription
{
	int			id;
	Oid			owner;
	Oid			log;
	bool		paused;
	bool		levels[EVENT_NLEVELS];
	text	   *event_type;		/* prefix; NULL: any */
	char	   *name;
} Subscription;

/* subscription.c */
extern int	subscriptions_load(void);
extern const Subscription *subscription_next(Oid log, int *from);
extern bool subscription_wants(const Subscription *subscription,
							   const text *event_type, const text *level);
extern Subscription *subscription_require(FunctionCallInfo fcinfo, int argno);
extern SPIPlanPtr kept_plan(SPIPlanPtr *plan, const char *sql, int nargs,
							const Oid *types);
extern int64 run_owned(SPIPlanPtr *plan, const char *sql, int nargs,
					   const Oid *types, Datum *values, const char *nulls);

/* queue.c */
extern void queue_insert(int subscription, const pg_uuid_t *event_id);

/* doorbell.c */
extern bool consumer_lock(int subscription);
extern bool consumer_holds(int subscription);
extern void consumer_unlock(int subscription);
extern int	consumer_pid(int subscription);
extern bool bell_arm(int subscription);
extern void bell_disarm(int subscription);
extern void bell_owes(int subscription);

/* consumer.c */
extern int64 queue_cancel(int subscription, Datum *seqs, int n);

#endif							/* EVENTLOG_QUEUE_H */
