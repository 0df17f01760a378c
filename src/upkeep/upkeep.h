/*
 * upkeep.h
 *		Procedures that keep logs in order and remove events, committing
 *		as they go, and the steps that they take.
 */
#ifndef EVENTLOG_UPKEEP_H
#define EVENTLOG_UPKEEP_H

#include "queue/queue.h"
#include "read/read.h"

#include "nodes/pg_list.h"
#include "utils/tuplestore.h"

/*
 * lock.c: locks for which nobody else has to wait
 */
extern void upkeep_lock(Oid relid, LOCKMODE mode);
extern bool upkeep_is_lock_failure(const ErrorData *error);
extern void upkeep_set_lock_timeout(int ms);
extern void upkeep_sleep(long ms);
extern void contention_reset(void);
extern void contention_begin_try(void);
extern bool contention_wait(TimestampTz deadline);
extern void contention_release(void);

/*
 * step.c: steps taken as the log's owner, with bounded waits
 *
 * UpkeepTarget: the log that a series of steps works on.
 */
typedef struct UpkeepTarget
{
	Oid			log;
	Oid			owner;			/* steps are taken as this role */
	bool		impatient;		/* a step has waited for locks in vain */
	bool		trusted;		/* steps now run none of the owner's code */
	bool		log_locked;		/* did the last step get the log's lock? */
	LogSettings settings;		/* during a step … */
	PartitionList *partitions;	/* … that locks the log */
	int			ntimeouts;		/* steps that timed out */
	int64		slow_ms;		/* total time of slow steps */
	char	   *last_warning;
} UpkeepTarget;

typedef void (*UpkeepStep) (void *arg);

typedef enum StepResult
{
	STEP_TAKEN,
	STEP_LOCKED,				/* others hold locks: the next call will try
								 * again */
	STEP_FAILED
} StepResult;

extern StepResult run_upkeep_step(UpkeepTarget *target, LOCKMODE lockmode,
								  UpkeepStep step, void *arg,
								  const char *failure);
extern bool upkeep_is_cancel(const ErrorData *error);
extern EventLog *upkeep_open_log(Oid relid, LOCKMODE lockmode);
extern void upkeep_fire_triggers_now(void);
extern void upkeep_require_autocommit(FunctionCallInfo fcinfo,
									  const char *name);
extern void upkeep_require_read_write(const char *name);

/*
 * drop.c: dropping partitions within a step
 */
extern void drop_lock_referrers(List *keys, LOCKMODE mode);
extern List *drop_lock_partition(const PartitionList *list,
								 const Partition *item);
extern void drop_partition(Oid log, const PartitionList *list,
						   const Partition *item);
extern void detach_partition(Oid log, const PartitionList *list,
							 const Partition *item, const char *schema);

#define MAX_TOGETHER	32		/* partitions that a step drops: each takes a
								 * dozen locks */

typedef struct DroppedPartition
{
	int			at;				/* in the list */
	char	   *name;
	TimestampTz lower;
	TimestampTz upper;
	int64		rows;
} DroppedPartition;

/*
 * DropRun: partitions that a step drops.
 */
typedef struct DropRun
{
	MemoryContext context;		/* of the names */
	const PartitionList *list;	/* the partitions when the run began … */
	int			first;			/* … and from which one on to drop them */
	bool		alone;			/* one in each step? */
	int			n;				/* how many are done with, … */
	int			ndropped;		/* … and which of them were dropped */
	DroppedPartition dropped[MAX_TOGETHER];
} DropRun;

typedef bool (*DropOne) (void *arg, Oid partition, bool first);

extern void drop_together(DropRun *run, const UpkeepTarget *target,
						  DropOne drop, void *arg);
extern StepResult drop_in_step(DropRun *run, UpkeepTarget *target,
							   UpkeepStep step, void *arg,
							   const char *failure);
extern void drop_note(DropRun *run, const Partition *item, const char *name,
					  int64 rows);

/*
 * delete.c: deleting events by their keys
 */
/*
 * ChosenKeys: the keys of events to delete, newest first.
 */
typedef struct ChosenKeys
{
	int			n;
	int			max;
	Datum	   *times;
	Datum	   *ids;			/* pointing into id_values */
	pg_uuid_t  *id_values;
} ChosenKeys;

extern ChosenKeys *delete_choose_keys(Oid relid, const Filter *filter,
									  const pg_uuid_t *after, int max);
extern uint64 delete_shipped(const char *sql);
extern uint64 delete_by_statement(const EventLog *log, const char *sql,
								  ParamListInfo params, TimestampTz since,
								  TimestampTz before, ReturnSetInfo *rsinfo);
extern uint64 delete_by_keys(Oid relid, const Filter *filter,
							 const ChosenKeys *keys, List *sparing,
							 ReturnSetInfo *rsinfo);

/*
 * clear.c: what clear and purge share
 */
enum
{
	CLEAR_EVERYTHING = FILTER_NARGS,
	CLEAR_LOG
};

extern void clear_require_filter(FunctionCallInfo fcinfo,
								 const Filter *filter);
extern void clear_require_privilege(Oid log);

/*
 * purgedrop.c: dropping partitions in a purge
 */
/*
 * Purge: the state of a purge across its transactions.
 */
typedef struct Purge
{
	UpkeepTarget target;
	Oid			log;
	bool		as_owner;
	Filter		filter;
	int			batch_size;
	int64		deleted;
	int64		chosen;			/* by batches, whether or not they were
								 * deleted */
	int64		most;			/* limit of chosen */
	TimestampTz begun;
	TimestampTz newest;			/* newest event of the batches */
	TimestampTz oldest;			/* lower end of their range of time */
	MemoryContext context;		/* of what outlives transactions */
	PartitionList *list;		/* the partitions when the purge began */
	bool		has_keys;		/* do foreign keys refer to the log? */
	DropRun		run;			/* the partitions that are dropped now */
	Oid			partition;		/* the one that is examined, … */
	bool		ahead;			/* … does it end in the future, … */
	bool		droppable;		/* … and may it be dropped? */
	int64		dropped;		/* events that were dropped with partitions */
	int			ninside;		/* partitions inside the window */
	bool		has_after;		/* batches continue behind event `after` */
	pg_uuid_t	after;
} Purge;

extern bool purge_may_drop(const Purge *purge);
extern void purge_drop_partitions(Purge *purge);

/*
 * move.c: moving events between partitions without running any code
 */
extern char *move_find_obstacle(Oid log, Oid default_oid);
extern Tuplestorestate *move_take_rows(Oid default_oid, TimestampTz lower,
									   TimestampTz upper, TupleDesc *desc,
									   int64 *rows);
extern void move_put_rows(Oid partition, Tuplestorestate *store,
						  TupleDesc desc,
						  int64 rows);

/*
 * Upkeep: the upkeep of one log, and what its next step works on.
 */
typedef struct Upkeep
{
	UpkeepTarget target;
	MemoryContext context;		/* of what refresh() read */
	PartitionList *list;		/* NULL: not a log, or damaged */
	char	   *name;
	char	   *damage;			/* why it cannot be used, or NULL */
	bool		has_keys;		/* do foreign keys refer to it? */
	TimestampTz now;			/* when the upkeep of this log began */
	Oid			partition;		/* to expire */
	DropRun		run;			/* partitions that are dropped */
	bool		referred;		/* do rows refer to the partition's events? */
	TimestampTz at;				/* create a partition for this time */
	TimestampTz from;			/* events before this time stay where they are */
	TimestampTz next;			/* end of the grid's cell of `at` */
	int64		rows;			/* that the step processed */
	int64		max_batches;	/* limit of batches of expired events */
	int64		nexamined;		/* future events that were examined … */
	int64		sparse;			/* … and stay in the default partition */
	bool		found;
} Upkeep;

/* premake.c */
extern void upkeep_premake(Upkeep *upkeep);
extern void upkeep_empty_default(Upkeep *upkeep);

/* expire.c */
extern void upkeep_expire_default(Upkeep *upkeep);
extern void upkeep_expire_partitions(Upkeep *upkeep);

/* build.c */
extern void upkeep_build_indexes(Upkeep *upkeep);

/* deliveries.c */
extern void upkeep_prune_queue(UpkeepTarget *target);
extern void upkeep_sweep_queue(void);

/* distributed.c */
extern int64 shards_fill_partition(Oid log, Oid default_oid, TimestampTz lower,
								   TimestampTz upper);
extern void shards_find_in_default(Upkeep *upkeep, Oid default_oid,
								   TimestampTz horizon, int enough);
extern void maintain_shards(Upkeep *upkeep);
extern bool upkeep_is_elsewhere(Oid log);

#endif							/* EVENTLOG_UPKEEP_H */
