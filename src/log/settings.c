/*
 * settings.c
 *		The settings of a log, which it carries itself.
 *
 * They are the arguments of a trigger of the log, eventlog_settings: so they
 * follow it through rename, dump and restore, and go with it.  It is a
 * TRUNCATE trigger because such a one stands on the parent alone: to change
 * them touches no partition, and it costs no writer anything.  What has this
 * trigger (and the right shape) is a log; nothing else knows of it.
 *
 * Anybody can put such a trigger on a table of theirs, with any arguments.  So
 * they are checked each time they are read.
 */
#include "log/log.h"

#include "executor/spi.h"
#include "utils/syscache.h"

#define SETTINGS_TRIGGER	"eventlog_settings"
#define INTERVAL_FORMAT		"%d months %d days " INT64_FORMAT " microseconds"

/* bounds of the settings; such a retention lies in what a timestamp can be */
#define MIN_TIME_WIDTH		USECS_PER_MINUTE	/* as names tell */
#define MAX_KEEP_YEARS		1000
#define MAX_KEEP_DAYS		(MAX_KEEP_YEARS * 366)
#define MAX_PREMAKE			1000

PG_FUNCTION_INFO_V1(eventlog_settings);

/*
 * eventlog._settings(): a trigger for its arguments' sake.
 */
Datum
eventlog_settings(PG_FUNCTION_ARGS)
{
	return PointerGetDatum(NULL);
}

/*
 * parse_interval: read back what format_interval() wrote, nothing else.
 */
static bool
parse_interval(const char *string, Interval *interval)
{
	int			end = 0;

	return sscanf(string, INTERVAL_FORMAT "%n", &interval->month,
				  &interval->day, &interval->time, &end) == 3 &&
		string[end] == '\0' && end > 0;
}

/*
 * parse_premake: likewise.
 */
static bool
parse_premake(const char *string, int *premake)
{
	int			end = 0;

	return sscanf(string, "%d%n", premake, &end) == 1 && string[end] == '\0';
}

/*
 * is_width, is_retention, is_premake: can the setting be kept to?
 */
static bool
is_width(const Interval *width)
{
	return grid_is_valid(width) &&
		(width->month > 0 || width->day > 0 || width->time >= MIN_TIME_WIDTH);
}

static bool
is_retention(const Interval *keep)
{
	return keep->month >= 0 && keep->day >= 0 && keep->time >= 0 &&
		keep->month <= MAX_KEEP_YEARS * MONTHS_PER_YEAR &&
		keep->day <= MAX_KEEP_DAYS &&
		keep->time <= MAX_KEEP_DAYS * USECS_PER_DAY;
}

static bool
is_premake(int premake)
{
	return premake >= 0 && premake <= MAX_PREMAKE;
}

static char *
format_interval(const Interval *interval)
{
	return psprintf(INTERVAL_FORMAT, interval->month, interval->day,
					interval->time);
}

/*
 * read_settings: the settings from a trigger's arguments; false unless they
 * are such as create_log would write.
 *
 * Whoever wrote others by hand must not make the upkeep of all logs fail, or
 * never end.
 */
static bool
read_settings(const Trigger *trigger, LogSettings *settings)
{
	return trigger->tgnargs == 3 &&
		parse_interval(trigger->tgargs[0], &settings->partition_interval) &&
		parse_interval(trigger->tgargs[1], &settings->retention) &&
		parse_premake(trigger->tgargs[2], &settings->premake) &&
		is_width(&settings->partition_interval) &&
		is_retention(&settings->retention) &&
		is_premake(settings->premake);
}

/*
 * settings_find: the settings on an open table.
 *
 * The relation's list of triggers is valid until the next look at a catalog:
 * so the function is looked up before, and nothing while the list is read.
 */
SettingsState
settings_find(Relation rel, LogSettings *settings)
{
	Oid			function = eventlog_trigger_function(SETTINGS_FUNCTION);
	TriggerDesc *triggers = rel->trigdesc;
	SettingsState state = SETTINGS_MISSING;

	if (triggers == NULL || !OidIsValid(function))
		return SETTINGS_MISSING;
	for (int i = 0; i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];

		if (trigger->tgfoid != function)
			continue;
		if (read_settings(trigger, settings))
			return SETTINGS_FOUND;
		state = SETTINGS_INVALID;
	}
	return state;
}

/*
 * settings_require_valid: refuse what cannot be kept to.
 */
void
settings_require_valid(const LogSettings *settings)
{
	grid_require_valid(&settings->partition_interval, "partition_interval");
	if (!is_width(&settings->partition_interval))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("partition_interval must be at least one minute")));
	if (!is_retention(&settings->retention))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("retention must not be negative, nor longer than %d years",
						MAX_KEEP_YEARS),
				 errhint("'90 days' keeps events for ninety days, '0' keeps them forever.")));
	if (!is_premake(settings->premake))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("premake must be between 0 and %d: %d", MAX_PREMAKE,
						settings->premake)));
}

/*
 * settings_write: keep them on the table.
 */
void
settings_write(const char *log, const LogSettings *settings)
{
	run_sql(psprintf("CREATE OR REPLACE TRIGGER " SETTINGS_TRIGGER
					 " BEFORE TRUNCATE ON %s FOR EACH STATEMENT"
					 " EXECUTE FUNCTION eventlog." SETTINGS_FUNCTION
					 "('%s', '%s', '%d')", log,
					 format_interval(&settings->partition_interval),
					 format_interval(&settings->retention),
					 settings->premake),
			SPI_OK_UTILITY);
}
