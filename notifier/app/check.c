/*
 * check.c
 *		What --check tries: here libpq may block, since nothing else goes on.
 */
#include "app/check.h"

#include "base/logging.h"
#include "net/setup.h"

#include <libpq-fe.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Check
{
	PGconn	   *conn;
	ReaderComplain complain;
	bool		ok;
} Check;

static void wrong(Check *check, const char *format,...)
			__attribute__((format(printf, 2, 3)));

static void
wrong(Check *check, const char *format,...)
{
	char		message[2048];
	char		shown[2048];
	size_t		len;
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	len = strlen(message);
	while (len > 0 && message[len - 1] == '\n')
		len--;
	printable(shown, sizeof(shown), message, len);
	check->complain(LOG_LEVEL_ERROR, shown);
	check->ok = false;
}

/*
 * ask: a statement that gives one row or more; NULL, and a complaint, when it
 * does not work.
 */
static PGresult *
ask(Check *check, const char *sql, const char *param)
{
	const char *params[] = {param};
	PGresult   *result = PQexecParams(check->conn, sql, 1, NULL, params, NULL,
									  NULL, 0);

	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		return result;
	wrong(check, "database: %s", PQresultErrorMessage(result));
	PQclear(result);
	return NULL;
}

static bool
connect_to(Check *check, const char *database)
{
	const char *const names[] = {
		"fallback_application_name", "connect_timeout", "client_encoding",
		"dbname", NULL
	};
	const char *const values[] = {
		"eventlog-notifier check", "10", "UTF8", database, NULL
	};

	check->conn = PQconnectdbParams(names, values, 1);
	if (PQstatus(check->conn) == CONNECTION_OK)
		return true;
	wrong(check, "database: %s", PQerrorMessage(check->conn));
	return false;
}

/*
 * check_extension: is it there, and does it fit?
 */
static void
check_extension(Check *check)
{
	PGresult   *result = ask(check, "SELECT extversion FROM pg_catalog.pg_extension"
							 " WHERE extname = $1", "eventlog");

	if (result && PQntuples(result) == 0)
		wrong(check, "database: the extension eventlog is not in database %s; CREATE EXTENSION eventlog",
			  PQdb(check->conn));
	else if (result && !setup_fits(PQgetvalue(result, 0, 0)))
		wrong(check, "database: the extension is version %s and the notifier %s; ALTER EXTENSION eventlog UPDATE, or update the notifier",
			  PQgetvalue(result, 0, 0), EVENTLOG_VERSION);
	PQclear(result);
}

/*
 * check_log: does it exist, and may its events be read?
 */
static void
check_log(Check *check, const char *log)
{
	PGresult   *result =
	ask(check, "SELECT pg_catalog.to_regclass(l.name), l.name, current_user,"
		" pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE')"
		" AND pg_catalog.has_table_privilege(c.oid, 'SELECT')"
		" FROM (SELECT COALESCE($1,"
		" pg_catalog.current_setting('eventlog.default_log', true), 'events')) l(name)"
		" LEFT JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(l.name)",
		log);

	if (result == NULL)
		return;
	if (PQgetisnull(result, 0, 0))
		wrong(check, "log: there is no \"%s\"; SELECT eventlog.create_log(...) makes one",
			  PQgetvalue(result, 0, 1));
	else if (*PQgetvalue(result, 0, 3) != 't')
		wrong(check, "log: role %s may not read %s; GRANT SELECT ON %s TO %s",
			  PQgetvalue(result, 0, 2), PQgetvalue(result, 0, 0),
			  PQgetvalue(result, 0, 0), PQgetvalue(result, 0, 2));
	PQclear(result);
}

bool
check_database(const Config *config, ReaderComplain complain)
{
	Check		check = {.complain = complain,.ok = true};

	if (connect_to(&check, config->database))
	{
		check_extension(&check);
		if (check.ok)
			check_log(&check, config->log);
	}
	PQfinish(check.conn);
	return check.ok;
}
