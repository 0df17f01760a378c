--
-- Reading: pages, windows, prefixes
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
SELECT eventlog.create_log('read_log', '1 month', indexes => '{resource_id}');
SET eventlog.default_log = 'read_log';

-- 600 events, six in each of 100 instants over five months
INSERT INTO read_log (event_type, level, resource_id, resource_type, source_service, source_host,
  user_id, category, request_id, occurred_at, id)
SELECT (ARRAY['a', 'a.b', 'a.b.c', 'ab', 'b', 'b_c'])[1 + g % 6],
       (ARRAY['debug', 'INFO', 'Warning', 'error', 'critical'])[1 + g % 5],
       (ARRAY['r1', 'r2', NULL])[1 + g % 3], (ARRAY['t1', NULL])[1 + g % 2],
       (ARRAY['s1', 's2', NULL, 's3'])[1 + g % 4], 'h' || g % 7, (ARRAY['u', NULL])[1 + g / 3 % 2],
       (ARRAY['c', NULL])[1 + g / 2 % 2], (ARRAY['q', NULL])[1 + g / 5 % 2],
       t, eventlog.new_id(t, g::text)
  FROM generate_series(0, 599) g, LATERAL (SELECT '2022-03-01Z'::timestamptz + (g / 6) *
    interval '35 hours' AS t) x;
CALL eventlog.maintain('read_log');

-- newest first; events of the same time always in the same order
SELECT event_type, level, resource_id, resource_type, source_service, source_host, occurred_at
  FROM eventlog.list(page_size => 3);
SELECT g.event_type = l.event_type AS same
  FROM eventlog.list(page_size => 1) l, eventlog.get(l.id) g;
SELECT count(*) FROM eventlog.get(eventlog.new_id('2022-03-01Z', 'nobody'));

-- page by page or by cursor, the events are those of one statement
CREATE FUNCTION pg_temp.by_page(size int, method text, OUT ids uuid[]) LANGUAGE plpgsql AS $$
DECLARE
  n int := 1; page_ids uuid[];
BEGIN
  PERFORM set_config('eventlog.scan_method', method, true);
  LOOP
    SELECT array_agg(l.id) INTO page_ids FROM eventlog.list(min_level => 'info', page => n,
      page_size => size) l;
    EXIT WHEN page_ids IS NULL;
    ids := ids || page_ids;
    n := n + 1;
  END LOOP;
END $$;
CREATE FUNCTION pg_temp.by_cursor(size int, method text, OUT ids uuid[]) LANGUAGE plpgsql AS $$
DECLARE
  page_ids uuid[];
BEGIN
  PERFORM set_config('eventlog.scan_method', method, true);
  LOOP
    SELECT array_agg(l.id) INTO page_ids
      FROM eventlog.list(min_level => 'info', page_size => size, after => ids[array_upper(ids, 1)])
        l;
    EXIT WHEN page_ids IS NULL;
    ids := ids || page_ids;
  END LOOP;
END $$;
SELECT method, size,
       pg_temp.by_page(size, method) = expected AS by_page,
       pg_temp.by_cursor(size, method) = expected AS by_cursor
  FROM unnest('{auto,time,lists,probe,sql}'::text[]) method, unnest('{1,7,100,1000}'::int[]) size,
       (SELECT array_agg(id ORDER BY occurred_at DESC, id DESC) AS expected FROM read_log
         WHERE level <> 'debug') e;

-- by page number, events before the page are only counted: deleted ones do not count,
-- those of the default partition do
CREATE FUNCTION pg_temp.wrong_pages(size int) RETURNS bigint LANGUAGE sql AS $$
  SELECT count(*) FROM generate_series(1, 700 / size) n
   WHERE ARRAY(SELECT id FROM eventlog.list(page => n, page_size => size)) <>
         ARRAY(SELECT id FROM read_log ORDER BY occurred_at DESC, id DESC LIMIT size OFFSET (n - 1)
           * size)
$$;
VACUUM read_log;
SELECT size, pg_temp.wrong_pages(size) FROM unnest('{7,100}'::int[]) size;
BEGIN;
DELETE FROM read_log WHERE id IN (SELECT id FROM eventlog.list(page_size => 150));
DELETE FROM read_log WHERE uuid_hash(id) % 3 = 0;
SELECT size, pg_temp.wrong_pages(size) FROM unnest('{7,100}'::int[]) size;
INSERT INTO read_log (event_type, occurred_at) VALUES ('read.default', '1999-01-01Z'),
  ('read.default', '2099-01-01Z');
SELECT size, pg_temp.wrong_pages(size) FROM unnest('{7,100}'::int[]) size;
ROLLBACK;

-- the event of the cursor may have been deleted
SELECT id AS gone FROM eventlog.list(page_size => 1, page => 10) \gset
SELECT array_agg(id) AS expected FROM eventlog.list(page_size => 5, after => :'gone') \gset
SELECT eventlog.delete(:'gone') = :'gone' AS deleted;
SELECT array_agg(id) = :'expected' AS same FROM eventlog.list(page_size => 5, after => :'gone');

-- windows are half open, so that they can be joined
SELECT count(*), min(occurred_at), max(occurred_at)
  FROM eventlog.list(since => '2022-03-01Z', before => '2022-03-07 07:00Z', page_size => NULL);
SELECT sum(eventlog.count(since => w, before => w + interval '1 week')) = eventlog.count() AS tiles
  FROM generate_series('2022-02-28Z'::timestamptz, '2022-08-01Z', '1 week') w;

-- prefixes are plain
SELECT left(p, 10) AS prefix, length(p), eventlog.count(event_type => p)
  FROM unnest(ARRAY['', 'a', 'a.', 'a.b', 'b', 'b_', 'b%', '%', '_', '*', 'a.b.c.d', 'A', 'ä', '\',
  'a\', '''', repeat('a', 255), repeat('a', 10000)]) p;

-- levels in any case
SELECT eventlog.count(level => 'ERROR'), eventlog.count(min_level => 'Error'),
       eventlog.count(level => 'info', min_level => 'error') AS never;

-- every filter, alone and with others, in every way of reading: the same as plain SQL
CREATE FUNCTION pg_temp.plain(et text, lv text, ml text, rt text, ri text, ui text, ss text,
  sh text, ca text, rq text, si timestamptz, be timestamptz)
RETURNS uuid[] LANGUAGE sql AS $$
  SELECT coalesce(array_agg(id ORDER BY occurred_at DESC, id DESC), '{}') FROM (SELECT *
    FROM read_log
   WHERE (et IS NULL OR starts_with(event_type, et)) AND (lv IS NULL OR level = lv)
     AND (ml IS NULL OR level::eventlog.level >= ml::eventlog.level)
     AND (rt IS NULL OR resource_type = rt) AND (ri IS NULL OR resource_id = ri)
     AND (ui IS NULL OR user_id = ui) AND (ss IS NULL OR source_service = ss)
     AND (sh IS NULL OR source_host = sh) AND (ca IS NULL OR category = ca)
       AND (rq IS NULL OR request_id = rq)
     AND (si IS NULL OR occurred_at >= si) AND (be IS NULL OR occurred_at < be)
   ORDER BY occurred_at DESC, id DESC LIMIT 40) x
$$;
CREATE FUNCTION pg_temp.listed(method text, et text, lv text, ml text, rt text, ri text, ui text,
  ss text, sh text, ca text, rq text, si timestamptz, be timestamptz)
RETURNS uuid[] LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('eventlog.scan_method', method, true);
  RETURN (SELECT coalesce(array_agg(l.id), '{}') FROM eventlog.list(et, lv, ml, rt, ri, ui, ss, sh,
    ca, rq, si, be, page_size => 40) l);
END $$;
SELECT method, count(*) AS filters,
       count(*) FILTER (WHERE pg_temp.listed(method, et, lv, ml, rt, ri, ui, ss, sh, ca, rq, si, be)
                           <> pg_temp.plain(et, lv, ml, rt, ri, ui, ss, sh, ca, rq, si, be))
                             AS wrong
  FROM unnest('{auto,time,lists,probe,sql}'::text[]) method,
       (VALUES (NULL), ('a.b'), ('z')) f1 (et), (VALUES (NULL), ('error')) f2 (lv), (VALUES (NULL),
         ('warning')) f3 (ml),
       (VALUES (NULL, NULL), ('t1', NULL), (NULL, 'r2'), ('t1', 'r1')) f4 (rt, ri),
       (VALUES (NULL, NULL), ('u', 's1'), (NULL, 's9')) f5 (ui, ss),
       (VALUES (NULL, NULL, NULL), ('h3', NULL, NULL), (NULL, 'c', 'q')) f6 (sh, ca, rq),
       (VALUES (NULL::timestamptz, NULL::timestamptz), ('2022-04-01Z', '2022-06-15 03:00Z')) f7 (si,
         be)
 GROUP BY method ORDER BY method;

-- the planner knows how large a page is
EXPLAIN (COSTS ON) SELECT * FROM eventlog.list(page_size => 7);

-- inside a cursor, and many times from a LATERAL
BEGIN;
DECLARE c CURSOR FOR SELECT event_type FROM eventlog.list(level => 'critical', page_size => 10);
FETCH 2 FROM c;
DELETE FROM read_log WHERE level = 'critical';
FETCH 2 FROM c;
ROLLBACK;
SELECT count(*) FROM generate_series(1, 1000) g, LATERAL eventlog.list(source_host => 'h' || g % 9,
  page_size => 2) l;

DROP TABLE read_log;

--
-- Values that a partition does not have, until they are written
--

SELECT eventlog.create_log('known');
CREATE FUNCTION pg_temp.critical() RETURNS text LANGUAGE sql AS
$$ SELECT concat_ws(' ', string_agg(event_type, ','), eventlog.count(level => 'critical',
  log => 'known'))
     FROM eventlog.list(level => 'critical', log => 'known') $$;
INSERT INTO known (event_type, level, source_service)
  SELECT 'e' || n % 50, 'info', 's' || n % 7 FROM generate_series(1, 2000) n;
DELETE FROM known WHERE event_type = 'e7';
VACUUM known;
SELECT pg_temp.critical();
SELECT pg_temp.critical();
SELECT count(*) FROM eventlog.list(source_service => 's9', log => 'known');

-- inserted, rolled back, inserted again after a VACUUM, updated
BEGIN;
INSERT INTO known (event_type, level) VALUES ('in', 'critical');
SELECT pg_temp.critical();
ROLLBACK;
SELECT pg_temp.critical();
VACUUM known;
SELECT pg_temp.critical();
INSERT INTO known (event_type, level) VALUES ('behind', 'critical');
VACUUM known;
SELECT pg_temp.critical();
DELETE FROM known WHERE event_type = 'behind';
VACUUM known;
SELECT pg_temp.critical();
UPDATE known SET level = 'critical', source_service = 's9' WHERE ctid = (SELECT min(ctid) FROM known
  WHERE event_type = 'e11');
SELECT pg_temp.critical();
SELECT count(*) FROM eventlog.list(source_service => 's9', log => 'known');
DROP TABLE known;

-- more events of the last class than the first read of a type may fetch; and an
-- updated event whose dead version ends the first read by time
SELECT eventlog.create_log('looks', '100 years');
INSERT INTO looks (event_type, level, occurred_at) SELECT 'a', 'critical',
  '2022-08-20Z'::timestamptz + n * interval '1 s' FROM generate_series(1, 200) n;
SELECT count(*) FROM eventlog.list('a', level => 'critical', page_size => 1000, log => 'looks');
INSERT INTO looks (event_type, level, occurred_at, message)
  SELECT 'b', 'info', '2022-08-21Z'::timestamptz + n * interval '1 s', repeat('x', 200)
    FROM generate_series(1, 600) n;
INSERT INTO looks (event_type, level, occurred_at, message)
  SELECT 'c', 'error', '2022-08-22Z'::timestamptz + n * interval '1 s', repeat('x', 200)
    FROM generate_series(0, 599) n;
DELETE FROM looks WHERE event_type = 'b';
VACUUM looks;
\c -
-- the new versions go where the deleted rows were, before the old ones
UPDATE looks SET message = repeat('y', 200) WHERE event_type = 'c'
  AND occurred_at BETWEEN '2022-08-22 00:02Z' AND '2022-08-22 00:08Z';
SELECT n, count(*) FROM generate_series(590, 600) n,
  eventlog.list(level => 'error', before => '2022-08-22Z'::timestamptz + n * interval '1 s',
    page_size => 1000, log => 'looks')
  GROUP BY n ORDER BY n;
DROP TABLE looks;

-- an event with so many versions that its key has posting lists
SELECT eventlog.create_log('versions', '100 years', indexes => '{resource_id}');
INSERT INTO versions (event_type, occurred_at) SELECT 'a', '2022-08-20Z'::timestamptz + n *
  interval '1 s' FROM generate_series(1, 100) n;
CREATE FUNCTION pg_temp.listed_of(method text, log regclass, size int, after uuid DEFAULT NULL)
  RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('eventlog.scan_method', method, true);
  RETURN (SELECT count(*) FROM eventlog.list(page_size => size, after => listed_of.after,
    log => listed_of.log));
END $$;
SELECT id AS one FROM versions WHERE occurred_at = '2022-08-20 00:00:50Z' \gset
SELECT set_config('read.one', :'one', false) = :'one' AS set;
DO $$ BEGIN FOR i IN 1..1000 LOOP
  UPDATE versions SET resource_id = 'r' || i % 5 WHERE occurred_at = '2022-08-20 00:00:50Z'
    AND id = current_setting('read.one')::uuid;
END LOOP; END $$;
SELECT method, pg_temp.listed_of(method, 'versions', 100), pg_temp.listed_of(method, 'versions',
  100, :'one')
  FROM unnest('{auto,time,lists,probe,sql}'::text[]) method;
SELECT resource_id FROM eventlog.get(:'one', log => 'versions');
SELECT count(*) FROM eventlog.list(resource_id => 'r0', log => 'versions');
SELECT count(*) FROM eventlog.list(resource_id => 'r1', log => 'versions');
DROP TABLE versions;
