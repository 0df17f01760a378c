--
-- explain: how a page is read
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
SET timezone = 'UTC';
SELECT eventlog.create_log('explain_log', '1 day', premake => 0, indexes => '{user_id}');
SET eventlog.default_log = 'explain_log';
INSERT INTO explain_log (event_type, level, user_id, category, occurred_at)
  SELECT 'a.' || g % 7, 'info', 'u' || g % 50, 'c', '2022-08-20Z'::timestamptz + g *
    interval '1 minute' FROM generate_series(0, 4 * 1440 - 1) g;
CALL eventlog.maintain('explain_log');
VACUUM ANALYZE explain_log;
-- times, buffers and entries differ from one machine to the next
CREATE FUNCTION pg_temp.steady(line text) RETURNS text LANGUAGE sql AS
$$ SELECT regexp_replace(regexp_replace(regexp_replace(line, '_p20(?!22)[0-9]+', '_current'),
  'Buffers: .*|Time: .*|actual.*|Planning.*|Execution.*', 'N'),
  '(searches|Entries|fetched|width|cost|hit|read): ?[0-9]+', '\1: N', 'g') $$;
SELECT pg_temp.steady(l) FROM eventlog.explain(page_size => 3) l;
SELECT pg_temp.steady(l) FROM eventlog.explain('a.3', level => 'critical', since => '2022-08-21Z',
  before => '2022-08-22Z') l;
SELECT pg_temp.steady(l) FROM eventlog.explain(user_id => 'u7', category => 'c',
  since => '2022-08-23Z') l;
SELECT pg_temp.steady(l) FROM eventlog.explain(user_id => 'u7', category => 'c', page_size => 20) l;
SELECT pg_temp.steady(l) FROM eventlog.explain(level => 'debug') l;
SELECT count(*) > 3 AS planned FROM eventlog.explain(page_size => NULL) l;
-- it needs the same rights as list
CREATE ROLE explain_role;
SET ROLE explain_role;
SELECT * FROM eventlog.explain();
RESET ROLE;
DROP ROLE explain_role;

-- the statistics count scans and rows, as for any query
SELECT pg_stat_force_next_flush();
SELECT pg_stat_reset();
SELECT count(*) FROM eventlog.list(user_id => 'u7', since => '2022-08-23Z',
  before => '2022-08-24Z');
SELECT pg_stat_force_next_flush();
SELECT sum(idx_scan) > 0 AS scans, sum(idx_tup_read) > 0 AS read, sum(idx_tup_fetch) > 0 AS fetched
  FROM pg_stat_user_indexes WHERE relname = 'explain_log_p20220823';
SELECT idx_scan > 0 AS scans, idx_tup_fetch > 0 AS fetched FROM pg_stat_user_tables
  WHERE relname = 'explain_log_p20220823';
DROP TABLE explain_log;

-- A log made by an older version gets new indexes, partition by partition, and is read
-- correctly before that.
SELECT eventlog.create_log('old_log', '1 day', premake => 0, indexes => '{}');
SET eventlog.default_log = 'old_log';
INSERT INTO old_log (event_type, level, source_host, occurred_at)
  SELECT 'a.' || g % 7, 'info', 'h' || g % 50, '2022-08-20Z'::timestamptz + g * interval '1 minute'
    FROM generate_series(0, 3 * 1440 - 1) g;
CALL eventlog.maintain('old_log');
SELECT format('DROP INDEX %s', indexrelid::regclass) FROM pg_index
  WHERE indrelid = 'old_log'::regclass AND NOT indisprimary ORDER BY 1 \gexec
CREATE INDEX old_log_class ON old_log (event_type, level, source_service, resource_type,
  occurred_at, id);
CREATE INDEX old_log_host ON old_log (source_host, occurred_at, id);
CREATE FUNCTION pg_temp.answers(OUT listed bigint, OUT counted bigint, OUT absent bigint,
  OUT types bigint) LANGUAGE sql AS
$$ SELECT (SELECT count(*) FROM eventlog.list('a.3', source_host => 'h10', page_size => 1000)),
  eventlog.count('a.3', source_host => 'h10'),
     eventlog.count('b'), (SELECT count(*) FROM eventlog.types()) $$;
CREATE VIEW pg_temp.shapes AS
SELECT count(*), regexp_replace(pg_get_indexdef(indexrelid), '.* USING ', '') AS index
  FROM pg_index WHERE indrelid = 'old_log'::regclass OR indrelid IN (SELECT inhrelid
    FROM pg_inherits WHERE inhparent = 'old_log'::regclass) GROUP BY 2 ORDER BY 2;
SELECT * FROM pg_temp.shapes;
SELECT * FROM pg_temp.answers();
DROP INDEX old_log_class;
SELECT * FROM pg_temp.answers();
CREATE INDEX old_log_class ON old_log (event_type, level, source_service, resource_type,
  occurred_at, id);
-- halfway
CREATE INDEX ON old_log_p20220821 (event_type, level, source_service, resource_type);
CREATE INDEX ON old_log_p20220821 (source_host);
SELECT * FROM pg_temp.answers();
CALL eventlog.maintain('old_log');
SELECT * FROM pg_temp.shapes;
SELECT * FROM pg_temp.answers();
DROP INDEX old_log_level_class_idx;
SELECT eventlog.create_log('old_log');
SELECT * FROM pg_temp.shapes;
SELECT eventlog.create_log('old_log');
DROP VIEW pg_temp.shapes;
DROP FUNCTION pg_temp.answers;
DROP TABLE old_log;
