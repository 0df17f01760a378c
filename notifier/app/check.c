/*
 * check.c
 *		--check: the checks of the database.
 */
#include "app/check.h"

#include "app/inquiry.h"
#include "net/setup.h"

/*
 * check_extension: does the extension exist, in a version that fits?
 */
static void
check_extension(Inquiry *inquiry)
{
	PGresult   *result = inquiry_ask(inquiry,
									 "SELECT extversion FROM pg_catalog.pg_extension"
									 " WHERE extname = 'eventlog'", 0, NULL);

	if (result && PQntuples(result) == 0)
		inquiry_wrong(inquiry, "database: database %s does not have the extension eventlog; run CREATE EXTENSION eventlog",
					  PQdb(inquiry->conn));
	else if (result && !setup_fits(PQgetvalue(result, 0, 0)))
		inquiry_wrong(inquiry, "database: the extension has version %s, but the notifier has version %s; run ALTER EXTENSION eventlog UPDATE, or update the notifier",
					  PQgetvalue(result, 0, 0), EVENTLOG_VERSION);
	PQclear(result);
}

/*
 * check_log: does the log exist, and may this role read its events?
 */
static void
check_log(Inquiry *inquiry, const char *log)
{
	PGresult   *result =
		inquiry_ask(inquiry, "SELECT pg_catalog.to_regclass(l.name), l.name, current_user,"
					" pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE')"
					" AND pg_catalog.has_table_privilege(c.oid, 'SELECT')"
					" FROM (SELECT COALESCE($1,"
					" pg_catalog.current_setting('eventlog.default_log', true), 'events')) l(name)"
					" LEFT JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(l.name)",
					1, &log);

	if (result == NULL)
		return;
	if (PQgetisnull(result, 0, 0))
		inquiry_wrong(inquiry, "log: \"%s\" does not exist; create it with SELECT eventlog.create_log(...)",
					  PQgetvalue(result, 0, 1));
	else if (*PQgetvalue(result, 0, 3) != 't')
		inquiry_wrong(inquiry, "log: role %s may not read %s; run GRANT SELECT ON %s TO %s",
					  PQgetvalue(result, 0, 2), PQgetvalue(result, 0, 0),
					  PQgetvalue(result, 0, 0), PQgetvalue(result, 0, 2));
	PQclear(result);
}

bool
check_database(const Config *config, ReaderComplain complain)
{
	Inquiry		inquiry;

	if (inquiry_begin(&inquiry, config->database, complain))
	{
		check_extension(&inquiry);
		if (inquiry.ok)
			check_log(&inquiry, config->log);
	}
	return inquiry_end(&inquiry);
}
