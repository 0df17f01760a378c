--
-- More than the limits: keys of a clear, plans and subscriptions of a session, classes
-- of a partition, events of one fetch
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
SET timezone = 'UTC';
SET datestyle = 'ISO';

SELECT eventlog.create_log('limits_log', '1 day', premake => 0);
SET eventlog.default_log = 'limits_log';
CREATE PROCEDURE pg_temp.load(n int) LANGUAGE sql AS $$
  INSERT INTO limits_log (event_type, level, occurred_at)
    SELECT 'many', (ARRAY['error', 'info'])[1 + g % 2],
      '2022-08-24Z'::timestamptz + g * interval '1 s' FROM generate_series(1, 2 * n) g;
  INSERT INTO limits_log (event_type, level, occurred_at)
    SELECT 'other', 'error', '2022-08-24 01:00Z' FROM generate_series(1, 3)
$$;

-- Up to 10,000 events are cleared by their keys, more by the filter: the ids are those
-- that list shows, and no others are lost.
CREATE TEMP TABLE cleared (id uuid);
CREATE FUNCTION pg_temp.clear(n int) RETURNS TABLE (cleared bigint, shown boolean, others bigint)
  LANGUAGE plpgsql AS $$
BEGIN
  TRUNCATE cleared;
  CREATE TEMP TABLE shown AS SELECT id FROM eventlog.list('many', 'error', page_size => NULL);
  INSERT INTO cleared SELECT * FROM eventlog.clear('many', 'error');
  RETURN QUERY SELECT (SELECT count(DISTINCT c.id) FROM cleared c),
    NOT EXISTS (TABLE shown EXCEPT TABLE cleared)
      AND (SELECT count(*) FROM cleared) = (SELECT count(*) FROM shown),
    (SELECT count(*) FROM limits_log);
  DROP TABLE shown;
  TRUNCATE limits_log;
END $$;
CALL pg_temp.load(10000);
SELECT * FROM pg_temp.clear(10000);
CALL pg_temp.load(10001);
SELECT * FROM pg_temp.clear(10001);
CALL pg_temp.load(25000);
SELECT * FROM pg_temp.clear(25000);
-- in partitions of several days, and by the window alone
CREATE TABLE limits_first PARTITION OF limits_log FOR VALUES
  FROM ('2022-08-24Z') TO ('2022-08-24 12:00Z');
CREATE TABLE limits_second PARTITION OF limits_log FOR VALUES
  FROM ('2022-08-24 12:00Z') TO ('2022-08-24 18:00Z');
CALL pg_temp.load(35000);
SELECT count(*), count(DISTINCT c)
  FROM eventlog.clear(since => '2022-08-24 10:00Z', before => '2022-08-24 19:00Z') c;
SELECT count(*), eventlog.count(before => '2022-08-24 10:00Z'),
  eventlog.count(since => '2022-08-24 19:00Z') FROM limits_log;
DROP TABLE limits_first, limits_second;
TRUNCATE limits_log;

-- The maximum of one fetch, and a replay of more events than are kept in memory.
SELECT eventlog.subscribe('limits');
CALL pg_temp.load(15000);
SELECT count(*), count(DISTINCT seq) FROM eventlog.fetch('limits', 2147483647);
SELECT count(*), count(DISTINCT seq) FROM eventlog.fetch('limits', 2147483647);
SELECT eventlog.ack('limits', array_agg(seq)) FROM eventlog.deliveries
  WHERE subscription = 'limits';
SELECT count(*) FROM eventlog.fetch('limits', 2147483647);
SELECT count(*) FROM eventlog.fetch('limits', 2147483647);
SELECT eventlog.replay('limits', 'many', 'info');
SELECT eventlog.replay('limits', 'many', 'info', before => '2022-08-24 05:33:20Z');
SELECT pending FROM eventlog.subscriptions WHERE name = 'limits';
SELECT eventlog.unsubscribe('limits');
TRUNCATE limits_log;

-- A partition with more classes than are listed.
INSERT INTO limits_log (event_type, level, source_service, occurred_at)
  SELECT 'c' || g, (ARRAY['error', 'info'])[1 + g % 2], 's' || g % 5,
    '2022-08-24Z'::timestamptz + g * interval '1 s' FROM generate_series(1, 21000) g;
SELECT prefix, level, eventlog.count(prefix, level), (SELECT count(*) FROM limits_log
  WHERE starts_with(event_type, prefix) AND limits_log.level = l.level) AS expected,
       (SELECT array_agg(id ORDER BY n) FROM eventlog.list(prefix, level, page_size => 20)
         WITH ORDINALITY x (id, a, b, c, d, e, f, g, h, i, j, k, l, m, o, n))
       = (SELECT array_agg(id)
         FROM (SELECT id FROM limits_log WHERE starts_with(event_type, prefix)
         AND limits_log.level = l.level
                                     ORDER BY occurred_at DESC, id DESC LIMIT 20) x) AS page
  FROM unnest('{c,c1,c20999,c21}'::text[]) prefix, unnest('{error,info}'::text[]) l (level)
    ORDER BY 1, 2;
SELECT count(*), sum(events) FROM eventlog.types();
DROP TABLE limits_log;

-- More logs than a session keeps plans and subscriptions for, one of them renamed.
CREATE SCHEMA limits;
DO $$ BEGIN
  FOR i IN 1..300 LOOP
    PERFORM eventlog.create_log('limits.l' || i, premake => 0, indexes => '{}');
    IF i % 10 = 0 THEN
      PERFORM eventlog.subscribe('limits' || i, log => ('limits.l' || i)::regclass);
    END IF;
    COMMIT;
  END LOOP;
END $$;
DO $$ BEGIN
  FOR round IN 1..2 LOOP
    FOR i IN 1..300 LOOP
      PERFORM eventlog.emit('a.' || i, log => ('limits.l' || i)::regclass);
      COMMIT;
    END LOOP;
    ALTER TABLE IF EXISTS limits.l300 RENAME TO renamed;
    ALTER TABLE IF EXISTS limits.l1 RENAME TO l300;
    ALTER TABLE IF EXISTS limits.renamed RENAME TO l1;
  END LOOP;
END $$;
SELECT eventlog.count('a.300', log => 'limits.l300') AS a300,
  eventlog.count('a.1', log => 'limits.l300') AS a1;
SELECT count(*), min(pending), max(pending), sum(pending) FROM eventlog.subscriptions
  WHERE name LIKE 'limits%';
SELECT n, count(*) FROM (SELECT eventlog.count(log => ('limits.l' || i)::regclass) AS n
  FROM generate_series(2, 299) i) x GROUP BY 1;
SELECT count(eventlog.unsubscribe(name, log)) FROM eventlog.subscriptions
  WHERE name LIKE 'limits%';
DO $$ BEGIN
  FOR i IN 1..300 LOOP
    EXECUTE 'DROP TABLE limits.l' || i;
    COMMIT;
  END LOOP;
END $$;
DROP SCHEMA limits;
