/*
 * read.h
 *		Events read by PostgreSQL's index access methods: what the files in
 *		src/read share, and what the rest of the extension reads events by.
 *
 * reader.c opens a partition and knows its indexes and its rows; posting.c has
 * the lists of row pointers that an index keeps for a value; classes.c finds
 * the classes of events that a partition has; newest.c finds a partition's
 * newest events by them; count.c counts; plan.c puts a page together from
 * partitions; list.c and explain.c are what SQL calls.
 */
#ifndef EVENTLOG_READ_H
#define EVENTLOG_READ_H

#include "log/log.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/skey.h"
#include "executor/instrument.h"
#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "storage/block.h"
#include "utils/snapshot.h"

/*
 * filter.c: the one filter, from arguments to SQL
 */
#define FILTER_NARGS 12

typedef struct Filter
{
	text	   *event_type;		/* plain prefix; NULL: any */
	text	   *equal[EVENT_NCOLUMNS];	/* by column; NULL: any */
	int			min_level;		/* what lies in min_level .. max_level */
	int			max_level;
	TimestampTz since;			/* DT_NOBEGIN: none */
	TimestampTz before;			/* exclusive; DT_NOEND: none */
	bool		given;			/* any argument at all */
	bool		only_window;	/* nothing but since and before */
} Filter;

extern void filter_from_args(FunctionCallInfo fcinfo, int first,
							 Filter *filter);
extern void filter_to_sql(const Filter *filter, StringInfo sql);

/*
 * eventsql.c: reading events the SQL way
 *
 * EventPage: which part of the chosen events is asked for.
 */
typedef struct EventPage
{
	int64		offset;
	int64		limit;			/* -1: all */
	const pg_uuid_t *after;		/* NULL: from the newest */
} EventPage;

extern void append_event_select(StringInfo sql, Oid log);
extern void append_event_key(StringInfo sql, const pg_uuid_t *id);
extern void append_after(StringInfo sql, const pg_uuid_t *after);

/*
 * PartitionIndexes: what the catalog tells of a partition: which of its
 * indexes can be used, by Oid.
 */
typedef struct UsableIndex
{
	Oid			oid;			/* InvalidOid: there is none */
	TransactionId check_xmin;	/* not under older snapshots, if valid */
} UsableIndex;

typedef struct PartitionIndexes
{
	Oid			partition;		/* hash key */
	bool		fit;			/* may its events be read without SQL? */
	UsableIndex by_time;		/* (occurred_at, id) */
	UsableIndex by_class[NCLASS_INDEXES];
	UsableIndex by_column[EVENT_NCOLUMNS];	/* of this column alone */
	UsableIndex brin;			/* on occurred_at */
	int			pages_per_range;	/* of it */
	AttrNumber	attnum[EVENT_NCOLUMNS];
} PartitionIndexes;

/*
 * ReadStats: what reading a partition took.
 */
typedef struct ReadStats
{
	const char *way;
	Bitmapset  *columns;		/* whose posting lists were read */
	int			classes;		/* that were wanted */
	int			descents;		/* of an index from its root */
	int			certificates;	/* questions to BRIN */
	int64		entries;		/* of indexes */
	int64		fetched;		/* rows looked at … */
	int64		kept;			/* … and found to match */
} ReadStats;

/*
 * OpenPartition: a partition held open for reading.
 */
#define MAX_OPEN_INDEXES (EVENT_NCOLUMNS + NCLASS_INDEXES + 2)

typedef struct OpenPartition
{
	Relation	rel;
	PartitionIndexes indexes;	/* a copy: the cache may change meanwhile */
	TupleTableSlot *slot;		/* NULL until a row is fetched */
	IndexFetchTableData *fetch; /* likewise */
	Snapshot	snapshot;
	MemoryContext context;		/* of the slot, and of what it is fetched by */
	int			nopen;
	Relation	open[MAX_OPEN_INDEXES];
	BlockNumber nblocks;		/* of the table, when it was opened */
	double		rows_per_block; /* estimate */
	bool		contributed;	/* its lock is kept when it is closed */
	ReadStats	stats;
} OpenPartition;

/*
 * EventKey: where an event stands in the log's order.
 */
typedef struct EventKey
{
	TimestampTz occurred_at;
	pg_uuid_t	id;
} EventKey;

/*
 * EventRange: the events asked for, from the newest.
 */
typedef struct EventRange
{
	EventKey	upper;			/* exclusive */
	TimestampTz lower;			/* inclusive */
} EventRange;

/*
 * RowPlace: a row pointer as a number, 0 for none; newer rows tend to have
 * greater ones.
 */
typedef uint64 RowPlace;

#define place_of(tid) \
	((RowPlace) ItemPointerGetBlockNumberNoCheck(tid) << 16 | \
	 ItemPointerGetOffsetNumberNoCheck(tid))
#define place_block(place) ((BlockNumber) ((place) >> 16))
#define last_place_of(block) ((RowPlace) (block) << 16 | PG_UINT16_MAX)

/* reader.c */
extern int	compare_keys(const EventKey *a, const EventKey *b);
extern bool open_partition(Oid partition, Snapshot snapshot,
						   OpenPartition *open);
extern void close_partition(OpenPartition *open);
extern Relation use_index(OpenPartition *open, const UsableIndex *index);
extern void measure_table(OpenPartition *open);
extern TupleTableSlot *row_slot(OpenPartition *open);
extern bool fetch_row(OpenPartition *open, RowPlace place);
extern EventKey row_key(const OpenPartition *open);
extern bool key_in_range(const EventKey *key, const EventRange *range);
extern bool column_matches(const Filter *filter, EventColumn column,
						   const text *value);
extern bool row_matches(const Filter *filter, const OpenPartition *open);
extern bool filters_column(const Filter *filter, EventColumn column);
extern bool find_event(OpenPartition *open, const EventKey *key);
extern IndexScanDesc begin_time_scan(OpenPartition *open,
									 const EventRange *range, bool want_tuples);

/*
 * classes.c: the classes of events that a partition has and a filter wants
 */
typedef struct EventClass
{
	text	   *columns[CLASS_NCOLUMNS];	/* of the index; NULL is a null */
} EventClass;

typedef struct ClassFinder
{
	OpenPartition *open;
	const Filter *filter;
	const ClassIndexShape *shape;
	Relation	index;
	IndexScanDesc scans[CLASS_NCOLUMNS + 1];	/* by number of keys */
	IndexScanDesc scan;			/* that found the last class; NULL: none */
	ScanKeyData row[CLASS_NCOLUMNS];	/* members of its row comparison */
	EventClass	bound;			/* the next class is below this, … */
	int			nbound;			/* … of so many columns, … */
	bool		inclusive;		/* … or at it, if it is one in all columns … */
	int			nopen;			/* … behind so many */
	bool		done;
	int			n;				/* classes found */
	int			max;
	EventClass *found;
} ClassFinder;

extern bool has_class_filter(const Filter *filter);
extern bool choose_class_index(const OpenPartition *open, const Filter *filter,
							   bool all_columns, ClassIndex *which);
extern void begin_finder(ClassFinder *finder, OpenPartition *open,
						 const Filter *filter, ClassIndex which);
extern bool find_classes(ClassFinder *finder, int descents);
extern void end_finder(ClassFinder *finder);
extern int	class_keys(Relation index, const EventClass *class, int n,
					   ScanKey keys);
extern void text_key(Relation index, int column, StrategyNumber strategy,
					 const text *value, ScanKey key);

/*
 * posting.c: the row pointers that an index has for a value, in order
 */
typedef struct PostingStream
{
	IndexScanDesc scan;
	RowPlace	place;			/* the current one; 0 at the end */
	RowPlace	ahead;			/* the first of the next run; 0: none */
	int			n;				/* of this run, still to come */
	int			max;
	RowPlace   *run;
} PostingStream;

typedef struct PostingList
{
	OpenPartition *open;
	double		density;		/* estimate: which part of the rows it has */
	int			n;
	PostingStream *streams;		/* a heap, the greatest place on top */
	uint64	   *set;			/* a word of bits a block, of what was read */
	RowPlace	set_place;		/* the current one, if read from the set */
	int			set_max;		/* the greatest offset in it */
	bool		by_set;			/* the list is read from its set */
} PostingList;

extern void list_of_column(PostingList *list, OpenPartition *open,
						   EventColumn column, const text *value);
extern bool list_of_classes(PostingList *list, OpenPartition *open,
							const ClassFinder *finder);
extern void list_of_class(PostingList *list, const ClassFinder *finder,
						  const EventClass *class);
extern RowPlace list_place(const PostingList *list);
extern void list_next(PostingList *list);
extern void list_seek(PostingList *list, RowPlace place);
extern void list_restart(PostingList *list);
extern void list_close(PostingList *list);
extern RowPlace lists_meet(PostingList *lists, int n);
extern bool list_begin_set(PostingList *list);
extern void list_read_down(PostingList *list, RowPlace low);
extern bool list_set_has(const PostingList *list, RowPlace place);

/*
 * blocks.c: where BRIN says that events of a time may be
 */
typedef struct BlockRuns
{
	int			n;
	int			max;
	int64		blocks;
	struct BlockRun
	{
		BlockNumber low;
		BlockNumber high;
	}		   *runs;			/* ascending */
} BlockRuns;

extern bool can_certify(const OpenPartition *open);
extern void blocks_of_time(OpenPartition *open, TimestampTz from,
						   TimestampTz until, BlockNumber low,
						   BlockNumber high, BlockRuns *runs);

/*
 * newest.c: the newest events of a partition
 *
 * FoundList: events and where their rows are, as many as were asked for,
 * newest first when they have all been found.
 */
typedef struct FoundEvent
{
	EventKey	key;
	RowPlace	place;
} FoundEvent;

typedef struct FoundList
{
	int			skip;			/* newest events to pass over first, where
								 * only a window is asked for */
	int			need;
	int			n;
	int			max;
	FoundEvent *items;			/* NULL, or in … */
	MemoryContext context;
} FoundList;

extern void find_newest(OpenPartition *open, const Filter *filter,
						const EventRange *range, FoundList *found);
extern bool find_newest_of_class(const ClassFinder *finder,
								 const EventRange *range,
								 const EventClass *class, FoundList *found);

/*
 * count.c: how many events there are, by class where that is asked for
 */
typedef void (*ClassSink) (void *arg, text *const *class, int64 events,
						   TimestampTz newest);

extern int64 pass_over(OpenPartition *open, IndexScanDesc scan,
					   ScanDirection direction, int64 most);
extern int64 count_in(OpenPartition *open, const Filter *filter,
					  const EventRange *range, bool within);
extern bool count_classes_in(OpenPartition *open, const Filter *filter,
							 const EventRange *range, bool within,
							 HTAB *dated, ClassSink sink, void *arg);
extern HTAB *begin_dating(void);
extern int64 count_rows(Relation rel);

/*
 * explain.c: what a page took
 */
typedef struct PageReport
{
	StringInfoData text;
	int			nread;
	int			noutside;		/* partitions that the window leaves out */
	int			nspared;		/* those behind the one that filled the page */
	Bitmapset  *unindexed;		/* filter columns without an index */
} PageReport;

extern void report_partition(PageReport *report, const Filter *filter,
							 const OpenPartition *open,
							 const BufferUsage * before, instr_time begun);
extern void report_statement(PageReport *report, Oid partition, uint64 rows);

/*
 * plan.c: which way in
 */
typedef void (*EventSink) (OpenPartition *open, void *arg);

extern PartitionList *partitions_to_read(const EventLog *log);
extern int	reach_default(const EventLog *log, TimestampTz lower,
						  TimestampTz upper);
extern bool scan_page(const EventLog *log, const Filter *filter,
					  const EventPage *page, EventSink sink, void *arg);
extern bool scan_page_reported(const EventLog *log, const Filter *filter,
							   const EventPage *page, EventSink sink,
							   void *arg, PageReport *report);
extern bool scan_count(const EventLog *log, const Filter *filter,
					   int64 *events);
extern bool scan_classes(const EventLog *log, const Filter *filter,
						 ClassSink sink, void *arg);
extern bool scan_event(const EventLog *log, const PartitionList *list,
					   const pg_uuid_t *id, EventSink sink, void *arg);
extern void event_values(OpenPartition *open, Datum *values, bool *nulls);
extern void put_event(OpenPartition *open, void *arg);

/*
 * list.c: the arguments of list, and its statement
 */
enum
{
	LIST_PAGE = FILTER_NARGS,
	LIST_PAGE_SIZE,
	LIST_AFTER,
	LIST_LOG
};

extern void page_from_args(FunctionCallInfo fcinfo, EventPage *page);
extern char *page_sql(const EventLog *log, const Filter *filter,
					  const EventPage *page);

#endif							/* EVENTLOG_READ_H */
