/*
 * reader.h
 *		Events read from indexes without SQL: what reader.c, scan.c and plan.c
 *		share.
 */
#ifndef EVENTLOG_READER_H
#define EVENTLOG_READER_H

#include "eventlog.h"

#include "access/genam.h"
#include "access/nbtree.h"
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
	bool		contributed;	/* its lock is kept when it is closed */
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
extern bool fetch_row(OpenPartition *open, const ItemPointerData *tid,
					  bool *all_dead);
extern bool column_matches(const Filter *filter, EventColumn column,
						   const text *value);
extern bool row_matches(const Filter *filter, const OpenPartition *open);
extern bool is_class_column(EventColumn column);
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

extern bool class_below(Relation index, Snapshot snapshot,
						const ClassBound *bound, text **class,
						EventKey *newest, bool *descended);
extern text *copy_text(MemoryContext context, const text *value);
extern int	compare_column(const text *a, const text *b);
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
 * walk.c: an index of a partition, read backward from anywhere
 *
 * What it costs, about, with an index entry that is read as the unit.  A row
 * that lies beside the one read before is cheap to fetch, one from anywhere in
 * the partition is not.
 */
#define COST_ENTRY		1
#define COST_ROW_NEAR	5
#define COST_ROW_FAR	25
#define COST_SEEK		40

typedef struct Walk
{
	OpenPartition *open;
	Relation	index;
	int			nprefix;		/* columns before occurred_at */
	const text *prefix[CLASS_NCOLUMNS];
	TimestampTz lower;			/* inclusive */
	EventKey	upper;			/* of the bound */
	BTScanInsert bound;			/* what is loaded lies before it; NULL before
								 * the first seek */
	Buffer		buffer;			/* the page, pinned */
	XLogRecPtr	lsn;			/* of the page when its entries were copied */
	Buffer		vmbuffer;
	bool		more;			/* there are pages to the left */
	FoundEvent	last;			/* of the page */
	ItemPointerData last_tid;	/* of the bound */
	int			n;
	int			at;				/* the next one */
	FoundEvent *entries;
	OffsetNumber *offsets;		/* of the entries' items; invalid: of one with
								 * several */
	bool		marks_dead;
	int			ndead;
	OffsetNumber *dead;
	FoundEvent *entry;			/* the current one */
	int			row_cost;		/* of a row that is looked at and refused */
	int64		budget;
} Walk;

extern void walk_open(Walk *walk, OpenPartition *open, Oid index, int nprefix,
					  int row_cost, int64 budget);
extern void walk_close(Walk *walk);
extern bool walk_seek(Walk *walk, const text *const *prefix,
					  const EventRange *range);
extern bool walk_seek_event(Walk *walk, const EventKey *key);
extern bool walk_next(Walk *walk);
extern bool walk_fetch(Walk *walk);
extern bool walk_is_chosen(Walk *walk, const Filter *filter, bool need_row);
extern OffsetNumber first_beyond(Relation index, BTScanInsert key, Page page);
extern BTScanInsert blank_key(Relation index);
extern void set_prefix(BTScanInsert key, const text *const *prefix, int n);
extern Buffer item_before(Relation index, BTScanInsert key, Snapshot snapshot,
						  OffsetNumber *offset);

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
 * rowset.c: rows that an index of one column has for a filter
 */
typedef struct RowSet RowSet;

extern bool rows_can_help(const OpenPartition *open, const Filter *filter);
extern RowSet *rows_collect(OpenPartition *open, const Filter *filter,
							EventRange *range, int n, int64 *budget,
							bool *all);
extern bool rows_have(const RowSet *rows, const ItemPointerData *tid);
extern void rows_free(RowSet *rows);

/*
 * skip.c: the newest events, or the number of them, by the class index
 */
typedef void (*ClassSink) (void *arg, text *const *class, int64 events,
						   TimestampTz newest);

extern bool has_class_filter(const Filter *filter);
extern bool is_by_class(const Filter *filter);
extern bool skip_scan(OpenPartition *open, const Filter *filter,
					  const EventRange *range, const ClassList *list,
					  const RowSet *rows, int64 *budget, FoundList *found);
extern bool skip_count(OpenPartition *open, const Filter *filter,
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

extern PartitionList *partitions_to_read(const EventLog *log);
extern int	reach_default(const EventLog *log, TimestampTz lower,
						  TimestampTz upper);
extern bool scan_page(const EventLog *log, const Filter *filter,
					  const EventPage *page, EventSink sink, void *arg);
extern bool scan_classes(const EventLog *log, const Filter *filter,
						 ClassSink sink, void *arg);
extern bool scan_event(const EventLog *log, const PartitionList *list,
					   const pg_uuid_t *id, EventSink sink, void *arg);
extern void event_values(OpenPartition *open, Datum *values, bool *nulls);
extern void put_event(OpenPartition *open, void *arg);

#endif							/* EVENTLOG_READER_H */
