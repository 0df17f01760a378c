--
-- A log of the events of bench.row:
--   psql -v log=NAME -v width=INTERVAL -v rows=CONDITION [-v indexes=COLUMNS] -f log.sql
--
-- Takes the events that meet the condition, which may go on with ORDER BY.  The
-- partitions for the whole period are there before the events come, as they are in a log that was there when they happened: one
-- event for each is enough for maintain() to make it.
--
\if :{?indexes}
SELECT eventlog.create_log(:'log', partition_interval => :'width', indexes => :'indexes')
\gset made_
\else
SELECT eventlog.create_log(:'log', partition_interval => :'width')
\gset made_
\endif

INSERT INTO :"log" (event_type, occurred_at)
SELECT 'bench.partition', t
  FROM generate_series(bench.period_start(),
                       bench.period_end() - interval '1 us', :'width') AS t
 UNION ALL
SELECT 'bench.partition', bench.period_end() - interval '1 us';
SET client_min_messages = warning;
-- (a call makes so many partitions and no more)
SELECT format('CALL eventlog.maintain(%L)', :'log') FROM generate_series(1, 11) \gexec
RESET client_min_messages;
TRUNCATE :"log";

INSERT INTO :"log" (id, event_type, level, resource_id, resource_type,
                    source_service, source_host, occurred_at, message, category,
                    details, user_id, base_url, request_id, created_at)
SELECT id, event_type, level, resource_id, resource_type,
       source_service, source_host, occurred_at, message, category,
       details, user_id, base_url, request_id, created_at
  FROM bench.row
 WHERE :rows;

VACUUM (ANALYZE) :"log";
