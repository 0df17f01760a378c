--
-- Each function once, on a small log, as the first one of a session: the suite
-- "discard" runs this with caches that are discarded all the time.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE ROLE regress_tour;
CREATE SCHEMA tour AUTHORIZATION regress_tour;

\c
SELECT set_config('debug_discard_caches', coalesce(current_setting('eventlog_test.discard', true),
  '0'), false) AS d \gset
SET client_min_messages = warning;
SET timezone = 'UTC';
SET ROLE regress_tour;
SELECT eventlog.create_log('tour.l', '7 days', premake => 0, indexes => '{resource_id}');
SELECT log, partitions FROM eventlog.logs WHERE log = 'tour.l'::regclass;
SELECT eventlog.alter_log('tour.l', retention => '100 years');
GRANT SELECT ON tour.l TO PUBLIC;
SELECT log, retention FROM eventlog.logs WHERE log = 'tour.l'::regclass;

-- Writing: by emit, INSERT and COPY, owed to two subscriptions.
\c
SELECT set_config('debug_discard_caches', coalesce(current_setting('eventlog_test.discard', true),
  '0'), false) AS d \gset
SET client_min_messages = warning;
SET timezone = 'UTC';
SET ROLE regress_tour;
SET eventlog.default_log = 'tour.l';
SELECT eventlog.subscribe('tour_all');
SELECT eventlog.subscribe('tour_errors', '{error}', 'a.');
SELECT eventlog.emit('a.now', 'error') IS NOT NULL AS emitted;
SELECT eventlog.emit('a.then', 'warning', 'message', 'r1', details => '{"a": 1}',
  occurred_at => '2022-08-24 12:00Z') IS NOT NULL AS emitted;
INSERT INTO tour.l (event_type, level, resource_id, occurred_at)
  SELECT 'b.' || g % 3, (ARRAY['error', 'info'])[1 + g % 2], 'r' || g % 2,
    '2022-08-24Z'::timestamptz + g * interval '5 hours'
    FROM generate_series(1, 4) g;
COPY tour.l (event_type, occurred_at) FROM stdin;
c	2022-08-27 00:00Z
\.
INSERT INTO tour.l (event_type, level) VALUES ('a', 'none');

-- Reading, before and after upkeep.
CALL eventlog.maintain('tour.l');
SELECT partitions, problems FROM eventlog.logs WHERE log = 'tour.l'::regclass;
\c
SELECT set_config('debug_discard_caches', coalesce(current_setting('eventlog_test.discard', true),
  '0'), false) AS d \gset
SET client_min_messages = warning;
SET timezone = 'UTC';
SET ROLE regress_tour;
SET eventlog.default_log = 'tour.l';
SELECT event_type, level, resource_id, occurred_at
  FROM eventlog.list('b.', page_size => 1, page => 2);
SELECT id AS a_then FROM eventlog.list(resource_id => 'r1', page_size => NULL)
  WHERE event_type = 'a.then' \gset
SELECT event_type, message, details, eventlog.to_json(e) #>> '{event,type}' AS type
  FROM eventlog.get(:'a_then') e;
SELECT eventlog.count('b.', 'error', before => '2022-08-25Z');
SELECT event_type, level, events FROM eventlog.types('b.') ORDER BY 1, 2;
SELECT bucket, level, events FROM eventlog.histogram('1 day', before => '2023-01-01Z');
SELECT eventlog.id_time(eventlog.new_id('2022-08-24Z'));

-- The consumer's side.
\c
SELECT set_config('debug_discard_caches', coalesce(current_setting('eventlog_test.discard', true),
  '0'), false) AS d \gset
SET client_min_messages = warning;
SET timezone = 'UTC';
SET ROLE regress_tour;
SET eventlog.default_log = 'tour.l';
SELECT name, pending, retrying, dead FROM eventlog.subscriptions WHERE name LIKE 'tour%'
  ORDER BY name;
SELECT subscription, count(*) FROM eventlog.deliveries WHERE subscription LIKE 'tour%' GROUP BY 1
  ORDER BY 1;
SELECT array_agg(seq) AS seqs, array_agg((event).event_type) AS types
  FROM eventlog.fetch('tour_all', 3) \gset
SELECT :'types' AS types;
SELECT eventlog.ack('tour_all', (:'seqs'::bigint[])[1:1]);
SELECT eventlog.fail('tour_all', (:'seqs'::bigint[])[2], 'again', now());
SELECT eventlog.fail('tour_all', (:'seqs'::bigint[])[3], 'never', NULL);
SELECT eventlog.retry('tour_all');
BEGIN;
SAVEPOINT s;
SELECT count(*) FROM eventlog.fetch('tour_all', 2);
ROLLBACK TO s;
SELECT count(*) FROM eventlog.fetch('tour_all', 100);
COMMIT;
SELECT eventlog.listen('tour_errors');
SELECT eventlog.ack('tour_errors', array_agg(seq)) FROM eventlog.fetch('tour_errors', 100);
SELECT eventlog.listen('tour_errors');
SELECT eventlog.emit('a.bell', 'error') IS NOT NULL AS emitted;
SELECT eventlog.listen('tour_errors');
SELECT eventlog.pause('tour_errors');
SELECT count(*) FROM eventlog.fetch('tour_errors', 100);
SELECT eventlog.resume('tour_errors');
SELECT count(*) FROM eventlog.fetch('tour_errors', 100);
SELECT eventlog.release('tour_errors');
SELECT eventlog.release('tour_all');
SELECT eventlog.replay('tour_errors', 'a.now');
SELECT name, pending, retrying, dead FROM eventlog.subscriptions WHERE name LIKE 'tour%'
  ORDER BY name;

-- Clearing.
\c
SELECT set_config('debug_discard_caches', coalesce(current_setting('eventlog_test.discard', true),
  '0'), false) AS d \gset
SET client_min_messages = warning;
SET timezone = 'UTC';
SET ROLE regress_tour;
SET eventlog.default_log = 'tour.l';
SELECT id AS a_then FROM eventlog.list('a.then') \gset
SELECT count(*) FROM eventlog.delete(:'a_then');
SELECT count(*) FROM eventlog.clear('b.1');
CALL eventlog.purge('b.0', batch_size => 1);
SELECT event_type, occurred_at FROM eventlog.list(before => '2023-01-01Z');
CALL eventlog.purge(before => '2022-08-29Z');
SELECT eventlog.alter_log('tour.l', retention => '10 years');
SELECT partitions, problems FROM eventlog.logs WHERE log = 'tour.l'::regclass;
SELECT eventlog.count();

SELECT eventlog.unsubscribe('tour_all');
SELECT eventlog.unsubscribe('tour_errors');
DROP TABLE tour.l;
RESET ROLE;
DROP SCHEMA tour;
DROP ROLE regress_tour;
