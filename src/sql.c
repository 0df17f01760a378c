/*
 * sql.c
 *		Running our own statements within SPI, and building them: names
 *		and times that mean the same in every session.
 */
#include "eventlog.h"

#include "access/relation.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tstoreReceiver.h"
#include "miscadmin.h"
#include "tcop/dest.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/*
 * sql_connect: connect to SPI, which run_sql() and its like want.
 */
void
sql_connect(void)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

/*
 * run_sql: run one of our own statements within SPI; any result code but the
 * expected one is an error.
 */
void
run_sql(const char *sql, int expected)
{
	int			result = SPI_execute(sql, false, 0);

	if (result != expected)
		elog(ERROR, "SPI_execute failed: %s: %s",
			 SPI_result_code_string(result), sql);
}

/*
 * kept_plan: prepare one of our own statements once per session.  Within SPI.
 */
SPIPlanPtr
kept_plan(SPIPlanPtr *plan, const char *sql, int nargs, const Oid *types)
{
	if (*plan == NULL)
	{
		SPIPlanPtr	made = SPI_prepare(sql, nargs, (Oid *) types);

		if (made == NULL || SPI_keepplan(made) != 0)
			elog(ERROR, "could not prepare: %s", sql);
		*plan = made;
	}
	return *plan;
}

/*
 * sql_number: run a query as the caller and return its number; 0 for null.
 */
int64
sql_number(const char *sql)
{
	int64		number = 0;
	bool		isnull = true;

	sql_connect();
	run_sql(sql, SPI_OK_SELECT);
	if (SPI_processed > 0)
		number = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
											 SPI_tuptable->tupdesc, 1,
											 &isnull));
	SPI_finish();
	return isnull ? 0 : number;
}

/*
 * sql_into_result: run a statement and put its rows into the result of a
 * set-returning function; returns the number of rows.  Within SPI.
 *
 * The statement must return exactly the result's columns: a receiver that
 * detoasts values does not convert types.
 */
uint64
sql_into_result(const char *sql, ParamListInfo params, bool read_only,
				ReturnSetInfo *rsinfo)
{
	DestReceiver *dest = CreateDestReceiver(DestTuplestore);
	SPIExecuteOptions options = {0};
	int			result;

	SetTuplestoreDestReceiverParams(dest, rsinfo->setResult,
									rsinfo->econtext->ecxt_per_query_memory,
									true, NULL, NULL);
	options.params = params;
	options.read_only = read_only;
	options.dest = dest;
	result = SPI_execute_extended(sql, &options);
	if (result < 0)
		elog(ERROR, "SPI_execute_extended failed: %s: %s",
			 SPI_result_code_string(result), sql);
	dest->rDestroy(dest);
	return SPI_processed;
}

/*
 * qualified_name: schema.table, quoted for use in SQL.
 */
char *
qualified_name(Oid relid)
{
	char	   *name = get_rel_name(relid);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
									  name);
}

/*
 * utc_fields: split a finite time into year, month and so on in UTC.
 */
void
utc_fields(TimestampTz t, struct pg_tm *tm, fsec_t *fsec)
{
	if (timestamp2tm(t, NULL, tm, fsec, NULL, NULL) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
}

/*
 * utc_literal: a time as text, without quotes, that means the same in every
 * session.
 */
char *
utc_literal(TimestampTz t)
{
	char		buf[MAXDATELEN + 1];
	struct pg_tm tm;
	fsec_t		fsec;
	int			utc = 0;

	if (TIMESTAMP_IS_NOBEGIN(t))
		return "-infinity";
	if (TIMESTAMP_IS_NOEND(t))
		return "infinity";
	utc_fields(t, &tm, &fsec);
	tm.tm_isdst = 0;
	EncodeDateTime(&tm, fsec, true, utc, NULL, USE_ISO_DATES, buf);
	return pstrdup(buf);
}

/*
 * interval_text: an interval as text that means the same in every session.
 */
char *
interval_text(const Interval *interval)
{
	return psprintf(INTERVAL_FORMAT, interval->month, interval->day,
					interval->time);
}

/*
 * int8_array: an array of bigint.
 */
Datum
int8_array(Datum *values, int n)
{
	return PointerGetDatum(construct_array(values, n, INT8OID, 8,
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/*
 * relation_has_rows: does a table contain a row that is visible now?
 *
 * Checks no privileges, and reveals nothing but the answer.
 */
bool
relation_has_rows(Oid relid)
{
	Relation	rel = try_relation_open(relid, AccessShareLock);
	bool		found = false;

	if (rel == NULL)
		return false;
	if (rel->rd_rel->relkind == RELKIND_RELATION)
	{
		Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
		TableScanDesc scan = compat_table_beginscan(rel, snapshot);
		TupleTableSlot *slot = table_slot_create(rel, NULL);

		found = table_scan_getnextslot(scan, ForwardScanDirection, slot);
		ExecDropSingleTupleTableSlot(slot);
		table_endscan(scan);
		UnregisterSnapshot(snapshot);
	}
	relation_close(rel, AccessShareLock);
	return found;
}
