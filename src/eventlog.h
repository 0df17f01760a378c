/*
 * eventlog.h
 *		What all rooms of the extension share: the objects of its schema, the
 *		columns of an event, an open log, partitions and the filter.
 *
 * Each file's interface stands in its own part below; what only one file needs
 * is static there.  Differences between PostgreSQL's major versions live in
 * compat.h and nowhere else.
 */
#ifndef EVENTLOG_H
#define EVENTLOG_H

#include "postgres.h"

#include "compat.h"

#include "catalog/pg_class.h"
#include "datatype/timestamp.h"
#include "funcapi.h"
#include "access/genam.h"
#include "access/sdir.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "nodes/params.h"
#include "nodes/pg_list.h"
#include "storage/lock.h"
#include "utils/array.h"
#include "utils/hsearch.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

/*
 * eventlog.c: settings, the extension's own objects, what is kept of relations
 */
extern char *eventlog_default_log;
extern int	eventlog_dead_retention;	/* seconds */
extern int	eventlog_max_subscriptions; /* of a log */
extern int	eventlog_step_timeout;	/* ms; 0: none */
extern int	eventlog_scan_method;

typedef enum ScanMethod
{
	SCAN_AUTO,
	SCAN_TIME,					/* the index by time alone */
	SCAN_LISTS,					/* posting lists alone */
	SCAN_SLICES,				/* slices of time, looked up in them */
	SCAN_SQL					/* one SQL statement */
} ScanMethod;

extern Oid	eventlog_schema_oid(void);
extern void eventlog_require_name(void);
extern Oid	eventlog_function_oid(const char *name, int nargs,
								  const Oid *types);
extern Oid	eventlog_trigger_function(const char *name);
extern Oid	eventlog_relation_oid(const char *name);
extern Oid	eventlog_type_oid(const char *name);
extern HTAB *relation_cache(const char *name, Size entrysize);
extern void on_relation_change(void (*forget) (Oid relid));
extern void require_autocommit(FunctionCallInfo fcinfo, const char *name);

/*
 * sql.c: statements of our own making, and what stands in them
 */
extern void run_sql(const char *sql, int expected);
extern uint64 sql_into_result(const char *sql, ParamListInfo params,
							  bool read_only, ReturnSetInfo *rsinfo);
extern char *qualified_name(Oid relid);
extern char *utc_literal(TimestampTz t);
extern bool relation_has_rows(Oid relid);

/*
 * role.c: acting as another role
 */
typedef struct Identity
{
	Oid			user;
	int			context;
	int			guc_level;
} Identity;

extern void become(Identity *saved, Oid user);
extern void become_again(const Identity *saved);
extern void set_locally(const char *name, const char *value);
extern Oid	eventlog_owner(void);
extern int64 run_owned(SPIPlanPtr *plan, const char *sql, int nargs,
					   const Oid *types, Datum *values, const char *nulls);
extern SysScanDesc owned_scan(Relation *rel, const char *table,
							  const char *index, AttrNumber column, int value,
							  Snapshot snapshot);
extern void owned_scan_end(SysScanDesc scan, Relation rel);

/*
 * log/id.c: the identifier of an event, and the time in it
 */
#define EVENT_MIN_TIME	(INT64CONST(-946684800) * USECS_PER_SEC)	/* 1970 */
#define EVENT_END_TIME	(INT64CONST(252455616000) * USECS_PER_SEC)	/* 10000 */

extern void id_make(pg_uuid_t *id, TimestampTz occurred_at, const text *seed);
extern bool id_can_be_event(const pg_uuid_t *id);
extern const pg_uuid_t *id_from_arg(FunctionCallInfo fcinfo, int argno);
extern TimestampTz id_get_time(const pg_uuid_t *id);
extern void id_require_match(const pg_uuid_t *id, TimestampTz occurred_at);
extern void require_event_time(const char *column, TimestampTz t);

/*
 * log/event.c: the columns of an event, in the order of eventlog.event
 */
typedef enum EventColumn
{
	EVENT_ID,
	EVENT_TYPE,
	EVENT_LEVEL,
	EVENT_RESOURCE_ID,
	EVENT_RESOURCE_TYPE,
	EVENT_SOURCE_SERVICE,
	EVENT_SOURCE_HOST,
	EVENT_OCCURRED_AT,
	EVENT_MESSAGE,
	EVENT_CATEGORY,
	EVENT_DETAILS,
	EVENT_USER_ID,
	EVENT_BASE_URL,
	EVENT_REQUEST_ID,
	EVENT_CREATED_AT
} EventColumn;

#define EVENT_NCOLUMNS (EVENT_CREATED_AT + 1)

typedef struct EventColumnInfo
{
	const char *name;
	Oid			type;
	int			max_bytes;		/* of a value as it is kept; 0: no limit */
	bool		collate_c;
	bool		not_null;
	const char *default_value;	/* as SQL; NULL: none */
} EventColumnInfo;

extern const EventColumnInfo event_columns[EVENT_NCOLUMNS];

/*
 * The columns that the CHECK constraint of a log looks at, in the order of the
 * arguments of eventlog._check.  Logs made before version 1.0 have a constraint
 * on the first CHECK_OLD_NCOLUMNS.
 */
#define CHECK_NCOLUMNS		13
#define CHECK_OLD_NCOLUMNS	10

extern const EventColumn check_columns[CHECK_NCOLUMNS];
extern Oid	check_function(int ncolumns);

typedef enum EventLevel
{
	LEVEL_DEBUG,
	LEVEL_INFO,
	LEVEL_WARNING,
	LEVEL_ERROR,
	LEVEL_CRITICAL
} EventLevel;

#define EVENT_NLEVELS (LEVEL_CRITICAL + 1)

extern const char *const level_names[EVENT_NLEVELS];

/*
 * EventSubject: what errors about a value are about, for as long as it lasts.
 */
typedef struct EventSubject
{
	ErrorContextCallback callback;
	Oid			relid;			/* a log or its partition; InvalidOid: not
								 * known */
	const pg_uuid_t *id;		/* of the event, where relid is not known */
	EventColumn column;			/* that is being looked at */
} EventSubject;

extern void begin_subject(EventSubject *subject, Oid relid);
extern pg_uuid_t event_last_checked(void);
extern void end_subject(EventSubject *subject);
extern Oid	topmost_table(Oid relid);
extern int	level_find(const char *name, int len);
extern char *shown_value(const text *value);
extern EventLevel level_require(const text *name);
extern Oid	level_enum_oid(const text *name);
extern AttrNumber find_column(TupleDesc desc, EventColumn column);
extern bool map_event_columns(TupleDesc desc, AttrNumber *attnum);

/*
 * class.c: what makes a class of events, and the two indexes of classes, by the
 * order of their columns
 */
#define CLASS_NCOLUMNS 4

typedef enum ClassIndex
{
	CLASS_BY_TYPE,				/* event_type, level, source_service,
								 * resource_type */
	CLASS_BY_LEVEL				/* level, source_service, resource_type */
} ClassIndex;

#define NCLASS_INDEXES (CLASS_BY_LEVEL + 1)

typedef struct ClassIndexShape
{
	int			ncolumns;
	EventColumn columns[CLASS_NCOLUMNS];
} ClassIndexShape;

extern const ClassIndexShape class_indexes[NCLASS_INDEXES];
extern int	compare_texts(const text *a, const text *b);

/*
 * read/count.c: how many rows a partition holds
 */
extern int64 count_rows(Relation rel);

/*
 * log/log.c: a log, opened and known to be one
 */
typedef struct LogSettings
{
	Interval	partition_interval;
	Interval	retention;		/* zero: for ever */
	int			premake;
} LogSettings;

typedef struct EventLog
{
	Oid			oid;
	Oid			owner;
	Relation	rel;			/* open, with the lock log_open() was given */
	LogSettings settings;
	AttrNumber	attnum[EVENT_NCOLUMNS]; /* in the parent */
} EventLog;

typedef enum SettingsState
{
	SETTINGS_FOUND,
	SETTINGS_MISSING,
	SETTINGS_INVALID
} SettingsState;

/* names of constraints */
#define EVENT_CHECK			"eventlog_check"
#define LEVEL_CHECK			"eventlog_level_check"

extern EventLog *log_open(Oid relid, LOCKMODE lockmode);
extern EventLog *log_try_open(Oid relid, LOCKMODE lockmode);
extern void log_close(EventLog *log, LOCKMODE lockmode);
extern Oid	log_resolve(FunctionCallInfo fcinfo, int argno);
extern void log_require_usage(Oid relid);
extern List *all_logs(void);
extern SettingsState find_settings(Relation rel, LogSettings *settings);
extern bool is_partitioned_by_time(Relation rel, AttrNumber occurred_at);
extern void write_settings(const char *log, const LogSettings *settings);
extern void require_settings(const LogSettings *settings);
extern bool has_log_trigger(Relation rel);

/*
 * log/create.c: a log made, mended, changed
 */
extern void add_check(const char *log);
extern void add_level_check(const char *log);
extern void add_fill_trigger(const char *log);
extern void add_queue_trigger(const char *log);

/*
 * log/damage.c: what is wrong with the parts of a log
 *
 * The parts come first that a table must have to be used as a log.
 */
typedef enum LogPart
{
	PART_COLUMN,
	PART_NOT_NULL,
	PART_PARTITIONING,
	PART_SETTINGS,
	LAST_FATAL_PART = PART_SETTINGS,
	PART_DEFAULT,
	PART_COLLATION,
	PART_CHECK,
	PART_LEVEL_CHECK,
	PART_VALIDATION,
	PART_FILL,
	PART_QUEUE,
	PART_SECOND_TRIGGER,
	PART_PARTITION_TRIGGERS,
	PART_PRIMARY_KEY,
	PART_OTHER_KEY,
	PART_EXECUTE
} LogPart;

typedef struct Damage
{
	LogPart		part;
	EventColumn column;
	char	   *name;			/* of what is there and is not as it should be */
	char	   *text;			/* what is wrong, for people */
} Damage;

extern List *log_damage(Relation rel);
extern bool damage_is_fatal(const Damage *damage);
extern char *log_unusable(Oid relid);
extern const Damage *damage_beyond_mending(List *found);
extern bool damage_to_mend(List *found);
extern void log_mend(Oid relid, List *found, const LogSettings *settings);


/*
 * log/partition.c: the grid of partition bounds, in UTC, and what is on it
 */
typedef struct Partition
{
	Oid			oid;
	TimestampTz lower;			/* DT_NOBEGIN: no bound */
	TimestampTz upper;			/* exclusive; DT_NOEND: no bound */
} Partition;

typedef struct PartitionList
{
	Oid			default_oid;	/* InvalidOid: none */
	int			n;
	Partition  *items;			/* ascending, without the default */
	int			ndetaching;
	Partition  *detaching;		/* list_own_partitions: those whose DETACH
								 * CONCURRENTLY is not finished */
} PartitionList;

extern bool is_grid(const Interval *width);
extern void require_grid(const Interval *width, const char *what);
extern void grid_cell(const Interval *width, TimestampTz t,
					  TimestampTz *lower, TimestampTz *upper);
extern PartitionList *list_partitions(Relation parent);
extern PartitionList *list_own_partitions(Relation parent);
extern void free_partitions(PartitionList *list);
extern const Partition *partition_at(const PartitionList *list, TimestampTz t);
extern void free_range(const PartitionList *list, const Interval *width,
					   TimestampTz t, TimestampTz *lower, TimestampTz *upper);
extern TimestampTz premade_until(const LogSettings *settings, TimestampTz now);
extern bool next_gap(const PartitionList *list, TimestampTz until,
					 TimestampTz *at);
extern const Partition *detaching_at(const PartitionList *list, TimestampTz t);
extern TimestampTz expiry_time(const LogSettings *settings, TimestampTz now);
extern Oid	create_partition(Oid log, TimestampTz lower, TimestampTz upper);

/*
 * log/indexes.c: the indexes of a log, some of the owner's choice
 */
extern void indexes_from_array(ArrayType *columns, bool *wanted);
extern void add_indexes(Oid relid, const bool *wanted);
extern void change_indexes(Oid relid, const bool *wanted);
extern List *index_to_build(const EventLog *log,
							const PartitionList *list, Oid *index,
							const char **what);
extern void build_index(Oid relid, Oid index, Oid partition);
extern bool lacks_indexes(Oid relid);
extern void renew_index(Oid relid);

/*
 * log/status.c: sizes, without locking anything
 */
extern void sum_sizes(Oid relid, int64 *events, int64 *bytes);

/*
 * read/filter.c: the one filter, from arguments to SQL
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
 * read/eventsql.c: reading events the SQL way (the other way: read.h)
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
 * upkeep/step.c: steps taken as a log's owner, with bounded waits
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
 * upkeep/clear.c
 */
extern uint64 delete_shipped(const char *sql);

/*
 * read/timescan.c: the rows of one table in order of time
 */
typedef struct TimeScan TimeScan;

extern TimeScan *time_scan_begin(Relation rel, TimestampTz lower,
								 TimestampTz upper, ScanDirection direction);
extern bool time_scan_next(TimeScan *scan);
extern TimestampTz time_scan_time(const TimeScan *scan);
extern TupleTableSlot *time_scan_slot(const TimeScan *scan);
extern void time_scan_end(TimeScan *scan);
extern bool has_time_index(Relation rel);
extern bool has_rows_between(Oid relid, TimestampTz lower, TimestampTz upper);

/*
 * upkeep/move.c: events moved between partitions without running any code
 */
extern char *move_obstacle(Oid log, Oid default_oid);
extern Tuplestorestate *take_rows(Oid default_oid, TimestampTz lower,
								  TimestampTz upper, TupleDesc *desc,
								  int64 *rows);
extern void put_rows(Oid partition, Tuplestorestate *store, TupleDesc desc,
					 int64 rows);

/*
 * log/reference.c: foreign keys that refer to a log or a partition
 */
typedef struct ForeignKey
{
	char	   *name;
	Oid			referrer;
	bool		blocks;			/* does it refuse the DELETE of an event? */
	char	   *refers;			/* SQL: does a row of the referrer refer to e? */
} ForeignKey;

extern List *foreign_keys_to(Oid relid);
extern void append_unreferred(StringInfo sql, List *keys);
extern bool partition_is_referred(Oid partition, List *keys);
extern char *foreign_key_names(List *keys);
extern void lock_referrers(List *keys, LOCKMODE mode);
extern List *lock_to_drop(const PartitionList *list, const Partition *item);
extern void drop_partition(Oid log, const PartitionList *list,
						   const Partition *item);

/*
 * upkeep/maintain.c: what upkeep has to tell of a log
 */
extern List *default_problems(const EventLog *log, Oid default_oid,
							  TimestampTz now);
extern List *partition_problems(const EventLog *log, const PartitionList *list,
								TimestampTz now);

/*
 * queue/prune.c: upkeep of what is owed
 */
extern void queue_prune(UpkeepTarget *target);
extern void queue_sweep(void);
extern List *queue_problems(Oid log);

#endif							/* EVENTLOG_H */
