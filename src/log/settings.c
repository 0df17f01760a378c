/*
 * settings.c
 *		The settings of a log, which are stored on the log itself.
 *
 * They are the arguments of a trigger of the log, eventlog_settings.  So they
 * follow the log through rename, dump and restore, and are dropped with it.
 * It is a TRUNCATE trigger because such a trigger exists on the parent only:
 * changing it touches no partition, and it costs writers nothing.  A table
 * that has this trigger, and the right shape, is a log; nothing else records
 * that.
 *
 * Anybody can put such a trigger on a table of their own, with any arguments.
 * So the arguments are checked each time they are read.
 */
#include "log/log.h"

#include "catalog/namespace.h"
#include "executor/spi.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#define SETTINGS_TRIGGER	"eventlog_settings"

/*
 * bounds of the settings; they keep time arithmetic within range
 */
#define MIN_TIME_WIDTH		USECS_PER_MINUTE	/* the resolution of partition
												 * names */
#define MAX_KEEP_YEARS		1000
#define MAX_KEEP_DAYS		(MAX_KEEP_YEARS * 366)
#define MAX_PREMAKE			1000

#define EXPIRY_DROP		"drop"
#define EXPIRY_DETACH	"detach"

PG_FUNCTION_INFO_V1(eventlog_settings);

/*
 * eventlog._settings(): does nothing; its arguments are the settings.
 */
Datum
eventlog_settings(PG_FUNCTION_ARGS)
{
	return PointerGetDatum(NULL);
}

/*
 * parse_interval: read what interval_text() wrote, and nothing else.
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
 * parse_premake: the same for premake.
 */
static bool
parse_premake(const char *string, int *premake)
{
	int			end = 0;

	return sscanf(string, "%d%n", premake, &end) == 1 && string[end] == '\0';
}

/*
 * parse_expiry: read what becomes of expired partitions.  Logs that drop them
 * have no arguments for it.
 */
static bool
parse_expiry(const Trigger *trigger, LogSettings *settings)
{
	settings->detaches = trigger->tgnargs == 5;
	settings->archive_schema[0] = '\0';
	if (!settings->detaches)
		return trigger->tgnargs == 3;
	strlcpy(settings->archive_schema, trigger->tgargs[4], NAMEDATALEN);
	return strcmp(trigger->tgargs[3], EXPIRY_DETACH) == 0;
}

/*
 * is_width, is_retention, is_premake: is the setting within its bounds?
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

/*
 * read_settings: read the settings from a trigger's arguments; false unless
 * create_log could have written them.
 *
 * Arguments written by hand must not make the upkeep of all logs fail, or
 * never end.
 */
static bool
read_settings(const Trigger *trigger, LogSettings *settings)
{
	return parse_expiry(trigger, settings) &&
		parse_interval(trigger->tgargs[0], &settings->partition_interval) &&
		parse_interval(trigger->tgargs[1], &settings->retention) &&
		parse_premake(trigger->tgargs[2], &settings->premake) &&
		is_width(&settings->partition_interval) &&
		is_retention(&settings->retention) &&
		is_premake(settings->premake);
}

/*
 * settings_find: find the settings of an open table.
 *
 * The relation's trigger list is valid until the next catalog access.  So the
 * function is looked up first, and nothing else while the list is read.
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
 * settings_require_valid: raise an error for settings out of bounds.
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
 * parse_on_expiry: is it 'detach'?  An error unless it is that or 'drop'.
 */
static bool
parse_on_expiry(const text *value)
{
	char	   *string = text_to_cstring(value);

	if (strcmp(string, EXPIRY_DETACH) != 0 && strcmp(string, EXPIRY_DROP) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("on_expiry must be '" EXPIRY_DROP "' or '" EXPIRY_DETACH "': \"%s\"",
						string)));
	return strcmp(string, EXPIRY_DETACH) == 0;
}

/*
 * find_archive_schema: the name of a schema in which the owner of a log may
 * create tables.
 */
static char *
find_archive_schema(const text *value, Oid owner)
{
	char	   *name = text_to_cstring(value);
	Oid			schema;

	if (name[0] == '\0')
		return name;
	schema = get_namespace_oid(name, false);
	if (isAnyTempNamespace(schema))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("archive_schema must not be temporary: \"%s\"", name)));
	if (compat_schema_aclcheck(schema, owner, ACL_CREATE) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the owner of the log may not create tables in archive_schema \"%s\"",
						name),
				 errhint("Grant CREATE on the schema to the owner of the log.")));
	return name;
}

/*
 * settings_set_expiry: set what becomes of expired partitions, by an argument
 * of create_log or alter_log and the next one; returns whether any was given.
 */
bool
settings_set_expiry(FunctionCallInfo fcinfo, int argno, LogSettings *settings,
					Oid owner)
{
	/* absent if the function is that of an older version */
	bool		sets_action = PG_NARGS() > argno + 1 && !PG_ARGISNULL(argno);
	bool		sets_schema = PG_NARGS() > argno + 1 && !PG_ARGISNULL(argno + 1);

	if (sets_action)
		settings->detaches = parse_on_expiry(PG_GETARG_TEXT_PP(argno));
	if (!settings->detaches)
		settings->archive_schema[0] = '\0';
	if (sets_schema && !settings->detaches)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("archive_schema is for partitions that are detached"),
				 errhint("Give on_expiry => '" EXPIRY_DETACH "' too.")));
	if (sets_schema)
		strlcpy(settings->archive_schema,
				find_archive_schema(PG_GETARG_TEXT_PP(argno + 1), owner),
				NAMEDATALEN);
	return sets_action || sets_schema;
}

/*
 * settings_write: store the settings on the table.
 */
void
settings_write(const char *log, const LogSettings *settings)
{
	char	   *expiry = settings->detaches ?
		psprintf(", '" EXPIRY_DETACH "', %s",
				 quote_literal_cstr(settings->archive_schema)) : "";

	run_sql(psprintf("CREATE OR REPLACE TRIGGER " SETTINGS_TRIGGER
					 " BEFORE TRUNCATE ON %s FOR EACH STATEMENT"
					 " EXECUTE FUNCTION eventlog." SETTINGS_FUNCTION
					 "('%s', '%s', '%d'%s)", log,
					 interval_text(&settings->partition_interval),
					 interval_text(&settings->retention),
					 settings->premake, expiry),
			SPI_OK_UTILITY);
}
