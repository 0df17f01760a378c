/*
 * session_report.c
 *		Logs the server's errors and warnings.
 */
#include "net/session.h"

#include <stdio.h>
#include <string.h>

bool
session_succeeded(const PGresult *result)
{
	return PQresultStatus(result) == PGRES_TUPLES_OK ||
		PQresultStatus(result) == PGRES_COMMAND_OK;
}

/*
 * field: a field of an error, printable; NULL: not present.
 */
static const char *
field(const PGresult *report, int code, char *to, size_t size)
{
	const char *text = PQresultErrorField(report, code);

	if (text == NULL)
		return NULL;
	printable(to, size, text, strlen(text));
	return to;
}

void
session_report(LogLevel level, const char *what, const char *name,
			   const char *about, const PGresult *report)
{
	char		line[1024];
	char		detail[1024];
	char		hint[1024];
	char		state[16];
	const char *message = field(report, PG_DIAG_MESSAGE_PRIMARY, line,
								sizeof(line));

	if (message == NULL)
	{
		message = PQresultErrorMessage(report);
		printable(line, sizeof(line), message, strlen(message));
	}
	log_event(level, what, name ? name : "sqlstate",
			  name ? about : field(report, PG_DIAG_SQLSTATE, state, sizeof(state)),
			  "sqlstate",
			  name ? field(report, PG_DIAG_SQLSTATE, state, sizeof(state)) : NULL,
			  "error", line,
			  "detail", field(report, PG_DIAG_MESSAGE_DETAIL, detail, sizeof(detail)),
			  "hint", field(report, PG_DIAG_MESSAGE_HINT, hint, sizeof(hint)),
			  NULL);
}
