/*
 * eventlog.h
 *		What all rooms of the extension share: settings, the objects of
 *		its schema, statements, roles, the columns of an event and its
 *		class.
 *
 * Each room has one header, which is all that other rooms see of it:
 * log/log.h, read/read.h, queue/queue.h, upkeep/upkeep.h.  Differences between
 * PostgreSQL's major versions live in compat.h and nowhere else.
 */
#ifndef EVENTLOG_H
#define EVENTLOG_H

#include "postgres.h"

#include "compat.h"

#include "access/genam.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "nodes/params.h"
#include "utils/hsearch.h"
#include "utils/rel.h"
#include "utils/snapshot.h"
#include "utils/timestamp.h"

/*
 * eventlog.c: settings, the extension's own objects, caches of relations
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
	SCAN_PROBE,					/* the index by time, looked up in them */
	SCAN_SQL					/* one SQL statement */
} ScanMethod;

extern Oid	eventlog_schema_oid(void);
extern void eventlog_require_name(void);
extern Oid	eventlog_function_oid(const char *name, int nargs,
								  const Oid *types);
extern Oid	eventlog_trigger_function(const char *name);
extern Oid	eventlog_relation_oid(const char *name);
extern Oid	eventlog_type_oid(const char *name);
extern HTAB *create_relation_cache(const char *name, Size entrysize);
extern void add_relation_callback(void (*forget) (Oid relid));

#define SHOWN_BYTES		60		/* of a value that an error is about */

extern char *shown_value(const text *value);

/*
 * sql.c: running our own statements, and building them
 */
#define INTERVAL_FORMAT		"%d months %d days " INT64_FORMAT " microseconds"

extern void sql_connect(void);
extern void run_sql(const char *sql, int expected);
extern SPIPlanPtr kept_plan(SPIPlanPtr *plan, const char *sql, int nargs,
							const Oid *types);
extern int64 sql_number(const char *sql);
extern uint64 sql_into_result(const char *sql, ParamListInfo params,
							  bool read_only, ReturnSetInfo *rsinfo);
extern char *qualified_name(Oid relid);
extern void utc_fields(TimestampTz t, struct pg_tm *tm, fsec_t *fsec);
extern char *utc_literal(TimestampTz t);
extern char *interval_text(const Interval *interval);
extern Datum int8_array(Datum *values, int n);
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

extern Oid	relation_owner(Oid relid);
extern void switch_user(Identity *saved, Oid user);
extern void restore_user(const Identity *saved);
extern void set_local(const char *name, const char *value);
extern Oid	eventlog_owner(void);
extern int64 run_owned(SPIPlanPtr *plan, const char *sql, int nargs,
					   const Oid *types, Datum *values, const char *nulls);
extern SysScanDesc begin_owned_scan(Relation *rel, const char *table,
									const char *index, AttrNumber column,
									int value,
									Snapshot snapshot);
extern void end_owned_scan(SysScanDesc scan, Relation rel);

/*
 * subtransaction.c: what may fail without failing its transaction
 */
extern ErrorData *try_in_subtransaction(void (*function) (void *arg),
										void *arg);

/*
 * The columns of an event, in the order of eventlog.event
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

/*
 * class.c: which columns make a class of events, and the two indexes on
 * classes with their columns in order
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
extern int	compare_text_c(const text *a, const text *b);

#endif							/* EVENTLOG_H */
