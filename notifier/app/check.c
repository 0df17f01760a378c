/*
 * check.c
 *		What --check tries.
 */
#include "app/check.h"

#include "app/inquiry.h"
#include "net/setup.h"

/*
 * check_extension: is it there, and does it fit?
 */
static void
check_extension(Inquiry *inquiry)
{
	PGresult   *result = inquiry_ask(inquiry,
									 "SELECT extversion FROM pg_catalog.pg_extension"
									 " WHERE extname = $1", "eventlog", NULL, NULL);

	if (result && PQntuples(result) == 0)
		inquiry_wrong(inquiry, "database: the extension eventlog is not in database %s; CREATE EXTENSION eventlog",
					  PQdb(inquiry->conn));
	else if (result && !setup_fits(PQgetvalue(result, 0, 0)))
		inquiry_wrong(inquiry, "database: the extension is version %s and the notifier %s; ALTER EXTENSION eventlog UPDATE, or update the notifier",
					  PQgetvalue(result, 0, 0), EVENTLOG_VERSION);
	PQclear(result);
}

/*
 * check_log: does it exist, and may its events be read?
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
					log, NULL, NULL);

	if (result == NULL)
		return;
	if (PQgetisnull(result, 0, 0))
		inquiry_wrong(inquiry, "log: there is no \"%s\"; SELECT eventlog.create_log(...) makes one",
					  PQgetvalue(result, 0, 1));
	else if (*PQgetvalue(result, 0, 3) != 't')
		inquiry_wrong(inquiry, "log: role %s may not read %s; GRANT SELECT ON %s TO %s",
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
