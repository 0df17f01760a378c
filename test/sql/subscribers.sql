--
-- Subscriptions of several logs and owners: names, bounds, who sees what
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE ROLE subs_a;
CREATE ROLE subs_b;
CREATE ROLE subs_watch IN ROLE pg_read_all_stats;
CREATE ROLE subs_gone;
CREATE SCHEMA subs_a AUTHORIZATION subs_a;
CREATE SCHEMA subs_b AUTHORIZATION subs_b;
SET ROLE subs_a;
SELECT eventlog.create_log('subs_a.log');
SET ROLE subs_b;
SELECT eventlog.create_log('subs_b.log');

-- Each log has its own names.
SET ROLE subs_a;
SELECT eventlog.subscribe('same', '{error}', 'a.', log => 'subs_a.log');
SET ROLE subs_b;
SELECT eventlog.subscribe('same', log => 'subs_b.log');
SELECT count(eventlog.emit('b' || g, log => 'subs_b.log')) FROM generate_series(1, 3) g;
SELECT (event).event_type FROM eventlog.fetch('same', 1, log => 'subs_b.log');
SELECT eventlog.fail('same', (SELECT min(seq) FROM eventlog.deliveries), 'secret',
  log => 'subs_b.log');
SELECT eventlog.unsubscribe('same', 'subs_a.log');
SET eventlog.default_log = 'subs_b.log';
SELECT eventlog.pause('same');
SELECT log, name, paused FROM eventlog.subscriptions;
SELECT eventlog.resume('same');
RESET eventlog.default_log;

-- Roles see their own subscriptions; members of pg_read_all_stats see names and counts.
SELECT name, owner, log, levels, event_type, pending, dead, last_error FROM eventlog.subscriptions;
SELECT log, subscription, state, last_error FROM eventlog.deliveries ORDER BY seq;
SET ROLE subs_a;
SELECT name, owner, log, levels, event_type, pending, dead, last_error FROM eventlog.subscriptions;
SELECT * FROM eventlog.deliveries;
SET ROLE subs_watch;
SELECT name, owner, log, levels, event_type, consumer IS NOT NULL AS consumer, pending, dead,
  last_error, last_error_at IS NOT NULL AS at FROM eventlog.subscriptions ORDER BY log::text;
SELECT * FROM eventlog.deliveries;
-- Not even a plan reveals others; a condition on the state skips the rest.
SET ROLE subs_a;
-- PostgreSQL 18 writes "rows=1.00".
CREATE FUNCTION subs_a.plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
    RETURN NEXT replace(line, '.00 ', ' ');
  END LOOP;
END $$;
SELECT * FROM subs_a.plan('SELECT * FROM eventlog.deliveries') p WHERE p ~ 'actual|Scan';
SELECT * FROM subs_a.plan($$SELECT * FROM eventlog.deliveries WHERE subscription = 'same'
  AND state = 'retrying'$$) p WHERE p ~ 'actual|Scan|Filter';
SELECT * FROM eventlog._deliveries((SELECT max(id) FROM eventlog._subscriptions()) + 1, 'pending');
SELECT count(*) FROM generate_series(1, 1000) id, eventlog._deliveries(id, 'pending');

-- Subscribing again uses no new number.
SET ROLE subs_a;
SELECT id AS before FROM eventlog._subscriptions() \gset
SELECT count(eventlog.subscribe('same', log => 'subs_a.log')::text) FROM generate_series(1, 100);
SELECT eventlog.subscribe('next', log => 'subs_a.log');
RESET ROLE;
SELECT max(id) - (SELECT id FROM eventlog._subscription WHERE name = 'same'
  AND log = 'subs_b.log'::regclass) AS next FROM eventlog._subscription;

-- Bounds.
\set VERBOSITY verbose
\set SHOW_CONTEXT never
CREATE FUNCTION pg_temp.refused(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
  RETURN 'not refused';
EXCEPTION WHEN OTHERS THEN
  RETURN sqlstate || ' ' || sqlerrm;
END $$;
SELECT pg_temp.refused($$SELECT eventlog.subscribe(repeat('x', 64), log => 'subs_a.log')$$);
SELECT pg_temp.refused($$SELECT eventlog.subscribe(repeat('ü', 20000000), log => 'subs_a.log')$$);
SELECT pg_temp.refused($$SELECT eventlog.subscribe('m', event_type => repeat('a', 256),
  log => 'subs_a.log')$$);
SELECT pg_temp.refused($$SELECT eventlog.subscribe('m', event_type => repeat('a', 20000000),
  log => 'subs_a.log')$$);
SELECT pg_temp.refused($$SELECT eventlog.subscribe('m', array_fill('info'::text, '{5000000}'),
  log => 'subs_a.log')$$);
SELECT pg_temp.refused($$SELECT eventlog.subscribe('m', '{NULL}', log => 'subs_a.log')$$);
SET eventlog.max_subscriptions = 3;
SELECT pg_temp.refused($$SELECT eventlog.subscribe('third', log => 'subs_a.log')$$);
SELECT pg_temp.refused($$SELECT eventlog.subscribe('fourth', log => 'subs_a.log')$$);
SELECT pg_temp.refused($$SELECT eventlog.subscribe('third', '{error}', log => 'subs_a.log')$$);
SET ROLE subs_a;
SELECT pg_temp.refused('SET eventlog.max_subscriptions = 1000');
RESET ROLE;
RESET eventlog.max_subscriptions;
SELECT eventlog.unsubscribe(name, log) FROM eventlog.subscriptions WHERE name IN ('next', 'third')
  ORDER BY name;

-- If a reader creates the maximum of subscriptions, the owner of the log sees their
-- names and counts and can remove them.
GRANT USAGE ON SCHEMA subs_a TO subs_b;
GRANT SELECT ON subs_a.log TO subs_b;
SET ROLE subs_b;
SELECT eventlog.subscribe('taken', '{error}', 'a.', log => 'subs_a.log');
SET ROLE subs_a;
SELECT pg_temp.refused($$SELECT eventlog.subscribe('taken', log => 'subs_a.log')$$);
SELECT name, owner, levels, event_type, pending FROM eventlog.subscriptions
  WHERE log = 'subs_a.log'::regclass AND name = 'taken';
SELECT count(*) FROM eventlog.deliveries WHERE subscription = 'taken';
SELECT pg_temp.refused($$SELECT eventlog.fetch('taken', 1, log => 'subs_a.log')$$);
SELECT pg_temp.refused($$SELECT eventlog.pause('taken', 'subs_a.log')$$);
SELECT eventlog.unsubscribe('taken', 'subs_a.log');
RESET ROLE;
REVOKE USAGE ON SCHEMA subs_a FROM subs_b;
REVOKE SELECT ON subs_a.log FROM subs_b;
\set VERBOSITY terse

-- Invalid rows in the table do not make writers fail.
INSERT INTO eventlog._subscription (name, owner, log, levels, event_type) VALUES
  ('unknown', 'subs_a', 'subs_a.log', '{loud,error,NULL}', NULL),
  ('nested', 'subs_a', 'subs_a.log', '{{info,error},{error,info}}', NULL),
  ('many', 'subs_a', 'subs_a.log', array_fill('error'::text, '{100000}'), NULL),
  ('long', 'subs_a', 'subs_a.log', NULL, repeat('a', 10000000)),
  (repeat('n', 1000), 'subs_a', 'subs_a.log', NULL, NULL),
  ('', 'subs_a', 'subs_a.log', NULL, NULL),
  ('nobody', '1', 'subs_a.log', NULL, NULL),
  ('nolog', 'subs_a', '1', NULL, NULL);
INSERT INTO eventlog._queue (subscription, seq, xid, event_id, attempts, next_attempt_at)
SELECT s.id, v.seq, v.xid::xid8, v.id, v.attempts, v.next FROM eventlog._subscription s,
  (VALUES (1000005::bigint, '3', '00000000-0000-0000-0000-000000000000'::uuid, 0,
    NULL::timestamptz),
          (1000006, '18446744073709551615', 'ffffffff-ffff-7fff-bfff-ffffffffffff'::uuid,
            2147483647, '-infinity'),
          (-1, '0', eventlog.new_id('2022-08-24Z', 'planted'), -1, 'infinity')) v (seq, xid, id,
            attempts, next)
 WHERE s.log = 'subs_a.log'::regclass AND s.name = 'same';
SELECT setval('eventlog._queue_seq', 9223372036854775807);
SET ROLE subs_a;
SET eventlog.default_log = 'subs_a.log';
SELECT count(eventlog.emit('a.x', 'error')) FROM generate_series(1, 10);
SELECT name, pending, retrying, dead, oldest_pending_at > now() - interval '1 day' AS recent
  FROM eventlog.subscriptions WHERE name <> '' ORDER BY name;
SELECT count(*) FROM eventlog.fetch('same', 100);
SELECT pending, cancelled FROM eventlog.subscriptions WHERE name = 'same';
SELECT eventlog.fail('same', seq, 'x') FROM eventlog.deliveries WHERE subscription = 'same'
  AND attempts > 0;
CALL eventlog.maintain('subs_a.log');
SELECT problems FROM eventlog.logs WHERE log = 'subs_a.log'::regclass;
RESET ROLE;
DELETE FROM eventlog._subscription WHERE name NOT IN ('same');
SELECT eventlog.unsubscribe('same', log) FROM eventlog.subscriptions
  WHERE log = 'subs_a.log'::regclass;
CALL eventlog.maintain('subs_a.log');
SELECT count(*) FROM eventlog._queue WHERE subscription NOT IN (SELECT id
  FROM eventlog._subscription);

-- A second trigger on the same table enqueues nothing more.
SET ROLE subs_a;
SELECT eventlog.subscribe('once');
CREATE TRIGGER a_second AFTER INSERT ON subs_a.log FOR EACH ROW EXECUTE FUNCTION eventlog._owe();
CREATE TRIGGER z_third AFTER INSERT ON subs_a.log FOR EACH ROW WHEN (NEW.event_type = 'a')
  EXECUTE FUNCTION eventlog._owe();
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON subs_a.log DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION eventlog._owe();
SELECT count(eventlog.emit(t)) FROM unnest('{a,b}'::text[]) t;
SELECT pending FROM eventlog.subscriptions;
ALTER TABLE subs_a.log DISABLE TRIGGER a_second, DISABLE TRIGGER eventlog_queue;
SELECT count(eventlog.emit(t)) FROM unnest('{a,b}'::text[]) t;
SELECT pending FROM eventlog.subscriptions;
DROP TRIGGER a_second ON subs_a.log;
DROP TRIGGER z_third ON subs_a.log;
DROP TRIGGER later ON subs_a.log;
ALTER TABLE subs_a.log ENABLE TRIGGER eventlog_queue;
-- With changed columns nothing is enqueued, and nothing fails.
CREATE TABLE subs_a.any (id text, event_type int);
CREATE TRIGGER owe AFTER INSERT ON subs_a.any FOR EACH ROW EXECUTE FUNCTION eventlog._owe();
INSERT INTO subs_a.any VALUES ('x', 1);

-- Another owner: the caller must be a member of both, who must be able to read.
SELECT left(pg_temp.refused($$SELECT eventlog.alter_subscription('once', 'subs_gone')$$),
  5); -- worded differently from PostgreSQL 16 on
RESET ROLE;
GRANT subs_gone TO subs_a;
SET ROLE subs_a;
SELECT eventlog.alter_subscription('once', 'subs_gone');
GRANT USAGE ON SCHEMA subs_a TO subs_gone;
SELECT eventlog.alter_subscription('once', 'subs_gone');
GRANT SELECT ON subs_a.log TO subs_gone;
SELECT eventlog.alter_subscription('once', 'subs_gone');
SELECT eventlog.alter_subscription('once', NULL);
SELECT name, owner FROM eventlog.subscriptions;
SET ROLE subs_b;
SELECT eventlog.alter_subscription('once', 'subs_b', 'subs_a.log');
-- Subscribing again by a member: the rights of the owner count.
SET ROLE subs_a;
SELECT eventlog.subscribe('once', '{info}');
REVOKE SELECT ON subs_a.log FROM subs_gone;
SELECT eventlog.subscribe('once', '{info}');
-- A subscription without owner counts as paused, which is reported.
RESET ROLE;
DROP OWNED BY subs_gone;
DROP ROLE subs_gone;
SELECT eventlog.fetch('once', 1);
SELECT paused, owner ~ '^[0-9]+$' AS gone, pending FROM (SELECT paused, owner::text, pending
  FROM eventlog.subscriptions WHERE name = 'once') s;
SELECT problems FROM eventlog.logs WHERE log = 'subs_a.log'::regclass;
CALL eventlog.maintain('subs_a.log');
SELECT eventlog.alter_subscription('once', 'subs_a');
SELECT (event).event_type FROM eventlog.fetch('once', 1);
SELECT eventlog.release('once');

-- A temporary log has no subscriptions.
CREATE TEMPORARY TABLE t (LIKE subs_a.log INCLUDING DEFAULTS) PARTITION BY RANGE (occurred_at);
CREATE TRIGGER s BEFORE TRUNCATE ON t
  EXECUTE FUNCTION eventlog._settings('0 months 1 days 0 microseconds',
  '0 months 1 days 0 microseconds', '0');
SELECT left(pg_temp.refused($$SELECT eventlog.subscribe('t', log => 'pg_temp.t')$$), 5);
DROP TABLE t;

-- A session that drops a subscription stops being its consumer.
SELECT count(*) FROM eventlog.fetch('once', 1);
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory';
SELECT eventlog.unsubscribe('once');
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory';
-- Numbers start again at the end of their range, without those in use.
SELECT setval('eventlog._subscription_id', 2147483646);
SELECT eventlog.subscribe('n' || n) FROM generate_series(1, 3) n;
SELECT count(*), count(*) FILTER (WHERE id = 2147483647) AS last, count(*) FILTER (WHERE id < 100)
  AS first FROM eventlog._subscription WHERE name ~ '^n[123]$';
SELECT eventlog.unsubscribe('n' || n) FROM generate_series(1, 3) n;

SELECT eventlog.unsubscribe('same', 'subs_b.log');
DROP SCHEMA subs_a, subs_b CASCADE;
DROP ROLE subs_a, subs_b, subs_watch;
SELECT setval('eventlog._queue_seq', 1, false);
