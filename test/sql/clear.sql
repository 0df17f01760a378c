--
-- Clearing: one, some, many
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
SELECT eventlog.create_log('clear_log');
SET eventlog.default_log = 'clear_log';
CREATE PROCEDURE pg_temp.fill() LANGUAGE sql AS $$
  INSERT INTO clear_log (event_type, level, source_service, occurred_at)
  SELECT (ARRAY['sync.failed', 'sync.done', 'scan'])[1 + g % 3],
    (ARRAY['error', 'info'])[1 + g % 2], 's' || g % 5,
         '2022-08-01Z'::timestamptz + g * interval '1 hour'
    FROM generate_series(0, 999) g
$$;
CALL pg_temp.fill();
CALL eventlog.maintain('clear_log');
SELECT count(*) AS partitions FROM pg_inherits WHERE inhparent = 'clear_log'::regclass;

-- one
SELECT id FROM eventlog.list(page_size => 1) \gset
SELECT eventlog.delete(:'id') = :'id' AS deleted;
SELECT * FROM eventlog.delete(:'id');
SELECT * FROM eventlog.delete(NULL);

-- some: what list shows is what clear deletes
CREATE TEMP TABLE shown AS SELECT id
  FROM eventlog.list('sync.', level => 'error', since => '2022-08-10Z', before => '2022-08-20Z',
  page_size => NULL);
CREATE TEMP TABLE cleared AS SELECT id
  FROM eventlog.clear('sync.', level => 'error', since => '2022-08-10Z',
  before => '2022-08-20Z') AS id;
SELECT count(*), (SELECT count(*) FROM (TABLE shown EXCEPT TABLE cleared) x) AS missed,
       (SELECT count(*) FROM (TABLE cleared EXCEPT TABLE shown) x) AS too_many FROM cleared;
SELECT eventlog.count('sync.', level => 'error', since => '2022-08-10Z',
  before => '2022-08-20Z') AS left,
       eventlog.count() AS others;
-- it is part of the transaction
BEGIN;
SELECT count(*) FROM eventlog.clear(everything => true);
SELECT eventlog.count();
ROLLBACK;
SELECT eventlog.count();
SELECT count(*) FROM eventlog.clear('nothing.like.it');

-- many: whole partitions are dropped, the edges deleted
SET client_min_messages = notice;
CALL eventlog.purge(since => '2022-08-03Z', before => '2022-08-18Z');
SELECT eventlog.count(since => '2022-08-03Z', before => '2022-08-18Z') AS left,
  eventlog.count() AS others;
-- by other filters, in batches (in DETAIL: how far, and how fast)
\set VERBOSITY terse
CALL eventlog.purge(source_service => 's1', batch_size => 30);
SELECT eventlog.count(source_service => 's1') AS left, eventlog.count() AS others;
CALL eventlog.purge('nothing.like.it');

-- the current partition is emptied and stays
SET client_min_messages = warning;
SELECT eventlog.emit('now') IS NOT NULL AS emitted;
CALL eventlog.purge(everything => true);
SELECT problems FROM eventlog.logs WHERE log = 'clear_log'::regclass;
SELECT count(*) AS in_default FROM clear_log_default;
SELECT eventlog.emit('now') IS NOT NULL AS emitted;
SELECT count(*) AS in_default FROM clear_log_default;

-- from PL/pgSQL, where a DO block may commit
CALL pg_temp.fill();
DO $$
DECLARE
  n bigint := 0;
BEGIN
  CALL eventlog.purge('scan', log => 'clear_log', deleted => n);
  RAISE NOTICE 'deleted %', n;
  CALL eventlog.maintain('clear_log');
END $$;
SELECT eventlog.count();

-- Deliveries of purged events, dropped with their partition or deleted, are
-- cancelled and counted: by upkeep, or when they would be handed out.
SELECT eventlog.subscribe('clear', log => 'clear_log');
INSERT INTO clear_log (event_type, occurred_at)
  SELECT 'owed', '2022-08-29Z'::timestamptz + g * interval '1 day' FROM generate_series(1, 14) g;
SELECT pending FROM eventlog.subscriptions WHERE name = 'clear';
CALL eventlog.maintain('clear_log');
CALL eventlog.purge(since => '2022-09-03Z', batch_size => 2);
SELECT pending, cancelled FROM eventlog.subscriptions WHERE name = 'clear';
CALL eventlog.maintain('clear_log');
SELECT pending, cancelled FROM eventlog.subscriptions WHERE name = 'clear';
CALL eventlog.purge('owed', before => '2022-09-01Z');
SELECT (event).occurred_at FROM eventlog.fetch('clear', 10);
SELECT pending, cancelled FROM eventlog.subscriptions WHERE name = 'clear';
SELECT eventlog.unsubscribe('clear');
-- (a few rows to be vacuumed are not reported)
SET client_min_messages = notice;
CALL eventlog.purge(source_service => 's2');
SET client_min_messages = warning;

-- Events dropped with a partition are counted exactly, although few pages are read:
-- partitions that were vacuumed, written since then, or never vacuumed.
SELECT eventlog.create_log('clear_counted', '1 day', premake => 0);
INSERT INTO clear_counted (event_type, message, occurred_at)
SELECT 'a', 'one', '2022-08-01Z'::timestamptz + g * interval '2 minutes'
  FROM generate_series(0, 4 * 720 - 1) g;
CALL eventlog.maintain('clear_counted');
VACUUM clear_counted_p20220801, clear_counted_p20220802, clear_counted_p20220803;
DELETE FROM clear_counted WHERE occurred_at >= '2022-08-02Z'
  AND extract(minute FROM occurred_at) = 10;
VACUUM clear_counted_p20220802;
DELETE FROM clear_counted WHERE occurred_at >= '2022-08-02Z'
  AND extract(minute FROM occurred_at) = 20;
UPDATE clear_counted SET message = 'two' WHERE occurred_at >= '2022-08-02Z'
  AND extract(minute FROM occurred_at) = 40;
UPDATE clear_counted SET level = 'error' WHERE occurred_at >= '2022-08-03Z'
  AND extract(minute FROM occurred_at) = 50;
INSERT INTO clear_counted (event_type, occurred_at)
  SELECT 'b', '2022-08-03 23:59:59Z'::timestamptz FROM generate_series(1, 100);
BEGIN;
INSERT INTO clear_counted (event_type, occurred_at)
  SELECT 'c', '2022-08-03 23:59:59Z'::timestamptz FROM generate_series(1, 10);
ROLLBACK;
SELECT occurred_at::date AS day, count(*) FROM clear_counted GROUP BY 1 ORDER BY 1;
SET client_min_messages = notice;
CALL eventlog.purge(before => '2022-08-05Z', log => 'clear_counted');
SET client_min_messages = warning;
DROP TABLE clear_counted;

-- Rules that replace the DELETE.
INSERT INTO clear_log (event_type, occurred_at) VALUES ('rule', '2001-01-01Z');
CREATE RULE instead AS ON DELETE TO clear_log DO INSTEAD NOTHING;
SELECT eventlog.delete(id) FROM clear_log WHERE event_type = 'rule';
SELECT eventlog.clear('rule');
CALL eventlog.purge('rule');
DROP RULE instead ON clear_log;
CREATE RULE instead AS ON DELETE TO clear_log_default DO INSTEAD NOTHING;
SELECT eventlog.alter_log('clear_log', retention => '1 year');
CALL eventlog.maintain('clear_log');
DROP RULE instead ON clear_log_default;
CALL eventlog.maintain('clear_log');
SELECT count(*) FROM clear_log WHERE event_type = 'rule';

DROP TABLE clear_log;
