/*
 * distributed.c
 *		Statements that let each shard of a distributed log read its own
 *		events.
 *
 * SQL on a log that Citus distributes is right, but each shard plans it as
 * PostgreSQL does, and must look at many events to find a rare one.  A shard
 * is itself a log, which eventlog.list can read by its indexes.  To call it
 * once on each shard, in one statement, there is a table of shards beside the
 * log: LOG_shards, distributed like the log, with one row in each shard.
 * maintain creates it.  Citus ships the whole join of that table with
 * eventlog.list, runs it as the caller, and merges the results.
 *
 * The table of shards is used only if it agrees with Citus's catalogs: it
 * belongs to the log's owner, is in the log's schema, and names each shard of
 * the log once.  Otherwise, for example after a shard was split, plain SQL
 * answers, which is always right.  If shards are split or merged while a page
 * is read, that is an error.
 */
#include "read/read.h"

#include "commands/defrem.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/*
 * ShardTable: the table of shards of a log, when it last agreed.
 */
typedef struct ShardTable
{
	Oid			log;			/* hash key */
	Oid			relid;
	char	   *shards;			/* as from shards_of(), in TopMemoryContext */
	TimestampTz *keys;			/* a time of each shard, likewise */
} ShardTable;

/* a page of more events is read by one task a shard, which can run in parallel */
#define MAX_EVENTS_OF_NODE	10000

static HTAB *shard_tables = NULL;

/*
 * shard_table_name: the name of a log's table of shards.
 */
char *
shard_table_name(Oid log)
{
	return makeObjectName(get_rel_name(log), NULL, "shards");
}

/*
 * find_shard_table: find a log's table of shards by its name, owner and
 * schema; InvalidOid if there is none that the caller may read.
 */
static Oid
find_shard_table(const EventLog *log)
{
	Oid			relid = get_relname_relid(shard_table_name(log->oid),
										  get_rel_namespace(log->oid));

	if (!OidIsValid(relid) || !compat_relation_owned(relid, log->owner) ||
		!are_colocated(log->oid, relid) ||
		pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK ||
		pg_class_aclcheck(log->oid, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		return InvalidOid;
	return relid;
}

/*
 * shards_in_table: the shards that a table of shards names, as shards_of()
 * returns them, and their keys.
 */
static char *
shards_in_table(Oid relid, TimestampTz **keys)
{
	MemoryContext outer = CurrentMemoryContext;
	StringInfoData text;

	initStringInfo(&text);
	sql_connect();
	run_sql(psprintf("SELECT x.shard, x.occurred_at FROM"
					 " (SELECT s.shard, s.occurred_at FROM %s s OFFSET 0) x"
					 " ORDER BY x.shard", qualified_name(relid)), SPI_OK_SELECT);
	*keys = MemoryContextAlloc(outer, sizeof(TimestampTz) * (SPI_processed + 1));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;

		appendStringInfo(&text, "%s%s", i > 0 ? "," : "",
						 SPI_getvalue(row, desc, 1));
		(*keys)[i] = DatumGetTimestampTz(SPI_getbinval(row, desc, 2, &isnull));
	}
	SPI_finish();
	return text.data;
}

/*
 * remember_table: note that a table of shards agrees.
 */
static const ShardTable *
remember_table(Oid log, Oid relid, const char *shards, const TimestampTz *keys)
{
	int			n = 1;
	ShardTable	made = {.log = log,.relid = relid};
	ShardTable *entry;
	bool		known;

	for (const char *at = strchr(shards, ','); at; at = strchr(at + 1, ','))
		n++;
	/* out of memory must not leave an entry without its shards */
	made.shards = MemoryContextStrdup(TopMemoryContext, shards);
	made.keys = MemoryContextAlloc(TopMemoryContext, sizeof(TimestampTz) * n);
	memcpy(made.keys, keys, sizeof(TimestampTz) * n);
	entry = hash_search(shard_tables, &log, HASH_ENTER, &known);
	if (known)
	{
		pfree(entry->shards);
		pfree(entry->keys);
	}
	*entry = made;
	return entry;
}

/*
 * find_usable_table: the table of shards of a distributed log; NULL if there
 * is none that can be used. *shards is for end_shards().
 */
static const ShardTable *
find_usable_table(const EventLog *log, char **shards)
{
	Oid			relid = eventlog_scan_method == SCAN_SQL ||
		!is_distributed(log->oid) ? InvalidOid : find_shard_table(log);
	ShardTable *entry;
	TimestampTz *keys;

	*shards = NULL;
	if (!OidIsValid(relid))
		return NULL;
	*shards = shards_of(log->oid);
	if (shard_tables == NULL)
	{
		HASHCTL		ctl = {.keysize = sizeof(Oid),.entrysize = sizeof(ShardTable)};

		shard_tables = hash_create("eventlog tables of shards", 16, &ctl,
								   HASH_ELEM | HASH_BLOBS);
	}
	entry = hash_search(shard_tables, &log->oid, HASH_FIND, NULL);
	if (entry && entry->relid == relid && strcmp(entry->shards, *shards) == 0)
		return entry;
	if (strcmp(shards_in_table(relid, &keys), *shards) != 0)
		return NULL;
	return remember_table(log->oid, relid, *shards, keys);
}

/*
 * begin_shards: the name of a log's table of shards, quoted for SQL; NULL if
 * there is none that can be used. *shards is for end_shards().
 */
char *
begin_shards(const EventLog *log, char **shards)
{
	const ShardTable *table = find_usable_table(log, shards);

	return table ? qualified_name(table->relid) : NULL;
}

/*
 * placements_text: shards and their nodes, to be compared.
 */
static char *
placements_text(const PlacedShard *placed, int n)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < n; i++)
		appendStringInfo(&text, "%s" INT64_FORMAT "@%d", i > 0 ? "," : "",
						 placed[i].shard, placed[i].node);
	return text.data;
}

/*
 * current_shards: the shards of a log now, as a text like this one.
 */
static char *
current_shards(const EventLog *log, const char *text)
{
	PlacedShard *placed;
	int			n;

	if (strchr(text, '@') == NULL)
		return shards_of(log->oid);
	n = placed_shards_of(log->oid, &placed);
	return placements_text(placed, n);
}

/*
 * end_shards: raise an error if the shards of the log have changed since the
 * statement was made: their numbers, or if it relies on them, their nodes.
 */
void
end_shards(const EventLog *log, const char *shards)
{
	AcceptInvalidationMessages();
	if (shards != NULL && strcmp(shards, current_shards(log, shards)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("shards of log \"%s\" were moved, split or merged while it was read",
						get_rel_name(log->oid)),
				 errhint("Ask again.")));
}

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

	if (n == 0 || strcmp(*shards, shards_of(log->oid)) != 0)
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
	*shards = placements_text(placed, n);
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
 * shards_to_ask: as begin_shards(), but NULL if the filter matches nothing.
 */
static char *
shards_to_ask(const EventLog *log, const Filter *filter, char **shards)
{
	*shards = NULL;
	return filter->min_level > filter->max_level ? NULL :
		begin_shards(log, shards);
}

/*
 * shards_page_sql: a statement that reads a page from the shards; NULL if that
 * is not possible.
 */
char *
shards_page_sql(const EventLog *log, const Filter *filter,
				const EventPage *page, char **shards)
{
	const ShardTable *table = NULL;
	char	   *sql = NULL;

	*shards = NULL;
	if (filter->min_level <= filter->max_level)
		table = find_usable_table(log, shards);
	if (table == NULL)
		return NULL;
	if (page->limit >= 0 && page->offset + page->limit <= MAX_EVENTS_OF_NODE)
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
	char	   *table = shards_to_ask(log, filter, shards);
	StringInfoData sql;

	if (table == NULL)
		return NULL;
	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT x.line FROM (SELECT s.shard, l.line, l.n"
					 " FROM %s s, LATERAL ROWS FROM (eventlog.explain", table);
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
	char	   *table = begin_shards(log, &shards);

	if (table == NULL)
		return NULL;
	return psprintf("SELECT t.estimated_events, t.bytes, t.problems, s.shard"
					" FROM %s s, LATERAL eventlog._log_status("
					"pg_catalog.shard_name(%s::pg_catalog.regclass, s.shard)"
					"::pg_catalog.regclass::pg_catalog.oid) t",
					table, quote_literal_cstr(qualified_name(log->oid)));
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
	char	   *table = shards_to_ask(log, filter, shards);
	StringInfoData sql;

	if (table == NULL)
		return NULL;
	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT %s FROM %s s, LATERAL eventlog.%s(%s",
					 columns, table, function, first);
	if (!append_shard_args(&sql, log, filter, "s.shard"))
		return NULL;
	appendStringInfoString(&sql, ") t");
	return sql.data;
}
