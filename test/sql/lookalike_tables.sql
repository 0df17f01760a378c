--
-- Tables that somebody made look like logs do no harm
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
\set VERBOSITY terse

CREATE ROLE hostile_role;
CREATE SCHEMA hostile AUTHORIZATION hostile_role;
CREATE SCHEMA hostile_other;
SELECT eventlog.create_log('hostile_other.log');

-- Anybody can create such a table with the trigger that makes it a log.
GRANT USAGE ON SCHEMA hostile_other TO hostile_role;
GRANT SELECT ON hostile_other.log TO hostile_role;
SET ROLE hostile_role;
CREATE TABLE hostile.log (LIKE hostile_other.log INCLUDING DEFAULTS) PARTITION BY RANGE
  (occurred_at);
CREATE TABLE hostile.rest PARTITION OF hostile.log DEFAULT;
CREATE INDEX ON hostile.log (occurred_at, id);
CREATE INDEX ON hostile.log (event_type, level, source_service, resource_type, occurred_at, id);
CREATE PROCEDURE hostile.settings(width text, keep text, premake text) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE
    format('CREATE OR REPLACE TRIGGER s BEFORE TRUNCATE ON hostile.log'
        ' EXECUTE FUNCTION eventlog._settings(%L, %L, %L)', width, keep, premake);
END $$;
CREATE FUNCTION hostile.is_log(width text, keep text, premake text) RETURNS boolean
  LANGUAGE plpgsql AS $$
BEGIN
  CALL hostile.settings(width, keep, premake);
  RETURN EXISTS (SELECT FROM eventlog.logs WHERE log = 'hostile.log'::regclass
    AND partitions IS NOT NULL);
END $$;

-- A table with settings that create_log refuses is not a log.
SELECT width, keep, premake, hostile.is_log(width, keep, premake)
  FROM (VALUES ('0 months 1 days 0 microseconds', '0 months 0 days 0 microseconds', '4'),
               ('0 months 0 days 0 microseconds', '0 months 0 days 0 microseconds', '4'),
               ('0 months 0 days 1 microseconds', '0 months 0 days 0 microseconds', '4'),
               ('0 months -1 days 0 microseconds', '0 months 0 days 0 microseconds', '4'),
               ('1 months 1 days 0 microseconds', '0 months 0 days 0 microseconds', '4'),
               ('0 months 1 days 9223372036854775807 microseconds',
                 '0 months 0 days 0 microseconds', '4'),
               ('99999999999 months 0 days 0 microseconds', '0 months 0 days 0 microseconds', '4'),
               ('0 months 1 days 0 microseconds', '2147483647 months 0 days 0 microseconds', '4'),
               ('0 months 1 days 0 microseconds', '0 months -1 days 0 microseconds', '4'),
               ('0 months 1 days 0 microseconds', '0 months 0 days 0 microseconds', '2147483647'),
               ('0 months 1 days 0 microseconds', '0 months 0 days 0 microseconds', '-1'),
               ('0 months 1 days 0 microseconds', '0 months 0 days 0 microseconds', ''),
               ('1 day', '0', '4'),
               ('', '', '')) v (width, keep, premake);

-- Nor is one with nulls where an event must have values.
CALL hostile.settings('0 months 1 days 0 microseconds', '0 months 1 days 0 microseconds', '0');
SELECT count(*) FROM eventlog.logs WHERE log = 'hostile.log'::regclass;
ALTER TABLE hostile.log ALTER id DROP NOT NULL;
INSERT INTO hostile.log (event_type, occurred_at) VALUES ('a', '2022-08-24Z');
SELECT count(*) FROM eventlog.list(log => 'hostile.log');
SELECT eventlog.create_log('hostile.log');
DELETE FROM hostile.log;
ALTER TABLE hostile.log ALTER id SET NOT NULL;
-- (the index still has the deleted entries)
SELECT count(*) FROM eventlog.list(log => 'hostile.log');
SET eventlog.scan_method = lists;
SELECT count(*) FROM eventlog.list(level => 'info', log => 'hostile.log');
RESET eventlog.scan_method;

-- Rows of such a log need not be valid events. Readers get them, or an error.
CREATE TRIGGER owe AFTER INSERT ON hostile.log FOR EACH ROW EXECUTE FUNCTION eventlog._owe();
SELECT eventlog.subscribe('hostile', log => 'hostile.log');
INSERT INTO hostile.log (id, event_type, level, occurred_at)
  VALUES ('8c179a3b-27a5-43fe-9285-cf4feb65561d', 'a', 'info', 'infinity');
SELECT pending FROM eventlog.subscriptions WHERE name = 'hostile';
DELETE FROM hostile.log;
ALTER TABLE hostile.log DISABLE TRIGGER owe;
INSERT INTO hostile.log (id, event_type, level, occurred_at)
  VALUES ('8c179a3b-27a5-43fe-9285-cf4feb65561d', 'Ä %', 'info', 'infinity'),
         ('48c18a84-575d-45ef-bf5b-41e0f3a87177', 'a', 'LOUD', '-infinity'),
         ('f6084efd-159c-43a1-a051-8b6df5e58505', 'a', 'error', '4000-01-01 BC');
SELECT eventlog.replay('hostile', log => 'hostile.log');
SELECT event_type, level, occurred_at
  FROM eventlog.list(min_level => 'info', log => 'hostile.log');
SELECT event_type FROM eventlog.list(since => '4001-01-01 BC', before => '2000-01-01',
  page_size => 1, log => 'hostile.log');
SELECT count(*) FROM eventlog.list(log => 'hostile.log');
SELECT * FROM eventlog.histogram('1 day', 'a', level => 'error', log => 'hostile.log');
SELECT pending FROM eventlog.subscriptions WHERE name = 'hostile';

-- The upkeep of all logs goes on with the others.
RESET ROLE;
SELECT eventlog.alter_log('hostile_other.log', premake => 0);
INSERT INTO hostile_other.log (event_type, occurred_at) VALUES ('a', '2022-08-24Z');
SET client_min_messages = error;
CALL eventlog.maintain();
SET client_min_messages = warning;
SELECT problems FROM eventlog.logs WHERE log = 'hostile_other.log'::regclass;
SELECT count(*) AS kept FROM hostile.log;

-- Creating or changing another role's log is refused.
SET ROLE hostile_role;
SELECT eventlog.create_log('hostile_other.log');
SELECT eventlog.alter_log('hostile_other.log', '1 day');
RESET ROLE;

SELECT eventlog.unsubscribe('hostile', 'hostile.log');
DROP SCHEMA hostile, hostile_other CASCADE;
DROP ROLE hostile_role;

-- The extension's schema can be renamed, and another role can take its name.
CREATE ROLE hostile_taker;
SELECT current_database() AS db \gset
GRANT CREATE ON DATABASE :"db" TO hostile_taker;
SELECT eventlog.create_log('taken_log', '1 day', premake => 0);
SELECT eventlog.subscribe('taken', log => 'taken_log');
SELECT eventlog.emit('before', log => 'taken_log') IS NOT NULL AS emitted;
ALTER SCHEMA eventlog RENAME TO renamed_schema;
INSERT INTO taken_log (event_type) VALUES ('renamed');
SET ROLE hostile_taker;
CREATE SCHEMA eventlog;
CREATE TYPE eventlog.level AS ENUM ('mine');
CREATE TABLE eventlog._queue (subscription int, seq bigint, xid xid8, event_id uuid, attempts int,
  next_attempt_at timestamptz, failed_at timestamptz, last_error text);
CREATE TABLE eventlog._subscription (id int, name text, owner regrole, log regclass,
  levels text[], event_type text, paused boolean);
CREATE FUNCTION eventlog._settings() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END';
RESET ROLE;
INSERT INTO taken_log (event_type) VALUES ('taken');
SELECT renamed_schema.emit('taken', log => 'taken_log') IS NOT NULL AS emitted;
SELECT log FROM renamed_schema.logs WHERE log = 'taken_log'::regclass;
SET eventlog.scan_method = sql;
\set VERBOSITY default
SELECT renamed_schema.list(log => 'taken_log');
\set VERBOSITY terse
RESET eventlog.scan_method;
SELECT renamed_schema.types(log => 'taken_log');
SELECT renamed_schema.fetch('taken', 1, log => 'taken_log');
SELECT renamed_schema.subscribe('other', log => 'taken_log');
SELECT renamed_schema.create_log('taken_other');
SELECT renamed_schema.alter_log('taken_log', premake => 1);
SELECT count(*) FROM eventlog._queue;
DROP SCHEMA eventlog CASCADE;
ALTER SCHEMA renamed_schema RENAME TO eventlog;
SELECT (event).event_type FROM eventlog.fetch('taken', 10, log => 'taken_log');
SELECT event_type FROM eventlog.list(log => 'taken_log');
SELECT eventlog.unsubscribe('taken', 'taken_log');
DROP TABLE taken_log;
REVOKE CREATE ON DATABASE :"db" FROM hostile_taker;
DROP ROLE hostile_taker;
