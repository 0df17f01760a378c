/*
 * shardtable.c
 *		The table of shards of a distributed log, by which each shard is asked.
 *
 * The table is named LOG_shards, is distributed like the log, and has one row
 * in each shard.  maintain creates it.
 *
 * It is used only if it agrees with Citus's catalogs: it belongs to the log's
 * owner, is in the log's schema, and names each shard of the log once.
 * Otherwise, for example after a shard was split, plain SQL answers, which is
 * always right.  If shards are moved, split or merged while a page is read,
 * that is an error.
 */
#include "read/read.h"

#include "commands/defrem.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

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
 * returns them, and their n keys.
 */
static char *
shards_in_table(Oid relid, TimestampTz **keys, int *n)
{
	MemoryContext outer = CurrentMemoryContext;
	StringInfoData text;

	initStringInfo(&text);
	sql_connect();
	run_sql(psprintf("SELECT x.shard, x.occurred_at FROM"
					 " (SELECT s.shard, s.occurred_at FROM %s s OFFSET 0) x"
					 " ORDER BY x.shard", qualified_name(relid)), SPI_OK_SELECT);
	*n = (int) SPI_processed;
	*keys = MemoryContextAlloc(outer, sizeof(TimestampTz) * (*n + 1));
	for (int i = 0; i < *n; i++)
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
remember_table(Oid log, Oid relid, const char *shards, const TimestampTz *keys,
			   int n)
{
	ShardTable	made = {.log = log,.relid = relid};
	ShardTable *entry;
	bool		known;

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
 * shard_table_find: the table of shards of a distributed log; NULL if there
 * is none that can be used. *shards is for end_shards().
 */
const ShardTable *
shard_table_find(const EventLog *log, char **shards)
{
	Oid			relid = eventlog_scan_method == SCAN_SQL ||
		!is_distributed(log->oid) ? InvalidOid : find_shard_table(log);
	ShardTable *entry;
	TimestampTz *keys;
	int			n;

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
	if (strcmp(shards_in_table(relid, &keys, &n), *shards) != 0)
		return NULL;
	return remember_table(log->oid, relid, *shards, keys, n);
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
	return shards_text(placed, n, true);
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
