/*
 * distributed.c
 *		Statements that let each shard of a distributed log read its own events.
 *
 * SQL on a log that Citus distributes is right, but each shard plans it as
 * PostgreSQL does, and must look at many events to find a rare one.  A shard is
 * itself a log, which eventlog.list can read by its indexes.  To call it once on
 * each shard, in one statement, there is a table of shards beside the log:
 * LOG_shards, distributed like the log, with one row in each shard.  maintain
 * creates it.  Citus ships the whole join of that table with eventlog.list, runs it
 * as the caller, and merges the results.
 *
 * The table of shards is used only if it agrees with Citus's catalogs: it belongs to
 * the log's owner, is in the log's schema, and names each shard of the log once.
 * Otherwise, for example after a shard was split, plain SQL answers, which is always
 * right.  If shards are split or merged while a page is read, that is an error.
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
	char	   *shards;			/* in TopMemoryContext */
} ShardTable;

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
 * find_shard_table: find a log's table of shards by its name, owner and schema;
 * InvalidOid if there is none that the caller may read.
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
 * shards_in_table: the shards that a table of shards names, as shards_of() returns
 * them.
 */
static char *
shards_in_table(Oid relid)
{
	MemoryContext outer = CurrentMemoryContext;
	char	   *shards = NULL;

	sql_connect();
	run_sql(psprintf("SELECT pg_catalog.string_agg(x.shard::pg_catalog.text, ','"
					 " ORDER BY x.shard) FROM"
					 " (SELECT s.shard FROM %s s OFFSET 0) x",
					 qualified_name(relid)), SPI_OK_SELECT);
	shards = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (shards != NULL)
		shards = MemoryContextStrdup(outer, shards);
	SPI_finish();
	return shards;
}

/*
 * begin_shards: the name of a log's table of shards, quoted for SQL; NULL if there
 * is none that can be used.  *shards is for end_shards().
 */
char *
begin_shards(const EventLog *log, char **shards)
{
	Oid			relid = eventlog_scan_method == SCAN_SQL ||
		!is_distributed(log->oid) ? InvalidOid : find_shard_table(log);
	ShardTable *entry;
	bool		known;
	char	   *named;

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
		return qualified_name(relid);
	named = shards_in_table(relid);
	if (named == NULL || strcmp(named, *shards) != 0)
		return NULL;
	/* out of memory must not leave an entry without its shards */
	named = MemoryContextStrdup(TopMemoryContext, *shards);
	entry = hash_search(shard_tables, &log->oid, HASH_ENTER, &known);
	if (known)
		pfree(entry->shards);
	entry->relid = relid;
	entry->shards = named;
	return qualified_name(relid);
}

/*
 * end_shards: raise an error if the shards of the log have changed since
 * begin_shards().
 */
void
end_shards(const EventLog *log, const char *shards)
{
	AcceptInvalidationMessages();
	if (shards != NULL && strcmp(shards, shards_of(log->oid)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("shards of log \"%s\" were split or merged while it was read",
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
 * append_filter_args: append the filter as arguments of a function, each followed
 * by a comma.  Returns false if arguments cannot express it.
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
 * append_shard_args: append the arguments of a call on shard s: the filter and the
 * log.
 */
static bool
append_shard_args(StringInfo sql, const EventLog *log, const Filter *filter)
{
	if (!append_filter_args(sql, filter))
		return false;
	appendStringInfo(sql, "log => pg_catalog.shard_name(%s::pg_catalog.regclass,"
					 " s.shard)::pg_catalog.regclass",
					 quote_literal_cstr(qualified_name(log->oid)));
	return true;
}

/*
 * append_shard_page: append the arguments of list or explain on shard s, for the
 * events that it can contribute to a page.  Returns false if arguments cannot
 * express that.
 */
static bool
append_shard_page(StringInfo sql, const EventLog *log, const Filter *filter,
				  const EventPage *page)
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
	if (!append_shard_args(sql, log, filter))
		return false;
	appendStringInfoChar(sql, ')');
	return true;
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
 * shards_page_sql: a statement that reads a page from the shards; NULL if that is
 * not possible.
 */
char *
shards_page_sql(const EventLog *log, const Filter *filter,
				const EventPage *page, char **shards)
{
	char	   *table = shards_to_ask(log, filter, shards);
	StringInfoData sql;

	if (table == NULL)
		return NULL;
	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT e.* FROM %s s, LATERAL eventlog.list", table);
	if (!append_shard_page(&sql, log, filter, page))
		return NULL;
	appendStringInfoString(&sql,
						   " e ORDER BY e.occurred_at DESC, e.id DESC");
	if (page->limit >= 0)
		appendStringInfo(&sql, " LIMIT " INT64_FORMAT " OFFSET " INT64_FORMAT,
						 page->limit, page->offset);
	return sql.data;
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
	if (!append_shard_page(&sql, log, filter, page))
		return NULL;
	appendStringInfoString(&sql, ") WITH ORDINALITY l(line, n) OFFSET 0) x"
						   " ORDER BY x.shard, x.n");
	return sql.data;
}

/*
 * shards_status_sql: a statement that returns estimated events, bytes, problems and
 * number of each shard; NULL if that is not possible.
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
	if (!append_shard_args(&sql, log, filter))
		return NULL;
	appendStringInfoString(&sql, ") t");
	return sql.data;
}
