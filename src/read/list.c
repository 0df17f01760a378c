/*
 * list.c
 *		eventlog.list and eventlog.get: events, newest first, as the caller.
 */
#include "read/read.h"

#include "executor/spi.h"
#include "nodes/nodeFuncs.h"
#include "nodes/primnodes.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(eventlog_list);
PG_FUNCTION_INFO_V1(eventlog_list_support);
PG_FUNCTION_INFO_V1(eventlog_get);

/*
 * page_from_args: which page the arguments of list ask for.
 */
void
page_from_args(FunctionCallInfo fcinfo, EventPage *page)
{
	int32		number = PG_ARGISNULL(LIST_PAGE) ? 1 : PG_GETARG_INT32(LIST_PAGE);
	bool		all = PG_ARGISNULL(LIST_PAGE_SIZE);
	int32		size = all ? 0 : PG_GETARG_INT32(LIST_PAGE_SIZE);

	if (number < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("page must be 1 or more: %d", number)));
	if (size < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("page_size must not be negative: %d", size),
				 errhint("NULL asks for all events.")));
	if (number != 1 && all)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("page %d needs a page_size", number)));
	if (number != 1 && !PG_ARGISNULL(LIST_AFTER))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("after and page %d cannot go together", number),
				 errhint("Leave page out: after says where the page begins.")));
	page->offset = (int64) (number - 1) * size;
	page->limit = all ? -1 : size;
	page->after = id_from_arg(fcinfo, LIST_AFTER);
	if (page->after == NULL && !PG_ARGISNULL(LIST_AFTER))
		page->limit = 0;		/* no event comes after what is not one */
}

/*
 * page_sql: a page by one statement.
 */
char *
page_sql(const EventLog *log, const Filter *filter, const EventPage *page)
{
	StringInfoData sql;

	initStringInfo(&sql);
	append_event_select(&sql, log->oid);
	filter_to_sql(filter, &sql);
	if (page->after)
		append_after(&sql, page->after);
	appendStringInfoString(&sql, " ORDER BY e.occurred_at DESC, e.id DESC");
	if (page->limit >= 0)
		appendStringInfo(&sql, " LIMIT " INT64_FORMAT " OFFSET " INT64_FORMAT,
						 page->limit, page->offset);
	return sql.data;
}

static void
list_by_sql(const EventLog *log, const Filter *filter, const EventPage *page,
			ReturnSetInfo *rsinfo)
{
	char	   *shards = NULL;
	char	   *sql;
	int			level;

	level = begin_log_sql(log, filter);
	sql = shards_page_sql(log, filter, page, &shards);
	(void) sql_into_result(sql ? sql : page_sql(log, filter, page), NULL, true,
						   rsinfo);
	end_log_sql(log, sql ? shards : NULL, level);
}

/*
 * eventlog.list(<filter>, page int, page_size int, after uuid, log regclass)
 * returns setof eventlog.event
 */
Datum
eventlog_list(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Filter		filter;
	EventPage	page;
	EventLog   *log;

	filter_from_args(fcinfo, 0, &filter);
	page_from_args(fcinfo, &page);
	log = log_open(log_resolve(fcinfo, LIST_LOG), AccessShareLock);
	InitMaterializedSRF(fcinfo, 0);
	if (!read_page(log, &filter, &page, put_event, rsinfo, NULL))
		list_by_sql(log, &filter, &page, rsinfo);
	log_close(log, NoLock);
	return (Datum) 0;
}

/*
 * eventlog._list_support(internal) returns internal
 *
 * Planner support for list: a page has at most page_size rows.
 */
Datum
eventlog_list_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);
	SupportRequestRows *rows = (SupportRequestRows *) request;
	Node	   *page_size;

	if (!IsA(request, SupportRequestRows) || !is_funcclause(rows->node) ||
		list_length(((FuncExpr *) rows->node)->args) <= LIST_PAGE_SIZE)
		PG_RETURN_POINTER(NULL);
	page_size = list_nth(((FuncExpr *) rows->node)->args, LIST_PAGE_SIZE);
	if (!IsA(page_size, Const) || ((Const *) page_size)->constisnull)
		PG_RETURN_POINTER(NULL);
	rows->rows = clamp_row_est(DatumGetInt32(((Const *) page_size)->constvalue));
	PG_RETURN_POINTER(rows);
}

/*
 * get_by_sql: the event with an id, by one statement.  Without an id there is
 * none, but rights are checked all the same.
 */
static void
get_by_sql(EventLog *log, const pg_uuid_t *id, ReturnSetInfo *rsinfo)
{
	TimestampTz at = id ? id_get_time(id) : EVENT_MIN_TIME;
	StringInfoData sql;
	int			level;

	initStringInfo(&sql);
	append_event_select(&sql, log->oid);
	if (id)
		append_event_key(&sql, id);
	else
		appendStringInfoString(&sql, " AND false");
	sql_connect();
	level = reach_default(log, at, at + 1);
	(void) sql_into_result(sql.data, NULL, true, rsinfo);
	AtEOXact_GUC(false, level);
	SPI_finish();
}

/*
 * eventlog.get(id uuid, log regclass) returns setof eventlog.event
 */
Datum
eventlog_get(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	EventLog   *log = log_open(log_resolve(fcinfo, 1), AccessShareLock);
	const pg_uuid_t *id = id_from_arg(fcinfo, 0);

	InitMaterializedSRF(fcinfo, 0);
	if (id == NULL ||
		!read_event(log, partitions_to_read(log), id, put_event, rsinfo))
		get_by_sql(log, id, rsinfo);
	log_close(log, NoLock);
	return (Datum) 0;
}
