/*
 * queue.h
 *		What is owed to whom: what the files of the queue share.
 */
#ifndef EVENTLOG_QUEUE_H
#define EVENTLOG_QUEUE_H

#include "eventlog.h"

#include "access/genam.h"
#include "executor/spi.h"
#include "nodes/execnodes.h"
#include "utils/snapshot.h"

/* columns of eventlog._subscription */
enum
{
	SUB_ID = 1, SUB_NAME, SUB_OWNER, SUB_LOG, SUB_LEVELS, SUB_EVENT_TYPE,
	SUB_PAUSED
};

/* columns of eventlog._queue */
enum
{
	QUEUE_SUBSCRIPTION = 1, QUEUE_SEQ, QUEUE_XID, QUEUE_EVENT_ID,
	QUEUE_ATTEMPTS, QUEUE_NEXT_ATTEMPT_AT, QUEUE_FAILED_AT, QUEUE_LAST_ERROR,
	QUEUE_NCOLUMNS = QUEUE_LAST_ERROR
};

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
	char		name[NAMEDATALEN];
	uint64		marked;			/* see bell_owes() */
} Subscription;

/*
 * SubscriptionSet: the subscriptions of one log.
 */
typedef struct SubscriptionSet
{
	Oid			log;			/* hash key */
	int			n;
	Subscription *items;
} SubscriptionSet;

/* subscription.c */
extern SysScanDesc subscription_scan(Relation *rel, Oid log, const char *name,
									 Snapshot snapshot);
extern bool subscription_read(HeapTuple row, TupleDesc desc,
							  Subscription *subscription);
extern bool subscription_wants(const Subscription *subscription,
							   const text *event_type, const text *level);
extern Subscription *subscription_require(FunctionCallInfo fcinfo,
										  int name_arg, int log_arg);
extern bool subscription_is_orphan(const Subscription *subscription);
extern bool subscription_log_is_own(Oid log);
extern void subscription_require_readable(Relation log, Oid role);

/* subcache.c */
extern SubscriptionSet *subscriptions_of(Oid log);

/*
 * enqueue.c
 *
 * QueueWriter: eventlog._queue and its indexes, open for rows to be put in.
 */
typedef struct QueueWriter
{
	Relation	rel;
	Oid			sequence;
	EState	   *estate;
	ResultRelInfo *result;
	TupleTableSlot *slot;
} QueueWriter;

extern void queue_open(QueueWriter *writer);
extern bool queue_put(QueueWriter *writer, Subscription *subscription,
					  const pg_uuid_t *event_id);
extern void queue_close(QueueWriter *writer);
extern bool queue_event_time(const pg_uuid_t *event_id, TimestampTz *t);

/* doorbell.c */
extern bool consumer_lock(int subscription);
extern bool consumer_holds(int subscription);
extern void consumer_unlock(int subscription);
extern int	consumer_pid(const LockData *locks, int subscription);
extern bool bell_arm(const Subscription *subscription);
extern void bell_disarm(const Subscription *subscription);
extern void bell_owes(Subscription *subscription);

/* consumer.c */
typedef struct Consumer Consumer;

extern Consumer *consumer_find(int subscription);
extern void consumer_end(const Subscription *subscription);

/* settle.c */
extern void queue_tally(int subscription, int64 delivered, int64 cancelled,
						const text *error);
extern int64 queue_cancel(int subscription, Datum *seqs, int n);
extern int64 queue_fail(int subscription, int64 seq, text *error,
						TimestampTz next_attempt_at);
extern text *queue_error_text(const char *error, int len);

#endif							/* EVENTLOG_QUEUE_H */
