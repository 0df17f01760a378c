/*
 * log.h
 *		What a log consists of: events and their ids, settings, parts,
 *		partitions and indexes.
 */
#ifndef EVENTLOG_LOG_H
#define EVENTLOG_LOG_H

#include "eventlog.h"

#include "access/sdir.h"
#include "datatype/timestamp.h"
#include "executor/tuptable.h"
#include "nodes/pg_list.h"
#include "storage/lockdefs.h"
#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

/*
 * id.c: the identifier of an event, and the time in it
 */
#define EVENT_MIN_TIME	(INT64CONST(-946684800) * USECS_PER_SEC)	/* 1970 */
#define EVENT_END_TIME	(INT64CONST(252455616000) * USECS_PER_SEC)	/* 10000 */

extern void id_create(pg_uuid_t *id, TimestampTz occurred_at,
					  const text *seed);
extern bool id_find_time(const pg_uuid_t *id, TimestampTz *t);
extern bool id_is_valid(const pg_uuid_t *id);
extern const pg_uuid_t *id_from_arg(FunctionCallInfo fcinfo, int argno);
extern TimestampTz id_get_time(const pg_uuid_t *id);
extern void id_require_match(const pg_uuid_t *id, TimestampTz occurred_at);
extern void id_require_time(const char *column, TimestampTz t);

/*
 * level.c: the severity of an event
 */
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

extern int	level_find(const char *name, int len);
extern int	level_from_word(const char *word, int len, bool opentelemetry);
extern EventLevel level_require(const text *name);
extern Oid	level_enum_oid(const text *name);

/*
 * event.c: the columns of an event, and errors about what stands in them
 */
typedef struct EventColumnInfo
{
	const char *name;
	Oid			type;
	int			max_bytes;		/* of a stored value; 0: no limit */
	bool		collate_c;
	bool		not_null;
	const char *default_value;	/* as SQL; NULL: none */
} EventColumnInfo;

extern const EventColumnInfo event_columns[EVENT_NCOLUMNS];

/*
 * EventErrorContext: what errors about a value refer to while it is pushed.
 */
typedef struct EventErrorContext
{
	ErrorContextCallback callback;
	Oid			relid;			/* a log or its partition; InvalidOid: unknown */
	const pg_uuid_t *id;		/* of the event, if relid is unknown */
	EventColumn column;			/* that is being examined */
} EventErrorContext;

extern void event_push_error_context(EventErrorContext *subject, Oid relid);
extern void event_pop_error_context(EventErrorContext *subject);
extern void event_remember_filled(Oid relid, const pg_uuid_t *id);
extern Oid	find_root_table(Oid relid);
extern AttrNumber event_column_number(TupleDesc desc, EventColumn column);
extern AttrNumber event_find_column(TupleDesc desc, EventColumn column);
extern bool event_map_columns(TupleDesc desc, AttrNumber *attnum);

/*
 * check.c: which values the columns may have
 *
 * The CHECK constraint of a log examines the first CHECK_NCOLUMNS of these
 * columns, that of logs made before version 1.0 all of them.
 */
#define CHECK_NCOLUMNS		2
#define CHECK_OLD_NCOLUMNS	10

extern const EventColumn check_columns[CHECK_OLD_NCOLUMNS];
extern void check_value(EventColumn column, Datum value);
extern Oid	event_check_function(int ncolumns);
extern pg_uuid_t event_last_checked(void);

/*
 * foreignjson.c: fields of events of other systems
 */
extern JsonbValue *foreign_find(JsonbContainer *object, const char *path,
								int len);
extern JsonbValue *foreign_find_arg(FunctionCallInfo fcinfo);
extern char *foreign_scalar(const JsonbValue *value);

/*
 * emit.c: writing one event
 */
extern Datum eventlog_emit(PG_FUNCTION_ARGS);

/*
 * settings.c: the settings of a log
 */
typedef struct LogSettings
{
	Interval	partition_interval;
	Interval	retention;		/* zero: forever */
	int			premake;
	bool		detaches;		/* are expired partitions detached, not
								 * dropped? */
	char		archive_schema[NAMEDATALEN];	/* where they go then; empty:
												 * they stay in their schema */
} LogSettings;

typedef enum SettingsState
{
	SETTINGS_FOUND,
	SETTINGS_MISSING,
	SETTINGS_INVALID
} SettingsState;

#define SETTINGS_FUNCTION	"_settings"

extern SettingsState settings_find(Relation rel, LogSettings *settings);
extern void settings_write(const char *log, const LogSettings *settings);
extern void settings_require_valid(const LogSettings *settings);
extern bool settings_set_expiry(FunctionCallInfo fcinfo, int argno,
								LogSettings *settings, Oid owner);

/*
 * log.c: an open log
 */
typedef struct EventLog
{
	Oid			oid;
	Oid			owner;
	Relation	rel;			/* open, with the lock log_open() was given */
	LogSettings settings;
	AttrNumber	attnum[EVENT_NCOLUMNS]; /* in the parent */
} EventLog;

extern EventLog *log_open(Oid relid, LOCKMODE lockmode);
extern EventLog *log_try_open(Oid relid, LOCKMODE lockmode);
extern void log_close(EventLog *log, LOCKMODE lockmode);
extern Oid	log_resolve(FunctionCallInfo fcinfo, int argno);
extern void log_require_usage(Oid relid);
extern List *log_list_all(void);
extern bool log_has_trigger(Relation rel);

/*
 * parts.c: the parts of a log, created by SQL
 */
#define EVENT_CHECK			"eventlog_check"
#define LEVEL_CHECK			"eventlog_level_check"

extern void log_add_check(const char *log);
extern void log_add_level_check(const char *log);
extern void log_add_fill_trigger(const char *log);
extern void log_add_queue_trigger(const char *log);

/*
 * damage.c: what is wrong with the parts of a log
 *
 * Parts that a table needs to be usable as a log come first.
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
	char	   *name;			/* of an existing part that is not as it
								 * should be */
	char	   *text;			/* what is wrong, for people */
} Damage;

extern List *damage_find(Relation rel);
extern bool log_checks_level(Relation rel);
extern bool damage_is_fatal(const Damage *damage);
extern char *damage_describe_fatal(Oid relid);

/*
 * repair.c: repairing them
 */
extern const Damage *repair_find_obstacle(List *found);
extern bool repair_is_needed(List *found);
extern void repair_log(Oid relid, List *found, const LogSettings *settings);

/*
 * grid.c: the grid of partition bounds, in UTC
 */
extern bool grid_is_valid(const Interval *width);
extern void grid_require_valid(const Interval *width, const char *what);
extern void grid_find_cell(const Interval *width, TimestampTz t,
						   TimestampTz *lower, TimestampTz *upper);

/*
 * partition.c: the partitions of a log
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
	Partition  *detaching;		/* partition_list_own: those with an
								 * unfinished DETACH CONCURRENTLY */
} PartitionList;

extern bool partition_is_by_time(Relation rel, AttrNumber occurred_at);
extern PartitionList *partition_list(Relation parent);
extern PartitionList *partition_list_own(Relation parent);
extern void partition_list_free(PartitionList *list);
extern const Partition *partition_find(const PartitionList *list,
									   TimestampTz t);
extern const Partition *partition_with_oid(const PartitionList *list, Oid oid);
extern void partition_free_range(const PartitionList *list,
								 const Interval *width,
								 TimestampTz t, TimestampTz *lower,
								 TimestampTz *upper);
extern TimestampTz partition_horizon(const LogSettings *settings,
									 TimestampTz now);
extern bool partition_next_gap(const PartitionList *list, TimestampTz until,
							   TimestampTz *at);
extern int	partition_count_gaps(const PartitionList *list,
								 const LogSettings *settings,
								 TimestampTz from, TimestampTz until,
								 int max);
extern const Partition *partition_find_detaching(const PartitionList *list,
												 TimestampTz t);
extern TimestampTz partition_expiry(const LogSettings *settings,
									TimestampTz now);
extern char *partition_create_table(Oid log, TimestampTz lower);
extern Oid	partition_attach(Oid log, const char *partition,
							 TimestampTz lower, TimestampTz upper);
extern Oid	partition_create(Oid log, TimestampTz lower, TimestampTz upper);

/*
 * indexes.c: the indexes of a log
 */
extern void indexes_add(Oid relid, const bool *wanted);
extern void indexes_change(Oid relid, const bool *wanted);
extern List *indexes_find_unbuilt(const EventLog *log,
								  const PartitionList *list, Oid *index,
								  const char **what);
extern void indexes_build_part(Oid relid, Oid index, Oid partition);
extern bool indexes_are_missing(Oid relid);
extern void indexes_renew_next(Oid relid);

/*
 * size.c: sizes, without taking locks
 */
extern void log_sum_sizes(Oid relid, int64 *events, int64 *bytes);

/*
 * reference.c: foreign keys that refer to a log or a partition
 */
typedef struct ForeignKey
{
	char	   *name;
	Oid			referrer;
	bool		blocks;			/* does it prevent the DELETE of an event? */
	char	   *refers;			/* SQL: does a row of the referrer refer to e? */
} ForeignKey;

extern List *foreign_key_list(Oid relid);
extern void foreign_key_append_unreferred(StringInfo sql, List *keys);
extern bool foreign_key_is_used(Oid partition, List *keys);
extern char *foreign_key_list_names(List *keys);

/*
 * timescan.c: the rows of one table, ordered by time
 */
typedef struct TimeScan TimeScan;

extern TimeScan *time_scan_begin(Relation rel, TimestampTz lower,
								 TimestampTz upper, ScanDirection direction);
extern bool time_scan_next(TimeScan *scan);
extern TimestampTz time_scan_time(const TimeScan *scan);
extern TupleTableSlot *time_scan_slot(const TimeScan *scan);
extern void time_scan_end(TimeScan *scan);
extern bool time_scan_is_possible(Relation rel);
extern bool time_scan_finds_rows(Oid relid, TimestampTz lower,
								 TimestampTz upper);

extern bool partition_has_rows(Oid relid);

/*
 * distributed.c: logs that Citus distributes over several servers
 */
typedef struct PlacedShard
{
	int64		shard;
	int			node;			/* its group */
} PlacedShard;

extern char *distribution_obstacle(Oid relid);
extern bool citus_has(Oid relid);
extern bool is_distributed(Oid relid);
extern bool are_colocated(Oid a, Oid b);
extern char *shards_text(const PlacedShard *shards, int n, bool with_nodes);
extern char *shards_of(Oid relid);
extern int	placed_shards_of(Oid relid, PlacedShard **found);
extern bool may_be_shard(Oid relid, int64 *shard);
extern Oid	log_of_shard(Oid relid);
extern bool is_coordinator(void);
extern bool shell_has_rows(Oid relid, TimestampTz lower, TimestampTz upper);

#endif							/* EVENTLOG_LOG_H */
