/*
 * inquiry.c
 *		A few blocking statements, for the tasks of the command line.
 */
#include "app/inquiry.h"

#include "base/logging.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
inquiry_wrong(Inquiry *inquiry, const char *format,...)
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
	inquiry->complain(LOG_LEVEL_ERROR, shown);
	inquiry->ok = false;
}

bool
inquiry_begin(Inquiry *inquiry, const char *database, ReaderComplain complain)
{
	const char *const names[] = {
		"fallback_application_name", "connect_timeout", "client_encoding",
		"dbname", NULL
	};
	const char *const values[] = {
		"eventlog-notifier check", "10", "UTF8", database, NULL
	};

	*inquiry = (Inquiry)
	{
		.conn = PQconnectdbParams(names, values, 1),.complain = complain,
			.ok = true
	};
	if (PQstatus(inquiry->conn) == CONNECTION_OK)
		return true;
	inquiry_wrong(inquiry, "database: %s", PQerrorMessage(inquiry->conn));
	return false;
}

bool
inquiry_end(Inquiry *inquiry)
{
	PQfinish(inquiry->conn);
	return inquiry->ok;
}

PGresult *
inquiry_ask(Inquiry *inquiry, const char *sql, int n,
			const char *const *params)
{
	PGresult   *result = PQexecParams(inquiry->conn, sql, n, NULL, params, NULL,
									  NULL, 0);

	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		return result;
	inquiry_wrong(inquiry, "database: %s", PQresultErrorMessage(result));
	PQclear(result);
	return NULL;
}
