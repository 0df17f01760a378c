/*
 * payload.c
 *		The three formats, as expressions of SQL over f.event, and the url.
 *
 * standard: the envelope that Standard Webhooks 1.0.0 recommends.
 * cloudevents: CloudEvents 1.0, JSON format, structured mode.
 * anchore: what receivers of Anchore's webhooks get.
 */
#include "payload.h"

#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOTIFICATION_TYPE	"event_update"

#define FETCH_SQL(body) \
	"SELECT f.seq, f.attempts, (f.event).id," \
	" (EXTRACT(epoch FROM pg_catalog.clock_timestamp()" \
	"          OPERATOR(pg_catalog.-) (f.event).created_at)" \
	"  OPERATOR(pg_catalog.*) 1000)::pg_catalog.int8," \
	" (f.event).user_id, (" body ")::pg_catalog.text" \
	" FROM eventlog.fetch($1, $2::pg_catalog.int4) f" \
	" WHERE $3::pg_catalog.int8 IS NOT NULL"

#define OCCURRED_AT	"eventlog.utc((f.event).occurred_at)"

/* of a URI reference, without what may not stand in one */
#define SOURCE \
	"pg_catalog.regexp_replace(pg_catalog.concat('/'," \
	" COALESCE((f.event).source_host, '-'), '/'," \
	" COALESCE((f.event).source_service, '-'))," \
	" '[^A-Za-z0-9._~/-]', '-', 'g')"

#define EPOCH(t) "EXTRACT(epoch FROM " t ")::pg_catalog.int8"

const char *
payload_fetch_sql(PayloadFormat format)
{
	switch (format)
	{
		case FORMAT_CLOUDEVENTS:
			/* without nulls, but for those within data */
			return FETCH_SQL("pg_catalog.concat("
							 "pg_catalog.rtrim(pg_catalog.json_strip_nulls("
							 "pg_catalog.json_build_object("
							 "'specversion', '1.0',"
							 " 'id', (f.event).id,"
							 " 'source', " SOURCE ","
							 " 'type', (f.event).event_type,"
							 " 'subject', NULLIF((f.event).resource_id, ''),"
							 " 'time', " OCCURRED_AT ","
							 " 'level', (f.event).level,"
							 " 'datacontenttype', 'application/json'))"
							 "::pg_catalog.text, '}'),"
							 " ',\"data\":', eventlog.event_json(f.event), '}')");
		case FORMAT_ANCHORE:
			return FETCH_SQL("pg_catalog.json_build_object("
							 "'queueId', 'event_log',"
							 " 'userId', (f.event).user_id,"
							 " 'dataId', f.seq,"
							 " 'created_at', " EPOCH("(f.event).created_at") ","
							 " 'last_updated', " EPOCH("pg_catalog.clock_timestamp()") ","
							 " 'record_state_key', 'active',"
							 " 'record_state_val', NULL,"
							 " 'tries', f.attempts,"
							 " 'max_tries', " EPOCH("(f.event).created_at")
							 " OPERATOR(pg_catalog.+) $3::pg_catalog.int8,"
							 " 'data', pg_catalog.json_build_object("
							 "'notification_user', (f.event).user_id,"
							 " 'notification_user_email', NULL,"
							 " 'notification_type', 'event_log',"
							 " 'notification_payload',"
							 " pg_catalog.concat("
							 "pg_catalog.rtrim(pg_catalog.json_build_object("
							 "'userId', (f.event).user_id,"
							 " 'notificationId', f.seq)::pg_catalog.text, '}'),"
							 " ',', pg_catalog.ltrim("
							 "eventlog.event_json(f.event)::pg_catalog.text, '{'))"
							 "::pg_catalog.json))");
		case FORMAT_STANDARD:
			break;
	}
	return FETCH_SQL("pg_catalog.json_build_object("
					 "'type', (f.event).event_type,"
					 " 'timestamp', " OCCURRED_AT ","
					 " 'data', eventlog.event_json(f.event))");
}

/*
 * The charset in lower case: it means the same in any, but the CloudEvents SDK
 * for JavaScript looks the whole value up.
 */
const char *
payload_content_type(PayloadFormat format, bool batch)
{
	if (format != FORMAT_CLOUDEVENTS)
		return "Content-Type: application/json";
	return batch ?
		"Content-Type: application/cloudevents-batch+json; charset=utf-8" :
		"Content-Type: application/cloudevents+json; charset=utf-8";
}

/*
 * append: text to an allocated string that grows; NULL when memory lacks, and
 * then the string is freed.
 */
static char *
append(char *to, const char *text, size_t len)
{
	size_t		old = to ? strlen(to) : 0;
	char	   *grown = realloc(to, old + len + 1);

	if (grown == NULL)
	{
		free(to);
		return NULL;
	}
	memcpy(grown + old, text, len);
	grown[old + len] = '\0';
	return grown;
}

char *
payload_url(const char *url, const char *user_id)
{
	char	   *escaped = http_escape(user_id ? user_id : "");
	char	   *result = escaped ? append(NULL, "", 0) : NULL;

	while (result && *url)
	{
		size_t		plain = strcspn(url, "<");

		result = append(result, url, plain);
		url += plain;
		if (result == NULL || *url == '\0')
			break;
		if (strncmp(url, "<userId>", 8) == 0)
			result = append(result, escaped, strlen(escaped));
		else
			result = append(result, NOTIFICATION_TYPE,
							strlen(NOTIFICATION_TYPE));
		url += strcspn(url, ">") + 1;
	}
	free(escaped);
	return result;
}

bool
payload_user_fits(const char *url, const char *user_id)
{
	const char *at = strstr(url, "<userId>");
	bool		dots = user_id &&
	(strcmp(user_id, ".") == 0 || strcmp(user_id, "..") == 0);

	return !dots || at == NULL ||
		memchr(url, '?', (size_t) (at - url)) != NULL;
}
