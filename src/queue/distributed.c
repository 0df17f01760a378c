/*
 * distributed.c
 *		Subscriptions of a log that Citus has distributed.
 *
 * An event is queued on the server that stores it, in its own transaction, so
 * each worker has a queue and a notifier beside it.  A shard uses its server's
 * subscriptions of the distributed log.  The coordinator passes every change
 * of a subscription on to the workers.  They commit at once: if the
 * transaction on the coordinator is rolled back, repeat the change or undo it.
 *
 * The statements run on the workers as the current role, so rights are checked
 * there as they are here.
 */
#include "queue/queue.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "read/read.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/*
 * lead_workers: must a change to a log's subscriptions be passed on to
 * workers?
 */
bool
lead_workers(Oid log)
{
	return get_rel_relkind(log) != '\0' && is_distributed(log) &&
		is_coordinator();
}

/*
 * ask_nodes: run a statement on all nodes.  The answers are in the result of
 * SPI, one row and one column each, as text.  If a node fails, raise an error
 * that names it.  Within SPI.
 */
static void
ask_nodes(const char *from)
{
	run_sql(psprintf("SELECT success, nodename, nodeport, result FROM %s", from),
			SPI_OK_SELECT);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;

		if (DatumGetBool(SPI_getbinval(row, desc, 1, &isnull)))
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("node %s:%s: %s", SPI_getvalue(row, desc, 2),
						SPI_getvalue(row, desc, 3),
						SPI_getvalue(row, desc, 4)),
				 errdetail("Other nodes have done what they were asked for."),
				 errhint("Do the same again when the node answers.")));
	}
}

/*
 * number_answered: the answer of the i-th node, as a number.
 */
static int64
number_answered(uint64 i)
{
	char	   *text = SPI_getvalue(SPI_tuptable->vals[i],
									SPI_tuptable->tupdesc, 4);

	return text &&text[0] != '\0' ? strtoi64(text, NULL, 10) : 0;
}

/*
 * call_on_workers: let each worker call a function of the extension for a log
 * for which lead_workers() is true; returns the sum of the results. `call` has
 * the name and all arguments except the last, the log.
 */
int64
call_on_workers(Oid log, const char *call)
{
	char	   *statement;
	int64		sum = 0;

	eventlog_require_name();
	statement = psprintf("SELECT eventlog.%s, log => %s::pg_catalog.regclass)",
						 call, quote_literal_cstr(qualified_name(log)));
	sql_connect();
	ask_nodes(psprintf("pg_catalog.run_command_on_workers(%s)",
					   quote_literal_cstr(statement)));
	for (uint64 i = 0; i < SPI_processed; i++)
		sum += number_answered(i);
	SPI_finish();
	return sum;
}

/*
 * replay_on_shards: let each shard enqueue the events that a filter chooses;
 * returns their number.
 */
int64
replay_on_shards(const EventLog *log, const Subscription *subscription,
				 const Filter *filter)
{
	StringInfoData call;
	StringInfoData command;
	int64		sum = 0;

	if (filter->min_level > filter->max_level)
		return 0;
	initStringInfo(&call);
	appendStringInfo(&call, "SELECT eventlog.replay(%s, ",
					 quote_literal_cstr(subscription->name));
	if (!append_filter_args(&call, filter))
		elog(ERROR, "arguments cannot tell the filter");
	initStringInfo(&command);
	for (char *c = call.data; *c; c++)
		appendStringInfo(&command, *c == '%' ? "%%%%" : "%c", *c);
	appendStringInfoString(&command, "log => '%s'::pg_catalog.regclass)");
	sql_connect();
	ask_nodes(psprintf("pg_catalog.run_command_on_placements(%s, %s)",
					   quote_literal_cstr(qualified_name(log->oid)),
					   quote_literal_cstr(command.data)));
	for (uint64 i = 0; i < SPI_processed; i++)
		sum += number_answered(i);
	SPI_finish();
	return sum;
}

/*
 * add_worker_counts: add the workers' numbers for a subscription to n values.
 * columns: the columns of eventlog.subscriptions, as SQL.
 */
void
add_worker_counts(Oid log, const char *name, const char *columns, int n,
				  Datum *values)
{
	char	   *statement =
		psprintf("SELECT pg_catalog.array_to_string(ARRAY[%s], ' ')"
				 " FROM eventlog.subscriptions s"
				 " WHERE s.name OPERATOR(pg_catalog.=) %s"
				 " AND s.log OPERATOR(pg_catalog.=) %s::pg_catalog.regclass",
				 columns, quote_literal_cstr(name),
				 quote_literal_cstr(qualified_name(log)));

	eventlog_require_name();
	sql_connect();
	ask_nodes(psprintf("pg_catalog.run_command_on_workers(%s)",
					   quote_literal_cstr(statement)));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	   *text = SPI_getvalue(SPI_tuptable->vals[i],
										SPI_tuptable->tupdesc, 4);

		for (int j = 0; text !=NULL && *text !='\0' && j < n; j++)
			values[j] = Int64GetDatum(DatumGetInt64(values[j]) +
									  strtoi64(text, &text, 10));
	}
	SPI_finish();
}
