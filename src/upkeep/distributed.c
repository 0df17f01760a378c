/*
 * distributed.c
 *		Upkeep of a log that Citus distributes.
 *
 * It runs on the coordinator, because only what is done there happens on all
 * shards.  If a shard got a partition of its own, Citus would not know it, and
 * would leave it behind when it moves the shard.
 *
 * Rows are chosen by ranges of time, never by ctid, which has no meaning
 * outside of a shard.  Events leave the default partition by SQL: they are
 * copied to a table that becomes the partition.  Triggers of the log's owner
 * do not fire, since that table has none yet.  (A logical subscriber of a
 * shard would miss the rows.  Citus itself does not copy shards that way.)
 */
#include "upkeep/upkeep.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/*
 * shards_fill_partition: create a partition and move the events of its range
 * there from the default partition; returns their number.  Within a step.
 */
int64
shards_fill_partition(Oid log, Oid default_oid, TimestampTz lower,
					  TimestampTz upper)
{
	char	   *name = qualified_name(default_oid);
	char	   *range = psprintf("WHERE occurred_at OPERATOR(pg_catalog.>=) '%s'"
								 " AND occurred_at OPERATOR(pg_catalog.<) '%s'",
								 utc_literal(lower), utc_literal(upper));
	char	   *partition = partition_create_table(log, lower);
	int64		moved;

	/* in a distributed schema it is by now */
	if (!citus_has(DatumGetObjectId(DirectFunctionCall1(regclassin,
														CStringGetDatum(partition)))))
		run_sql(psprintf("SELECT pg_catalog.create_distributed_table(%s, 'occurred_at',"
						 " colocate_with => %s)", quote_literal_cstr(partition),
						 quote_literal_cstr(qualified_name(log))), SPI_OK_SELECT);
	run_sql(psprintf("INSERT INTO %s SELECT * FROM %s %s", partition, name, range),
			SPI_OK_INSERT);
	moved = SPI_processed;
	run_sql(psprintf("DELETE FROM %s %s", name, range), SPI_OK_DELETE);
	if (SPI_processed != moved)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("events came or went while they were moved")));
	(void) partition_attach(log, partition, lower, upper);
	return moved;
}

/*
 * shards_find_in_default: find the time of an event in the default partition
 * that is to be moved, from upkeep->from on, as find_in_default() does.
 */
void
shards_find_in_default(Upkeep *upkeep, Oid default_oid, TimestampTz horizon,
					   int enough)
{
	const Interval *width = &upkeep->target.settings.partition_interval;
	StringInfoData sql;
	TimestampTz lower;
	bool		isnull;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT x.t FROM (SELECT eventlog._bucket("
					 "%s, occurred_at) AS b, pg_catalog.min(occurred_at) AS t,"
					 " pg_catalog.count(*) AS n FROM %s"
					 " WHERE occurred_at OPERATOR(pg_catalog.>=) '%s'"
					 " GROUP BY 1) x WHERE x.t OPERATOR(pg_catalog.<) '%s'"
					 " OR x.n OPERATOR(pg_catalog.>=) %d ORDER BY x.t LIMIT 1",
					 quote_literal_cstr(interval_text(width)),
					 qualified_name(default_oid), utc_literal(upkeep->from),
					 utc_literal(horizon), enough);
	eventlog_require_name();
	run_sql(sql.data, SPI_OK_SELECT);
	if (SPI_processed > 0)
	{
		upkeep->found = true;
		upkeep->at = DatumGetTimestampTz(SPI_getbinval(SPI_tuptable->vals[0],
													   SPI_tuptable->tupdesc,
													   1, &isnull));
		grid_find_cell(width, upkeep->at, &lower, &upkeep->next);
		return;
	}
	upkeep->sparse = sql_number(psprintf("SELECT pg_catalog.count(*) FROM %s"
										 " WHERE occurred_at OPERATOR(pg_catalog.>=) '%s'",
										 qualified_name(default_oid),
										 utc_literal(horizon)));
}

/*
 * make_shard_table: a step that creates the table of shards, unless there is
 * one that agrees with the shards (see read/distributed.c).
 */
static void
make_shard_table(void *arg)
{
	Upkeep	   *upkeep = arg;
	Oid			relid = upkeep->target.log;
	EventLog   *log = upkeep_open_log(relid, ShareUpdateExclusiveLock);
	char	   *name;
	char	   *table;
	char	   *shards;
	Oid			old;
	bool		usable = shard_table_find(log, &shards) != NULL;
	int			tries;			/* hours, each of some shard */

	upkeep->rows = 0;
	log_close(log, NoLock);
	if (usable)
		return;
	shards = shards_of(relid);
	tries = Max(240, 4 * strlen(shards));
	name = shard_table_name(relid);
	table = quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
									   name);
	old = get_relname_relid(name, get_rel_namespace(relid));
	if (OidIsValid(old))
	{
		if (!are_colocated(relid, old) || get_attnum(old, "shard") == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_TABLE),
					 errmsg("table %s is in the way", table),
					 errdetail("That is the name of the log's table of shards."),
					 errhint("Rename it.")));
		run_sql(psprintf("DROP TABLE %s", table), SPI_OK_UTILITY);
	}
	run_sql(psprintf("CREATE TABLE %s (occurred_at timestamptz NOT NULL,"
					 " shard pg_catalog.int8 NOT NULL)", table),
			SPI_OK_UTILITY);
	run_sql(psprintf("COMMENT ON TABLE %s IS %s", table,
					 quote_literal_cstr(psprintf("the shards of log %s, made by eventlog.maintain",
												 get_rel_name(relid)))),
			SPI_OK_UTILITY);
	run_sql(psprintf("SELECT pg_catalog.create_distributed_table(%s, 'occurred_at',"
					 " colocate_with => %s)", quote_literal_cstr(table),
					 quote_literal_cstr(qualified_name(relid))), SPI_OK_SELECT);
	run_sql(psprintf("GRANT SELECT ON %s TO PUBLIC", table), SPI_OK_UTILITY);
	/* a time that each shard takes: tried, for hashes tell no time */
	run_sql(psprintf("INSERT INTO %s (occurred_at, shard)"
					 " SELECT pg_catalog.min(x.t), x.shard FROM"
					 " (SELECT g.t, pg_catalog.get_shard_id_for_distribution_column(%s, g.t) AS shard"
					 " FROM pg_catalog.generate_series('2000-01-01Z'::pg_catalog.timestamptz,"
					 " '2000-01-01Z'::pg_catalog.timestamptz OPERATOR(pg_catalog.+)"
					 " pg_catalog.make_interval(hours => %d), '1 hour') g(t)) x"
					 " GROUP BY x.shard", table,
					 quote_literal_cstr(qualified_name(relid)),
					 tries),
			SPI_OK_INSERT);
	ereport(NOTICE,
			(errmsg("made table %s, by which the shards of %s are asked", table,
					qualified_name(relid))));
}

/*
 * maintain_shards: what a distributed log needs in addition.
 */
void
maintain_shards(Upkeep *upkeep)
{
	if (strchr(shards_of(upkeep->target.log), ',') == NULL)
		return;					/* one shard is asked as it is */
	(void) run_upkeep_step(&upkeep->target, NoLock, make_shard_table, upkeep,
						   "could not create the table of shards of log %s");
}

/*
 * upkeep_is_elsewhere: is this log, or the log that it is a shard of,
 * maintained by the coordinator?
 */
bool
upkeep_is_elsewhere(Oid log)
{
	return OidIsValid(log_of_shard(log)) ||
		(!is_coordinator() && is_distributed(log));
}
