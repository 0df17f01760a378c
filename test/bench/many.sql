--
-- The same questions of a log with 500 partitions of 4 h 48 min each:
--   psql -v rounds=N -f many.sql
--
\set log many
\set width '4 hours 48 minutes'
\set rows 'n % 10 = 0'
\ir log.sql

INSERT INTO bench.query
SELECT 2000 + k, 'many: ' || name, 'many', 'a', sql
  FROM (VALUES
    (1, 'page one', 'SELECT * FROM eventlog.list(log => ''many'')'),
    (2, 'absent type', 'SELECT * FROM eventlog.list(event_type => ''system.teleport'', log => ''many'')'),
    (3, 'absent level', 'SELECT * FROM eventlog.list(level => ''debug'', log => ''many'')')
  ) q(k, name, sql);

SELECT format('CALL bench.sample(%L, %L, %s)', name, variant, round)
  FROM bench.query, generate_series(0, :rounds) round
 WHERE kind = 'many'
 ORDER BY n, round \gexec

\pset footer off
\echo
\echo 'A log with many partitions:'
SELECT count(*) AS partitions FROM pg_partition_tree('many') WHERE isleaf;
SELECT m.name AS filter, m.rows, bench.ms(m.ms, true) AS a
  FROM bench.median m
  JOIN bench.query q USING (name, variant)
 WHERE q.kind = 'many'
 ORDER BY q.n;
