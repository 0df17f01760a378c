/*
 * dead.c
 *		--dead and --retry.
 */
#include "app/dead.h"

#include "app/inquiry.h"
#include "base/logging.h"

#include <stdio.h>
#include <string.h>

#define LOG "COALESCE($1, pg_catalog.current_setting('eventlog.default_log', true), 'events')::pg_catalog.regclass"

bool
dead_list(const Config *config, const char *name, ReaderComplain complain)
{
	const char *params[] = {config->log, name};
	Inquiry		inquiry;
	PGresult   *result = NULL;

	if (inquiry_begin(&inquiry, config->database, complain))
		result = inquiry_ask(&inquiry,
							 "SELECT d.subscription, d.seq, d.event_id, d.attempts,"
							 " eventlog.utc(eventlog.id_time(d.event_id)), d.last_error"
							 " FROM eventlog.deliveries d"
							 " WHERE d.state OPERATOR(pg_catalog.=) 'dead'"
							 " AND d.log::pg_catalog.oid OPERATOR(pg_catalog.=) " LOG "::pg_catalog.oid"
							 " AND ($2::pg_catalog.text IS NULL"
							 " OR d.subscription OPERATOR(pg_catalog.=) $2)"
							 " ORDER BY d.subscription, d.seq",
							 2, params);
	for (int row = 0; row < PQntuples(result); row++)
	{
		char		why[2048];

		printable(why, sizeof(why), PQgetvalue(result, row, 5),
				  strlen(PQgetvalue(result, row, 5)));
		printf("webhook=%s seq=%s event=%s occurred_at=%s attempts=%s error=\"%s\"\n",
			   PQgetvalue(result, row, 0), PQgetvalue(result, row, 1),
			   PQgetvalue(result, row, 2), PQgetvalue(result, row, 4),
			   PQgetvalue(result, row, 3), why);
	}
	PQclear(result);
	return inquiry_end(&inquiry);
}

bool
dead_retry(const Config *config, const char *name, const char *seq,
		   ReaderComplain complain)
{
	const char *params[] = {config->log, name, seq};
	Inquiry		inquiry;
	PGresult   *result = NULL;

	if (inquiry_begin(&inquiry, config->database, complain))
		result = inquiry_ask(&inquiry,
							 "SELECT eventlog.retry($2, $3::pg_catalog.int8, log => " LOG ")",
							 3, params);
	if (result)
		printf("%s owed again\n", PQgetvalue(result, 0, 0));
	PQclear(result);
	return inquiry_end(&inquiry);
}
