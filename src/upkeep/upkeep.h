/*
 * upkeep.h
 *		What removes events and keeps logs in order: procedures that commit as
 *		they go, and the steps they take.
 */
#ifndef EVENTLOG_UPKEEP_H
#define EVENTLOG_UPKEEP_H

#include "queue/queue.h"
#include "read/read.h"

#include "nodes/pg_list.h"
#include "utils/tuplestore.h"

/*
 * lock.c: locks that make nobody wait
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
 * step.c: steps taken as a log's owner, with bounded waits
 *
 * UpkeepTarget: the log that steps are about, from step to step.
 */
typedef struct UpkeepTarget
{
	Oid			log;
	Oid			owner;			/* as whom the steps are taken */
	bool		impatient;		/* a step has waited for locks in vain */
	bool		trusted;		/* steps run none of the owner's code now */
	int			ntimeouts;		/* steps that ran out of time */
	int64		slow_ms;		/* that slow steps took, together */
	char	   *last_warning;
} UpkeepTarget;

typedef void (*UpkeepStep) (void *arg);

typedef enum StepResult
{
	STEP_TAKEN,
	STEP_LOCKED,				/* others hold locks: wait for another call */
	STEP_FAILED
} StepResult;

extern StepResult run_upkeep_step(UpkeepTarget *target, UpkeepStep step,
								  void *arg,
								  const char *what);
extern EventLog *upkeep_open_log(Oid relid, LOCKMODE lockmode);
extern void upkeep_fire_triggers_now(void);
extern void upkeep_require_autocommit(FunctionCallInfo fcinfo,
									  const char *name);
extern void upkeep_require_read_write(const char *name);

/*
 * drop.c: partitions dropped within a step
 */
extern void drop_lock_referrers(List *keys, LOCKMODE mode);
extern List *drop_lock_partition(const PartitionList *list,
								 const Partition *item);
extern void drop_partition(Oid log, const PartitionList *list,
						   const Partition *item);

/*
 * delete.c: events deleted by their keys
 */
/*
 * ChosenKeys: the keys of events to delete, newest first.
 */
typedef struct ChosenKeys
{
	int			n;
	int			max;
	Datum	   *times;
	Datum	   *ids;			/* in id_values, if by reference */
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
 * clear.c: what clear and purge have in common
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
 * purgedrop.c: partitions dropped by a purge
 */
/*
 * Purge: a purge under way, across its transactions.
 */
typedef struct Purge
{
	UpkeepTarget target;
	Oid			log;
	bool		as_owner;
	Filter		filter;
	int			batch_size;
	int64		deleted;
	int64		chosen;			/* by the batches, whether or not deleted … */
	int64		most;			/* … and how many that can be */
	TimestampTz begun;
	TimestampTz newest;			/* event of the batches */
	TimestampTz oldest;			/* time that they can come to */
	MemoryContext context;		/* of what outlives transactions */
	PartitionList *list;		/* what is dropped first */
	Oid			partition;		/* to be dropped by the next step … */
	bool		ahead;			/* … which ends in the future … */
	bool		droppable;		/* … if that may be */
	bool		log_locked;		/* was the log's own lock to be had? */
	int64		dropped;		/* events, with their partitions */
	int			nth;			/* of the partitions inside the window … */
	int			ninside;		/* … and how many those are */
	bool		has_after;		/* batches go on behind this event */
	pg_uuid_t	after;
} Purge;

extern bool purge_may_drop(const Purge *purge);
extern void purge_drop_partitions(Purge *purge);

/*
 * move.c: events moved between partitions without running any code
 */
extern char *move_find_obstacle(Oid log, Oid default_oid);
extern Tuplestorestate *move_take_rows(Oid default_oid, TimestampTz lower,
									   TimestampTz upper, TupleDesc *desc,
									   int64 *rows);
extern void move_put_rows(Oid partition, Tuplestorestate *store,
						  TupleDesc desc,
						  int64 rows);

/*
 * One log's upkeep
 */
/*
 * Upkeep: one log's upkeep, and what its next step is about.
 */
typedef struct Upkeep
{
	UpkeepTarget target;
	MemoryContext context;		/* of what was learnt by the last look */
	PartitionList *list;		/* NULL: it is no log, or damaged */
	char	   *name;
	char	   *damage;			/* why it cannot be used, or NULL */
	LogSettings settings;
	bool		has_keys;		/* do foreign keys refer to it? */
	TimestampTz now;			/* when the upkeep of this log began */
	Oid			partition;		/* to expire */
	bool		log_locked;		/* was the log's own lock to be had? */
	bool		referred;		/* do rows refer to the partition's events? */
	TimestampTz at;				/* a partition is to be made for this time */
	TimestampTz from;			/* events before it stay where they are */
	TimestampTz next;			/* where the grid's cell of `at` ends */
	int64		rows;			/* that the step took care of */
	int64		max_batches;	/* of expired events that there can be */
	int64		nexamined;		/* events far ahead that were looked at … */
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

#endif							/* EVENTLOG_UPKEEP_H */
