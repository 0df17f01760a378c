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
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "utils/acl.h"
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
	TimestampTz until = premade_until(settings, now);
	TimestampTz lower;
	int			missing = 0;

	while (next_gap(list, until, &now))
	{
		free_range(list, &settings->partition_interval, now, &lower, &now);
		missing++;
	}
	return missing;
}

/*
 * owned_by_others: how many partitions the log's owner, as whom upkeep works,
 * may not empty or drop: ALTER TABLE … OWNER TO leaves them behind.
 */
static int
owned_by_others(const EventLog *log, const PartitionList *list)
{
	int			n = 0;

	for (int i = -1; i < list->n; i++)
	{
		Oid			partition = i < 0 ? list->default_oid : list->items[i].oid;

		if (OidIsValid(partition) &&
			!compat_relation_owned(partition, log->owner))
			n++;
	}
	return n;
}

/*
 * problems_of: what is wrong, as an array of texts, empty when nothing is.
 */
static Datum
problems_of(const EventLog *log, const PartitionList *list, TimestampTz now)
{
	List	   *of_queue = queue_problems(log->oid);
	Datum	   *problems = palloc(sizeof(Datum) * (5 + list_length(of_queue)));
	ListCell   *cell;
	int			n = 0;
	int			missing = missing_ahead(&log->settings, list, now);
	int			others = owned_by_others(log, list);
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
	if (others > 0)
		problems[n++] = CStringGetTextDatum(psprintf("%d partitions of another owner",
													 others));
	foreach(cell, of_queue)
		problems[n++] = CStringGetTextDatum(lfirst(cell));
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
