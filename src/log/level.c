/*
 * level.c
 *		The five levels of severity, and the names that other systems have
 *		for them.
 */
#include "log/log.h"

#include "catalog/pg_enum.h"
#include "utils/inval.h"
#include "utils/syscache.h"

const char *const level_names[EVENT_NLEVELS] = {
	"debug", "info", "warning", "error", "critical"
};

/*
 * Level names of RFC 5424 (syslog), OpenTelemetry and log4j.
 */
static const struct
{
	const char *name;
	EventLevel	level;
}			level_aliases[] = {
	{"trace", LEVEL_DEBUG},
	{"information", LEVEL_INFO},
	{"notice", LEVEL_INFO},
	{"warn", LEVEL_WARNING},
	{"err", LEVEL_ERROR},
	{"crit", LEVEL_CRITICAL},
	{"fatal", LEVEL_CRITICAL},
	{"alert", LEVEL_CRITICAL},
	{"emerg", LEVEL_CRITICAL},
	{"emergency", LEVEL_CRITICAL},
	{"panic", LEVEL_CRITICAL}
};

static bool
is_name(const char *known, const char *name, int len)
{
	return strlen(known) == len && pg_strncasecmp(known, name, len) == 0;
}

/*
 * level_find: the level with this name, in any case; -1 if there is none.
 */
int
level_find(const char *name, int len)
{
	for (int level = 0; level < EVENT_NLEVELS; level++)
	{
		if (is_name(level_names[level], name, len))
			return level;
	}
	for (int i = 0; i < lengthof(level_aliases); i++)
	{
		if (is_name(level_aliases[i].name, name, len))
			return level_aliases[i].level;
	}
	return -1;
}

/*
 * level_of_syslog, level_of_opentelemetry: the level for a severity of RFC
 * 5424, 0 to 7, or of OpenTelemetry, 1 to 24; -1 if there is none.
 */
static int
level_of_syslog(int severity)
{
	static const EventLevel levels[] = {
		LEVEL_CRITICAL, LEVEL_CRITICAL, LEVEL_CRITICAL, LEVEL_ERROR,
		LEVEL_WARNING, LEVEL_INFO, LEVEL_INFO, LEVEL_DEBUG
	};

	return severity >= 0 && severity <= 7 ? levels[severity] : -1;
}

static int
level_of_opentelemetry(int severity)
{
	static const EventLevel levels[] = {
		LEVEL_DEBUG, LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARNING, LEVEL_ERROR,
		LEVEL_CRITICAL
	};

	return severity >= 1 && severity <= 24 ? levels[(severity - 1) / 4] : -1;
}

/*
 * level_from_word: the level for a name, or for a number of OpenTelemetry's or
 * else of syslog's; -1 if there is none.
 */
int
level_from_word(const char *word, int len, bool opentelemetry)
{
	int			number = 0;

	if (len < 1 || len > 2)
		return level_find(word, len);
	for (int i = 0; i < len; i++)
	{
		if (word[i] < '0' || word[i] > '9')
			return level_find(word, len);
		number = number * 10 + word[i] - '0';
	}
	return opentelemetry ? level_of_opentelemetry(number) :
		level_of_syslog(number);
}

/*
 * level_require: the level with this name; if there is none, an error that
 * lists the valid ones.
 */
EventLevel
level_require(const text *name)
{
	int			level = level_find(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));

	if (level < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown level \"%s\"", shown_value(name)),
				 errhint("Levels are debug, info, warning, error and critical.")));
	return (EventLevel) level;
}

/*
 * OIDs of the values of eventlog.level, until the enum changes in the catalog;
 * InvalidOid: not looked up yet.
 */
static Oid	level_oids[EVENT_NLEVELS];

static void
forget_level_oids(Datum arg, int cacheid, uint32 hashvalue)
{
	memset(level_oids, 0, sizeof(level_oids));
}

static Oid
lookup_level_oid(EventLevel level)
{
	static bool registered = false;
	Oid			value;

	if (!registered)
	{
		CacheRegisterSyscacheCallback(ENUMOID, forget_level_oids, (Datum) 0);
		registered = true;
	}
	value = GetSysCacheOid2(ENUMTYPOIDNAME, Anum_pg_enum_oid,
							ObjectIdGetDatum(eventlog_type_oid("level")),
							CStringGetDatum(level_names[level]));
	if (!OidIsValid(value))
		elog(ERROR, "eventlog.level lacks \"%s\"", level_names[level]);
	return value;
}

/*
 * level_enum_oid: the value of eventlog.level with this name.
 */
Oid
level_enum_oid(const text *name)
{
	EventLevel	level = level_require(name);

	if (!OidIsValid(level_oids[level]))
		level_oids[level] = lookup_level_oid(level);
	return level_oids[level];
}
