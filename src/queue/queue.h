/*
 * queue.h
 *		Subscriptions, and the queue of their deliveries.
 */
#ifndef EVENTLOG_QUEUE_H
#define EVENTLOG_QUEUE_H

#include "log/log.h"

#include "nodes/execnodes.h"
#include "storage/lock.h"

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
 * Subscription: a row of eventlog._subscription.
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
	uint64		marked;			/* see bell_ring_at_commit() */
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
#define MAX_PREFIX_BYTES	255 /* of a prefix of event types */

extern Subscription *subscription_find(Oid log, const char *name);
extern char *subscription_name_from_arg(FunctionCallInfo fcinfo, int argno);
extern void subscription_require_member(const Subscription *subscription);
extern Subscription *subscription_find_by_args(FunctionCallInfo fcinfo,
											   int name_arg,
											   int log_arg);
extern SysScanDesc subscription_scan(Relation *rel, Oid log, const char *name,
									 Snapshot snapshot);
extern bool subscription_read(HeapTuple row, TupleDesc desc,
							  Subscription *subscription);
extern List *subscription_list(Oid log);
extern bool subscription_wants(const Subscription *subscription,
							   const text *event_type, const text *level);
extern Subscription *subscription_require(FunctionCallInfo fcinfo,
										  int name_arg, int log_arg);
extern bool subscription_is_orphan(const Subscription *subscription);
extern bool subscription_owns_log(Oid log);
extern void subscription_require_readable(Relation log, Oid role);

/* subcache.c */
extern SubscriptionSet *subscription_cache_get(Oid log);

/*
 * enqueue.c
 *
 * QueueWriter: eventlog._queue and its indexes, open for inserting rows.
 */
typedef struct QueueWriter
{
	Relation	rel;
	Oid			sequence;
	EState	   *estate;
	ResultRelInfo *result;
	TupleTableSlot *slot;
} QueueWriter;

extern void queue_open_writer(QueueWriter *writer);
extern bool queue_enqueue(QueueWriter *writer, Subscription *subscription,
						  const pg_uuid_t *event_id);
extern void queue_close_writer(QueueWriter *writer);

/* doorbell.c */
extern bool consumer_lock(int subscription);
extern bool consumer_holds(int subscription);
extern void consumer_unlock(int subscription);
extern int	consumer_pid(const LockData *locks, int subscription);
extern bool bell_arm(const Subscription *subscription);
extern void bell_disarm(const Subscription *subscription);
extern void bell_ring_at_commit(Subscription *subscription);

/*
 * FetchPosition: how far a session has come in the queue of a subscription.
 * It has a memory context of its own.
 */
typedef struct FetchPosition
{
	MemoryContext context;
	int			subscription;
	Datum		previous;		/* pg_snapshot of the previous generation; 0:
								 * none */
	Datum		current;		/* pg_snapshot of this generation; 0: none */
	int64		seq;			/* the last one handed out in this generation */
	int			nretries;		/* retries handed out and not settled yet */
	int			maxretries;
	Datum	   *retries;		/* their seq */
	SubTransactionId set_in;	/* subtransaction; invalid: one committed */
	struct FetchPosition *older;	/* to return to if that subtransaction
									 * fails */
} FetchPosition;

/*
 * Consumer: a subscription that this session consumes.
 */
typedef struct Consumer
{
	int			subscription;
	MemoryContext context;
	FetchPosition *position;
	ItemPointerData statistics; /* last known ctid of its row in
								 * eventlog._tally */
	SubTransactionId fetching;	/* subtransaction of a running fetch; invalid:
								 * none is running */
} Consumer;

/*
 * Delivery: a delivery that is being handed out.
 */
typedef struct Delivery
{
	int64		seq;
	int			attempts;
	bool		retry;			/* it failed before */
	pg_uuid_t	event_id;
} Delivery;

typedef struct DeliveryList
{
	int			n;
	int			max;
	Delivery   *items;
} DeliveryList;

/* consumer.c */
extern Consumer *consumer_find(int subscription);
extern void consumer_end(const Subscription *subscription);
extern Consumer *consumer_require(const Subscription *subscription);
extern void consumer_require_idle(const Subscription *subscription);
extern void consumer_set_position(Consumer *consumer, FetchPosition *position);

/* position.c */
extern FetchPosition *position_copy(int subscription,
									const FetchPosition *from);
extern void position_add_retry(FetchPosition *position, int64 seq);

/* generation.c */
extern void generation_find_retries(const FetchPosition *position,
									DeliveryList *list);
extern bool generation_begin(FetchPosition *position);
extern void generation_find_new(FetchPosition *position, DeliveryList *list);
extern void generation_advance(FetchPosition *position,
							   const DeliveryList *list, int n);
extern bool generation_has_deliveries(const FetchPosition *position);

/* settle.c */
extern void queue_add_statistics(int subscription, int64 delivered,
								 int64 cancelled,
								 const text *error);
extern int64 queue_cancel(int subscription, Datum *seqs, int n);
extern int64 queue_fail(int subscription, int64 seq, text *error,
						TimestampTz next_attempt_at);
extern text *queue_error_text(const char *error, int len);

/*
 * prune.c: steps of upkeep
 */
#define PRUNE_BATCH	1000
#define SWEEP_BATCH	10000

/*
 * QueuePrune: a pass through the queue of one subscription.
 */
typedef struct QueuePrune
{
	Subscription *subscription;
	int64		removed;		/* by the last step */
	int64		after;			/* seq */
	int			n;				/* of the batch */
	int			ngone;
	Datum		seqs[PRUNE_BATCH];
	pg_uuid_t	ids[PRUNE_BATCH];
	Datum		gone[PRUNE_BATCH];
} QueuePrune;

extern void queue_cancel_deleted_events(void *arg);
extern void queue_remove_dead(void *arg);
extern void queue_remove_orphaned_subscriptions(void *arg);
extern void queue_remove_orphaned_deliveries(void *arg);

/* distributed.c */
struct Filter;

extern bool lead_workers(Oid log);
extern int64 call_on_workers(Oid log, const char *call);
extern int64 replay_on_shards(const EventLog *log,
							  const Subscription *subscription,
							  const struct Filter *filter);
extern void add_worker_counts(Oid log, const char *name, const char *columns,
							  int n, Datum *values);

#endif							/* EVENTLOG_QUEUE_H */
