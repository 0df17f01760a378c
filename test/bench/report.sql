--
-- What was measured, as tables:
--   psql -v rounds=N -f report.sql
--
CREATE VIEW bench.median AS
SELECT name, variant,
       CASE WHEN bool_and(ms IS NOT NULL)
            THEN percentile_cont(0.5) WITHIN GROUP (ORDER BY ms)
                 FILTER (WHERE round > 0) END AS ms,
       max(rows) AS rows,
       max(answer) FILTER (WHERE round = 0) AS answer
  FROM bench.timing
 GROUP BY name, variant;

-- A line for each filter: milliseconds, NULL where too long or not asked
CREATE VIEW bench.line AS
SELECT q.n, q.name, q.kind, a.rows, a.ms AS a, t.ms AS t, b.ms AS b, f.ms AS f,
       c.ms AS c, least(b.ms, f.ms) AS best_b, least(s.ms, g.ms) AS s,
       c.name IS NOT NULL AS has_c, f.name IS NOT NULL AS has_f,
       CASE WHEN coalesce(b.answer, f.answer) IS NULL AND b.rows IS NULL THEN '?'
            WHEN (a.rows, a.answer) IS NOT DISTINCT FROM
                 (coalesce(b.rows, f.rows), coalesce(b.answer, f.answer))
            THEN 'yes' ELSE 'NO' END AS agree
  FROM (SELECT DISTINCT n, name, kind FROM bench.query) q
  JOIN bench.median a ON (a.name, a.variant) = (q.name, 'a')
  JOIN bench.median t ON (t.name, t.variant) = (q.name, 't')
  JOIN bench.median b ON (b.name, b.variant) = (q.name, 'b')
  JOIN bench.median s ON (s.name, s.variant) = (q.name, 's')
  LEFT JOIN bench.median g ON (g.name, g.variant) = (q.name, 'g')
  LEFT JOIN bench.median f ON (f.name, f.variant) = (q.name, 'f')
  LEFT JOIN bench.median c ON (c.name, c.variant) = (q.name, 'c');

CREATE FUNCTION bench.ms(ms float8, measured boolean) RETURNS text STABLE
  RETURN CASE WHEN NOT measured THEN ''
              WHEN ms IS NULL THEN '>' || current_setting('bench.timeout_ms')
              WHEN ms < 100 THEN to_char(ms, 'FM999990.000')
              ELSE to_char(ms, 'FM99999990') END;

-- How many times as long; where that was too long, it is at least so many
CREATE FUNCTION bench.ratio(ms float8, ours float8, measured boolean)
RETURNS text STABLE
  RETURN CASE WHEN NOT measured THEN ''
              WHEN ms IS NULL THEN '>' || round(current_setting('bench.timeout_ms')::float8 / ours)
              WHEN ms / ours < 10 THEN to_char(ms / ours, 'FM990.00')
              ELSE to_char(ms / ours, 'FM99999990') END;

\pset footer off
\pset null ''
\echo
\echo 'Median milliseconds inside the server, warm, of' :rounds 'interleaved rounds (of 3 where one takes over a second)'
\echo '  a         eventlog.list(page_size => 100, ...)'
\echo '  b         a plain table with an index (column, occurred_at DESC) for each filter column'
\echo '  b fenced  the same sorted by an expression, tried where b takes over 10 ms'
\echo '  c         Anchore''s table and queries'
\echo '  s         plain SQL on the log itself, the better of plain and fenced'
\echo '  b/a, c/a  of the better b; growth: of a, from a tenth of the events in as many partitions'
\echo '  agree     whether a and b gave the same rows'
\echo
SELECT name AS filter, rows, bench.ms(a, true) AS a, bench.ms(b, true) AS b,
       bench.ms(f, has_f) AS "b fenced", bench.ms(c, has_c) AS c,
       bench.ms(s, true) AS s, bench.ratio(best_b, a, true) AS "b/a", bench.ratio(c, a, has_c) AS "c/a",
       to_char(a / t, 'FM9990.00') AS growth, agree
  FROM bench.line
 ORDER BY n;

CREATE VIEW bench.state AS
SELECT a.n, a.name, a.ms AS a, k.ms AS k, o.ms AS o, m.ms AS m, z.ms AS z
  FROM (SELECT DISTINCT n, name FROM bench.query WHERE kind = 'list') q
  JOIN LATERAL (SELECT q.n, v.* FROM bench.median v WHERE v.name = q.name AND variant = 'a') a ON true
  LEFT JOIN bench.median k ON (k.name, k.variant) = (q.name, 'k')
  LEFT JOIN bench.median o ON (o.name, o.variant) = (q.name, 'o')
  LEFT JOIN bench.median m ON (m.name, m.variant) = (q.name, 'm')
  LEFT JOIN bench.median z ON (z.name, z.variant) = (q.name, 'z');

\echo 'Median milliseconds of the log in other states'
\echo '  first     the first call of its kind in a session, whose catalog caches know the log'
\echo '  one       seven tenths of the events in one partition'
\echo '  mixed     a fourteenth of them in one partition, in no order of time'
\echo '  before    the log of another build, in a cluster beside (BEFORE_PG_CONFIG)'
\echo
SELECT name AS filter, bench.ms(a, true) AS a, bench.ms(k, k IS NOT NULL) AS first,
       bench.ms(o, true) AS one, bench.ms(m, true) AS mixed, bench.ms(z, z IS NOT NULL) AS before
  FROM bench.state
 ORDER BY n;

\echo 'Where a is beyond 1.25 times the better of b and c, plus 0.1 ms:'
SELECT name AS filter, bench.ms(a, true) AS a, bench.ms(best_b, true) AS b,
       bench.ms(c, has_c) AS c
  FROM bench.line
 WHERE kind = 'list' AND a > 1.25 * least(best_b, c) + 0.1
 ORDER BY n;

CREATE VIEW bench.bytes AS
WITH part(contestant, rel) AS (
  SELECT 'a  eventlog', relid FROM pg_partition_tree('events') WHERE isleaf
   UNION ALL VALUES ('b  plain', 'bench.plain'::regclass),
                    ('c  Anchore', 'bench.anchore')
), size AS (
  SELECT contestant, sum(pg_table_size(rel)) / count_all AS heap, sum(pg_indexes_size(rel)) / count_all AS indexes
    FROM part, (SELECT count(*) AS count_all FROM bench.plain) n GROUP BY contestant, count_all
)
SELECT contestant, round(heap, 1) AS table, round(indexes, 1) AS indexes,
       round(heap + indexes, 1) AS total,
       round((heap + indexes) / (SELECT heap + indexes FROM size WHERE contestant LIKE 'b%'), 2) AS "of b"
  FROM size ORDER BY contestant;

\echo 'Bytes an event:'
SELECT * FROM bench.bytes;
\echo 'The same when all indexes have been built anew, by REINDEX:'
SET client_min_messages = error;
REINDEX TABLE events;
REINDEX TABLE bench.plain;
REINDEX TABLE bench.anchore;
SELECT * FROM bench.bytes;

\if :{?tsv}
\o :tsv
COPY (SELECT l.name AS filter, kind, rows, l.a, b, f AS b_fenced, c, s AS a_by_sql, t AS a_tenth,
             k AS a_first, o AS a_one, m AS a_mixed, z AS before, agree
        FROM bench.line l LEFT JOIN bench.state USING (n) ORDER BY n)
  TO STDOUT (FORMAT csv, DELIMITER E'\t', HEADER);
\o
\endif
