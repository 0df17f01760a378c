/*
 * grid.c
 *		The grid of partition bounds.
 *
 * Bounds are computed in UTC, regardless of the session's time zone.
 */
#include "log/log.h"

#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#define MAX_MONTHS	1200
#define MAX_DAYS	36500

/* Monday 2000-01-03: cells of 7 days begin on Mondays */
#define GRID_ORIGIN	(2 * USECS_PER_DAY)

/*
 * grid_is_valid: can width be the width of a grid: either whole months, or
 * days and time?
 */
bool
grid_is_valid(const Interval *width)
{
	bool		months = width->month > 0 && width->day == 0 && width->time == 0;
	bool		days = width->month == 0 && width->day >= 0 &&
		width->time >= 0 && (width->day > 0 || width->time > 0);

	return (months || days) && width->month <= MAX_MONTHS &&
		width->day <= MAX_DAYS && width->time <= MAX_DAYS * USECS_PER_DAY;
}

/*
 * grid_require_valid: raise an error unless it can.
 */
void
grid_require_valid(const Interval *width, const char *what)
{
	if (!grid_is_valid(width))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid %s: %s", what,
						DatumGetCString(DirectFunctionCall1(interval_out,
															IntervalPGetDatum(width)))),
				 errhint("Use either whole months or days and time, up to 100 years.")));
}

/*
 * month_start: the beginning of a month, given as months since year 0.
 */
static TimestampTz
month_start(int months)
{
	int			day = date2j(months / MONTHS_PER_YEAR,
							 months % MONTHS_PER_YEAR + 1, 1);

	return (day - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY;
}

/*
 * grid_find_cell: the cell of the grid that contains t, cut to the range of
 * event times.
 */
void
grid_find_cell(const Interval *width, TimestampTz t, TimestampTz *lower,
			   TimestampTz *upper)
{
	if (width->month > 0)
	{
		struct pg_tm tm;
		fsec_t		fsec;
		int			month;

		utc_fields(t, &tm, &fsec);
		month = tm.tm_year * MONTHS_PER_YEAR + tm.tm_mon - 1;
		month -= month % width->month;
		*lower = month_start(month);
		*upper = month_start(month + width->month);
	}
	else
	{
		int64		size = width->day * USECS_PER_DAY + width->time;
		int64		offset = (t - GRID_ORIGIN) % size;

		if (offset < 0)
			offset += size;
		*lower = t - offset;
		*upper = *lower + size;
	}
	*lower = Max(*lower, EVENT_MIN_TIME);
	*upper = Min(*upper, EVENT_END_TIME);
}
