/*
 * statements.c
 *		The SQL of a webhook, and the payload formats as expressions over
 *		f.event.
 *
 * standard: the envelope that Standard Webhooks 1.0.0 recommends.
 * cloudevents: CloudEvents 1.0, JSON format, structured mode.
 * anchore: the notifications of Anchore Engine.
 * otlp: an element of resourceLogs of OpenTelemetry's OTLP/JSON.
 * template: the input of template_render().
 */
#include "webhook/statements.h"

#define LOG "log => $2::pg_catalog.regclass"

const char	statement_subscribe[] =
"SELECT eventlog.subscribe($1, $3::pg_catalog.text[], $4,"
" $2::pg_catalog.regclass)";

/* as in the view eventlog.subscriptions */
const char	statement_consumers[] =
"SELECT pg_catalog.hashtextextended(COALESCE(pg_catalog.string_agg("
"pg_catalog.concat(l.objid, ' ', l.pid), ',' ORDER BY l.objid, l.pid), ''), 0)"
" FROM pg_catalog.pg_locks l"
" WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory'"
" AND l.classid OPERATOR(pg_catalog.=) 1702259815::pg_catalog.oid"
" AND l.objsubid OPERATOR(pg_catalog.=) 3"
" AND l.database OPERATOR(pg_catalog.=) (SELECT d.oid"
" FROM pg_catalog.pg_database d WHERE d.datname"
" OPERATOR(pg_catalog.=) pg_catalog.current_database())"
" AND l.granted AND $1::pg_catalog.text IS NOT NULL"
" AND $2::pg_catalog.text IS NOT NULL";

/* a running notifier sends a statement every few seconds */
const char	statement_obstacles[] =
"SELECT o.name, o.\"foreign\", o.ownerless FROM (SELECT s.name,"
" a.pid IS NOT NULL AND (NOT"
" pg_catalog.starts_with(COALESCE(a.application_name, ''), 'eventlog-notifier ')"
" OR COALESCE(GREATEST(a.query_start, a.state_change)"
" OPERATOR(pg_catalog.<) (pg_catalog.clock_timestamp()"
" OPERATOR(pg_catalog.-) '1 min'::pg_catalog.interval), false)) \"foreign\","
" NOT EXISTS (SELECT FROM pg_catalog.pg_roles r"
" WHERE r.oid OPERATOR(pg_catalog.=) s.owner::pg_catalog.oid) ownerless"
" FROM eventlog._subscriptions() s"
" LEFT JOIN pg_catalog.pg_stat_activity a"
" ON a.pid OPERATOR(pg_catalog.=) s.consumer"
" WHERE s.log::pg_catalog.oid OPERATOR(pg_catalog.=) $1::pg_catalog.oid) o"
" WHERE o.\"foreign\" OR o.ownerless";

const char	statement_listen[] =
"SELECT eventlog.listen($1, " LOG "),"
" pg_catalog.current_setting('max_prepared_transactions')::pg_catalog.int4"
" OPERATOR(pg_catalog.>) 0";

const char	statement_release[] = "SELECT eventlog.release($1, " LOG ")";

const char	statement_pause[] = "SELECT eventlog.pause($1, " LOG ")";

const char	statement_ack[] =
"SELECT eventlog.ack($1, $3::pg_catalog.int8[], " LOG ")";

const char	statement_fail[] =
"SELECT eventlog.fail_batch($1, $3::pg_catalog.int8[],"
" $4::pg_catalog.text[], ARRAY("
"SELECT pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+)"
" pg_catalog.make_interval(secs => u.seconds)"
" FROM pg_catalog.unnest($5::pg_catalog.float8[])"
" WITH ORDINALITY u(seconds, n) ORDER BY u.n), " LOG ")";

const char	statement_retries[] =
"SELECT pg_catalog.count(*),"
" pg_catalog.count(*) FILTER (WHERE d.next_attempt_at"
" OPERATOR(pg_catalog.>) pg_catalog.statement_timestamp()),"
" (EXTRACT(epoch FROM pg_catalog.min(d.next_attempt_at)"
" FILTER (WHERE d.next_attempt_at"
" OPERATOR(pg_catalog.>) pg_catalog.statement_timestamp())"
" OPERATOR(pg_catalog.-) pg_catalog.statement_timestamp())"
" OPERATOR(pg_catalog.*) 1000)::pg_catalog.int8"
" FROM eventlog.deliveries d"
" WHERE d.subscription OPERATOR(pg_catalog.=) $1"
" AND d.log::pg_catalog.oid OPERATOR(pg_catalog.=) $2::pg_catalog.oid"
" AND d.state OPERATOR(pg_catalog.=) 'retrying'";

/* does the webhook want it? */
#define WANTED \
	"(($6::pg_catalog.text IS NULL" \
	" OR COALESCE((f.event).resource_type OPERATOR(pg_catalog.=) $6, false))" \
	" AND ($7::pg_catalog.text IS NULL" \
	" OR COALESCE((f.event).source_service OPERATOR(pg_catalog.=) $7, false)))"

#define FETCH_SQL(body) \
	"SELECT f.seq, f.attempts, (f.event).id," \
	" (EXTRACT(epoch FROM pg_catalog.clock_timestamp()" \
	"          OPERATOR(pg_catalog.-) (f.event).created_at)" \
	"  OPERATOR(pg_catalog.*) 1000)::pg_catalog.int8," \
	" (f.event).user_id, CASE WHEN " WANTED " THEN (" body ")::pg_catalog.text END," \
	" " WANTED \
	" FROM eventlog.fetch($1, $3::pg_catalog.int4," \
	" $4::pg_catalog.int8, " LOG ") f" \
	" WHERE $5::pg_catalog.int8 IS NOT NULL"

#define OCCURRED_AT	"eventlog.utc((f.event).occurred_at)"

/* a URI reference: characters that must not stand in one become '-' */
#define SOURCE \
	"pg_catalog.regexp_replace(pg_catalog.concat('/'," \
	" COALESCE((f.event).source_host, '-'), '/'," \
	" COALESCE((f.event).source_service, '-'))," \
	" '[^A-Za-z0-9._~/-]', '-', 'g')"

#define EPOCH(t) "EXTRACT(epoch FROM " t ")::pg_catalog.int8"

#define NANOSECONDS(t) \
	"pg_catalog.concat((EXTRACT(epoch FROM " t ")" \
	" OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8, '000')"

/* OpenTelemetry's attributes, from rows (name, value) */
#define ATTRIBUTES(rows) \
	"(SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object('key', a.key," \
	" 'value', pg_catalog.json_build_object('stringValue', a.value)))," \
	" '[]'::pg_catalog.json) FROM (VALUES " rows ") a(key, value)" \
	" WHERE a.value IS NOT NULL)"

/* a key of the details, if it has so many hexadecimal digits */
#define HEX(key, digits) \
	"pg_catalog.\"substring\"((f.event).details OPERATOR(pg_catalog.->>) '" key "'," \
	" '^[0-9a-f]{" digits "}$')"

#define RESOURCE_ATTRIBUTES \
	ATTRIBUTES("('service.name', (f.event).source_service)," \
			   " ('host.name', (f.event).source_host)")

#define RECORD_ATTRIBUTES \
	ATTRIBUTES("('eventlog.id', (f.event).id::pg_catalog.text)," \
			   " ('eventlog.resource.id', (f.event).resource_id)," \
			   " ('eventlog.resource.type', (f.event).resource_type)," \
			   " ('eventlog.category', (f.event).category)," \
			   " ('eventlog.details', (f.event).details::pg_catalog.text)," \
			   " ('eventlog.base_url', (f.event).base_url)," \
			   " ('eventlog.request_id', (f.event).request_id)," \
			   " ('user.id', (f.event).user_id)")

const char	statement_fetch_bare[] = FETCH_SQL("NULL");

const char *
statement_fetch(PayloadFormat format)
{
	switch (format)
	{
		case FORMAT_CLOUDEVENTS:
			/* nulls are left out, except within data */
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
							 " 'dataId', f.seq::pg_catalog.text,"
							 " 'created_at', " EPOCH("(f.event).created_at") ","
							 " 'last_updated', " EPOCH("pg_catalog.clock_timestamp()") ","
							 " 'record_state_key', 'active',"
							 " 'record_state_val', NULL,"
							 " 'tries', f.attempts,"
							 " 'max_tries', " EPOCH("(f.event).created_at")
							 " OPERATOR(pg_catalog.+) $5::pg_catalog.int8,"
							 " 'data', pg_catalog.json_build_object("
							 "'notification_user', (f.event).user_id,"
							 " 'notification_user_email', NULL,"
							 " 'notification_type', 'event_log',"
							 " 'notification_payload',"
							 " pg_catalog.concat("
							 "pg_catalog.rtrim(pg_catalog.json_build_object("
							 "'userId', (f.event).user_id,"
							 " 'notificationId', f.seq::pg_catalog.text)::pg_catalog.text, '}'),"
							 " ',', pg_catalog.ltrim("
							 "eventlog.event_json(CASE"
							 " WHEN (f.event).details IS NULL THEN"
							 " pg_catalog.jsonb_populate_record(f.event,"
							 " '{\"details\": {}}') ELSE f.event END)"
							 "::pg_catalog.text, '{'))"
							 "::pg_catalog.json))");
		case FORMAT_OTLP:
			return FETCH_SQL("pg_catalog.json_build_object("
							 "'resource', pg_catalog.json_build_object('attributes', " RESOURCE_ATTRIBUTES "),"
							 " 'scopeLogs', pg_catalog.json_build_array(pg_catalog.json_build_object("
							 "'scope', pg_catalog.json_build_object('name', 'eventlog'),"
							 " 'logRecords', pg_catalog.json_build_array("
							 "pg_catalog.json_strip_nulls(pg_catalog.json_build_object("
							 "'timeUnixNano', " NANOSECONDS("(f.event).occurred_at") ","
							 " 'observedTimeUnixNano', " NANOSECONDS("(f.event).created_at") ","
							 " 'severityNumber', CASE (f.event).level::pg_catalog.text"
							 " WHEN 'debug' THEN 5 WHEN 'info' THEN 9 WHEN 'warning' THEN 13"
							 " WHEN 'error' THEN 17 ELSE 21 END,"
							 " 'severityText', (f.event).level,"
							 " 'eventName', (f.event).event_type,"
							 " 'body', pg_catalog.json_build_object('stringValue',"
							 " COALESCE((f.event).message, (f.event).event_type)),"
							 " 'attributes', " RECORD_ATTRIBUTES ","
							 " 'traceId', " HEX("trace_id", "32") ","
							 " 'spanId', " HEX("span_id", "16") "))))))");
		case FORMAT_TEMPLATE:
			return FETCH_SQL("pg_catalog.json_build_object("
							 "'attempt', f.attempts OPERATOR(pg_catalog.+) 1,"
							 " 'event', pg_catalog.to_jsonb(f.event) OPERATOR(pg_catalog.||)"
							 " pg_catalog.jsonb_build_object("
							 "'occurred_at', " OCCURRED_AT ","
							 " 'created_at', eventlog.utc((f.event).created_at)))");
		case FORMAT_STANDARD:
			break;
	}
	return FETCH_SQL("pg_catalog.json_build_object("
					 "'type', (f.event).event_type,"
					 " 'timestamp', " OCCURRED_AT ","
					 " 'data', eventlog.event_json(f.event))");
}
