--
-- Events: an id carries its time, a level is one of five, a row is an event
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
\set VERBOSITY terse

-- An id gives back the very microsecond that it was made for.
SELECT eventlog.id_time(eventlog.new_id('2022-08-24 23:08:30.54001Z'));
SELECT count(*) AS inexact
  FROM generate_series(0, 9999) us,
       LATERAL (SELECT '1970-01-01Z'::timestamptz + us * interval '1 microsecond' AS t) x
 WHERE eventlog.id_time(eventlog.new_id(t)) <> t;
SELECT eventlog.id_time(eventlog.new_id('9999-12-31 23:59:59.999999Z'));

-- It is a version 7 UUID, of the variant of RFC 9562.
SELECT substr(id::text, 15, 1) AS version, substr(id::text, 20, 1) IN ('8', '9', 'a',
  'b') AS variant
  FROM eventlog.new_id() AS id;

-- So ids sort as times do.
SELECT bool_and(a < b) AS sorted
  FROM (SELECT eventlog.new_id(t) AS a,
               eventlog.new_id(t + interval '1 microsecond') AS b
          FROM generate_series('2022-08-24Z'::timestamptz, '2022-08-25Z',
            '7 minutes 0.000333 seconds') t) x;

-- With a seed, the same record gives the same id, wherever it is imported.
SELECT eventlog.new_id('2022-08-24 23:08:30.54001Z', '8c179a3b27a543fe9285cf4feb65561d');
SELECT eventlog.new_id('2022-08-24 23:08:30.54001Z', 'another') =
       eventlog.new_id('2022-08-24 23:08:30.54001Z', '8c179a3b27a543fe9285cf4feb65561d') AS same;

-- Other ids and times are refused.
SELECT eventlog.id_time('8c179a3b-27a5-43fe-9285-cf4feb65561d');
SELECT eventlog.id_time('ffffffff-ffff-7fff-bfff-ffffffffffff');
SELECT eventlog.new_id('1969-12-31 23:59:59.999999Z');
SELECT eventlog.new_id('10000-01-01Z');
SELECT eventlog.new_id('infinity');
SELECT eventlog.new_id(NULL);

-- Levels sort by how bad they are.
SELECT 'warning'::eventlog.level > 'info'::eventlog.level AS worse;

-- Values that a writer omits are filled in.
SELECT eventlog.create_log('event_log');
INSERT INTO event_log (event_type) VALUES ('neither.given');
INSERT INTO event_log (event_type, occurred_at) VALUES ('time.given', '2022-08-24 23:00Z');
INSERT INTO event_log (event_type, id) VALUES ('id.given', eventlog.new_id('2022-08-24Z', 'x'));
INSERT INTO event_log (event_type, occurred_at) VALUES ('time.null', NULL);
INSERT INTO event_log (event_type, id, occurred_at)
  VALUES ('both.agree', eventlog.new_id('2022-08-24Z', 'x'), '2022-08-24Z');
INSERT INTO event_log (event_type, id, occurred_at)
  VALUES ('both.differ', eventlog.new_id('2022-08-24Z', 'x'), '2022-08-24 00:00:00.000001Z');
COPY event_log (event_type, level) FROM stdin;
copy.neither	WARNING
\.
COPY event_log (event_type, occurred_at) FROM stdin;
copy.time	2022-08-24 22:00:00Z
\.
SELECT event_type, level, eventlog.id_time(id) = occurred_at AS agree,
       occurred_at > '2026-01-01' AS by_the_clock
  FROM event_log ORDER BY event_type;

-- The time and the id of an event cannot be changed. The owner may change the rest.
UPDATE event_log SET occurred_at = occurred_at + interval '1 day' WHERE event_type = 'both.agree';
UPDATE event_log SET id = eventlog.new_id(occurred_at) WHERE event_type = 'both.agree';
UPDATE event_log SET level = 'Critical', message = 'changed' WHERE event_type = 'both.agree';
SELECT level, message FROM event_log WHERE event_type = 'both.agree';

-- The constraint holds even if triggers do not fire.
SET session_replication_role = replica;
INSERT INTO event_log (event_type, id, occurred_at)
  VALUES ('no.trigger', eventlog.new_id('2022-08-24Z', 'y'), '2022-08-25Z');
INSERT INTO event_log (event_type, id, occurred_at, level)
  VALUES ('no.trigger', eventlog.new_id('2022-08-24Z', 'y'), '2022-08-24Z', 'loud');
INSERT INTO event_log (event_type, occurred_at) VALUES ('no.trigger', '2022-08-24Z');
-- (the trigger enforces the other rules; rows that break them are read like others)
INSERT INTO event_log (event_type, id, occurred_at, resource_type)
  VALUES ('No Type', eventlog.new_id('2022-08-24Z', 'z'), '2022-08-24Z', repeat('x', 256));
RESET session_replication_role;
SELECT event_type, length(resource_type) FROM eventlog.list('No Type', log => 'event_log');
UPDATE event_log SET message = 'changed' WHERE event_type = 'No Type';
DELETE FROM event_log WHERE event_type = 'No Type';

-- The nested form.
SELECT jsonb_pretty(eventlog.to_json(ROW(
  '0182d1e6-528b-770e-9922-4eecbb49cf9c', 'system.image_analysis.registry_lookup_failed',
  'error', 'docker.io/aerospike:latest', 'image_reference', 'catalog',
  'anchore-quickstart', '2022-08-24 22:08:28.811441Z', 'Referenced image not found',
  NULL, '{"n": 123456789012345678901234567890}', 'admin', 'http://catalog:8228', NULL,
  '2022-08-24 22:08:29Z')::eventlog.event));
SELECT eventlog.to_json(NULL::eventlog.event) IS NULL AS nothing;

DROP TABLE event_log;
