/*
 * maintain.c
 *		CALL eventlog.maintain: partitions ahead, the default partition
 *		emptied, expired events dropped, dead deliveries removed.
 *
 * Each thing done is a step of its own in a transaction of its own (see
 * upkeep.c), and each step looks again, under its lock, whether it is still
 * to be done: so it is safe to call twice at once, and to break off.
 *
 * Rows leave the default partition range by range: lock it, take the range's
 * rows out, attach the new partition, put them in again through the parent.
 * (Filling the partition before attaching it would lose them on a logical
 * subscriber: their deletion is replicated, their insertion is not.)
 */
#include "eventlog.h"

#include "executor/spi.h"
#include "executor/tstoreReceiver.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/queryenvironment.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(eventlog_maintain);

#define EXPIRE_BATCH	10000
#define MOVE_BATCH		50000	/* events, while writers wait; about 1 s */

/*
 * Upkeep: one log's upkeep, and what its next step is about.
 */
typedef struct Upkeep
{
	Oid			log;
	PartitionList *list;		/* as of the last look; NULL: it is no log */
	char	   *name;			/* likewise, and those below */
	Oid			owner;
	LogSettings settings;
	Oid			partition;		/* to drop */
	bool		got_log;		/* was the log's own lock to be had? */
	TimestampTz at;				/* a partition is to be made for this time */
	TimestampTz from;			/* events before it stay where they are */
	TimestampTz next;			/* where the grid's cell of `at` ends */
	int64		done;			/* rows that the step took care of */
	bool		found;
} Upkeep;

/*
 * insertable_columns: the log's columns that a row is made of, for SQL, and
 * the descriptor of such rows.
 */
static char *
insertable_columns(Relation rel, TupleDesc *rows)
{
	TupleDesc	desc = RelationGetDescr(rel);
	StringInfoData sql;
	int			n = 0;

	initStringInfo(&sql);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped || att->attgenerated != '\0')
			continue;
		appendStringInfo(&sql, "%s%s", n > 0 ? ", " : "",
						 quote_identifier(NameStr(att->attname)));
		n++;
	}
	*rows = CreateTemplateTupleDesc(n);
	for (int i = desc->natts - 1; i >= 0; i--)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && att->attgenerated == '\0')
			TupleDescCopyEntry(*rows, n--, desc, i + 1);
	}
	return sql.data;
}

/*
 * take_rows: delete a range from the default partition, into a tuplestore.
 */
static Tuplestorestate *
take_rows(Oid default_oid, const char *columns, const char *range,
		  int64 *rows)
{
	Tuplestorestate *store = tuplestore_begin_heap(false, false, work_mem);
	DestReceiver *dest = CreateDestReceiver(DestTuplestore);
	SPIExecuteOptions options = {0};
	char	   *name = qualified_name(default_oid);

	SetTuplestoreDestReceiverParams(dest, store, CurrentMemoryContext, true,
									NULL, NULL);
	options.dest = dest;
	if (SPI_execute_extended(psprintf("DELETE FROM ONLY %s WHERE %s RETURNING %s",
									  name, range, columns), &options) < 0)
		elog(ERROR, "could not take rows out of %s", name);
	*rows = SPI_processed;
	dest->rDestroy(dest);
	return store;
}

/*
 * put_rows: insert what take_rows() took through the parent.  They owe nothing
 * again.
 *
 * In a connection to SPI of its own, so that an error takes back the name.
 */
static void
put_rows(Oid log, const char *columns, Tuplestorestate *store,
		 TupleDesc desc, int64 rows)
{
	EphemeralNamedRelation moved = palloc0(sizeof(EphemeralNamedRelationData));

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	moved->md.name = "moved";
	moved->md.reliddesc = InvalidOid;

	moved->md.tupdesc = desc;
	moved->md.enrtype = ENR_NAMED_TUPLESTORE;
	moved->md.enrtuples = rows;
	moved->reldata = store;
	if (SPI_register_relation(moved) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register the moved rows");
	run_sql(psprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE"
					 " SELECT %s FROM moved",
					 qualified_name(log), columns, columns),
			SPI_OK_INSERT);
	if (SPI_processed != rows)
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
				 errmsg("%lld of %lld events would be lost",
						(long long) (rows - (int64) SPI_processed),
						(long long) rows),
				 errdetail("A trigger of the log kept them from being inserted again.")));
	SPI_finish();
}

/*
 * range_of: the range that a new partition for `at` shall have; false when
 * there is one already.
 */
static bool
range_of(const EventLog *log, const PartitionList *list, TimestampTz at,
		 TimestampTz *lower, TimestampTz *upper)
{
	if (partition_at(list, at) != NULL)
		return false;
	free_range(list, &log->settings.partition_interval, at, lower, upper);
	return true;
}

/*
 * nth_time: the time of the default partition's event that is MOVE_BATCH rows
 * away from `at`, in a range and an order; false when there are fewer.
 */
static bool
nth_time(Oid default_oid, const char *range, const char *order, TimestampTz *t)
{
	bool		isnull;

	run_sql(psprintf("SELECT occurred_at FROM ONLY %s WHERE %s"
					 " ORDER BY occurred_at %s OFFSET %d LIMIT 1",
					 qualified_name(default_oid), range, order, MOVE_BATCH),
			SPI_OK_SELECT);
	if (SPI_processed == 0)
		return false;
	*t = DatumGetTimestampTz(SPI_getbinval(SPI_tuptable->vals[0],
										   SPI_tuptable->tupdesc, 1, &isnull));
	return true;
}

/*
 * range_sql: as a condition.
 */
static char *
range_sql(TimestampTz lower, TimestampTz upper)
{
	return psprintf("occurred_at OPERATOR(pg_catalog.>=) '%s'"
					" AND occurred_at OPERATOR(pg_catalog.<) '%s'",
					utc_literal(lower), utc_literal(upper));
}

/*
 * cut_range: where the default partition has too much of a range to be moved
 * while writers wait, take less of it, around `at`.
 */
static void
cut_range(Oid default_oid, TimestampTz at, TimestampTz *lower,
		  TimestampTz *upper)
{
	TimestampTz t;

	if (nth_time(default_oid, range_sql(at + 1, *upper), "ASC", &t))
		*upper = t;
	if (nth_time(default_oid, range_sql(*lower, at), "DESC", &t))
		*lower = t + 1;
}

/*
 * fill_partition: make a partition and move there what the default partition
 * holds of its range; how many rows.  The default partition is locked.
 */
static int64
fill_partition(const Upkeep *upkeep, Oid default_oid, TimestampTz lower,
			   TimestampTz upper)
{
	EventLog   *log = log_open(upkeep->log, NoLock);
	TupleDesc	desc;
	char	   *columns = insertable_columns(log->rel, &desc);
	Tuplestorestate *store;
	int64		rows;

	log_close(log, NoLock);
	store = take_rows(default_oid, columns,
					  range_sql(lower, upper), &rows);
	create_partition(upkeep->log, lower, upper);
	if (rows > 0)
	{
		queue_suspend(true);
		PG_TRY();
		{
			put_rows(upkeep->log, columns, store, desc, rows);
		}
		PG_CATCH();
		{
			queue_suspend(false);
			PG_RE_THROW();
		}
		PG_END_TRY();
		queue_suspend(false);
	}
	tuplestore_end(store);
	return rows;
}

/*
 * lock_for_attach: the locks of an ATTACH, in order, the parent being locked.
 *
 * A writer chooses a partition before locking it.  Who has chosen the default
 * partition and waits for it while another one is attached is refused then: the
 * row belongs there no more.  So where that can be, because events of the range
 * are or will have been coming, writers are kept from choosing: all wait for the
 * log itself.  Partitions ahead are made without that.
 */
static void
lock_for_attach(const Upkeep *upkeep, Oid default_oid)
{
	if (!OidIsValid(default_oid))
		return;
	if (upkeep->at <= GetCurrentTimestamp() || relation_has_rows(default_oid))
		LockRelationOid(upkeep->log, ShareRowExclusiveLock);
	LockRelationOid(default_oid, AccessExclusiveLock);
}

/*
 * make_partition: a step: the partition for upkeep->at, with what the default
 * partition holds of its range.
 */
static void
make_partition(void *arg)
{
	Upkeep	   *upkeep = arg;
	EventLog   *log = log_open_owned(upkeep->log, ShareUpdateExclusiveLock);
	PartitionList *list = list_partitions(log->rel);
	TimestampTz lower;
	TimestampTz upper;
	bool		wanted = range_of(log, list, upkeep->at, &lower, &upper);

	upkeep->done = 0;
	log_close(log, NoLock);
	if (!wanted)
		return;					/* somebody else was faster */

	lock_for_attach(upkeep, list->default_oid);
	if (OidIsValid(list->default_oid) && relation_has_rows(list->default_oid))
	{
		cut_range(list->default_oid, upkeep->at, &lower, &upper);
		upkeep->done = fill_partition(upkeep, list->default_oid, lower, upper);
	}
	else
		create_partition(upkeep->log, lower, upper);
	ereport(NOTICE,
			(errmsg("made a partition of %s for %s to %s",
					qualified_name(upkeep->log), utc_literal(lower),
					utc_literal(upper)),
			 upkeep->done > 0 ?
			 errdetail("%lld events moved there from the default partition.",
					   (long long) upkeep->done) : 0));
}

/*
 * drop_expired: a step: drop upkeep->partition if it has expired.
 */
static void
drop_expired(void *arg)
{
	Upkeep	   *upkeep = arg;
	EventLog   *log;
	PartitionList *list;
	TimestampTz expiry;

	upkeep->got_log = false;
	log = log_open_owned(upkeep->log, AccessExclusiveLock);
	upkeep->got_log = true;
	list = list_partitions(log->rel);
	expiry = expiry_time(&log->settings, GetCurrentTimestamp());
	log_close(log, NoLock);
	for (int i = 0; i < list->n; i++)
	{
		Partition  *item = &list->items[i];
		char	   *name;

		if (item->oid != upkeep->partition || item->upper > expiry)
			continue;
		lock_for_drop(list, item);
		name = qualified_name(item->oid);
		run_sql(psprintf("DROP %sTABLE %s",
						 get_rel_relkind(item->oid) == RELKIND_FOREIGN_TABLE ?
						 "FOREIGN " : "", name), SPI_OK_UTILITY);
		ereport(NOTICE,
				(errmsg("dropped partition %s of %s to %s, expired", name,
						utc_literal(item->lower), utc_literal(item->upper))));
	}
}

/*
 * expire_in_default: a step: delete a batch of expired rows from the default
 * partition.
 */
static void
expire_in_default(void *arg)
{
	Upkeep	   *upkeep = arg;
	EventLog   *log = log_open_owned(upkeep->log, RowExclusiveLock);
	PartitionList *list = list_partitions(log->rel);
	TimestampTz expiry = expiry_time(&log->settings, GetCurrentTimestamp());
	char	   *name;

	upkeep->done = 0;
	if (OidIsValid(list->default_oid) && !TIMESTAMP_IS_NOBEGIN(expiry))
	{
		name = qualified_name(list->default_oid);
		run_sql(psprintf("DELETE FROM ONLY %s WHERE ctid OPERATOR(pg_catalog.=) ANY"
						 " (ARRAY(SELECT ctid FROM ONLY %s"
						 " WHERE occurred_at OPERATOR(pg_catalog.<) '%s'"
						 " LIMIT %d))", name, name, utc_literal(expiry),
						 EXPIRE_BATCH),
				SPI_OK_DELETE);
		upkeep->done = SPI_processed;
	}
	log_close(log, NoLock);
}

/*
 * find_default_rows: a step: the time of the default partition's oldest row
 * from upkeep->from on.
 */
static void
find_default_rows(void *arg)
{
	Upkeep	   *upkeep = arg;
	EventLog   *log = log_open_owned(upkeep->log, AccessShareLock);
	PartitionList *list = list_partitions(log->rel);

	upkeep->found = false;
	if (OidIsValid(list->default_oid) && relation_has_rows(list->default_oid))
	{
		TimestampTz lower;
		Datum		value;
		bool		isnull;

		run_sql(psprintf("SELECT pg_catalog.min(occurred_at) FROM ONLY %s"
						 " WHERE %s", qualified_name(list->default_oid),
						 range_sql(upkeep->from, EVENT_END_TIME)),
				SPI_OK_SELECT);
		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
							  &isnull);
		if (!isnull)
		{
			upkeep->found = true;
			upkeep->at = DatumGetTimestampTz(value);
			grid_cell(&log->settings.partition_interval, upkeep->at, &lower,
					  &upkeep->next);
		}
	}
	log_close(log, NoLock);
}

/*
 * look: a step, of the caller's: what the log is like now.
 */
static void
look(void *arg)
{
	Upkeep	   *upkeep = arg;
	EventLog   *log = log_try_open(upkeep->log, AccessShareLock);

	upkeep->list = NULL;
	if (log == NULL)
		return;
	upkeep->name = qualified_name(upkeep->log);
	upkeep->owner = log->owner;
	upkeep->settings = log->settings;
	upkeep->list = list_partitions(log->rel);
	log_close(log, AccessShareLock);
}

/*
 * look_at: look at the log; false when that cannot be for now.
 */
static bool
look_at(Upkeep *upkeep)
{
	StepResult	result = attempt(upkeep->log, GetUserId(), look, upkeep,
								 "look at the partitions");

	SPI_commit();
	return result == STEP_TAKEN;
}

/*
 * make_ahead: what is missing of the current partition and of as many ahead as
 * the log wants.
 */
static void
make_ahead(Upkeep *upkeep)
{
	TimestampTz at = GetCurrentTimestamp();
	TimestampTz until = premade_until(&upkeep->settings, at);
	StepResult	result = STEP_TAKEN;

	while (result != STEP_LOCKED && next_gap(upkeep->list, until, &at))
	{
		TimestampTz lower;

		upkeep->at = at;
		result = attempt(upkeep->log, upkeep->owner, make_partition, upkeep,
						 "make the next partition");
		SPI_commit();
		free_range(upkeep->list, &upkeep->settings.partition_interval, at,
				   &lower, &at);
	}
}

/*
 * expire_default: delete the expired rows of the default partition.
 */
static void
expire_default(Upkeep *upkeep)
{
	int64		expired = 0;

	do
	{
		CHECK_FOR_INTERRUPTS();
		upkeep->done = 0;
		(void) attempt(upkeep->log, upkeep->owner, expire_in_default, upkeep,
					   "delete expired events from the default partition");
		SPI_commit();
		expired += upkeep->done;
	} while (upkeep->done > 0);
	if (expired > 0)
		ereport(NOTICE,
				(errmsg("deleted %lld expired events from the default partition of %s",
						(long long) expired, upkeep->name)));
}

/*
 * empty_default: move the rows of the default partition to partitions of their
 * own, oldest first.
 *
 * A range that cannot be moved does not keep those after it from it; what the
 * locks of others are in the way of is left for another call.
 */
static void
empty_default(Upkeep *upkeep)
{
	upkeep->from = EVENT_MIN_TIME;
	for (;;)
	{
		StepResult	result;

		CHECK_FOR_INTERRUPTS();
		upkeep->found = false;
		(void) attempt(upkeep->log, upkeep->owner, find_default_rows, upkeep,
					   "look into the default partition");
		SPI_commit();			/* keep no lock that another one waits for */
		if (!upkeep->found)
			break;
		result = attempt(upkeep->log, upkeep->owner, make_partition, upkeep,
						 "move events out of the default partition");
		SPI_commit();
		if (result == STEP_LOCKED)
			break;
		if (result == STEP_FAILED || upkeep->done == 0)
			upkeep->from = upkeep->next;
	}
}

/*
 * drop_all_expired: by their real bounds, oldest first.
 *
 * What cannot be locked does not keep those after it from being dropped, unless
 * it is the log itself.
 */
static void
drop_all_expired(Upkeep *upkeep)
{
	PartitionList *list = upkeep->list;
	TimestampTz expiry = expiry_time(&upkeep->settings, GetCurrentTimestamp());

	for (int i = 0; i < list->n && list->items[i].upper <= expiry; i++)
	{
		StepResult	result;

		upkeep->partition = list->items[i].oid;
		result = attempt(upkeep->log, upkeep->owner, drop_expired, upkeep,
						 "drop an expired partition");
		SPI_commit();
		if (result == STEP_LOCKED && !upkeep->got_log)
			break;
	}
}

/*
 * maintain_log: all of it, for one log that was looked at.
 */
static void
maintain_log(Upkeep *upkeep)
{
	make_ahead(upkeep);
	expire_default(upkeep);
	empty_default(upkeep);
	if (!look_at(upkeep) || upkeep->list == NULL)
		return;
	drop_all_expired(upkeep);
	queue_prune(upkeep->log);
	SPI_commit();
}

/*
 * maintain_all: every log whose owner the caller is a member of.
 */
static void
maintain_all(void)
{
	ListCell   *cell;

	foreach(cell, all_logs())
	{
		Upkeep		upkeep = {0};

		CHECK_FOR_INTERRUPTS();
		upkeep.log = lfirst_oid(cell);
		if (!look_at(&upkeep) || upkeep.list == NULL)
			continue;
		if (has_privs_of_role(GetUserId(), upkeep.owner))
			maintain_log(&upkeep);
		else
			ereport(WARNING,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("skipping log %s: only its owner can maintain it",
							upkeep.name)));
	}
}

/*
 * maintain_one: a log that the caller names; an error where it cannot be.
 */
static void
maintain_one(Oid relid)
{
	Upkeep		upkeep = {0};

	upkeep.log = relid;
	if (!look_at(&upkeep))
		return;
	if (upkeep.list == NULL)
		log_close(log_open(relid, AccessShareLock), AccessShareLock);
	else if (!has_privs_of_role(GetUserId(), upkeep.owner))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(relid));
	else
		maintain_log(&upkeep);
}

/*
 * eventlog.maintain(log regclass)
 */
Datum
eventlog_maintain(PG_FUNCTION_ARGS)
{
	require_autocommit(fcinfo, "maintain");
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect_ext failed");
	SPI_commit();				/* what was deferred is the caller's */
	if (PG_ARGISNULL(0))
		maintain_all();
	else
		maintain_one(PG_GETARG_OID(0));
	queue_sweep_orphans();
	SPI_finish();
	PG_RETURN_VOID();
}
