--
-- Events of other systems, as eventlog.ingest stores them
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SELECT eventlog.create_log('ing_log', '1 day', premake => 0);
SET eventlog.default_log = 'ing_log';
\set VERBOSITY terse
\pset null '-'
-- show and delete what was ingested
CREATE FUNCTION pg_temp.look(OUT event_type text, OUT level text, OUT message text,
  OUT resource text, OUT source text, OUT request_id text, OUT occurred_at timestamptz,
  OUT details jsonb) RETURNS SETOF record LANGUAGE sql AS
$$ DELETE FROM ing_log RETURNING event_type, level, message,
     concat_ws(' ', resource_type, resource_id, user_id, category),
     concat_ws(' ', source_service, source_host, base_url), request_id,
     CASE WHEN occurred_at < now() - interval '1 day' THEN occurred_at END, details $$;

-- The columns of a log. A name becomes an event type, the level may be a number of
-- syslog, and what has no column goes into details.
SELECT count(*) FROM eventlog.ingest('{"event_type": "Com.Example/Image Pulled", "level": 4,
  "message": "pulled", "source_service": "catalog", "attempt": 2, "details": {"layers": 7},
  "occurred_at": "2022-08-24T22:48:45.123456Z"}');
SELECT * FROM pg_temp.look();

-- CloudEvents 1.0: the id is made of source and id, so a second delivery is no second
-- event.
SELECT eventlog.ingest('{"specversion": "1.0", "id": "A-1", "source": "/shop/orders",
  "type": "com.example.OrderPlaced", "subject": "order/7", "time": "2022-08-25T00:48:45+02:00",
  "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "tenant": "acme",
  "data": {"message": "placed", "amount": 10}}') =
  eventlog.ingest('{"specversion": "1.0", "id": "A-1", "source": "/shop/orders",
  "type": "com.example.OrderPlaced", "time": "2022-08-24T22:48:45Z"}') AS same;
SELECT * FROM pg_temp.look();
-- Without a time the clock is used, and then two deliveries are two events.
SELECT count(DISTINCT id) FROM generate_series(1, 2), eventlog.ingest('{"specversion": "1.0",
  "id": "A-2", "source": "s", "type": "t", "data": "text"}') id;
SELECT DISTINCT event_type, message, details FROM pg_temp.look();
-- An attribute "level" with another meaning goes into details.
SELECT count(*) FROM eventlog.ingest('[
  {"specversion": "1.0", "id": "A-3", "source": "s", "type": "theirs", "level": "gold"},
  {"specversion": "1.0", "id": "A-4", "source": "s", "type": "ours", "level": "Error"}]');
SELECT event_type, level, details FROM pg_temp.look() ORDER BY 1;

-- OpenTelemetry: a request of a collector, as OTLP/JSON, or a log record alone.
SELECT count(*) FROM eventlog.ingest('{"resourceLogs": [{
  "resource": {"attributes": [
    {"key": "service.name", "value": {"stringValue": "catalog"}},
    {"key": "host.name", "value": {"stringValue": "h1"}},
    {"key": "os.type", "value": {"stringValue": "linux"}}]},
  "scopeLogs": [{"scope": {"name": "com.acme.Images"}, "logRecords": [
    {"timeUnixNano": "1661381325123456789", "severityNumber": 17, "severityText": "ERROR",
     "body": {"stringValue": "went wrong"}, "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
     "attributes": [{"key": "n", "value": {"intValue": "7"}}, {"key": "list", "value": {"arrayValue":
       {"values": [{"boolValue": true}, {"kvlistValue": {"values": [
         {"key": "z", "value": {"doubleValue": 1.5}}]}}]}}}]},
    {"observedTimeUnixNano": "1661381325000000000", "severityNumber": 1,
     "body": {"kvlistValue": {"values": [{"key": "a", "value": {"stringValue": "b"}}]}},
     "attributes": [{"key": "event.name", "value": {"stringValue": "device.start"}}]}]}]}]}');
SELECT * FROM pg_temp.look() ORDER BY 1;
SELECT eventlog.ingest(e) = eventlog.ingest(e) AS same FROM
  CAST('{"timeUnixNano": "1661381325123456789", "body": {"stringValue": "x"}}' AS jsonb) e;
SELECT * FROM pg_temp.look();

-- Elastic's Common Schema, nested, with dots, or both.
SELECT count(*) FROM eventlog.ingest('{"@timestamp": "2022-08-24T22:48:45Z", "log": {"level": "WARN",
  "logger": "org.acme.Pool"}, "message": "slow", "host.name": "h1", "event.category": ["database"],
  "service": {"name": "catalog", "version": "2"}, "trace.id": "t1", "user": {"id": "u1"},
  "ecs": {"version": "8.0"}}');
SELECT * FROM pg_temp.look();

-- Our own form comes back as the event that it was, on its own or in a CloudEvent.
SELECT eventlog.emit('own.event', 'error', 'm', 'r', 'rt', 'u', 's', 'h', 'http://b', 'q', 'c',
  '{"a": 1}', '2022-08-24Z', eventlog.new_id('2022-08-24Z', 'own')) AS id \gset
SELECT eventlog.to_json(e) AS json FROM eventlog.get(:'id') e \gset
SELECT eventlog.ingest(:'json'::jsonb) = :'id' AS known,
  eventlog.ingest(jsonb_build_object('specversion', '1.0', 'id', 'i', 'source', 's', 'type', 't',
    'data', :'json'::jsonb)) = :'id' AS known;
CREATE TABLE ing_was AS SELECT id, event_type, level, message, resource_id, resource_type, user_id,
  source_service, source_host, base_url, request_id, category, details, occurred_at FROM ing_log;
SELECT count(*) FROM pg_temp.look();
SELECT eventlog.ingest(:'json'::jsonb) = :'id' AS same_id;
SELECT count(*) FROM (TABLE ing_was EXCEPT SELECT id, event_type, level, message, resource_id,
  resource_type, user_id, source_service, source_host, base_url, request_id, category, details,
  occurred_at FROM ing_log) e;
SELECT count(*) FROM pg_temp.look();

-- Levels by name and number, of syslog and OpenTelemetry.
SELECT count(*) FROM generate_series(0, 7) n, LATERAL eventlog.ingest(
  jsonb_build_object('event_type', 'syslog.' || n, 'level', n));
SELECT event_type, level FROM ing_log WHERE event_type ~ '^syslog' ORDER BY 1;
SELECT n, eventlog._foreign_level(jsonb_build_object('n', n), 'n', '', true) FROM
  generate_series(0, 24, 3) n;
SELECT name, eventlog._foreign_level(jsonb_build_object('n', name), 'n', '', false) FROM
  unnest(ARRAY['Warn', 'FATAL', 'err', 'notice', 'trace']) name;

-- Times: RFC 3339, and numbers since 1970 by their size, to the microsecond.
SELECT t, eventlog._foreign_time(jsonb_build_object('t', t), 't', '') FROM unnest(ARRAY[
  '2022-08-24T22:48:45Z', '2022-08-24 22:48:45.1234567-01:30', '2022-02-28T23:59:60Z',
  '2024-02-29T00:00Z', '1661381325', '1661381325.25', '1661381325123', '1661381325123.4',
  '1661381325123456', '1661381325123456789', '0']) t;
CREATE FUNCTION pg_temp.refused(document jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM eventlog.ingest(document);
  RETURN 'taken';
EXCEPTION WHEN OTHERS THEN
  RETURN concat(SQLSTATE, ': ', SQLERRM);
END $$;
SELECT pg_temp.refused(jsonb_build_object('event_type', 'a', 'occurred_at', t)) FROM
  unnest(ARRAY['2022-02-30T00:00:00Z', '2022-13-01T00:00:00Z', 'now', 'infinity',
  '2022-08-24', '24.08.2022 10:00', '2022-08-24T24:00:00Z', '2022-08-24T22:48:45+25:00', '-1', '',
  '99999999999999999999', '1e9', '1969-12-31T23:59:59Z']) t;

-- Names become event types.
SELECT name, eventlog._foreign_type(name) FROM unnest(ARRAY['com.example.SomeEvent', 'a//b', '.a.',
  'Ärger im Büro', 'A$B::c\d', '___', '...', '', repeat('x', 300)]) name;

-- An error names the path of the field, and in an array the element; nothing is
-- written.
SELECT pg_temp.refused(d) FROM unnest(ARRAY[
  '1', '"x"', 'null', '{}', '[1]', '{"event_type": {}}', '{"event_type": "..."}',
  '[{"event_type": "a"}, {"event_type": "b", "level": "loud"}]',
  '[{"event_type": "a"}, {"event_type": "b", "source_host": []}]',
  '{"specversion": "1.0", "source": "s", "type": "t"}',
  '{"specversion": "1.0", "id": "i", "type": "t"}', '{"specversion": "1.0", "id": "i", "source": "s"}',
  '[{"event_type": "a"}, {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"severityNumber": 99}]}]}]}]',
  '{"generated_uuid": "x", "event": {}}', '{"@timestamp": "yesterday"}']::jsonb[]) d;
SELECT pg_temp.refused(jsonb_build_array(jsonb_build_object('event_type', 'a'),
  jsonb_build_object('event_type', 'b', 'source_host', repeat('x', 300))));
SELECT pg_temp.refused(jsonb_agg(jsonb_build_object('event_type', 'a'))) FROM
  generate_series(1, 10001);
SELECT eventlog.ingest(NULL);
\set VERBOSITY default
SELECT eventlog.ingest(('[{"event_type": "a"}, {"event_type": "b", "category": "' || repeat('x', 256)
  || '"}]')::jsonb);
\set VERBOSITY terse
-- Deep nesting is bounded by the server's stack, not by a crash.
SELECT left(pg_temp.refused((repeat('{"event_type":', 3000) || '1' || repeat('}', 3000))::jsonb), 30);
SELECT count(*) FROM eventlog.ingest('[]');
SELECT count(*) FROM ing_log WHERE event_type NOT LIKE 'syslog.%';

-- A writer needs INSERT and nothing else.
CREATE ROLE ing_writer;
GRANT INSERT ON ing_log TO ing_writer;
SET ROLE ing_writer;
SELECT count(*) FROM eventlog.ingest('[{"event_type": "by.writer"}, {"event_type": "by.writer"}]');
RESET ROLE;
CREATE ROLE ing_other;
SET ROLE ing_other;
SELECT eventlog.ingest('{"event_type": "by.other"}');
RESET ROLE;
SELECT eventlog.count('by', log => 'ing_log');
DROP TABLE ing_log, ing_was;
DROP ROLE ing_writer, ing_other;
