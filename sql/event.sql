--
-- Events: levels, identifiers, the nested JSON form
--

CREATE TYPE eventlog.level AS ENUM
  ('debug', 'info', 'warning', 'error', 'critical');
COMMENT ON TYPE eventlog.level IS
  'how bad it is: debug < info < warning < error < critical';

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
  'version 7 UUID that carries occurred_at to the microsecond';
COMMENT ON COLUMN eventlog.event.event_type IS
  'dotted words of a-z, 0-9, _ and -, 1 to 255 bytes';
COMMENT ON COLUMN eventlog.event.resource_id IS
  'what it happened to, up to 1,024 bytes';
COMMENT ON COLUMN eventlog.event.resource_type IS
  'what kind of thing that is, up to 255 bytes';
COMMENT ON COLUMN eventlog.event.source_service IS
  'the service that tells, up to 255 bytes';
COMMENT ON COLUMN eventlog.event.source_host IS
  'the host that it runs on, up to 255 bytes';
COMMENT ON COLUMN eventlog.event.occurred_at IS
  'when it happened, from 1970 up to year 9999';
COMMENT ON COLUMN eventlog.event.message IS 'for people';
COMMENT ON COLUMN eventlog.event.category IS 'free to use, up to 255 bytes';
COMMENT ON COLUMN eventlog.event.details IS 'for programs';
COMMENT ON COLUMN eventlog.event.user_id IS
  'the account that the resource belongs to, up to 1,024 bytes';
COMMENT ON COLUMN eventlog.event.base_url IS 'of the source service';
COMMENT ON COLUMN eventlog.event.request_id IS
  'of the request that it happened in, up to 255 bytes';
COMMENT ON COLUMN eventlog.event.created_at IS 'when the row was written';

CREATE FUNCTION eventlog.new_id(
  occurred_at timestamptz DEFAULT pg_catalog.clock_timestamp(),
  seed text DEFAULT NULL)
RETURNS uuid LANGUAGE c VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'eventlog_new_id';
COMMENT ON FUNCTION eventlog.new_id(timestamptz, text) IS
  'a new id of an event of that time; the same one for the same time and seed';

CREATE FUNCTION eventlog.id_time(id uuid)
RETURNS timestamptz LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'eventlog_id_time';
COMMENT ON FUNCTION eventlog.id_time(uuid) IS
  'the exact time in an id; an error if it is no version 7 UUID';

CREATE FUNCTION eventlog._utc(t timestamptz)
RETURNS text LANGUAGE sql STABLE STRICT PARALLEL SAFE
RETURN pg_catalog.to_char(pg_catalog.timezone('UTC', t),
                          'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
COMMENT ON FUNCTION eventlog._utc(timestamptz) IS
  'ISO 8601, UTC, six digits';

CREATE FUNCTION eventlog._hex(id uuid)
RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pg_catalog.replace(id::text, '-', '');
COMMENT ON FUNCTION eventlog._hex(uuid) IS '32 hex digits without dashes';

CREATE FUNCTION eventlog.to_json(event eventlog.event)
RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE
RETURN pg_catalog.jsonb_build_object(
  'generated_uuid', eventlog._hex((event).id),
  'created_at', eventlog._utc((event).created_at),
  'event', pg_catalog.jsonb_build_object(
    'type', (event).event_type,
    'level', (event).level::text,
    'message', (event).message,
    'category', (event).category,
    'details', (event).details,
    'timestamp', eventlog._utc((event).occurred_at),
    'resource', pg_catalog.jsonb_build_object(
      'id', (event).resource_id,
      'type', (event).resource_type,
      'user_id', (event).user_id),
    'source', pg_catalog.jsonb_build_object(
      'servicename', (event).source_service,
      'hostid', (event).source_host,
      'base_url', (event).base_url,
      'request_id', (event).request_id)));
COMMENT ON FUNCTION eventlog.to_json(eventlog.event) IS
  'an event as nested JSON: generated_uuid, created_at, event {type, level, message, category, details, timestamp, resource, source}';
