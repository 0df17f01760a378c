/*
 * status.c
 *		What the view eventlog.logs shows of a log that SQL cannot tell: its
 *		settings, what its partitions cover, and what is wrong.
 *
 * The view calls it for every table that carries the settings trigger, among
 * them tables of people who made that trigger by hand: those give no row.
 */
#include "eventlog.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(eventlog_log_status);

/*
 * missing_ahead: how many of the partitions that should be there are not.
 */
static int
missing_ahead(const LogSettings *settings, const PartitionList *list,
			  TimestampTz now)
{
	int			missing = 0;

	for (int i = 0; i <= settings->premake && now < EVENT_END_TIME; i++)
	{
		TimestampTz lower;

		if (partition_at(list, now) == NULL)
			missing++;
		grid_cell(&settings->partition_interval, now, &lower, &now);
	}
	return missing;
}

/*
 * problems_of: what is wrong, as an array of texts, empty when nothing is.
 */
static Datum
problems_of(const EventLog *log, const PartitionList *list, TimestampTz now)
{
	Datum		problems[4];
	int			n = 0;
	int			missing = missing_ahead(&log->settings, list, now);
	int			expired = 0;
	TimestampTz expiry = expiry_time(&log->settings, now);

	while (expired < list->n && list->items[expired].upper <= expiry)
		expired++;
	if (missing > 0)
		problems[n++] = CStringGetTextDatum(psprintf("%d partitions missing ahead",
													 missing));
	if (!OidIsValid(list->default_oid))
		problems[n++] = CStringGetTextDatum("no default partition");
	else if (relation_has_rows(list->default_oid))
		problems[n++] = CStringGetTextDatum("events in the default partition");
	if (expired > 0)
		problems[n++] = CStringGetTextDatum(psprintf("retention overdue for %d partitions",
													 expired));
	return PointerGetDatum(construct_array(problems, n, TEXTOID, -1, false,
										   TYPALIGN_INT));
}

/*
 * eventlog._log_status(log oid) returns record: partition_interval, retention,
 * premake, partitions, oldest, newest, problems; NULL when it is no log.
 */
Datum
eventlog_log_status(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	TupleDesc	desc;
	Datum		values[7];
	bool		nulls[7] = {0};
	EventLog   *log;
	PartitionList *list;
	Interval   *keep;
	HeapTuple	row;

	if (!relation_is_log(relid))
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	desc = BlessTupleDesc(desc);

	log = log_open(relid, AccessShareLock);
	list = list_partitions(log->rel);
	keep = &log->settings.retention;
	values[0] = IntervalPGetDatum(&log->settings.partition_interval);
	values[1] = IntervalPGetDatum(keep);
	nulls[1] = keep->month == 0 && keep->day == 0 && keep->time == 0;
	values[2] = Int32GetDatum(log->settings.premake);
	values[3] = Int32GetDatum(list->n + (OidIsValid(list->default_oid) ? 1 : 0));
	nulls[4] = nulls[5] = list->n == 0;
	if (list->n > 0)
	{
		values[4] = TimestampTzGetDatum(list->items[0].lower);
		values[5] = TimestampTzGetDatum(list->items[list->n - 1].upper);
	}
	values[6] = problems_of(log, list, GetCurrentTimestamp());
	row = heap_form_tuple(desc, values, nulls);
	log_close(log, AccessShareLock);
	PG_RETURN_DATUM(HeapTupleGetDatum(row));
}
