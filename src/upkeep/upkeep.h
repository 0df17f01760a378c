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
	int			ncut;			/* steps that ran out of time */
	int64		slow_ms;		/* that slow steps took, together */
	char	   *told;			/* the last WARNING */
} UpkeepTarget;

typedef void (*UpkeepStep) (void *arg);

typedef enum StepResult
{
	STEP_TAKEN,
	STEP_LOCKED,				/* others hold locks: wait for another call */
	STEP_FAILED
} StepResult;

extern StepResult attempt(UpkeepTarget *target, UpkeepStep step, void *arg,
						  const char *what);
extern void lock_for_step(Oid relid, LOCKMODE mode);
extern EventLog *log_open_owned(Oid relid, LOCKMODE lockmode);
extern void pause_upkeep(long ms);
extern void fire_no_trigger_later(void);
extern void require_read_write(const char *name);

/*
 * drop.c: partitions dropped within a step
 */
extern void lock_referrers(List *keys, LOCKMODE mode);
extern List *lock_to_drop(const PartitionList *list, const Partition *item);
extern void drop_partition(Oid log, const PartitionList *list,
						   const Partition *item);

/*
 * clear.c
 */
extern uint64 delete_shipped(const char *sql);

/*
 * move.c: events moved between partitions without running any code
 */
extern char *move_obstacle(Oid log, Oid default_oid);
extern Tuplestorestate *take_rows(Oid default_oid, TimestampTz lower,
								  TimestampTz upper, TupleDesc *desc,
								  int64 *rows);
extern void put_rows(Oid partition, Tuplestorestate *store, TupleDesc desc,
					 int64 rows);

/*
 * maintain.c: what upkeep has to tell of a log
 */
extern List *default_problems(const EventLog *log, Oid default_oid,
							  TimestampTz now);
extern List *partition_problems(const EventLog *log, const PartitionList *list,
								TimestampTz now);

/* queue/prune.c */
extern void queue_prune(UpkeepTarget *target);

#endif							/* EVENTLOG_UPKEEP_H */
