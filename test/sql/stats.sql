--
-- Counting: count, types, histogram
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
SELECT eventlog.create_log('stats_log');
SET eventlog.default_log = 'stats_log';
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
SELECT eventlog.count(), (SELECT count(*) FROM eventlog.types()) AS types, (SELECT count(*)
  FROM eventlog.histogram('1 day')) AS buckets;

INSERT INTO stats_log (event_type, level, source_service, occurred_at)
SELECT (ARRAY['sync.failed', 'sync.done'])[1 + g % 2],
  (ARRAY['error', 'info', 'info'])[1 + g % 3], 's' || g % 2,
       '2022-03-26 22:00Z'::timestamptz + g * interval '10 minutes'
  FROM generate_series(0, 29) g;
INSERT INTO stats_log (event_type, level, occurred_at)
  VALUES ('late', 'critical', '2022-03-27 05:59:59.999999Z');

SELECT eventlog.count(), eventlog.count('sync.'),
  eventlog.count(level => 'error', source_service => 's1');
SELECT * FROM eventlog.types();
SELECT * FROM eventlog.types('sync.', min_level => 'warning');

-- buckets are in UTC; empty ones in between are included
SELECT * FROM eventlog.histogram('1 hour');
SELECT * FROM eventlog.histogram('2 hours', level => 'critical');
SELECT bucket, sum(events) FROM eventlog.histogram('1 day') GROUP BY 1 ORDER BY 1;
SELECT bucket, sum(events) FROM eventlog.histogram('1 month') GROUP BY 1 ORDER BY 1;
SELECT to_char(bucket, 'Dy YYYY-MM-DD') AS week, sum(events) FROM eventlog.histogram('7 days')
  GROUP BY 1 ORDER BY 1;

-- whatever the session's time zone
SET timezone = 'Europe/Berlin';
SELECT bucket, sum(events) FROM eventlog.histogram('6 hours') GROUP BY 1 ORDER BY 1;
SET intervalstyle = 'sql_standard';
SELECT sum(events) FROM eventlog.histogram('1 day 12 hours 0.5 seconds');
SET intervalstyle = 'postgres';

-- A histogram with too many buckets is refused, even if it counts few events.
\set VERBOSITY terse
SELECT eventlog.histogram('1 microsecond');
SELECT count(*) FROM eventlog.histogram('1 second', since => (SELECT max(occurred_at) FROM
  stats_log));
TRUNCATE stats_log;
INSERT INTO stats_log (event_type, occurred_at)
  VALUES ('first', '2022-08-24Z'), ('last', '2022-08-24 00:00:00.099999Z');
SELECT count(*), sum(events) FROM eventlog.histogram('1 microsecond');
INSERT INTO stats_log (event_type, occurred_at) VALUES ('later', '2022-08-24 00:00:00.1Z');
SELECT count(*) FROM eventlog.histogram('1 microsecond');
INSERT INTO stats_log (event_type, occurred_at)
  SELECT 'many', '2022-08-25Z'::timestamptz + g * interval '2 microseconds'
  FROM generate_series(0, 100000) g;
SELECT count(*) FROM eventlog.histogram('1 microsecond', 'many');

DROP TABLE stats_log;
