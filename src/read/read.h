/*
 * read.h
 *		Reading events: what the files of this room share, and what the rest of
 *		the extension reads events by.
 *
 * From the caller down: list.c, stats.c and explain.c are the SQL functions;
 * page.c puts a page together from partitions; newest.c finds the newest
 * events of one partition, by one of the ways in ways.c and lists.c; count.c
 * counts.  They read the lists of posting.c, of the classes of events that
 * classes.c finds, and ask blocks.c where BRIN expects events of a time.
 * reader.c opens a partition for all of them.
 */
#ifndef EVENTLOG_READ_H
#define EVENTLOG_READ_H

#include "log/log.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/skey.h"
#include "executor/instrument.h"
#include "executor/tuptable.h"
#include "lib/binaryheap.h"
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
extern bool filters_column(const Filter *filter, EventColumn column);
extern bool column_matches(const Filter *filter, EventColumn column,
						   const text *value);

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
extern int	begin_log_sql(const EventLog *log, const Filter *filter);
extern void end_log_sql(const EventLog *log, const char *shards, int level);

/*
 * The indexes of a partition that are of use: the two of classes, by time,
 * BRIN on the time, and one for each filter column.
 */
enum
{
	INDEX_BY_TYPE = CLASS_BY_TYPE,
	INDEX_BY_LEVEL = CLASS_BY_LEVEL,
	INDEX_BY_TIME,				/* (occurred_at, id) */
	INDEX_BRIN,					/* occurred_at */
	INDEX_BY_COLUMN				/* plus the column */
};

#define NINDEXES (INDEX_BY_COLUMN + EVENT_NCOLUMNS)

/*
 * ReadStats: what it took to read a partition.
 */
typedef struct ReadStats
{
	const char *way;
	Bitmapset  *columns;		/* whose posting lists were read */
	int			classes;		/* found */
	int			searches;		/* descents of an index from its root */
	int			bitmaps;		/* from BRIN */
	int64		entries;		/* of indexes */
	int64		fetched;		/* rows */
	int64		kept;			/* those of them that match */
} ReadStats;

/*
 * PartitionReader: a partition open for reading.
 */
typedef struct PartitionReader
{
	Relation	rel;			/* NULL: it was dropped */
	Oid			indexes[NINDEXES];	/* InvalidOid: none that can be used */
	int			pages_per_range;	/* of BRIN */
	AttrNumber	attnum[EVENT_NCOLUMNS];
	Snapshot	snapshot;
	MemoryContext context;		/* of the slot and the fetch state */
	TupleTableSlot *slot;		/* NULL until a row is fetched */
	IndexFetchTableData *fetch; /* likewise */
	int			nopen;
	Relation	open[NINDEXES];
	BlockNumber nblocks;
	double		rows_per_block; /* estimate */
	bool		contributed;	/* keep its lock when it is closed */
	ReadStats	stats;
} PartitionReader;

/*
 * EventKey: where an event stands in the order of the log.
 */
typedef struct EventKey
{
	TimestampTz occurred_at;
	pg_uuid_t	id;
} EventKey;

typedef struct EventRange
{
	EventKey	upper;			/* exclusive */
	TimestampTz lower;			/* inclusive */
} EventRange;

/*
 * RowPlace: a row pointer as a number; 0 is none.  Newer rows tend to have
 * greater ones.
 */
typedef uint64 RowPlace;

#define place_of(tid) \
	((RowPlace) ItemPointerGetBlockNumberNoCheck(tid) << 16 | \
	 ItemPointerGetOffsetNumberNoCheck(tid))
#define place_block(place) ((BlockNumber) ((place) >> 16))
#define last_place_of(block) ((RowPlace) (block) << 16 | PG_UINT16_MAX)

/* reader.c */
extern bool reader_open(PartitionReader *reader, Oid partition,
						Snapshot snapshot);
extern void reader_close(PartitionReader *reader);
extern Relation reader_index(PartitionReader *reader, int which);
extern IndexScanDesc reader_scan(PartitionReader *reader, Relation index,
								 ScanKey keys, int nkeys, bool want_tuples);
extern IndexScanDesc reader_scan_time(PartitionReader *reader,
									  const EventRange *range,
									  bool want_tuples);
extern double reader_rows(PartitionReader *reader);
extern TupleTableSlot *reader_slot(PartitionReader *reader);
extern bool reader_fetch(PartitionReader *reader, RowPlace place);
extern bool reader_find(PartitionReader *reader, const EventKey *key);
extern EventKey reader_key(const PartitionReader *reader);
extern bool reader_matches(const PartitionReader *reader,
						   const Filter *filter);
extern void set_text_key(ScanKey key, Relation index, int column,
						 StrategyNumber strategy, const text *value);
extern void set_row_comparison(ScanKey key, ScanKey members, Relation index,
							   int first, int n, StrategyNumber strategy,
							   const Datum *values);
extern int	compare_keys(const EventKey *a, const EventKey *b);
extern bool key_in_range(const EventKey *key, const EventRange *range);

/*
 * classes.c: which classes of events a partition has that a filter wants
 */
typedef struct EventClass
{
	text	   *columns[CLASS_NCOLUMNS];	/* of the index; NULL is a null */
} EventClass;

typedef struct ClassFinder
{
	PartitionReader *reader;
	const Filter *filter;
	const ClassIndexShape *shape;
	Relation	index;
	IndexScanDesc scans[CLASS_NCOLUMNS + 1];	/* by number of keys */
	ScanKeyData members[CLASS_NCOLUMNS];	/* of the row comparison */
	bool		levels_known;	/* no event has another one */
	EventClass	bound;			/* the next class is below this, … */
	int			nbound;			/* … of so many columns, … */
	bool		inclusive;		/* … or at it */
	bool		done;
	int			n;
	int			max;
	EventClass *found;
} ClassFinder;

extern bool classes_index(const PartitionReader *reader, const Filter *filter,
						  bool all_columns, int *which);
extern void classes_begin(ClassFinder *finder, PartitionReader *reader,
						  const Filter *filter, int which);
extern bool classes_find(ClassFinder *finder, int few, int most);
extern void classes_end(ClassFinder *finder);
extern int	classes_keys(const ClassFinder *finder, const EventClass *class,
						 ScanKey keys);

/*
 * posting.c: the row pointers that an index has for a value, in order
 */
typedef struct PostingStream
{
	PartitionReader *reader;
	IndexScanDesc scan;
	RowPlace	place;			/* the current pointer; 0 at the end */
	RowPlace	ahead;			/* the first one behind the batch; 0: none */
	int			next;			/* in the batch */
	int			n;
	int			max;
	RowPlace   *batch;			/* descending */
} PostingStream;

typedef struct PostingList
{
	PartitionReader *reader;
	Relation	index;
	bool		moved;			/* it is not at its greatest place */
	double		density;		/* estimate: which part of the rows it has */
	int			n;
	PostingStream *streams;
	binaryheap *heap;			/* of them, the greatest place on top */
} PostingList;

extern void list_open_column(PostingList *list, PartitionReader *reader,
							 EventColumn column, const text *value);
extern bool list_open_classes(PostingList *list, const ClassFinder *finder,
							  const EventClass *classes, int n);
extern RowPlace list_place(const PostingList *list);
extern void list_seek(PostingList *list, RowPlace place);
extern void list_restart(PostingList *list);
extern void list_close(PostingList *list);
extern RowPlace lists_meet(PostingList *lists, int n);

/*
 * blocks.c: in which blocks BRIN expects events of a time
 */
typedef struct BlockRun
{
	BlockNumber low;
	BlockNumber high;
} BlockRun;

typedef struct BlockRuns
{
	int			n;
	int			max;
	BlockRun   *runs;			/* ascending */
} BlockRuns;

extern bool blocks_can_tell(const PartitionReader *reader);
extern void blocks_all(BlockRuns *runs);
extern void blocks_of_time(PartitionReader *reader, TimestampTz from,
						   TimestampTz until, BlockNumber high,
						   BlockRuns *runs);

/* visible.c */
extern int64 pass_over(PartitionReader *reader, IndexScanDesc scan,
					   ScanDirection direction, int64 most);

/*
 * newest.c: the newest events of a partition
 *
 * FoundList: events and where their rows are; when the search is over, the
 * newest ones, as many as were asked for, newest first.
 */
typedef struct FoundEvent
{
	EventKey	key;
	RowPlace	place;
} FoundEvent;

typedef struct FoundList
{
	int			skip;			/* newest events to pass over first; only
								 * where the filter is a window */
	int			need;
	int			n;
	int			max;
	FoundEvent *items;			/* NULL, or in … */
	MemoryContext context;
} FoundList;

extern void find_newest(PartitionReader *reader, const Filter *filter,
						const EventRange *range, FoundList *found);
extern TimestampTz newest_of_class(const ClassFinder *finder,
								   const EventRange *range,
								   const EventClass *class);

/*
 * count.c: how many events there are, by type and level where that is asked
 * for
 */
#define TYPE_KEY_BYTES	280

typedef struct TypeCount
{
	char		key[TYPE_KEY_BYTES];	/* level and event_type */
	Oid			partition;		/* the first one that had any */
	int64		events;
	TimestampTz newest;
} TypeCount;

extern bool read_count(const EventLog *log, const Filter *filter,
					   int64 *events);
extern HTAB *read_types(const EventLog *log, const Filter *filter);
extern int64 count_rows(Relation rel);

/*
 * report.c: what it took to read a page
 */
typedef struct PageReport
{
	StringInfoData text;
	int			nread;
	int			noutside;		/* partitions outside the window */
	int			nspared;		/* those behind the one that filled the page */
	Bitmapset  *unindexed;		/* filter columns without an index */
} PageReport;

extern void report_partition(PageReport *report, const Filter *filter,
							 const PartitionReader *reader,
							 const BufferUsage *before, instr_time begun);
extern void report_statement(PageReport *report, Oid partition, uint64 rows);
extern void append_columns(StringInfo text, const Bitmapset *columns);

/*
 * partitions.c: what of a log is read, and by whom
 */
extern PartitionList *partitions_to_read(const EventLog *log);
extern int	reach_default(const EventLog *log, TimestampTz lower,
						  TimestampTz upper);
extern bool may_read_indexes(const EventLog *log);
extern void append_partition(StringInfo sql, const EventLog *log,
							 const Partition *partition);
extern EventRange range_of_page(const Filter *filter, const pg_uuid_t *after);
extern bool partition_in_range(const Partition *partition,
							   const EventRange *range);
extern MemoryContext create_search_context(void);

/*
 * page.c: a page from the partitions of a log
 */
typedef void (*EventSink) (PartitionReader *reader, void *arg);

extern bool read_page(const EventLog *log, const Filter *filter,
					  const EventPage *page, EventSink sink, void *arg,
					  PageReport *report);
extern bool read_event(const EventLog *log, const PartitionList *list,
					   const pg_uuid_t *id, EventSink sink, void *arg);
extern void event_values(PartitionReader *reader, Datum *values, bool *nulls);
extern void put_event(PartitionReader *reader, void *arg);

/*
 * shardtable.c: the table of shards of a distributed log
 *
 * ShardTable: the table of shards of a log, when it last agreed.
 */
typedef struct ShardTable
{
	Oid			log;			/* hash key */
	Oid			relid;
	char	   *shards;			/* as from shards_of(), in TopMemoryContext */
	TimestampTz *keys;			/* a time of each shard, likewise */
} ShardTable;

extern char *shard_table_name(Oid log);
extern const ShardTable *shard_table_find(const EventLog *log, char **shards);
extern void end_shards(const EventLog *log, const char *shards);

/*
 * distributed.c: statements that let the shards of a log read
 */
extern bool append_filter_args(StringInfo sql, const Filter *filter);
extern char *shards_page_sql(const EventLog *log, const Filter *filter,
							 const EventPage *page, char **shards);
extern char *shards_explain_sql(const EventLog *log, const Filter *filter,
								const EventPage *page, char **shards);
extern char *shards_status_sql(const EventLog *log);
extern char *shards_stats_sql(const EventLog *log, const Filter *filter,
							  const char *columns, const char *function,
							  const char *first, char **shards);

/*
 * foreign.c: partitions on other servers
 */
extern char *parts_sql(const EventLog *log, const Filter *filter,
					   const char *columns, const char *group);

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
