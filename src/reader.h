/*
 * reader.h
 *		Events read from indexes without SQL: what reader.c, scan.c and plan.c
 *		share.
 */
#ifndef EVENTLOG_READER_H
#define EVENTLOG_READER_H

#include "eventlog.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "executor/tuptable.h"
#include "utils/snapshot.h"

/* the columns of the class index before (occurred_at, id) */
#define CLASS_NCOLUMNS 4

/*
 * PartitionIndexes: the indexes of one partition that can be used, by Oid.
 */
typedef struct PartitionIndexes
{
	Oid			partition;		/* hash key */
	bool		fit;			/* may its events be read without SQL? */
	TransactionId check_xmin;	/* not under older snapshots, if valid */
	Oid			by_time;		/* (occurred_at, id) */
	Oid			by_class;		/* (event_type, level, source_service,
								 * resource_type, occurred_at, id) */
	Oid			by_column[EVENT_NCOLUMNS];	/* (column, occurred_at, id) */
	AttrNumber	attnum[EVENT_NCOLUMNS];
} PartitionIndexes;

/*
 * OpenPartition: a partition held open for reading.
 */
typedef struct OpenPartition
{
	Relation	rel;
	PartitionIndexes indexes;	/* a copy: the cache may change meanwhile */
	TupleTableSlot *slot;
	IndexFetchTableData *fetch; /* NULL until a row is fetched by its place */
	Snapshot	snapshot;
} OpenPartition;

/*
 * EventKey: where an event stands in the log's order.
 */
typedef struct EventKey
{
	TimestampTz occurred_at;
	pg_uuid_t	id;
} EventKey;

extern int	compare_keys(const EventKey *a, const EventKey *b);
extern EventKey index_key(IndexTuple entry, TupleDesc desc, int key_at);

/*
 * FoundEvent: an event that was chosen, and where its row is.
 */
typedef struct FoundEvent
{
	EventKey	key;
	ItemPointerData tid;
} FoundEvent;

/*
 * EventRange: the events asked for in one partition, from the newest.
 */
typedef struct EventRange
{
	EventKey	upper;			/* exclusive */
	TimestampTz lower;			/* inclusive */
} EventRange;

/* reader.c */
extern bool open_partition(Oid partition, Snapshot snapshot,
						   OpenPartition *open);
extern void close_partition(OpenPartition *open);
extern bool fetch_found(OpenPartition *open, const ItemPointerData *tid);
extern bool column_matches(const Filter *filter, EventColumn column,
						   const text *value);
extern bool row_matches(const Filter *filter, const OpenPartition *open);

/*
 * classmap.c: which class comes next
 *
 * ClassBound: the classes below values, as far as they go, or (inclusive) at
 * most at them.  NULL is a null, which sorts last.
 */
typedef struct ClassBound
{
	int			n;
	bool		inclusive;
	const text *values[CLASS_NCOLUMNS];
} ClassBound;

typedef enum ClassAnswer
{
	CLASS_FOUND,
	CLASS_NONE,					/* there is no such class */
	CLASS_UNKNOWN				/* scan for it */
} ClassAnswer;

extern ClassAnswer class_below(Relation index, const ClassBound *bound,
							   text **class, EventKey *newest,
							   bool *descended);

/*
 * summary.c: what a partition has no event of
 */
extern bool summary_lacks(const OpenPartition *open, const Filter *filter);
extern void summary_learn(const OpenPartition *open, const Filter *filter);

/*
 * scan.c: the newest of them
 *
 * FoundList: events newest first, and room for so many as were asked for.
 */
typedef struct FoundList
{
	int			need;
	int			n;
	FoundEvent *items;
} FoundList;

/*
 * ScanHabit: what a scan has learnt from the log's newer partitions.
 */
typedef struct ScanHabit
{
	bool		by_class;		/* begin with the skip scan */
	int64		budget;			/* of either way; 0 at first */
} ScanHabit;

extern void find_newest(OpenPartition *open, const Filter *filter,
						EventRange range, ScanHabit *habit, FoundList *found);
extern bool is_by_class(const Filter *filter);
extern bool count_matching(OpenPartition *open, const Filter *filter,
						   EventRange range, int64 *budget, int64 *count);
extern bool find_event(OpenPartition *open, const EventKey *key);

/*
 * plan.c: which way in
 */
typedef void (*EventSink) (OpenPartition *open, void *arg);

extern bool scan_page(const EventLog *log, const Filter *filter,
					  const EventPage *page, EventSink sink, void *arg);
extern bool scan_count(const EventLog *log, const Filter *filter,
					   int64 *count);
extern bool scan_event(const EventLog *log, const PartitionList *list,
					   const pg_uuid_t *id, EventSink sink, void *arg);
extern void event_values(OpenPartition *open, Datum *values, bool *nulls);
extern void put_event(OpenPartition *open, void *arg);

#endif							/* EVENTLOG_READER_H */
