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

extern const EventColumn class_columns[CLASS_NCOLUMNS];

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
extern bool fetch_found(OpenPartition *open, const ItemPointerData * tid);
extern bool column_matches(const Filter *filter, EventColumn column,
						   const text *value);
extern bool row_matches(const Filter *filter, const OpenPartition *open);
extern bool class_matches(const Filter *filter, text *const *columns);
extern Oid	index_by_column(const OpenPartition *open, const Filter *filter,
							EventColumn *column);

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
extern int	compare_classes(text *const *a, text *const *b);
extern void class_map_forget(Relation index);

/*
 * classlist.c: which classes a partition that is written no more has
 *
 * EventClass: the columns of a class, the same for all partitions, and whether
 * a query, by its number, wants it.
 */
typedef struct EventClass
{
	text	   *columns[CLASS_NCOLUMNS];	/* NULL: the column is null */
	uint64		asked_by;
	bool		wanted;
} EventClass;

typedef struct ListedClass
{
	EventClass *class;
	EventKey	newest;			/* above all its events, visible or not */
} ListedClass;

typedef struct ClassList
{
	int			n;
	ListedClass *items;			/* those that are wanted, newest first */
} ClassList;

extern bool class_list(const OpenPartition *open, const Filter *filter,
					   uint64 *query, ClassList *list);
extern void class_list_missed(const OpenPartition *open, int descents);

/*
 * cursor.c: an index of a partition, read backward from anywhere
 *
 * What it costs, about, with an index entry that is read as the unit.  A row
 * that lies beside the one read before is cheap to fetch, one from anywhere in
 * the partition is not.
 */
#define COST_ENTRY		1
#define COST_ROW_NEAR	3
#define COST_ROW_FAR	20
#define COST_SEEK		40

#define MAX_KEYS		(CLASS_NCOLUMNS + 2)	/* a class, and a range in it */

typedef struct Cursor
{
	OpenPartition *open;
	Relation	index;
	IndexScanDesc scan;			/* NULL before the first seek */
	Buffer		vmbuffer;
	MemoryContext key_context;	/* of the values in keys */
	int			key_at;			/* attribute of occurred_at; id is the next */
	int			nkeys;
	ScanKeyData keys[MAX_KEYS];
	ScanKeyData row[CLASS_NCOLUMNS];	/* members of a row comparison */
	ScanKeyData key_row[2];		/* (occurred_at, id) < ... */
	ItemPointerData tid;		/* of the current entry, as the index has it */
	int			row_cost;		/* of a row that is looked at and refused */
	int64		budget;
} Cursor;

extern void cursor_open(Cursor *cursor, OpenPartition *open, Oid index,
						int key_at, int row_cost, int64 budget);
extern void cursor_close(Cursor *cursor);
extern void cursor_begin_keys(Cursor *cursor);
extern void cursor_add_text_key(Cursor *cursor, int attno,
								StrategyNumber strategy, const text *value);
extern void cursor_add_null_key(Cursor *cursor, int attno, int search);
extern void cursor_add_class_row(Cursor *cursor, StrategyNumber strategy,
								 const text *const *values, int n);
extern void cursor_add_range(Cursor *cursor, const EventRange *range);
extern void cursor_add_event(Cursor *cursor, const EventKey *key);
extern bool cursor_seek(Cursor *cursor);
extern bool cursor_next(Cursor *cursor);
extern Datum cursor_column(const Cursor *cursor, int attno, bool *isnull);
extern EventKey cursor_key(const Cursor *cursor);
extern bool cursor_fetch(Cursor *cursor);
extern bool cursor_is_visible(Cursor *cursor);
extern bool cursor_is_chosen(Cursor *cursor, const Filter *filter,
							 bool need_row);

/*
 * FoundList: events newest first, and room for so many as were asked for.
 */
typedef struct FoundList
{
	int			need;
	int			n;
	FoundEvent *items;
} FoundList;

/*
 * skip.c: the newest events, or the number of them, by the class index
 */
typedef void (*ClassSink) (void *arg, text *const *class, int64 events,
						   TimestampTz newest);

extern bool has_class_filter(const Filter *filter);
extern bool is_by_class(const Filter *filter);
extern bool skip_scan(OpenPartition *open, const Filter *filter,
					  const EventRange *range, const ClassList *list,
					  int64 budget, FoundList *found);
extern void skip_count(OpenPartition *open, const Filter *filter,
					   const EventRange *range, const ClassList *list,
					   ClassSink sink, void *arg);

/*
 * scan.c: the newest events, by whichever index is best
 *
 * ScanHabit: what a scan has learnt from the log's newer partitions.
 */
typedef struct ScanHabit
{
	uint64		query;			/* its number; 0 before it has one */
	bool		by_class;		/* begin with the skip scan */
	int64		budget;			/* of either way; 0 at first */
} ScanHabit;

extern void find_newest(OpenPartition *open, const Filter *filter,
						EventRange range, ScanHabit *habit, FoundList *found);
extern bool find_event(OpenPartition *open, const EventKey *key);

/*
 * plan.c: which way in
 */
typedef void (*EventSink) (OpenPartition *open, void *arg);

extern bool scan_page(const EventLog *log, const Filter *filter,
					  const EventPage *page, EventSink sink, void *arg);
extern bool scan_classes(const EventLog *log, const Filter *filter,
						 ClassSink sink, void *arg);
extern bool scan_event(const EventLog *log, const PartitionList *list,
					   const pg_uuid_t *id, EventSink sink, void *arg);
extern void event_values(OpenPartition *open, Datum *values, bool *nulls);
extern void put_event(OpenPartition *open, void *arg);

#endif							/* EVENTLOG_READER_H */
