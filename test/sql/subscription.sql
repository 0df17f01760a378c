--
-- Subscriptions: which events are owed to whom
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SELECT eventlog.create_log('sub_log');
SET eventlog.default_log = 'sub_log';

-- Without a subscription nothing is owed.
SELECT eventlog.emit('before', 'error') IS NOT NULL AS emitted;
SELECT count(*) FROM eventlog.deliveries;

SELECT eventlog.subscribe('errors', '{ERROR,critical}');
SELECT eventlog.subscribe('syncs', event_type => 'sync.');
SELECT eventlog.subscribe('all');
SELECT name, owner, log, levels, event_type, paused, consumer, pending, retrying, dead,
  delivered, cancelled
  FROM eventlog.subscriptions ORDER BY name;

-- One row per matching subscription, however the event comes in.
CREATE VIEW owed AS
  SELECT subscription, count(*) FROM eventlog.deliveries GROUP BY 1 ORDER BY 1;
CREATE PROCEDURE pg_temp.reset() LANGUAGE sql AS $$ DELETE FROM eventlog._queue $$;
SELECT eventlog.emit('sync.failed', 'error'), eventlog.emit('sync.done'),
  eventlog.emit('scan', 'critical') \gset
SELECT * FROM owed;
CALL pg_temp.reset();

INSERT INTO sub_log (event_type, level) SELECT 'sync.' || g, (ARRAY['error', 'info'])[1 + g % 2]
  FROM generate_series(1, 1000) g;
SELECT * FROM owed;
CALL pg_temp.reset();

DO $$ BEGIN FOR i IN 1..100 LOOP PERFORM eventlog.emit('loop', 'error'); END LOOP; END $$;
SELECT * FROM owed;
CALL pg_temp.reset();

COPY (SELECT 'sync.copy', 'error', clock_timestamp()
  FROM generate_series(1, 100000)) TO PROGRAM 'cat > eventlog_copy';
COPY sub_log (event_type, level, occurred_at) FROM 'eventlog_copy';
COPY (SELECT 1) TO PROGRAM 'cat >/dev/null; rm eventlog_copy';
SELECT * FROM owed;
CALL pg_temp.reset();

-- Directly into a partition, and into the default partition.
SELECT inhrelid::regclass AS current FROM pg_inherits
 WHERE inhparent = 'sub_log'::regclass ORDER BY inhrelid::regclass::text COLLATE "C" OFFSET 1
   LIMIT 1 \gset
SELECT occurred_at AS t FROM eventlog.list(page_size => 1) \gset
INSERT INTO :current (event_type, level, occurred_at) VALUES ('direct', 'error', :'t');
INSERT INTO sub_log_default (event_type, level, occurred_at)
  VALUES ('default', 'error', '2022-08-24Z');
SELECT * FROM owed;
CALL pg_temp.reset();

-- The same id twice is one event, and owed once.
SELECT count(eventlog.emit('once', id => eventlog.new_id('2022-08-24Z', 'once')))
  FROM generate_series(1, 2);
SELECT * FROM owed;
CALL pg_temp.reset();

-- It is owed in the event's own transaction.
BEGIN;
SELECT eventlog.emit('rolled.back', 'error') IS NOT NULL AS emitted;
SAVEPOINT s;
SELECT eventlog.emit('rolled.back', 'error') IS NOT NULL AS emitted;
ROLLBACK TO s;
SELECT * FROM owed;
ROLLBACK;
BEGIN;
SELECT eventlog.emit('kept', 'error') IS NOT NULL AS emitted;
SAVEPOINT s;
SELECT eventlog.emit('rolled.back', 'error') IS NOT NULL AS emitted;
ROLLBACK TO s;
COMMIT;
SELECT * FROM owed;
CALL pg_temp.reset();

-- Subscribing again replaces the filters, from the next statement on.
BEGIN;
SELECT eventlog.subscribe('errors', '{critical}', 'scan.');
SELECT eventlog.emit('scan.x', 'critical'), eventlog.emit('scan.x', 'error'),
  eventlog.emit('sync', 'critical') \gset
SELECT * FROM owed;
ROLLBACK;
SELECT levels, event_type FROM eventlog.subscriptions WHERE name = 'errors';

-- After unsubscribe, its deliveries are gone, and nothing new is enqueued.
SELECT eventlog.emit('last', 'error') IS NOT NULL AS emitted;
SELECT eventlog.unsubscribe('all');
SELECT eventlog.emit('after', 'info') IS NOT NULL AS emitted;
SELECT * FROM owed;
SELECT count(*) FROM eventlog._queue;
CALL pg_temp.reset();

-- Events of other logs are not enqueued.
SELECT eventlog.create_log('sub_other');
SELECT eventlog.emit('sync', 'error', log => 'sub_other') IS NOT NULL AS emitted;
SELECT * FROM owed;

-- Subscriptions that are changed by hand or restored take effect at once.
UPDATE eventlog._subscription SET levels = '{info}' WHERE name = 'errors';
SELECT eventlog.emit('x', 'info') IS NOT NULL AS emitted;
SELECT * FROM owed;
CALL pg_temp.reset();

-- A dropped log shows as NULL, and its deliveries are cancelled.
SELECT eventlog.subscribe('other', log => 'sub_other');
SELECT eventlog.emit('gone', log => 'sub_other') IS NOT NULL AS emitted;
SELECT 'sub_other'::regclass::oid AS gone \gset
DROP TABLE sub_other;
SELECT count(*) FROM eventlog.fetch('other', 10, log => :gone);
SELECT name, log, pending, cancelled FROM eventlog.subscriptions ORDER BY name;
SELECT eventlog.release('other', :gone);
SELECT eventlog.unsubscribe('other', :gone);
SELECT eventlog.unsubscribe(name, log) FROM eventlog.subscriptions ORDER BY name;

DROP VIEW owed;
DROP TABLE sub_log;
