-- eventlog: the install script

\echo Use "CREATE EXTENSION eventlog" to load this file. \quit

-- Without IF NOT EXISTS: an existing schema may belong to somebody else, who could
-- plant functions in it.
CREATE SCHEMA eventlog;
GRANT USAGE ON SCHEMA eventlog TO PUBLIC;
COMMENT ON SCHEMA eventlog IS
  'event logs: writing, reading, clearing, retention and webhooks';

--
-- Events: levels, identifiers, the nested JSON form
--

CREATE TYPE eventlog.level AS ENUM
  ('debug', 'info', 'warning', 'error', 'critical');
COMMENT ON TYPE eventlog.level IS
  'severity: debug < info < warning < error < critical; functions that take a level as text accept any case, and the level names of syslog, OpenTelemetry and log4j';

CREATE TYPE eventlog.event AS (
  id uuid,
  event_type text,
  level eventlog.level,
  resource_id text,
  resource_type text,
  source_service text,
  source_host text,
  occurred_at timestamptz,
  message text,
  category text,
  details jsonb,
  user_id text,
  base_url text,
  request_id text,
  created_at timestamptz
);
COMMENT ON TYPE eventlog.event IS
  'an event, as every function that reads events returns it';
COMMENT ON COLUMN eventlog.event.id IS
  'version 7 UUID that contains occurred_at to the microsecond';
COMMENT ON COLUMN eventlog.event.event_type IS
  'what happened: words of a-z, 0-9, _ and -, joined by single dots, 1 to 255 bytes';
COMMENT ON COLUMN eventlog.event.level IS 'severity';
COMMENT ON COLUMN eventlog.event.resource_id IS
  'the resource that the event is about, up to 1,024 bytes';
COMMENT ON COLUMN eventlog.event.resource_type IS
  'the kind of that resource, up to 255 bytes';
COMMENT ON COLUMN eventlog.event.source_service IS
  'the service that reported the event, up to 255 bytes';
COMMENT ON COLUMN eventlog.event.source_host IS
  'the host that the service runs on, up to 255 bytes';
COMMENT ON COLUMN eventlog.event.occurred_at IS
  'when the event occurred, from 1970 to the end of year 9999';
COMMENT ON COLUMN eventlog.event.message IS 'text for people, up to 1 MiB';
COMMENT ON COLUMN eventlog.event.category IS
  'free for the application to use, up to 255 bytes';
COMMENT ON COLUMN eventlog.event.details IS 'data for programs, up to 8 MiB';
COMMENT ON COLUMN eventlog.event.user_id IS
  'the account that the resource belongs to, up to 1,024 bytes';
COMMENT ON COLUMN eventlog.event.base_url IS
  'base URL of the source service, up to 2,048 bytes';
COMMENT ON COLUMN eventlog.event.request_id IS
  'the request during which the event occurred, up to 255 bytes';
COMMENT ON COLUMN eventlog.event.created_at IS 'when the row was written';

CREATE FUNCTION eventlog.new_id(
  occurred_at timestamptz DEFAULT pg_catalog.clock_timestamp(),
  seed text DEFAULT NULL)
RETURNS uuid LANGUAGE c VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'eventlog_new_id';
COMMENT ON FUNCTION eventlog.new_id(timestamptz, text) IS
  'make an id for an event of that time; the same time and seed give the same id, NULL gives a random one';

CREATE FUNCTION eventlog.id_time(id uuid)
RETURNS timestamptz LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'eventlog_id_time';
COMMENT ON FUNCTION eventlog.id_time(uuid) IS
  'the exact time in an id; an error if the id is not a version 7 UUID of an event';

CREATE FUNCTION eventlog.utc(t timestamptz)
RETURNS text LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'eventlog_utc';
COMMENT ON FUNCTION eventlog.utc(timestamptz) IS
  'a time as ISO 8601 in UTC, with six fractional digits and Z';

CREATE FUNCTION eventlog.event_json(event eventlog.event)
RETURNS json LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'eventlog_json';
COMMENT ON FUNCTION eventlog.event_json(eventlog.event) IS
  'the same as eventlog.to_json as json, which is cheaper to make than jsonb';

CREATE FUNCTION eventlog.to_json(event eventlog.event)
RETURNS jsonb LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'eventlog_to_json';
COMMENT ON FUNCTION eventlog.to_json(eventlog.event) IS
  'an event as nested JSON: generated_uuid, created_at, event {type, level, message, category, details, timestamp, resource, source}';

--
-- Logs: what they are made of, and their upkeep
--

CREATE FUNCTION eventlog._check(id uuid, occurred_at timestamptz)
RETURNS boolean LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'eventlog_check';
COMMENT ON FUNCTION eventlog._check(uuid, timestamptz) IS
  'CHECK constraint of a log: true if the time in the id is occurred_at, otherwise an error';

-- for the constraints of logs made before version 1.0, and their dumps
CREATE FUNCTION eventlog._check(
  id uuid, occurred_at timestamptz, event_type text, resource_id text,
  resource_type text, source_service text, source_host text, category text,
  user_id text, request_id text)
RETURNS boolean LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'eventlog_check';
COMMENT ON FUNCTION eventlog._check(uuid, timestamptz, text, text, text, text, text, text, text,
  text) IS
  'CHECK constraint of logs made before version 1.0';

CREATE FUNCTION eventlog._fill()
RETURNS trigger LANGUAGE c
AS 'MODULE_PATHNAME', 'eventlog_fill';
COMMENT ON FUNCTION eventlog._fill() IS
  'trigger of a log that makes the id, normalizes the level, replaces nulls by defaults and checks the values';

CREATE FUNCTION eventlog._owe()
RETURNS trigger LANGUAGE c
AS 'MODULE_PATHNAME', 'eventlog_owe';
COMMENT ON FUNCTION eventlog._owe() IS
  'trigger of a log that enqueues new events for the subscriptions that they match';

CREATE FUNCTION eventlog._settings()
RETURNS trigger LANGUAGE c
AS 'MODULE_PATHNAME', 'eventlog_settings';
COMMENT ON FUNCTION eventlog._settings() IS
  'trigger of a log that does nothing; its arguments are the settings of the log';

CREATE FUNCTION eventlog.create_log(
  name text,
  partition_interval interval DEFAULT '7 days',
  retention interval DEFAULT NULL,
  premake int DEFAULT 4,
  indexes text[] DEFAULT '{source_host,resource_id,user_id}',
  since timestamptz DEFAULT NULL,
  on_expiry text DEFAULT NULL,
  archive_schema text DEFAULT NULL)
RETURNS regclass LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_create_log';
COMMENT ON FUNCTION eventlog.create_log(text, interval, interval, int, text[], timestamptz, text,
  text) IS
  'create a log, or repair a damaged one, which keeps its settings and indexes; retention NULL or ''0'' keeps events forever; premake: how many partitions to create ahead; indexes: the filter columns to index; since: create partitions from that time on; on_expiry: ''drop'', or ''detach'' to make expired partitions tables of their own, in archive_schema, or in their own schema where that is empty';

CREATE FUNCTION eventlog.alter_log(
  log regclass,
  partition_interval interval DEFAULT NULL,
  retention interval DEFAULT NULL,
  premake int DEFAULT NULL,
  indexes text[] DEFAULT NULL,
  since timestamptz DEFAULT NULL,
  on_expiry text DEFAULT NULL,
  archive_schema text DEFAULT NULL)
RETURNS void LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_alter_log';
COMMENT ON FUNCTION eventlog.alter_log(regclass, interval, interval, int, text[], timestamptz, text,
  text) IS
  'change the settings of a log; NULL leaves a setting as it is, retention ''0'' keeps events forever; indexes: all filter columns to index, which the next maintain builds if the log is large; since: create partitions from that time on; on_expiry: ''drop'', or ''detach'' to make expired partitions tables of their own, in archive_schema, or in their own schema where that is empty';

CREATE PROCEDURE eventlog.maintain(log regclass DEFAULT NULL)
LANGUAGE c
AS 'MODULE_PATHNAME', 'eventlog_maintain';
COMMENT ON PROCEDURE eventlog.maintain(regclass) IS
  'create partitions ahead, empty the default partition, drop expired events, build missing indexes and remove old dead deliveries; NULL: for all logs of the caller; commits as it goes';

CREATE FUNCTION eventlog._log_status(
  log oid,
  OUT partition_interval interval,
  OUT retention interval,
  OUT premake int,
  OUT partitions int,
  OUT estimated_events bigint,
  OUT bytes bigint,
  OUT oldest timestamptz,
  OUT newest timestamptz,
  OUT problems text[],
  OUT on_expiry text,
  OUT archive_schema text)
RETURNS record LANGUAGE c VOLATILE STRICT
AS 'MODULE_PATHNAME', 'eventlog_log_status';
COMMENT ON FUNCTION eventlog._log_status(oid) IS
  'status of a log, for the view eventlog.logs; NULL if the table is gone; waits for no lock';

CREATE VIEW eventlog.logs AS
SELECT t.log::pg_catalog.regclass AS log,
       s.partition_interval,
       s.retention,
       s.premake,
       s.partitions,
       s.estimated_events,
       s.bytes,
       s.oldest,
       s.newest,
       s.problems,
       s.on_expiry,
       s.archive_schema
  FROM (SELECT DISTINCT c.oid AS log
          FROM pg_catalog.pg_trigger t
          JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.tgrelid
         WHERE t.tgfoid OPERATOR(pg_catalog.=) ANY (ARRAY[
                 'eventlog._settings'::pg_catalog.regproc::oid,
                 'eventlog._fill'::pg_catalog.regproc::oid,
                 'eventlog._owe'::pg_catalog.regproc::oid])
           AND t.tgparentid OPERATOR(pg_catalog.=) 0::oid
           AND c.relkind OPERATOR(pg_catalog.=) 'p') t
 CROSS JOIN LATERAL eventlog._log_status(t.log) s
 WHERE s.problems IS NOT NULL;
COMMENT ON VIEW eventlog.logs IS
  'the logs of this database, their settings, sizes and problems';
COMMENT ON COLUMN eventlog.logs.log IS 'the table';
COMMENT ON COLUMN eventlog.logs.partition_interval IS
  'the span of time that a new partition covers';
COMMENT ON COLUMN eventlog.logs.retention IS
  'how long events are kept; NULL: forever';
COMMENT ON COLUMN eventlog.logs.premake IS
  'how many partitions are kept ahead of the current one';
COMMENT ON COLUMN eventlog.logs.partitions IS
  'number of partitions, including the default partition';
COMMENT ON COLUMN eventlog.logs.estimated_events IS
  'number of events as of the last ANALYZE or VACUUM';
COMMENT ON COLUMN eventlog.logs.bytes IS 'size on disk, including indexes';
COMMENT ON COLUMN eventlog.logs.oldest IS 'start of the first partition';
COMMENT ON COLUMN eventlog.logs.newest IS 'end of the last partition';
COMMENT ON COLUMN eventlog.logs.problems IS
  'what is wrong, empty if nothing is; CALL eventlog.maintain() reports what it cannot repair, and eventlog.create_log repairs a damaged log; "locked": another session holds a lock that the view would have to wait for';
COMMENT ON COLUMN eventlog.logs.on_expiry IS
  'what maintain does to an expired partition: drop or detach';
COMMENT ON COLUMN eventlog.logs.archive_schema IS
  'the schema into which detached partitions are moved; NULL: they stay';
GRANT SELECT ON eventlog.logs TO PUBLIC;

--
-- Reading, with the caller's rights. The filter is the same list of arguments
-- wherever events are chosen; NULL matches any value.
--

CREATE FUNCTION eventlog._list_support(internal)
RETURNS internal LANGUAGE c IMMUTABLE STRICT
AS 'MODULE_PATHNAME', 'eventlog_list_support';
COMMENT ON FUNCTION eventlog._list_support(internal) IS
  'planner support for eventlog.list: a page has at most page_size rows';

CREATE FUNCTION eventlog.list(
  event_type text DEFAULT NULL,
  level text DEFAULT NULL,
  min_level text DEFAULT NULL,
  resource_type text DEFAULT NULL,
  resource_id text DEFAULT NULL,
  user_id text DEFAULT NULL,
  source_service text DEFAULT NULL,
  source_host text DEFAULT NULL,
  category text DEFAULT NULL,
  request_id text DEFAULT NULL,
  since timestamptz DEFAULT NULL,
  before timestamptz DEFAULT NULL,
  page int DEFAULT 1,
  page_size int DEFAULT 100,
  after uuid DEFAULT NULL,
  log regclass DEFAULT NULL)
RETURNS SETOF eventlog.event LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 1000
SUPPORT eventlog._list_support
AS 'MODULE_PATHNAME', 'eventlog_list';
COMMENT ON FUNCTION eventlog.list(text, text, text, text, text, text, text, text, text, text,
  timestamptz, timestamptz, int, int, uuid, regclass) IS
  'the events that match the filter, newest first; event_type is a plain prefix, since <= occurred_at < before; page_size NULL: all events; after: start behind the event with that id';

CREATE FUNCTION eventlog.explain(
  event_type text DEFAULT NULL,
  level text DEFAULT NULL,
  min_level text DEFAULT NULL,
  resource_type text DEFAULT NULL,
  resource_id text DEFAULT NULL,
  user_id text DEFAULT NULL,
  source_service text DEFAULT NULL,
  source_host text DEFAULT NULL,
  category text DEFAULT NULL,
  request_id text DEFAULT NULL,
  since timestamptz DEFAULT NULL,
  before timestamptz DEFAULT NULL,
  page int DEFAULT 1,
  page_size int DEFAULT 100,
  after uuid DEFAULT NULL,
  log regclass DEFAULT NULL)
RETURNS SETOF text LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_explain';
COMMENT ON FUNCTION eventlog.explain(text, text, text, text, text, text, text, text, text, text,
  timestamptz, timestamptz, int, int, uuid, regclass) IS
  'how eventlog.list would read events with these arguments, and what that takes';

CREATE FUNCTION eventlog.get(id uuid, log regclass DEFAULT NULL)
RETURNS SETOF eventlog.event LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 1
AS 'MODULE_PATHNAME', 'eventlog_get';
COMMENT ON FUNCTION eventlog.get(uuid, regclass) IS
  'the event with that id, or no row';

CREATE FUNCTION eventlog.count(
  event_type text DEFAULT NULL,
  level text DEFAULT NULL,
  min_level text DEFAULT NULL,
  resource_type text DEFAULT NULL,
  resource_id text DEFAULT NULL,
  user_id text DEFAULT NULL,
  source_service text DEFAULT NULL,
  source_host text DEFAULT NULL,
  category text DEFAULT NULL,
  request_id text DEFAULT NULL,
  since timestamptz DEFAULT NULL,
  before timestamptz DEFAULT NULL,
  log regclass DEFAULT NULL)
RETURNS bigint LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'eventlog_count';
COMMENT ON FUNCTION eventlog.count(text, text, text, text, text, text, text, text, text, text,
  timestamptz, timestamptz, regclass) IS
  'the number of events that match the filter';

CREATE FUNCTION eventlog.types(
  event_type text DEFAULT NULL,
  level text DEFAULT NULL,
  min_level text DEFAULT NULL,
  resource_type text DEFAULT NULL,
  resource_id text DEFAULT NULL,
  user_id text DEFAULT NULL,
  source_service text DEFAULT NULL,
  source_host text DEFAULT NULL,
  category text DEFAULT NULL,
  request_id text DEFAULT NULL,
  since timestamptz DEFAULT NULL,
  before timestamptz DEFAULT NULL,
  log regclass DEFAULT NULL)
RETURNS TABLE (event_type text, level eventlog.level, events bigint,
               last_occurred_at timestamptz) LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 100
AS 'MODULE_PATHNAME', 'eventlog_types';
COMMENT ON FUNCTION eventlog.types(text, text, text, text, text, text, text, text, text, text,
  timestamptz, timestamptz, regclass) IS
  'the types and levels of the events that match the filter, the number of events of each and when the last one occurred';

CREATE FUNCTION eventlog._bucket(width interval, t timestamptz)
RETURNS timestamptz LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'eventlog_bucket';
COMMENT ON FUNCTION eventlog._bucket(interval, timestamptz) IS
  'the start of the bucket that contains a time, in UTC';

CREATE FUNCTION eventlog.histogram(
  width interval,
  event_type text DEFAULT NULL,
  level text DEFAULT NULL,
  min_level text DEFAULT NULL,
  resource_type text DEFAULT NULL,
  resource_id text DEFAULT NULL,
  user_id text DEFAULT NULL,
  source_service text DEFAULT NULL,
  source_host text DEFAULT NULL,
  category text DEFAULT NULL,
  request_id text DEFAULT NULL,
  since timestamptz DEFAULT NULL,
  before timestamptz DEFAULT NULL,
  log regclass DEFAULT NULL)
RETURNS TABLE (bucket timestamptz, level eventlog.level, events bigint,
               bar text) LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 100
AS 'MODULE_PATHNAME', 'eventlog_histogram';
COMMENT ON FUNCTION eventlog.histogram(interval, text, text, text, text, text, text, text, text,
  text, text, timestamptz, timestamptz, regclass) IS
  'the number of events at each level in each bucket of that width, in UTC, weeks starting on Monday; empty buckets between the first and the last have no level; at most 100,000 rows';

--
-- Writing, with the caller's rights
--

CREATE FUNCTION eventlog.emit(
  event_type text,
  level text DEFAULT 'info',
  message text DEFAULT NULL,
  resource_id text DEFAULT NULL,
  resource_type text DEFAULT NULL,
  user_id text DEFAULT NULL,
  source_service text DEFAULT NULL,
  source_host text DEFAULT NULL,
  base_url text DEFAULT NULL,
  request_id text DEFAULT NULL,
  category text DEFAULT NULL,
  details jsonb DEFAULT NULL,
  occurred_at timestamptz DEFAULT NULL,
  id uuid DEFAULT NULL,
  log regclass DEFAULT NULL)
RETURNS uuid LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_emit';
COMMENT ON FUNCTION eventlog.emit(text, text, text, text, text, text, text, text, text, text, text,
  jsonb, timestamptz, uuid, regclass) IS
  'write an event and return its id; an id that was emitted before is not written again; NULL if a trigger of the log suppressed the event';

--
-- Events of other systems: CloudEvents, OpenTelemetry, Elastic's ECS, and our own
--

CREATE FUNCTION eventlog._foreign_field(object jsonb, path text)
RETURNS jsonb LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'eventlog_foreign_field';
COMMENT ON FUNCTION eventlog._foreign_field(jsonb, text) IS
  'the value at a path of keys, nested or with dots; NULL if there is none';

CREATE FUNCTION eventlog._foreign_text(object jsonb, path text, at text)
RETURNS text LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'eventlog_foreign_text';
COMMENT ON FUNCTION eventlog._foreign_text(jsonb, text, text) IS
  'the same as text; an error if it is an object or array';

CREATE FUNCTION eventlog._foreign_time(object jsonb, path text, at text)
RETURNS timestamptz LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'eventlog_foreign_time';
COMMENT ON FUNCTION eventlog._foreign_time(jsonb, text, text) IS
  'the same as a time, of RFC 3339 or since 1970; an error if it is none';

CREATE FUNCTION eventlog._foreign_level(object jsonb, path text, at text, opentelemetry boolean)
RETURNS text LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'eventlog_foreign_level';
COMMENT ON FUNCTION eventlog._foreign_level(jsonb, text, text, boolean) IS
  'the same as a level, by a name or a number of syslog or OpenTelemetry; an error if it is none';

CREATE FUNCTION eventlog._foreign_type(name text)
RETURNS text LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'eventlog_foreign_type';
COMMENT ON FUNCTION eventlog._foreign_type(text) IS
  'an event_type made of a name; NULL if nothing of it can stand in one';

CREATE FUNCTION eventlog._foreign_rest(object jsonb, paths text[])
RETURNS jsonb LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'eventlog_foreign_rest';
COMMENT ON FUNCTION eventlog._foreign_rest(jsonb, text[]) IS
  'an object without what is at the paths; NULL if that is all';

CREATE FUNCTION eventlog._foreign_attributes(list jsonb)
RETURNS jsonb LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'eventlog_foreign_attributes';
COMMENT ON FUNCTION eventlog._foreign_attributes(jsonb) IS
  'attributes or a value of OpenTelemetry as the JSON that they stand for';

CREATE FUNCTION eventlog._foreign_refuse(object jsonb, path text, at text, problem text)
RETURNS text LANGUAGE c STABLE STRICT
AS 'MODULE_PATHNAME', 'eventlog_foreign_refuse';
COMMENT ON FUNCTION eventlog._foreign_refuse(jsonb, text, text, text) IS
  'an error about a field';

CREATE FUNCTION eventlog._foreign_id(id text, occurred_at timestamptz)
RETURNS uuid LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'eventlog_foreign_id';
COMMENT ON FUNCTION eventlog._foreign_id(text, timestamptz) IS
  'an id that is an event''s of that time, or of any if it is NULL; otherwise NULL';

CREATE FUNCTION eventlog._inbox_level(name text)
RETURNS text LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'eventlog_inbox_level';
COMMENT ON FUNCTION eventlog._inbox_level(text) IS
  'the level with this name or number of syslog; NULL if there is none';

CREATE FUNCTION eventlog._foreign_events(
  document jsonb,
  OUT at text, OUT seed text, OUT event_type text, OUT level text, OUT message text,
  OUT resource_id text, OUT resource_type text, OUT user_id text, OUT source_service text,
  OUT source_host text, OUT base_url text, OUT request_id text, OUT category text,
  OUT details jsonb, OUT occurred_at timestamptz, OUT id uuid)
RETURNS SETOF record LANGUAGE sql STABLE
-- the planner expects of arrays within arrays many more elements than there are
SET jit = off
BEGIN ATOMIC
WITH element AS (
  SELECT CASE jsonb_typeof(document) WHEN 'array' THEN format('[%s]', n - 1) ELSE '' END AS at, e
    FROM jsonb_array_elements(CASE jsonb_typeof(document)
           WHEN 'array' THEN document ELSE jsonb_build_array(document) END) WITH ORDINALITY a (e, n)
), record AS (
  SELECT at, e, NULL::jsonb AS resource, NULL::text AS scope,
         CASE WHEN jsonb_typeof(e) <> 'object' THEN 'none'
              WHEN e ? 'specversion' THEN 'cloudevents'
              WHEN e ?| ARRAY['timeUnixNano', 'observedTimeUnixNano', 'severityNumber'] THEN 'otlp'
              WHEN e ?| ARRAY['@timestamp', 'ecs', 'ecs.version'] THEN 'ecs'
              WHEN e ? 'generated_uuid' AND jsonb_typeof(e->'event') = 'object' THEN 'nested'
              WHEN e ? 'event_type' THEN 'flat'
              ELSE 'none' END AS shape
    FROM element WHERE NOT (jsonb_typeof(e) = 'object' AND e ? 'resourceLogs')
   UNION ALL
  SELECT format('%s%sresourceLogs[%s].scopeLogs[%s].logRecords[%s]', at,
                CASE WHEN at <> '' THEN '.' END, r.n - 1, s.n - 1, l.n - 1),
         l.e, eventlog._foreign_attributes(r.e->'resource'->'attributes'),
         s.e->'scope'->>'name', 'otlp' AS shape
    FROM element,
         jsonb_path_query(element.e, '$.resourceLogs[*]') WITH ORDINALITY r (e, n),
         jsonb_path_query(r.e, '$.scopeLogs[*]') WITH ORDINALITY s (e, n),
         jsonb_path_query(s.e, '$.logRecords[*]') WITH ORDINALITY l (e, n)
   WHERE jsonb_typeof(element.e) = 'object'
), otlp AS (
  SELECT record.*, coalesce(eventlog._foreign_attributes(e->'attributes'), '{}') AS own
    FROM record WHERE shape = 'otlp'
)
-- CloudEvents 1.0, in whose data one of ours may be; `level` is an extension of ours,
-- and may be one of others with another meaning
SELECT at, concat(eventlog._foreign_text(e, 'source', at), ' ',
                  coalesce(eventlog._foreign_text(e, 'id', at),
                           eventlog._foreign_refuse(e, 'id', at, 'is missing'))),
       coalesce(eventlog._foreign_type(eventlog._foreign_text(e, 'type', at)),
                eventlog._foreign_refuse(e, 'type', at, 'is missing, or no name')),
       coalesce(eventlog._inbox_level(e->>'level'),
                eventlog._foreign_level(e, 'severitytext', at, true),
                eventlog._foreign_level(e, 'severitynumber', at, true)),
       CASE jsonb_typeof(e->'data') WHEN 'string' THEN e->>'data'
            ELSE eventlog._foreign_text(e, 'data.message', at) END,
       eventlog._foreign_text(e, 'subject', at), NULL AS resource_type, NULL AS user_id,
       left(coalesce(eventlog._foreign_text(e, 'source', at),
                     eventlog._foreign_refuse(e, 'source', at, 'is missing')), 255),
       NULL AS source_host, NULL AS base_url,
       split_part(eventlog._foreign_text(e, 'traceparent', at), '-', 2),
       NULL AS category,
       eventlog._foreign_rest(CASE jsonb_typeof(e->'data') WHEN 'string' THEN e - 'data' ELSE e END,
         ARRAY['specversion', 'id', 'type', 'source', 'subject', 'time', 'severitytext',
               'severitynumber', 'traceparent', 'datacontenttype', 'data.message',
               CASE WHEN eventlog._inbox_level(e->>'level') IS NULL THEN '' ELSE 'level' END]),
       eventlog._foreign_time(e, 'time', at), NULL::uuid AS id
  FROM record WHERE shape = 'cloudevents' AND NOT coalesce(e->'data' ? 'generated_uuid', false)
 UNION ALL
-- OpenTelemetry's log records: what has no id is known again by its content
SELECT at, concat(resource, scope, coalesce(own->>'eventlog.id', e::text)),
       coalesce(eventlog._foreign_type(eventlog._foreign_text(e, 'eventName', at)),
                eventlog._foreign_type(own->>'event.name'),
                eventlog._foreign_type(scope), 'otel.log'),
       coalesce(eventlog._foreign_level(e, 'severityNumber', at, true),
                CASE WHEN NOT e ? 'severityNumber'
                     THEN eventlog._foreign_level(e, 'severityText', at, true) END),
       CASE jsonb_typeof(eventlog._foreign_attributes(e->'body'))
            WHEN 'object' THEN NULL WHEN 'array' THEN NULL
            ELSE eventlog._foreign_attributes(e->'body') #>> '{}' END,
       own->>'eventlog.resource.id', own->>'eventlog.resource.type',
       coalesce(own->>'user.id', own->>'enduser.id'), resource->>'service.name',
       resource->>'host.name', own->>'eventlog.base_url',
       coalesce(own->>'eventlog.request_id', eventlog._foreign_text(e, 'traceId', at)),
       own->>'eventlog.category',
       nullif(jsonb_strip_nulls(jsonb_build_object(
         'scope', scope,
         'resource', nullif(resource - ARRAY['service.name', 'host.name'], '{}'),
         'attributes', nullif(own - ARRAY['event.name', 'user.id', 'enduser.id', 'eventlog.id',
            'eventlog.resource.id', 'eventlog.resource.type', 'eventlog.base_url',
            'eventlog.request_id', 'eventlog.category'], '{}'),
         'body', CASE WHEN jsonb_typeof(eventlog._foreign_attributes(e->'body'))
                IN ('object', 'array')
                      THEN eventlog._foreign_attributes(e->'body') END))
         || coalesce(eventlog._foreign_rest(e, ARRAY['timeUnixNano', 'observedTimeUnixNano',
              'severityNumber', 'severityText', 'body', 'attributes', 'eventName',
              'droppedAttributesCount']), '{}'), '{}'),
       coalesce(eventlog._foreign_time(nullif(e, e || '{"timeUnixNano": "0"}'), 'timeUnixNano', at),
                eventlog._foreign_time(e, 'observedTimeUnixNano', at)), NULL AS id
  FROM otlp
 UNION ALL
-- Elastic's Common Schema, nested or with dots
SELECT at, coalesce(eventlog._foreign_text(e, 'event.id', at), e::text),
       coalesce(eventlog._foreign_type(eventlog._foreign_text(e, 'event.dataset', at)),
                eventlog._foreign_type(eventlog._foreign_text(e, 'log.logger', at)),
                eventlog._foreign_type(eventlog._foreign_text(e, 'event.action', at)), 'ecs.event'),
       coalesce(eventlog._foreign_level(e, 'log.level', at, false),
                eventlog._foreign_level(e, 'log.syslog.severity.code', at, false)),
       eventlog._foreign_text(e, 'message', at), NULL AS resource_id, NULL AS resource_type,
       coalesce(eventlog._foreign_text(e, 'user.id', at),
         eventlog._foreign_text(e, 'user.name', at)),
       eventlog._foreign_text(e, 'service.name', at),
       coalesce(eventlog._foreign_text(e, 'host.name', at),
         eventlog._foreign_text(e, 'host.hostname', at)),
       eventlog._foreign_text(e, 'service.address', at), eventlog._foreign_text(e, 'trace.id', at),
       CASE jsonb_typeof(eventlog._foreign_field(e, 'event.category'))
            WHEN 'array' THEN eventlog._foreign_field(e, 'event.category')->>0
            ELSE eventlog._foreign_text(e, 'event.category', at) END,
       eventlog._foreign_rest(e, ARRAY['@timestamp', 'event.id', 'log.level', 'message',
         'service.name',
         'host.name', 'service.address', 'trace.id', 'ecs.version']),
       eventlog._foreign_time(e, '@timestamp', at), NULL AS id
  FROM record WHERE shape = 'ecs'
 UNION ALL
-- what eventlog.to_json makes, on its own or in a CloudEvent
SELECT at, e->>'generated_uuid',
       coalesce(eventlog._foreign_text(e, 'event.type', at),
                eventlog._foreign_refuse(e, 'event.type', at, 'is missing')),
       eventlog._foreign_level(e, 'event.level', at, false),
         eventlog._foreign_text(e, 'event.message', at),
       eventlog._foreign_text(e, 'event.resource.id', at),
         eventlog._foreign_text(e, 'event.resource.type', at),
       eventlog._foreign_text(e, 'event.resource.user_id', at),
       eventlog._foreign_text(e, 'event.source.servicename', at),
       eventlog._foreign_text(e, 'event.source.hostid', at),
         eventlog._foreign_text(e, 'event.source.base_url', at),
       eventlog._foreign_text(e, 'event.source.request_id', at),
         eventlog._foreign_text(e, 'event.category', at),
       eventlog._foreign_field(e, 'event.details'),
         eventlog._foreign_time(e, 'event.timestamp', at),
       eventlog._foreign_id(e->>'generated_uuid', eventlog._foreign_time(e, 'event.timestamp', at))
  FROM (SELECT at, e FROM record WHERE shape = 'nested'
         UNION ALL
        SELECT at || CASE WHEN at <> '' THEN '.data' ELSE 'data' END, e->'data'
          FROM record WHERE shape = 'cloudevents' AND
           coalesce(e->'data' ? 'generated_uuid', false)) own
 UNION ALL
-- the columns of a log, and whatever else
SELECT at, eventlog._foreign_text(e, 'id', at),
       coalesce(eventlog._foreign_type(eventlog._foreign_text(e, 'event_type', at)),
                eventlog._foreign_refuse(e, 'event_type', at, 'is no name')),
       eventlog._foreign_level(e, 'level', at, false),
       eventlog._foreign_text(e, 'message', at), eventlog._foreign_text(e, 'resource_id', at),
       eventlog._foreign_text(e, 'resource_type', at), eventlog._foreign_text(e, 'user_id', at),
       eventlog._foreign_text(e, 'source_service', at),
         eventlog._foreign_text(e, 'source_host', at),
       eventlog._foreign_text(e, 'base_url', at), eventlog._foreign_text(e, 'request_id', at),
       eventlog._foreign_text(e, 'category', at),
       CASE WHEN more IS NULL THEN nullif(e->'details', 'null')
            WHEN jsonb_typeof(e->'details') = 'object' THEN e->'details' || more
            ELSE more || jsonb_strip_nulls(jsonb_build_object('details', e->'details')) END,
       eventlog._foreign_time(e, 'occurred_at', at),
       eventlog._foreign_id(eventlog._foreign_text(e, 'id', at),
         eventlog._foreign_time(e, 'occurred_at', at))
  FROM record,
       eventlog._foreign_rest(e, ARRAY['id', 'event_type', 'level', 'message', 'resource_id',
         'resource_type',
         'user_id', 'source_service', 'source_host', 'base_url', 'request_id', 'category',
           'details',
         'occurred_at', 'created_at']) more
 WHERE shape = 'flat'
 UNION ALL
SELECT at, eventlog._foreign_refuse(e, '', at,
         'has no known shape, by specversion, resourceLogs, timeUnixNano, @timestamp, generated_uuid or event_type'),
       NULL AS event_type, NULL AS level, NULL AS message, NULL AS resource_id,
       NULL AS resource_type,
       NULL AS user_id, NULL AS source_service, NULL AS source_host, NULL AS base_url,
       NULL AS request_id,
       NULL AS category, NULL AS details, NULL AS occurred_at, NULL AS id
  FROM record WHERE shape = 'none';
END;
COMMENT ON FUNCTION eventlog._foreign_events(jsonb) IS
  'what a document of another system means: for each event where in the document it is, what its id is made of, and the arguments of eventlog.emit';

CREATE FUNCTION eventlog.ingest(event jsonb, log regclass DEFAULT NULL)
RETURNS SETOF uuid LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'eventlog_ingest';
COMMENT ON FUNCTION eventlog.ingest(jsonb, regclass) IS
  'write an event of another system, or an array of at most 10,000, and return the ids: CloudEvents 1.0, OTLP/JSON log records, Elastic ECS, eventlog.to_json, or the columns of a log; the id is made from the foreign one, so that a second delivery is no second event; what has no column goes into details';

CREATE FUNCTION eventlog._inbox()
RETURNS trigger LANGUAGE c
AS 'MODULE_PATHNAME', 'eventlog_inbox';
COMMENT ON FUNCTION eventlog._inbox() IS
  'trigger of an inbox that writes a row as an event';

CREATE FUNCTION eventlog._inbox_log(inbox oid)
RETURNS regclass LANGUAGE sql STABLE STRICT
BEGIN ATOMIC
SELECT d.refobjid::regclass
  FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
 WHERE r.ev_class = inbox AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> inbox
 LIMIT 1;
END;
COMMENT ON FUNCTION eventlog._inbox_log(oid) IS
  'the log to which the view of an inbox refers';

-- No row of a shipper is refused for a level or a name that is none.
CREATE FUNCTION eventlog._inbox_event(shape text, r jsonb)
RETURNS jsonb LANGUAGE sql STABLE STRICT
BEGIN ATOMIC
SELECT CASE shape
  WHEN 'vector' THEN
    jsonb_strip_nulls(r - ARRAY['details', 'timestamp', 'host', 'service', 'severity',
      'source_type']
      || jsonb_build_object(
           'event_type', coalesce(eventlog._foreign_type(r->>'event_type'),
             eventlog._foreign_type(r->>'source_type'), 'vector'),
           'level', coalesce(eventlog._inbox_level(r->>'level'),
             eventlog._inbox_level(r->>'severity')),
           'source_host', coalesce(r->>'source_host', r->>'host'),
           'source_service', coalesce(r->>'source_service', r->>'service'),
           'occurred_at', coalesce(r->>'occurred_at', r->>'timestamp')))
      || jsonb_build_object('details', r->'details')
  WHEN 'fluentbit' THEN
    jsonb_strip_nulls(jsonb_build_object(
      'event_type', coalesce(eventlog._foreign_type(r->>'tag'), 'fluentbit'),
      'occurred_at', r->'time',
      'level', coalesce(eventlog._inbox_level(d->>'level'), eventlog._inbox_level(d->>'severity'),
        eventlog._inbox_level(d->>'PRIORITY')),
      'message', coalesce(d->>'message', d->>'log', d->>'msg', d->>'MESSAGE'),
      'source_host', left(coalesce(d->>'host', d->>'hostname', d->>'_HOSTNAME',
        d#>>'{kubernetes,host}'), 255),
      'source_service', left(coalesce(d->>'service', d#>>'{kubernetes,container_name}',
        d->>'SYSLOG_IDENTIFIER'), 255)))
      || jsonb_build_object('details', nullif(d - ARRAY['date', 'message', 'log', 'msg', 'MESSAGE'],
        '{}'))
  WHEN 'rsyslog' THEN
    jsonb_strip_nulls(jsonb_build_object(
      'event_type', 'syslog.' || coalesce(eventlog._foreign_type(
        nullif(substring(r->>'syslogtag' FROM '^[^]: []+'), '')), 'message'),
      'occurred_at', r->'devicereportedtime',
      'level', eventlog._inbox_level(r->>'priority'),
      'message', ltrim(r->>'message'),
      'source_host', left(r->>'fromhost', 255),
      'source_service', left(substring(r->>'syslogtag' FROM '^[^]: []+'), 255),
      'details', nullif(jsonb_strip_nulls(
        jsonb_build_object('facility', r->'facility', 'pid', substring(r->>'syslogtag'
          FROM '\[([^]]*)\]'),
                           'received_at', r->'receivedat')), '{}')))
  ELSE
    jsonb_strip_nulls(jsonb_build_object(
      'event_type', 'syslog.' || coalesce(eventlog._foreign_type(r->>'program'), 'message'),
      'occurred_at', nullif(r->>'datetime', ''),
      'level', coalesce(eventlog._inbox_level(r->>'priority'), eventlog._inbox_level(r->>'level')),
      'message', r->>'msg',
      'source_host', left(r->>'host', 255),
      'source_service', left(r->>'program', 255),
      'details', nullif(jsonb_strip_nulls(
        jsonb_build_object('facility', r->'facility', 'pid', nullif(r->>'pid', ''),
                           'tag', nullif(r->>'tag', ''))), '{}')))
  END
  FROM (SELECT CASE jsonb_typeof(r->'data') WHEN 'object' THEN r->'data'
                    ELSE jsonb_strip_nulls(jsonb_build_object('message', r->>'data')) END AS d) x;
END;
COMMENT ON FUNCTION eventlog._inbox_event(text, jsonb) IS
  'a row of an inbox as the columns of a log';

CREATE FUNCTION eventlog.create_inbox(
  name text,
  log regclass DEFAULT NULL,
  shape text DEFAULT NULL)
RETURNS regclass LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_create_inbox';
COMMENT ON FUNCTION eventlog.create_inbox(text, regclass, text) IS
  'create a view into which a shipper inserts rows of its own shape (fluentbit, vector, rsyslog, syslog-ng), each of which becomes an event of the log; who inserts needs INSERT on the view and on the log';

--
-- Clearing, by the same filter as reading
--

CREATE FUNCTION eventlog.delete(id uuid, log regclass DEFAULT NULL)
RETURNS SETOF uuid LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'eventlog_delete';
COMMENT ON FUNCTION eventlog.delete(uuid, regclass) IS
  'delete the event with that id; returns the id, or no row';

CREATE FUNCTION eventlog.clear(
  event_type text DEFAULT NULL,
  level text DEFAULT NULL,
  min_level text DEFAULT NULL,
  resource_type text DEFAULT NULL,
  resource_id text DEFAULT NULL,
  user_id text DEFAULT NULL,
  source_service text DEFAULT NULL,
  source_host text DEFAULT NULL,
  category text DEFAULT NULL,
  request_id text DEFAULT NULL,
  since timestamptz DEFAULT NULL,
  before timestamptz DEFAULT NULL,
  everything boolean DEFAULT false,
  log regclass DEFAULT NULL)
RETURNS SETOF uuid LANGUAGE c VOLATILE ROWS 100
AS 'MODULE_PATHNAME', 'eventlog_clear';
COMMENT ON FUNCTION eventlog.clear(text, text, text, text, text, text, text, text, text, text,
  timestamptz, timestamptz, boolean, regclass) IS
  'delete the events that eventlog.list would show, in this transaction; returns their ids';

CREATE PROCEDURE eventlog.purge(
  event_type text DEFAULT NULL,
  level text DEFAULT NULL,
  min_level text DEFAULT NULL,
  resource_type text DEFAULT NULL,
  resource_id text DEFAULT NULL,
  user_id text DEFAULT NULL,
  source_service text DEFAULT NULL,
  source_host text DEFAULT NULL,
  category text DEFAULT NULL,
  request_id text DEFAULT NULL,
  since timestamptz DEFAULT NULL,
  before timestamptz DEFAULT NULL,
  everything boolean DEFAULT false,
  batch_size int DEFAULT 10000,
  log regclass DEFAULT NULL,
  INOUT deleted bigint DEFAULT 0)
LANGUAGE c
AS 'MODULE_PATHNAME', 'eventlog_purge';
COMMENT ON PROCEDURE eventlog.purge(text, text, text, text, text, text, text, text, text, text,
  timestamptz, timestamptz, boolean, int, regclass, bigint) IS
  'delete the events that eventlog.list would show, at scale: drops whole partitions and deletes the other events in committed batches; deleted: the number of events';

--
-- Webhooks, the database side: subscriptions and the queue of deliveries.
-- Only functions and views are granted to PUBLIC: the functions check the
-- caller's rights themselves, and the views read through functions.
--

-- Each call of subscribe can take an id, so ids are used again when they run out;
-- subscribe skips those that are taken.
CREATE SEQUENCE eventlog._subscription_id AS int CYCLE;
COMMENT ON SEQUENCE eventlog._subscription_id IS 'ids of subscriptions';
CREATE TABLE eventlog._subscription (
  id int NOT NULL DEFAULT pg_catalog.nextval('eventlog._subscription_id') PRIMARY KEY,
  name text COLLATE pg_catalog."C" NOT NULL,
  owner regrole NOT NULL,
  log regclass NOT NULL,
  levels text[],
  event_type text COLLATE pg_catalog."C",
  paused boolean NOT NULL DEFAULT false,
  UNIQUE (log, name)
);
COMMENT ON TABLE eventlog._subscription IS
  'subscriptions: which events are delivered to whom';
COMMENT ON COLUMN eventlog._subscription.id IS
  'the subscription in the queue and in locks';
COMMENT ON COLUMN eventlog._subscription.name IS 'name, unique within the log';
COMMENT ON COLUMN eventlog._subscription.owner IS
  'the role that the subscription belongs to and that events are read as';
COMMENT ON COLUMN eventlog._subscription.log IS
  'the log whose events are delivered';
COMMENT ON COLUMN eventlog._subscription.levels IS
  'the levels that are delivered; NULL: all';
COMMENT ON COLUMN eventlog._subscription.event_type IS
  'prefix of the event types that are delivered; NULL: all';
COMMENT ON COLUMN eventlog._subscription.paused IS
  'true: nothing is handed out';

CREATE FUNCTION eventlog._subscription_changed()
RETURNS trigger LANGUAGE c
AS 'MODULE_PATHNAME', 'eventlog_subscription_changed';
COMMENT ON FUNCTION eventlog._subscription_changed() IS
  'trigger that makes all sessions read the subscriptions again';
CREATE TRIGGER changed
  AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON eventlog._subscription
  FOR EACH STATEMENT EXECUTE FUNCTION eventlog._subscription_changed();
ALTER TABLE eventlog._subscription ENABLE ALWAYS TRIGGER changed;

-- No index is unique and the sequence cycles, so that no restored or planted row
-- can make a writer fail.
CREATE SEQUENCE eventlog._queue_seq CYCLE;
COMMENT ON SEQUENCE eventlog._queue_seq IS 'numbers of deliveries';
CREATE TABLE eventlog._queue (
  subscription int NOT NULL,
  seq bigint NOT NULL,
  xid xid8 NOT NULL,
  event_id uuid NOT NULL,
  attempts int NOT NULL DEFAULT 0,
  next_attempt_at timestamptz,
  failed_at timestamptz,
  last_error text
);
CREATE INDEX _queue_owed ON eventlog._queue (subscription, seq);
CREATE INDEX _queue_new ON eventlog._queue (subscription, xid, seq);
CREATE INDEX _queue_retry ON eventlog._queue (subscription, next_attempt_at, seq)
  WHERE next_attempt_at IS NOT NULL;
COMMENT ON TABLE eventlog._queue IS
  'deliveries; next_attempt_at NULL: new, infinity: dead, otherwise to be retried then';
COMMENT ON COLUMN eventlog._queue.subscription IS 'id of the subscription';
COMMENT ON COLUMN eventlog._queue.seq IS 'number of the delivery';
COMMENT ON COLUMN eventlog._queue.xid IS 'the transaction that enqueued it';
COMMENT ON COLUMN eventlog._queue.event_id IS 'the event to deliver';
COMMENT ON COLUMN eventlog._queue.attempts IS 'number of failed attempts';
COMMENT ON COLUMN eventlog._queue.next_attempt_at IS
  'when it is tried again; NULL: it is new; infinity: it is dead';
COMMENT ON COLUMN eventlog._queue.failed_at IS 'when it last failed';
COMMENT ON COLUMN eventlog._queue.last_error IS 'why it last failed';

CREATE TABLE eventlog._tally (
  subscription int PRIMARY KEY,
  delivered bigint NOT NULL DEFAULT 0,
  cancelled bigint NOT NULL DEFAULT 0,
  last_delivered_at timestamptz,
  last_error text,
  last_error_at timestamptz
) WITH (fillfactor = 50);
COMMENT ON TABLE eventlog._tally IS 'delivery statistics of each subscription';
COMMENT ON COLUMN eventlog._tally.subscription IS 'id of the subscription';
COMMENT ON COLUMN eventlog._tally.delivered IS
  'number of acknowledged deliveries';
COMMENT ON COLUMN eventlog._tally.cancelled IS
  'number of cancelled deliveries';
COMMENT ON COLUMN eventlog._tally.last_delivered_at IS
  'when a delivery was last acknowledged';
COMMENT ON COLUMN eventlog._tally.last_error IS 'why a delivery last failed';
COMMENT ON COLUMN eventlog._tally.last_error_at IS
  'when a delivery last failed';

-- The role that creates the extension, often the owner of the database and no
-- superuser, dumps and restores these tables.  Planting a row does not let it act
-- as another role: only members of a subscription's owner can use the subscription,
-- and its events are read with that owner's rights.
GRANT SELECT, INSERT ON
  eventlog._subscription, eventlog._queue, eventlog._tally TO @extowner@;
GRANT SELECT, UPDATE ON SEQUENCE
  eventlog._subscription_id, eventlog._queue_seq TO @extowner@;

-- A subscription whose log or owner was dropped is not dumped: its OID may be that
-- of something else when it is restored.
SELECT pg_catalog.pg_extension_config_dump('eventlog._subscription',
  'WHERE log::oid IN (SELECT oid FROM pg_catalog.pg_class) AND owner::oid IN (SELECT oid FROM pg_catalog.pg_roles)');
SELECT pg_catalog.pg_extension_config_dump('eventlog._subscription_id', '');
SELECT pg_catalog.pg_extension_config_dump('eventlog._queue',
  'WHERE subscription IN (SELECT id FROM eventlog._subscription WHERE log::oid IN (SELECT oid FROM pg_catalog.pg_class) AND owner::oid IN (SELECT oid FROM pg_catalog.pg_roles))');
SELECT pg_catalog.pg_extension_config_dump('eventlog._queue_seq', '');
SELECT pg_catalog.pg_extension_config_dump('eventlog._tally',
  'WHERE subscription IN (SELECT id FROM eventlog._subscription WHERE log::oid IN (SELECT oid FROM pg_catalog.pg_class) AND owner::oid IN (SELECT oid FROM pg_catalog.pg_roles))');

CREATE FUNCTION eventlog.subscribe(
  name text,
  levels text[] DEFAULT NULL,
  event_type text DEFAULT NULL,
  log regclass DEFAULT NULL)
RETURNS void LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_subscribe';
COMMENT ON FUNCTION eventlog.subscribe(text, text[], text, regclass) IS
  'enqueue each new event of these levels whose type has this prefix for delivery, NULL: all; an existing subscription gets these filters instead of its own; needs SELECT on the log';

CREATE FUNCTION eventlog.unsubscribe(name text, log regclass DEFAULT NULL)
RETURNS void LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_unsubscribe';
COMMENT ON FUNCTION eventlog.unsubscribe(text, regclass) IS
  'drop a subscription and its deliveries; the owner of the log may do so, too';

CREATE FUNCTION eventlog.pause(name text, log regclass DEFAULT NULL)
RETURNS void LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_pause';
COMMENT ON FUNCTION eventlog.pause(text, regclass) IS
  'hand out nothing until eventlog.resume; deliveries are kept';

CREATE FUNCTION eventlog.resume(name text, log regclass DEFAULT NULL)
RETURNS void LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_resume';
COMMENT ON FUNCTION eventlog.resume(text, regclass) IS
  'hand out deliveries again after eventlog.pause';

CREATE FUNCTION eventlog.alter_subscription(
  name text, owner regrole, log regclass DEFAULT NULL)
RETURNS void LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_alter_subscription';
COMMENT ON FUNCTION eventlog.alter_subscription(text, regrole, regclass) IS
  'give a subscription to another role, which needs SELECT on the log; the caller must be a member of both roles';

CREATE FUNCTION eventlog.fetch(
  name text, max int, max_bytes bigint DEFAULT NULL,
  log regclass DEFAULT NULL)
RETURNS TABLE (seq bigint, attempts int, event eventlog.event)
LANGUAGE c VOLATILE ROWS 100
AS 'MODULE_PATHNAME', 'eventlog_fetch';
COMMENT ON FUNCTION eventlog.fetch(text, int, bigint, regclass) IS
  'the next deliveries, at most max and together at most max_bytes unless the first one alone is larger, each with its number of failed attempts; makes this session the consumer; error 55006 while another session is';

CREATE FUNCTION eventlog.ack(
  name text, seqs bigint[], log regclass DEFAULT NULL)
RETURNS bigint LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_ack';
COMMENT ON FUNCTION eventlog.ack(text, bigint[], regclass) IS
  'acknowledge deliveries; returns how many were in the queue';

CREATE FUNCTION eventlog.fail(
  name text, seq bigint, error text DEFAULT NULL,
  next_attempt_at timestamptz DEFAULT NULL, log regclass DEFAULT NULL)
RETURNS bigint LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_fail';
COMMENT ON FUNCTION eventlog.fail(text, bigint, text, timestamptz, regclass) IS
  'report a failed delivery, to be handed out again at next_attempt_at, NULL: never, it is dead; returns how many changed';

CREATE FUNCTION eventlog.fail_batch(
  name text, seqs bigint[], errors text[], next_attempt_at timestamptz[],
  log regclass DEFAULT NULL)
RETURNS bigint LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_fail_batch';
COMMENT ON FUNCTION eventlog.fail_batch(text, bigint[], text[], timestamptz[], regclass) IS
  'report failed deliveries, each with its error and the time to hand it out again, NULL: never, it is dead; returns how many changed';

CREATE FUNCTION eventlog.release(name text, log regclass DEFAULT NULL)
RETURNS void LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_release';
COMMENT ON FUNCTION eventlog.release(text, regclass) IS
  'stop being the consumer; what was not acknowledged is handed out again';

CREATE FUNCTION eventlog.listen(name text, log regclass DEFAULT NULL)
RETURNS boolean LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_listen';
COMMENT ON FUNCTION eventlog.listen(text, regclass) IS
  'true: nothing is to be delivered now, and NOTIFY eventlog with this name as payload follows as soon as something is; false: fetch again shortly';

CREATE FUNCTION eventlog.retry(
  name text, seq bigint DEFAULT NULL, log regclass DEFAULT NULL)
RETURNS bigint LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_retry';
COMMENT ON FUNCTION eventlog.retry(text, bigint, regclass) IS
  'deliver dead deliveries again, all of them or the one with that seq; returns how many';

CREATE FUNCTION eventlog.replay(
  name text,
  event_type text DEFAULT NULL,
  level text DEFAULT NULL,
  min_level text DEFAULT NULL,
  resource_type text DEFAULT NULL,
  resource_id text DEFAULT NULL,
  user_id text DEFAULT NULL,
  source_service text DEFAULT NULL,
  source_host text DEFAULT NULL,
  category text DEFAULT NULL,
  request_id text DEFAULT NULL,
  since timestamptz DEFAULT NULL,
  before timestamptz DEFAULT NULL,
  log regclass DEFAULT NULL)
RETURNS bigint LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_replay';
COMMENT ON FUNCTION eventlog.replay(text, text, text, text, text, text, text, text, text, text,
  text, timestamptz, timestamptz, regclass) IS
  'enqueue past events that match both the filter and the subscription once more; returns how many';

-- The views read through functions that return only what the caller may see, so
-- that not even a plan reveals anything else.

CREATE FUNCTION eventlog._subscriptions()
RETURNS TABLE (id int, name text, owner regrole, log regclass, levels text[],
               event_type text, paused boolean, consumer int)
LANGUAGE c STABLE ROWS 10
AS 'MODULE_PATHNAME', 'eventlog_subscriptions';
COMMENT ON FUNCTION eventlog._subscriptions() IS
  'the subscriptions that the caller may see';

CREATE FUNCTION eventlog._subscription_counts(subscription int)
RETURNS TABLE (pending bigint, retrying bigint, dead bigint,
               oldest_pending_at timestamptz, delivered bigint,
               cancelled bigint, last_delivered_at timestamptz,
               last_error text, last_error_at timestamptz)
LANGUAGE c STABLE STRICT COST 1000 ROWS 1
AS 'MODULE_PATHNAME', 'eventlog_subscription_counts';
COMMENT ON FUNCTION eventlog._subscription_counts(int) IS
  'counts and statistics of a subscription that the caller may see';

CREATE FUNCTION eventlog._deliveries(subscription int, state text)
RETURNS TABLE (seq bigint, event_id uuid, attempts int,
               next_attempt_at timestamptz, last_error text)
LANGUAGE c STABLE STRICT COST 1000 ROWS 1000
AS 'MODULE_PATHNAME', 'eventlog_deliveries';
COMMENT ON FUNCTION eventlog._deliveries(int, text) IS
  'the deliveries in that state of a subscription that belongs to one of the caller''s roles';

CREATE VIEW eventlog.subscriptions AS
SELECT s.name COLLATE pg_catalog."C" AS name,
       s.owner,
       s.log,
       s.levels,
       s.event_type COLLATE pg_catalog."C" AS event_type,
       s.paused,
       s.consumer,
       c.pending,
       c.retrying,
       c.dead,
       c.delivered,
       c.cancelled,
       c.oldest_pending_at,
       c.last_delivered_at,
       c.last_error,
       c.last_error_at
  FROM eventlog._subscriptions() s
 CROSS JOIN LATERAL eventlog._subscription_counts(s.id) c;
COMMENT ON VIEW eventlog.subscriptions IS
  'the subscriptions of the caller''s roles and the state of their deliveries; the owner of a log sees all subscriptions of that log, and a member of pg_read_all_stats all subscriptions, without filters and errors';
COMMENT ON COLUMN eventlog.subscriptions.name IS 'name, unique within the log';
COMMENT ON COLUMN eventlog.subscriptions.owner IS
  'the role that events are read as, and whose members may use the subscription';
COMMENT ON COLUMN eventlog.subscriptions.log IS
  'the log whose events are delivered; NULL: it was dropped';
COMMENT ON COLUMN eventlog.subscriptions.levels IS
  'the levels that are delivered; NULL: all';
COMMENT ON COLUMN eventlog.subscriptions.event_type IS
  'prefix of the event types that are delivered; NULL: all';
COMMENT ON COLUMN eventlog.subscriptions.paused IS
  'true: it is paused, or its owner was dropped';
COMMENT ON COLUMN eventlog.subscriptions.consumer IS
  'process ID of the session that fetches; NULL: none does';
COMMENT ON COLUMN eventlog.subscriptions.pending IS
  'number of deliveries that were not tried yet';
COMMENT ON COLUMN eventlog.subscriptions.retrying IS
  'number of deliveries that failed and will be tried again';
COMMENT ON COLUMN eventlog.subscriptions.dead IS
  'number of deliveries that were given up; see eventlog.retry';
COMMENT ON COLUMN eventlog.subscriptions.delivered IS
  'number of acknowledged deliveries';
COMMENT ON COLUMN eventlog.subscriptions.cancelled IS
  'number of deliveries whose event was deleted, or could not be seen by the owner, before they were handed out';
COMMENT ON COLUMN eventlog.subscriptions.oldest_pending_at IS
  'when the oldest event that is pending or retrying occurred';
COMMENT ON COLUMN eventlog.subscriptions.last_delivered_at IS
  'when a delivery was last acknowledged';
COMMENT ON COLUMN eventlog.subscriptions.last_error IS
  'why a delivery last failed';
COMMENT ON COLUMN eventlog.subscriptions.last_error_at IS
  'when a delivery last failed';
GRANT SELECT ON eventlog.subscriptions TO PUBLIC;

-- One branch for each state, so that a condition on the state skips the others.
CREATE VIEW eventlog.deliveries AS
SELECT s.name COLLATE pg_catalog."C" AS subscription,
       d.seq,
       d.event_id,
       d.state,
       d.attempts,
       d.next_attempt_at,
       d.last_error,
       s.log
  FROM eventlog._subscriptions() s
 CROSS JOIN LATERAL (
       SELECT p.seq, p.event_id, 'pending' AS state, p.attempts,
              p.next_attempt_at, p.last_error
         FROM eventlog._deliveries(s.id, 'pending') p
       UNION ALL
       SELECT r.seq, r.event_id, 'retrying' AS state, r.attempts, r.next_attempt_at,
              r.last_error
         FROM eventlog._deliveries(s.id, 'retrying') r
       UNION ALL
       SELECT x.seq, x.event_id, 'dead' AS state, x.attempts, x.next_attempt_at,
              x.last_error
         FROM eventlog._deliveries(s.id, 'dead') x) d;
COMMENT ON VIEW eventlog.deliveries IS
  'the deliveries in the queue for the subscriptions of the caller''s roles';
COMMENT ON COLUMN eventlog.deliveries.subscription IS
  'name of the subscription';
COMMENT ON COLUMN eventlog.deliveries.seq IS 'number of the delivery';
COMMENT ON COLUMN eventlog.deliveries.event_id IS 'the event to deliver';
COMMENT ON COLUMN eventlog.deliveries.state IS 'pending, retrying or dead';
COMMENT ON COLUMN eventlog.deliveries.attempts IS 'number of failed attempts';
COMMENT ON COLUMN eventlog.deliveries.next_attempt_at IS
  'when it is tried again; NULL unless it is retrying';
COMMENT ON COLUMN eventlog.deliveries.last_error IS 'why it last failed';
COMMENT ON COLUMN eventlog.deliveries.log IS
  'the log of the subscription; NULL: it was dropped';
GRANT SELECT ON eventlog.deliveries TO PUBLIC;
