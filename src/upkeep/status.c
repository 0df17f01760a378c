/*
 * status.c
 *		The view eventlog.logs: the settings of a log, what its partitions
 *		cover and contain, and what is wrong.
 *
 * The view calls this for every partitioned table that has a trigger of a log.
 * That includes tables on which somebody made such a trigger by hand, and
 * damaged logs: those show what is wrong and little else.
 *
 * It is for monitoring, so it never waits, but reports what is locked.
 */
#include "upkeep/upkeep.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(eventlog_log_status);

/*
 * columns of the result of eventlog._log_status
 */
enum
{
	STATUS_PARTITION_INTERVAL, STATUS_RETENTION, STATUS_PREMAKE,
	STATUS_PARTITIONS, STATUS_EVENTS, STATUS_BYTES, STATUS_OLDEST,
	STATUS_NEWEST, STATUS_PROBLEMS, STATUS_ON_EXPIRY, STATUS_ARCHIVE_SCHEMA,
	STATUS_NCOLUMNS
};

/*
 * owned_by_others: how many partitions belong to another role than the log?
 * Upkeep, which acts as the log's owner, may not empty or drop them.  ALTER
 * TABLE ...  OWNER TO leaves them behind.
 */
static int
owned_by_others(const EventLog *log, const PartitionList *list)
{
	int			n = 0;

	for (int i = -1; i < list->n; i++)
	{
		Oid			partition = i < 0 ? list->default_oid : list->items[i].oid;

		if (OidIsValid(partition) &&
			!compat_relation_owned(partition, log->owner))
			n++;
	}
	return n;
}

/*
 * add_problem: add a palloc'd string to the list.
 */
static void
add_problem(List **problems, char *text)
{
	*problems = lappend(*problems, text);
}

/*
 * count_expired: how many partitions should have been dropped.
 */
static int
count_expired(const PartitionList *list, TimestampTz expiry)
{
	int			n = 0;

	while (n < list->n && list->items[n].upper <= expiry)
		n++;
	return n;
}

/*
 * default_problems: what is wrong with the default partition, which is locked,
 * as a list of strings.
 */
static List *
default_problems(const EventLog *log, Oid default_oid, TimestampTz now)
{
	List	   *problems = NIL;
	TimestampTz expiry =
		Max(partition_expiry(&log->settings, now), EVENT_MIN_TIME);
	TimestampTz horizon = Max(partition_horizon(&log->settings, now), expiry);
	bool		is_ordinary = get_rel_relkind(default_oid) == RELKIND_RELATION;
	char	   *obstacle = !is_ordinary || partition_has_rows(default_oid) ?
		move_find_obstacle(log->oid, default_oid) : NULL;

	if (obstacle != NULL)
	{
		if (is_ordinary)
			problems = lappend(problems, "events in the default partition");
		return lappend(problems, psprintf("events cannot be moved: %s", obstacle));
	}
	if (time_scan_finds_rows(default_oid, EVENT_MIN_TIME, expiry))
		problems = lappend(problems, "expired events in the default partition");
	if (time_scan_finds_rows(default_oid, expiry, horizon))
		problems = lappend(problems, "events in the default partition");
	if (time_scan_finds_rows(default_oid, horizon, EVENT_END_TIME))
		problems = lappend(problems, "future events in the default partition");
	return problems;
}

/*
 * partition_problems: the same for the other partitions: what upkeep has not
 * done yet, and what may prevent it.  Locks no table.
 */
static List *
partition_problems(const EventLog *log, const PartitionList *list,
				   TimestampTz now)
{
	int			expired =
		count_expired(list, partition_expiry(&log->settings, now));
	List	   *keys = expired > 0 ? foreign_key_list(log->oid) : NIL;
	List	   *problems = NIL;

	if (expired > 0)
		problems = lappend(problems,
						   psprintf("retention overdue for %d partitions",
									expired));
	if (keys != NIL)
		problems = lappend(problems,
						   psprintf("foreign keys can keep expired events: %s",
									foreign_key_list_names(keys)));
	for (int i = 0; i < list->ndetaching; i++)
		problems = lappend(problems,
						   psprintf("partition %s is being detached; ALTER TABLE ... DETACH PARTITION ... FINALIZE completes that",
									qualified_name(list->detaching[i].oid)));
	return problems;
}

/*
 * queue_problems: the same for the subscriptions of a log.
 */
static List *
queue_problems(Oid log)
{
	List	   *problems = NIL;
	ListCell   *cell;

	foreach(cell, subscription_list(log))
	{
		Subscription *subscription = lfirst(cell);

		if (subscription_is_orphan(subscription))
			problems = lappend(problems,
							   psprintf("the owner of subscription \"%s\" was dropped",
										subscription->name));
	}
	return problems;
}

/*
 * find_default_problems: the same for a default partition not locked yet.
 */
static void
find_default_problems(const EventLog *log, Oid default_oid, TimestampTz now,
					  List **problems)
{
	if (!OidIsValid(default_oid))
		add_problem(problems, "no default partition");
	else if (!ConditionalLockRelationOid(default_oid, AccessShareLock))
		add_problem(problems, "the default partition is locked");
	else
	{
		/* an unlogged table has no file on a standby */
		if ((get_rel_persistence(default_oid) == RELPERSISTENCE_PERMANENT ||
			 !RecoveryInProgress()))
			*problems = list_concat(*problems,
									default_problems(log, default_oid, now));
		UnlockRelationOid(default_oid, AccessShareLock);
	}
}

/*
 * find_problems: all that is wrong with the partitions of a usable log.
 */
static void
find_problems(const EventLog *log, const PartitionList *list,
			  TimestampTz now, List **problems)
{
	int			missing = partition_count_gaps(list, &log->settings, now,
											   partition_horizon(&log->settings,
																 now),
											   INT_MAX);
	int			others = owned_by_others(log, list);
	Oid			index;
	const char *what;
	List	   *without = indexes_find_unbuilt(log, list, &index, &what);

	if (missing > 0)
		add_problem(problems, psprintf("%d partitions missing ahead", missing));
	find_default_problems(log, list->default_oid, now, problems);
	*problems = list_concat(*problems, partition_problems(log, list, now));
	if (others > 0)
		add_problem(problems,
					psprintf("%d partitions of another owner", others));
	if (without != NIL)
		add_problem(problems,
					psprintf("the index on %s is not built in %d partitions",
							 what,
							 list_length(without)));
}

static Datum
problems_array(List *problems)
{
	Datum	   *texts = palloc(sizeof(Datum) * (list_length(problems) + 1));
	int			n = 0;
	ListCell   *cell;

	foreach(cell, problems)
		texts[n++] = CStringGetTextDatum(lfirst(cell));
	return PointerGetDatum(construct_array(texts, n, TEXTOID, -1, false,
										   TYPALIGN_INT));
}

static Datum
copy_interval(const Interval *interval)
{
	Interval   *copy = palloc(sizeof(Interval));

	*copy = *interval;
	return IntervalPGetDatum(copy);
}

/*
 * put_log: the columns for a usable log.
 */
static void
put_log(const EventLog *log, Datum *values, bool *nulls, List **problems)
{
	const Interval *keep = &log->settings.retention;
	PartitionList *list = partition_list_own(log->rel);

	values[STATUS_PARTITION_INTERVAL] =
		copy_interval(&log->settings.partition_interval);
	values[STATUS_RETENTION] = copy_interval(keep);
	values[STATUS_PREMAKE] = Int32GetDatum(log->settings.premake);
	values[STATUS_PARTITIONS] =
		Int32GetDatum(list->n + (OidIsValid(list->default_oid) ? 1 : 0));
	nulls[STATUS_PARTITION_INTERVAL] = nulls[STATUS_PREMAKE] =
		nulls[STATUS_PARTITIONS] = false;
	values[STATUS_ON_EXPIRY] =
		CStringGetTextDatum(log->settings.detaches ? "detach" : "drop");
	nulls[STATUS_ON_EXPIRY] = false;
	values[STATUS_ARCHIVE_SCHEMA] =
		CStringGetTextDatum(log->settings.archive_schema);
	nulls[STATUS_ARCHIVE_SCHEMA] = log->settings.archive_schema[0] == '\0';
	nulls[STATUS_RETENTION] = keep->month == 0 && keep->day == 0 &&
		keep->time == 0;
	if (list->n > 0)
	{
		values[STATUS_OLDEST] = TimestampTzGetDatum(list->items[0].lower);
		values[STATUS_NEWEST] =
			TimestampTzGetDatum(list->items[list->n - 1].upper);
		nulls[STATUS_OLDEST] = nulls[STATUS_NEWEST] = false;
	}
	find_problems(log, list, GetCurrentTimestamp(), problems);
	*problems = list_concat(*problems, queue_problems(log->oid));
}

/*
 * ask_shards: the sizes and problems of a distributed log's shards.
 */
static void
ask_shards(const EventLog *log, List **problems, int64 *events, int64 *bytes)
{
	MemoryContext context = CurrentMemoryContext;
	char	   *sql = shards_status_sql(log);

	if (sql == NULL)
	{
		if (is_coordinator() && strchr(shards_of(log->oid), ',') != NULL)
			add_problem(problems, pstrdup("no table of shards, so pages are slow; CALL eventlog.maintain() makes it"));
		return;
	}
	sql_connect();
	run_sql(sql, SPI_OK_SELECT);
	*events = *bytes = 0;
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;
		char	   *found = SPI_getvalue(row, desc, 3);

		*events += DatumGetInt64(SPI_getbinval(row, desc, 1, &isnull));
		*bytes += DatumGetInt64(SPI_getbinval(row, desc, 2, &isnull));
		if (found != NULL && strcmp(found, "{}") != 0)
		{
			MemoryContext outer = MemoryContextSwitchTo(context);

			add_problem(problems, psprintf("shard %s: %s",
										   SPI_getvalue(row, desc, 4), found));
			MemoryContextSwitchTo(outer);
		}
	}
	SPI_finish();
}

/*
 * put_distributed: the same of a log that Citus has distributed, with the
 * sizes and the problems of its shards.  What a node answers with an error, or
 * not at all, is a problem too.
 */
static void
put_distributed(const EventLog *log, Datum *values, bool *nulls,
				List **problems, int64 *events, int64 *bytes)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner resowner = CurrentResourceOwner;
	char	   *obstacle = distribution_obstacle(log->oid);

	if (obstacle != NULL)
	{
		add_problem(problems, obstacle);
		return;
	}
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		put_log(log, values, nulls, problems);
		ask_shards(log, problems, events, bytes);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		add_problem(problems, psprintf("shards could not be asked: %s",
									   error->message));
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = resowner;
}

/*
 * put_status: the columns for a table that is locked.
 */
static void
put_status(Relation rel, Datum *values, bool *nulls)
{
	EventLog   *log = log_try_open(RelationGetRelid(rel), NoLock);
	List	   *problems = NIL;
	ListCell   *cell;
	int64		events;
	int64		bytes;

	foreach(cell, damage_find(rel))
		add_problem(&problems, ((Damage *) lfirst(cell))->text);
	log_sum_sizes(RelationGetRelid(rel), &events, &bytes);
	if (log && citus_has(log->oid))
		put_distributed(log, values, nulls, &problems, &events, &bytes);
	else if (log)
		put_log(log, values, nulls, &problems);
	if (log)
		log_close(log, NoLock);
	values[STATUS_EVENTS] = Int64GetDatum(events);
	values[STATUS_BYTES] = Int64GetDatum(bytes);
	values[STATUS_PROBLEMS] = problems_array(problems);
	nulls[STATUS_EVENTS] = nulls[STATUS_BYTES] = nulls[STATUS_PROBLEMS] = false;
}

/*
 * eventlog._log_status(log oid) returns record: partition_interval, retention,
 * premake, partitions, estimated_events, bytes, oldest, newest, problems,
 * on_expiry, archive_schema; all NULL if the table was dropped.
 */
Datum
eventlog_log_status(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	TupleDesc	desc;
	Datum		values[STATUS_NCOLUMNS] = {0};
	bool		nulls[STATUS_NCOLUMNS];
	Relation	rel;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
		desc->natts != STATUS_NCOLUMNS)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the view eventlog.logs does not match the version of the library"),
				 errhint("Run ALTER EXTENSION eventlog UPDATE.")));
	desc = BlessTupleDesc(desc);
	memset(nulls, true, sizeof(nulls));

	if (!ConditionalLockRelationOid(relid, AccessShareLock))
	{
		values[STATUS_PROBLEMS] = problems_array(list_make1("locked"));
		nulls[STATUS_PROBLEMS] = false;
	}
	else
	{
		rel = try_relation_open(relid, NoLock);
		if (rel)
		{
			put_status(rel, values, nulls);
			relation_close(rel, NoLock);
		}
		UnlockRelationOid(relid, AccessShareLock);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}
