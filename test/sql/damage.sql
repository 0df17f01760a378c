--
-- Damaged logs: the view reports the damage, create_log repairs what it can
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
\set VERBOSITY terse

SELECT eventlog.create_log('damaged', '1 day', '90 days', 2);
SELECT eventlog.emit('before', log => 'damaged') IS NOT NULL AS emitted;
CREATE VIEW pg_temp.wrong AS
SELECT premake, unnest(problems) AS problem FROM eventlog.logs WHERE log = 'damaged'::regclass;
SELECT * FROM pg_temp.wrong;

-- A log without damage is left as it is.
SELECT eventlog.create_log('damaged');

-- Everything that create_log can repair.
ALTER TABLE damaged ALTER id DROP DEFAULT, ALTER occurred_at DROP DEFAULT,
  DROP CONSTRAINT eventlog_check, DROP CONSTRAINT eventlog_level_check,
    DROP CONSTRAINT damaged_pkey,
  ALTER created_at DROP NOT NULL;
DROP TRIGGER eventlog_fill ON damaged;
DROP TRIGGER eventlog_queue ON damaged;
SELECT * FROM pg_temp.wrong;
SET client_min_messages = notice;
SELECT eventlog.create_log('damaged', '7 days', '1 day', 9);
SET client_min_messages = warning;
SELECT * FROM pg_temp.wrong;
-- it keeps its settings
SELECT partition_interval, retention, premake FROM eventlog.logs WHERE log = 'damaged'::regclass;

-- Disabled triggers, in the log or only in a partition.
ALTER TABLE damaged DISABLE TRIGGER eventlog_fill;
ALTER TABLE damaged ENABLE REPLICA TRIGGER eventlog_queue;
SELECT * FROM pg_temp.wrong;
SELECT eventlog.create_log('damaged');
SELECT * FROM pg_temp.wrong;
ALTER TABLE damaged_default DISABLE TRIGGER USER;
SELECT * FROM pg_temp.wrong;
SELECT eventlog.create_log('damaged');
SELECT * FROM pg_temp.wrong;

-- A trigger too many: the owner must decide which one stays.
CREATE TRIGGER owes_twice AFTER INSERT ON damaged FOR EACH ROW EXECUTE FUNCTION eventlog._owe();
SELECT * FROM pg_temp.wrong;
\set VERBOSITY default
SELECT eventlog.create_log('damaged');
\set VERBOSITY terse
DROP TRIGGER owes_twice ON damaged;

-- A CHECK of an older version, and one that does not hold for all rows.
ALTER TABLE damaged DROP CONSTRAINT eventlog_check, ADD CONSTRAINT eventlog_check
  CHECK (eventlog._check(id, occurred_at, event_type, resource_id, resource_type, source_service,
    source_host, category, user_id, request_id));
SELECT * FROM pg_temp.wrong;
SELECT eventlog.create_log('damaged');
SELECT * FROM pg_temp.wrong;
ALTER TABLE damaged DROP CONSTRAINT eventlog_check, ADD CONSTRAINT eventlog_check
  CHECK (eventlog._check(id, occurred_at)) NOT VALID;
SELECT * FROM pg_temp.wrong;
SELECT eventlog.create_log('damaged');
-- a CHECK on other columns does not count
ALTER TABLE damaged DROP CONSTRAINT eventlog_check, ADD CONSTRAINT eventlog_check
  CHECK (eventlog._check(id, created_at)) NOT VALID;
SELECT * FROM pg_temp.wrong;
ALTER TABLE damaged DROP CONSTRAINT eventlog_check;
SELECT eventlog.create_log('damaged');
SELECT * FROM pg_temp.wrong;

-- Lost settings: the other triggers still show that it is a log.
DROP TRIGGER eventlog_settings ON damaged;
SELECT * FROM pg_temp.wrong;
SELECT count(*) FROM eventlog.list(log => 'damaged');
SELECT eventlog.emit('a', log => 'damaged');
CALL eventlog.maintain('damaged');
SELECT eventlog.create_log('damaged', '1 day', premake => 1);
SELECT * FROM pg_temp.wrong;
CREATE OR REPLACE TRIGGER eventlog_settings BEFORE TRUNCATE ON damaged
  EXECUTE FUNCTION eventlog._settings('junk', '', '');
SELECT * FROM pg_temp.wrong;
SELECT eventlog.create_log('damaged', '1 day', premake => 1);
SELECT * FROM pg_temp.wrong;
ALTER TABLE damaged ALTER event_type DROP NOT NULL;
SELECT * FROM pg_temp.wrong;
SELECT eventlog.create_log('damaged');
SELECT * FROM pg_temp.wrong;

-- Damage that cannot be repaired is reported with the column.
ALTER TABLE damaged RENAME level TO severity;
SELECT * FROM pg_temp.wrong;
SELECT eventlog.list(log => 'damaged');
SELECT eventlog.create_log('damaged');
ALTER TABLE damaged RENAME severity TO level;
ALTER TABLE damaged ALTER source_host TYPE varchar;
SELECT * FROM pg_temp.wrong;
SELECT eventlog.create_log('damaged');
ALTER TABLE damaged ALTER source_host TYPE text COLLATE "POSIX";
SELECT * FROM pg_temp.wrong;
ALTER TABLE damaged ALTER source_host TYPE text COLLATE "C";
ALTER TABLE damaged DROP CONSTRAINT damaged_pkey, ADD PRIMARY KEY (occurred_at, id, event_type);
SELECT * FROM pg_temp.wrong;
SELECT eventlog.create_log('damaged');
ALTER TABLE damaged DROP CONSTRAINT damaged_pkey;
SELECT eventlog.create_log('damaged');
SELECT * FROM pg_temp.wrong;

-- Revoked rights: whoever revoked them must grant them again.
CREATE ROLE damage_role;
CREATE SCHEMA damage_schema AUTHORIZATION damage_role;
SET ROLE damage_role;
SELECT eventlog.create_log('damage_schema.log');
RESET ROLE;
SELECT proname, oid::regprocedure AS signature FROM pg_proc
  WHERE pronamespace = 'eventlog'::regnamespace AND proname = '_check' AND pronargs = 2 \gset
REVOKE EXECUTE ON FUNCTION :signature FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION eventlog._fill() FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION eventlog._owe() FROM PUBLIC;
SELECT log, unnest(problems) FROM eventlog.logs
  WHERE log IN ('damaged'::regclass, 'damage_schema.log'::regclass) ORDER BY 1, 2;
GRANT EXECUTE ON FUNCTION :signature, eventlog._fill(), eventlog._owe() TO PUBLIC;
SELECT log, problems FROM eventlog.logs WHERE log = 'damage_schema.log'::regclass;

-- A table that lost everything of the extension, and one that never was a log.
DROP SCHEMA damage_schema CASCADE;
DROP ROLE damage_role;
CREATE TABLE damage_other (LIKE damaged) PARTITION BY RANGE (occurred_at);
ALTER TABLE damage_other DROP COLUMN message;
SELECT eventlog.create_log('damage_other');
CREATE TABLE damage_by_type (LIKE damaged) PARTITION BY RANGE (event_type);
CREATE TRIGGER s BEFORE TRUNCATE ON damage_by_type
  EXECUTE FUNCTION eventlog._settings('0 months 1 days 0 microseconds',
  '0 months 0 days 0 microseconds', '4');
SELECT problems FROM eventlog.logs WHERE log = 'damage_by_type'::regclass;
SELECT eventlog.create_log('damage_by_type');
DROP TABLE damage_other, damage_by_type;
SET client_min_messages = error;
DROP EXTENSION eventlog CASCADE;
CREATE EXTENSION eventlog;
SET client_min_messages = notice;
SELECT eventlog.create_log('damaged', '1 day');
SET client_min_messages = warning;
SELECT problems FROM eventlog.logs;
SELECT event_type FROM eventlog.list(log => 'damaged');

DROP TABLE damaged;

-- With caches that are discarded all the time, if the build can do that.
SELECT eventlog.create_log('damaged', premake => 0, indexes => '{}');
SELECT set_config('debug_discard_caches', (SELECT max_val::int > 0 FROM pg_settings
  WHERE name = 'debug_discard_caches')::int::text, false) IS NOT NULL AS set;
SELECT log, problems FROM eventlog.logs;
SELECT event_type FROM eventlog.list(log => 'damaged');
RESET debug_discard_caches;
DROP TABLE damaged;

-- Where no constraint says that there are only five levels, an event of another one is found.
SELECT eventlog.create_log('damaged');
ALTER TABLE damaged DROP CONSTRAINT eventlog_level_check;
INSERT INTO damaged (event_type, level, source_service)
VALUES ('a', 'warning', 'api'), ('b', 'error', 'sync'), ('c', 'info', 'sync');
ALTER TABLE damaged DISABLE TRIGGER eventlog_fill;
UPDATE damaged SET level = 'notice' WHERE event_type = 'b';
SET eventlog.scan_method = lists;
SELECT eventlog.count(source_service => 'sync', log => 'damaged');
SELECT count(*) FROM eventlog.list(source_service => 'sync', log => 'damaged');
RESET eventlog.scan_method;
DROP TABLE damaged;
