/*
 * distributed.c
 *		Statements that let each shard of a distributed log read its own events.
 *
 * SQL on a log that Citus distributes is right, but each shard plans it as
 * PostgreSQL does, and must look at many events to find a rare one.  A shard is
 * itself a log, which eventlog.list can read by its indexes.  A join with the
 * table of shards (shardtable.c) calls it once on each shard, in one statement:
 * Citus ships the whole join, runs it as the caller, and merges the results.
 */
#include "read/read.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* a page of more events is read by one task a shard, which can run in parallel */
#define MAX_EVENTS_OF_NODE	10000

static void
append_text(StringInfo sql, const char *name, const text *value)
{
	if (value)
		appendStringInfo(sql, "%s => %s::pg_catalog.text, ", name,
						 quote_literal_cstr(text_to_cstring(value)));
}

static void
append_time(StringInfo sql, const char *name, TimestampTz value)
{
	if (!TIMESTAMP_NOT_FINITE(value))
		appendStringInfo(sql, "%s => '%s'::pg_catalog.timestamptz, ", name,
						 utc_literal(value));
}

/*
 * append_filter_args: append the filter as arguments of a function, each
 * followed by a comma.  Returns false if arguments cannot express it.
 */
bool
append_filter_args(StringInfo sql, const Filter *filter)
{
	if (filter->min_level != filter->max_level &&
		filter->max_level != LEVEL_CRITICAL)
		return false;
	append_text(sql, "event_type", filter->event_type);
	if (filter->min_level == filter->max_level)
		appendStringInfo(sql, "level => '%s'::pg_catalog.text, ",
						 level_names[filter->min_level]);
	else if (filter->min_level > LEVEL_DEBUG)
		appendStringInfo(sql, "min_level => '%s'::pg_catalog.text, ",
						 level_names[filter->min_level]);
	for (int col = 0; col < EVENT_NCOLUMNS; col++)
		append_text(sql, event_columns[col].name, filter->equal[col]);
	append_time(sql, "since", filter->since);
	append_time(sql, "before", filter->before);
	return true;
}

/*
 * append_shard_args: append the arguments of a call on a shard: the filter and
 * the log. shard: its number, as SQL.
 */
static bool
append_shard_args(StringInfo sql, const EventLog *log, const Filter *filter,
				  const char *shard)
{
	if (!append_filter_args(sql, filter))
		return false;
	appendStringInfo(sql, "log => pg_catalog.shard_name(%s::pg_catalog.regclass,"
					 " %s)::pg_catalog.regclass",
					 quote_literal_cstr(qualified_name(log->oid)), shard);
	return true;
}

/*
 * append_shard_page: append the arguments of list or explain on a shard, for
 * the events that it can contribute to a page.  Returns false if arguments
 * cannot express that.
 */
static bool
append_shard_page(StringInfo sql, const EventLog *log, const Filter *filter,
				  const EventPage *page, const char *shard)
{
	if (page->limit >= 0 && page->offset > PG_INT32_MAX - page->limit)
		return false;
	if (page->limit < 0)
		appendStringInfoString(sql, "(page_size => NULL, ");
	else
		appendStringInfo(sql, "(page_size => " INT64_FORMAT ", ",
						 page->offset + page->limit);
	if (page->after)
		appendStringInfo(sql, "after => '%s'::pg_catalog.uuid, ",
						 DatumGetCString(DirectFunctionCall1(uuid_out,
															 UUIDPGetDatum(page->after))));
	if (!append_shard_args(sql, log, filter, shard))
		return false;
	appendStringInfoChar(sql, ')');
	return true;
}

/*
 * is_first_of_node: has none of the shards before this one its node?
 */
static bool
is_first_of_node(const PlacedShard *placed, int i)
{
	for (int j = 0; j < i; j++)
	{
		if (placed[j].node == placed[i].node)
			return false;
	}
	return true;
}

/*
 * append_node_shards: append the shards of the node of shard i, as an array.
 */
static void
append_node_shards(StringInfo sql, const PlacedShard *placed, int n, int i)
{
	const char *separator = "ARRAY[";

	for (int j = i; j < n; j++)
	{
		if (placed[j].node != placed[i].node)
			continue;
		appendStringInfo(sql, "%s" INT64_FORMAT, separator, placed[j].shard);
		separator = ", ";
	}
	appendStringInfoString(sql, "]::pg_catalog.int8[]");
}

/*
 * may_have_written: may this transaction have rows on the nodes that are not
 * committed yet?  Within SPI.
 *
 * They are visible only on the connections that wrote them.  Citus sends a
 * task by the connection that wrote to its shard, but knows nothing of the
 * other shards that a task reads.
 */
static bool
may_have_written(void)
{
	return sql_number("SELECT transaction_number"
					  " FROM pg_catalog.get_current_transaction_id()") != 0;
}

/*
 * nodes_page_sql: a statement that reads a page by one task on each node; NULL
 * if that is not possible.
 *
 * A task costs Citus 1 to 2 ms, more than most shards need to find their part
 * of the page.  So only the first shard of each node is asked, by its key, and
 * reads the others of its node as well.  A node that does not have them raises
 * an error, and end_shards() notices shards that were moved.
 */
static char *
nodes_page_sql(const EventLog *log, const Filter *filter, const EventPage *page,
			   const ShardTable *table, char **shards)
{
	PlacedShard *placed;
	int			n = placed_shards_of(log->oid, &placed);
	const char *separator = " e WHERE s.occurred_at IN (";
	StringInfoData sql;

	if (n == 0 || strcmp(*shards, shards_text(placed, n, false)) != 0)
		return NULL;
	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT e.* FROM %s s, LATERAL pg_catalog.unnest("
					 "CASE s.shard", qualified_name(table->relid));
	for (int i = 0; i < n; i++)
	{
		if (!is_first_of_node(placed, i))
			continue;
		appendStringInfo(&sql, " WHEN " INT64_FORMAT " THEN ", placed[i].shard);
		append_node_shards(&sql, placed, n, i);
	}
	appendStringInfoString(&sql, " END) n(shard), LATERAL eventlog.list");
	if (!append_shard_page(&sql, log, filter, page, "n.shard"))
		return NULL;
	for (int i = 0; i < n; i++)
	{
		if (!is_first_of_node(placed, i))
			continue;
		appendStringInfo(&sql, "%s'%s'::pg_catalog.timestamptz", separator,
						 utc_literal(table->keys[i]));
		separator = ", ";
	}
	appendStringInfoChar(&sql, ')');
	*shards = shards_text(placed, n, true);
	return sql.data;
}

/*
 * tasks_page_sql: the same by one task on each shard.
 */
static char *
tasks_page_sql(const EventLog *log, const Filter *filter, const EventPage *page,
			   const ShardTable *table)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT e.* FROM %s s, LATERAL eventlog.list",
					 qualified_name(table->relid));
	if (!append_shard_page(&sql, log, filter, page, "s.shard"))
		return NULL;
	appendStringInfoString(&sql, " e");
	return sql.data;
}

/*
 * table_to_ask: as shard_table_find(), but NULL if the filter matches nothing.
 */
static const ShardTable *
table_to_ask(const EventLog *log, const Filter *filter, char **shards)
{
	*shards = NULL;
	return filter->min_level > filter->max_level ? NULL :
		shard_table_find(log, shards);
}

/*
 * shards_page_sql: a statement that reads a page from the shards; NULL if that
 * is not possible.
 */
char *
shards_page_sql(const EventLog *log, const Filter *filter,
				const EventPage *page, char **shards)
{
	/* in this order: to find the table may begin a distributed transaction */
	bool		by_node = page->limit >= 0 &&
		page->limit <= MAX_EVENTS_OF_NODE &&
		page->offset <= MAX_EVENTS_OF_NODE &&
		is_distributed(log->oid) && !may_have_written();
	const ShardTable *table = table_to_ask(log, filter, shards);
	char	   *sql = NULL;

	if (table == NULL)
		return NULL;
	if (by_node)
		sql = nodes_page_sql(log, filter, page, table, shards);
	if (sql == NULL)
		sql = tasks_page_sql(log, filter, page, table);
	if (sql == NULL)
		return NULL;
	sql = psprintf("%s ORDER BY e.occurred_at DESC, e.id DESC", sql);
	return page->limit < 0 ? sql :
		psprintf("%s LIMIT " INT64_FORMAT " OFFSET " INT64_FORMAT, sql,
				 page->limit, page->offset);
}

/*
 * shards_explain_sql: a statement that explains that page; NULL likewise.
 */
char *
shards_explain_sql(const EventLog *log, const Filter *filter,
				   const EventPage *page, char **shards)
{
	const ShardTable *table = table_to_ask(log, filter, shards);
	StringInfoData sql;

	if (table == NULL)
		return NULL;
	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT x.line FROM (SELECT s.shard, l.line, l.n"
					 " FROM %s s, LATERAL ROWS FROM (eventlog.explain",
					 qualified_name(table->relid));
	if (!append_shard_page(&sql, log, filter, page, "s.shard"))
		return NULL;
	appendStringInfoString(&sql, ") WITH ORDINALITY l(line, n) OFFSET 0) x"
						   " ORDER BY x.shard, x.n");
	return sql.data;
}

/*
 * shards_status_sql: a statement that returns estimated events, bytes,
 * problems and number of each shard; NULL if that is not possible.
 */
char *
shards_status_sql(const EventLog *log)
{
	char	   *shards;
	const ShardTable *table = shard_table_find(log, &shards);

	if (table == NULL)
		return NULL;
	return psprintf("SELECT t.estimated_events, t.bytes, t.problems, s.shard"
					" FROM %s s, LATERAL eventlog._log_status("
					"pg_catalog.shard_name(%s::pg_catalog.regclass, s.shard)"
					"::pg_catalog.regclass::pg_catalog.oid) t",
					qualified_name(table->relid),
					quote_literal_cstr(qualified_name(log->oid)));
}

/*
 * shards_stats_sql: a statement that selects columns from the results t of a
 * function on each shard.  Its arguments are `first` and the filter.
 */
char *
shards_stats_sql(const EventLog *log, const Filter *filter,
				 const char *columns, const char *function, const char *first,
				 char **shards)
{
	const ShardTable *table = table_to_ask(log, filter, shards);
	StringInfoData sql;

	if (table == NULL)
		return NULL;
	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT %s FROM %s s, LATERAL eventlog.%s(%s",
					 columns, qualified_name(table->relid), function, first);
	if (!append_shard_args(&sql, log, filter, "s.shard"))
		return NULL;
	appendStringInfoString(&sql, ") t");
	return sql.data;
}
