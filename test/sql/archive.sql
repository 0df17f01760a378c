--
-- Retention that keeps: an expired partition is detached, not dropped
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE SCHEMA arc_old;
CREATE VIEW arc_settings AS
  SELECT retention, on_expiry, archive_schema, problems
    FROM eventlog.logs WHERE log = to_regclass('arc_log');

-- By default expired partitions are dropped.
SELECT eventlog.create_log('arc_log', '1 month', premake => 0);
TABLE arc_settings;
-- With 'detach' they become separate tables, in the given schema.
SELECT eventlog.alter_log('arc_log', retention => '1 year', on_expiry => 'detach',
  archive_schema => 'arc_old');
TABLE arc_settings;
-- A setting that is not given stays as it is.
SELECT eventlog.alter_log('arc_log', retention => '2 years');
TABLE arc_settings;

-- Events of two expired months, and of this one. The expired ones are first in
-- the default partition; they are kept, too.
INSERT INTO arc_log (event_type, occurred_at)
  SELECT 'old.' || m, make_timestamptz(2001, m, 1, 0, 0, 0, 'UTC') + g * interval '1 day'
    FROM generate_series(1, 2) m, generate_series(0, 9) g;
INSERT INTO arc_log (event_type) VALUES ('new');
SELECT eventlog.subscribe('arc', log => 'arc_log');
SELECT eventlog.replay('arc', event_type => 'old', log => 'arc_log');
SET client_min_messages = notice;
CALL eventlog.maintain('arc_log');
SET client_min_messages = warning;
SELECT event_type, count(*) FROM arc_log GROUP BY 1;
SELECT tableoid::regclass, event_type, count(*) FROM
  (SELECT tableoid, event_type FROM arc_old.arc_log_p20010101
   UNION ALL SELECT tableoid, event_type FROM arc_old.arc_log_p20010201) e GROUP BY 1, 2 ORDER BY 1;
TABLE arc_settings;
-- Deliveries of these events are cancelled, since the log no longer has them.
SELECT pending, cancelled FROM eventlog.subscriptions WHERE name = 'arc';
SELECT eventlog.unsubscribe('arc', log => 'arc_log');

-- A late event of an archived month gets a table beside the month's table.
SELECT count(eventlog.emit('old.late', occurred_at => '2001-01-03Z', log => 'arc_log'));
CALL eventlog.maintain('arc_log');
SELECT event_type FROM arc_old.arc_log_p20010101_1;

-- A table in the archive is unchanged and can be attached again.
SELECT eventlog.alter_log('arc_log', retention => '0');
ALTER TABLE arc_log ATTACH PARTITION arc_old.arc_log_p20010101
  FOR VALUES FROM ('2001-01-01Z') TO ('2001-02-01Z');
SELECT count(*), max(occurred_at) FROM eventlog.list(event_type => 'old', log => 'arc_log',
  page_size => NULL);
TABLE arc_settings;

-- An empty name leaves the table in the schema of the partition, which is
-- that of the archive here; 'drop' drops again.
SELECT eventlog.alter_log('arc_log', retention => '1 year', archive_schema => '');
TABLE arc_settings;
CALL eventlog.maintain('arc_log');
SELECT relnamespace::regnamespace, relispartition FROM pg_class
  WHERE relname = 'arc_log_p20010101';
SELECT eventlog.alter_log('arc_log', on_expiry => 'drop');
TABLE arc_settings;
SELECT count(eventlog.emit('old.last', occurred_at => '2001-05-03Z', log => 'arc_log'));
CALL eventlog.maintain('arc_log');
SELECT count(*) FROM pg_class WHERE relname LIKE 'arc_log_p200105%';

-- purge deletes events, whatever the setting for expired ones.
SELECT eventlog.alter_log('arc_log', on_expiry => 'detach', archive_schema => 'arc_old');
CALL eventlog.purge(everything => true, log => 'arc_log');
SELECT count(*) FROM pg_class WHERE relnamespace = 'arc_old'::regnamespace AND relkind = 'r';

-- An event that another table refers to stays in the log, with all events of its
-- partition.
CREATE TABLE arc_ref (occurred_at timestamptz, id uuid,
  FOREIGN KEY (occurred_at, id) REFERENCES arc_log);
INSERT INTO arc_log (event_type, occurred_at)
  SELECT 'kept.' || g, '2003-03-01Z'::timestamptz + g * interval '1 day'
    FROM generate_series(1, 3) g;
INSERT INTO arc_ref SELECT occurred_at, id FROM arc_log WHERE event_type = 'kept.2';
CALL eventlog.maintain('arc_log');
SELECT count(*) FROM arc_log WHERE event_type LIKE 'kept%';
TABLE arc_settings;
TRUNCATE arc_ref;
CALL eventlog.maintain('arc_log');
SELECT count(*) FROM arc_old.arc_log_p20030301;
DROP TABLE arc_ref;

-- If the archive already has a table of that name, the partition stays, with a WARNING.
CREATE TABLE arc_log_p20040101 PARTITION OF arc_log
  FOR VALUES FROM ('2004-01-01Z') TO ('2004-02-01Z');
CREATE TABLE arc_old.arc_log_p20040101 ();
CALL eventlog.maintain('arc_log');
SELECT problems FROM arc_settings;
DROP TABLE arc_old.arc_log_p20040101;
CALL eventlog.maintain('arc_log');
SELECT problems FROM arc_settings;

-- The owner of the log creates the archived tables and needs the right to.
CREATE ROLE arc_role;
GRANT CREATE ON SCHEMA public TO arc_role;
SET ROLE arc_role;
SELECT eventlog.create_log('arc_theirs', retention => '1 year', on_expiry => 'detach',
  archive_schema => 'arc_old');
RESET ROLE;
GRANT USAGE, CREATE ON SCHEMA arc_old TO arc_role;
SET ROLE arc_role;
SELECT eventlog.create_log('arc_theirs', '1 month', retention => '1 year', on_expiry => 'detach',
  archive_schema => 'arc_old');
SELECT count(eventlog.emit('old', occurred_at => '2001-05-03Z', log => 'arc_theirs'));
RESET ROLE;
REVOKE CREATE ON SCHEMA arc_old FROM arc_role;
CALL eventlog.maintain('arc_theirs');
GRANT CREATE ON SCHEMA arc_old TO arc_role;
CALL eventlog.maintain('arc_theirs');
SELECT tableowner FROM pg_tables WHERE schemaname = 'arc_old' AND tablename ~ 'theirs';

-- Settings that are refused.
SELECT eventlog.alter_log('arc_log', on_expiry => 'keep');
SELECT eventlog.alter_log('arc_log', archive_schema => 'arc_none');
SELECT eventlog.alter_log('arc_log', on_expiry => 'drop', archive_schema => 'arc_old');
CREATE TEMP TABLE arc_temp ();
DO $$ BEGIN
  PERFORM eventlog.alter_log('arc_log', archive_schema => relnamespace::regnamespace::text)
    FROM pg_class WHERE relname = 'arc_temp';
EXCEPTION WHEN invalid_parameter_value THEN RAISE WARNING 'temporary';
END $$;
-- Such a name is an argument of a trigger, and is quoted there and afterwards.
CREATE SCHEMA "arc's ""own""";
SELECT eventlog.alter_log('arc_log', archive_schema => 'arc''s "own"');
TABLE arc_settings;
SELECT count(eventlog.emit('old', occurred_at => '2005-05-03Z', log => 'arc_log'));
CALL eventlog.maintain('arc_log');
SELECT schemaname, tablename FROM pg_tables WHERE schemaname LIKE 'arc''%';
TABLE arc_settings;

SET client_min_messages = error;
DROP TABLE arc_log, arc_theirs CASCADE;
DROP SCHEMA arc_old, "arc's ""own""" CASCADE;
DROP VIEW arc_settings;
DROP TABLE IF EXISTS arc_log_p20010101;
REVOKE CREATE ON SCHEMA public FROM arc_role;
DROP ROLE arc_role;
