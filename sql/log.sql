--
-- Logs: what they are made of, and their upkeep
--

CREATE FUNCTION eventlog._check(
  id uuid, occurred_at timestamptz, event_type text, resource_id text,
  resource_type text, source_service text, source_host text, category text,
  user_id text, request_id text)
RETURNS boolean LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'eventlog_check';
COMMENT ON FUNCTION eventlog._check(uuid, timestamptz, text, text, text, text, text, text, text, text) IS
  'true if these are of an event, else an error; in the CHECK constraint of a log';

CREATE FUNCTION eventlog._fill()
RETURNS trigger LANGUAGE c
AS 'MODULE_PATHNAME', 'eventlog_fill';
COMMENT ON FUNCTION eventlog._fill() IS
  'trigger of a log that makes the id and lower-cases the level';

CREATE FUNCTION eventlog._owe()
RETURNS trigger LANGUAGE c
AS 'MODULE_PATHNAME', 'eventlog_owe';
COMMENT ON FUNCTION eventlog._owe() IS
  'trigger of a log that owes new events to the subscriptions they match';

CREATE FUNCTION eventlog._settings()
RETURNS trigger LANGUAGE c
AS 'MODULE_PATHNAME', 'eventlog_settings';
COMMENT ON FUNCTION eventlog._settings() IS
  'trigger of a log whose arguments are its settings; does nothing';

CREATE FUNCTION eventlog.create_log(
  name text,
  partition_interval interval DEFAULT '7 days',
  retention interval DEFAULT NULL,
  premake int DEFAULT 4,
  indexes text[] DEFAULT '{}')
RETURNS regclass LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_create_log';
COMMENT ON FUNCTION eventlog.create_log(text, interval, interval, int, text[]) IS
  'make a log, or make a table a log again that was one; retention NULL or ''0'' keeps events for ever; indexes: filter columns to index';

CREATE FUNCTION eventlog.alter_log(
  log regclass,
  partition_interval interval DEFAULT NULL,
  retention interval DEFAULT NULL,
  premake int DEFAULT NULL)
RETURNS void LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_alter_log';
COMMENT ON FUNCTION eventlog.alter_log(regclass, interval, interval, int) IS
  'change the settings of a log; NULL keeps one, retention ''0'' is for ever';

CREATE PROCEDURE eventlog.maintain(log regclass DEFAULT NULL)
LANGUAGE c
AS 'MODULE_PATHNAME', 'eventlog_maintain';
COMMENT ON PROCEDURE eventlog.maintain(regclass) IS
  'make partitions ahead, empty the default partition, drop what expired; of all logs of the caller''s if NULL; commits as it goes';

CREATE FUNCTION eventlog._log_status(
  log oid,
  OUT partition_interval interval,
  OUT retention interval,
  OUT premake int,
  OUT partitions int,
  OUT oldest timestamptz,
  OUT newest timestamptz,
  OUT problems text[])
RETURNS record LANGUAGE c VOLATILE STRICT
AS 'MODULE_PATHNAME', 'eventlog_log_status';
COMMENT ON FUNCTION eventlog._log_status(oid) IS
  'for the view eventlog.logs; NULL if it is no log';

CREATE VIEW eventlog.logs AS
SELECT t.tgrelid::pg_catalog.regclass AS log,
       s.partition_interval,
       s.retention,
       s.premake,
       s.partitions,
       size.estimated_events,
       size.bytes,
       s.oldest,
       s.newest,
       s.problems
  FROM pg_catalog.pg_trigger t
 CROSS JOIN LATERAL eventlog._log_status(t.tgrelid) s
 CROSS JOIN LATERAL (
       SELECT pg_catalog.sum(GREATEST(c.reltuples, 0))::bigint AS estimated_events,
              pg_catalog.sum(pg_catalog.pg_total_relation_size(p.relid))::bigint AS bytes
         FROM pg_catalog.pg_partition_tree(t.tgrelid) p
         JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) p.relid
        WHERE p.isleaf) size
 WHERE t.tgfoid OPERATOR(pg_catalog.=) 'eventlog._settings'::pg_catalog.regproc
   AND NOT t.tgisinternal
   AND s.premake IS NOT NULL;
COMMENT ON VIEW eventlog.logs IS 'the logs of this database and how they are';
COMMENT ON COLUMN eventlog.logs.log IS 'the table';
COMMENT ON COLUMN eventlog.logs.partition_interval IS 'how much a new partition holds';
COMMENT ON COLUMN eventlog.logs.retention IS 'how long events are kept; NULL: for ever';
COMMENT ON COLUMN eventlog.logs.premake IS 'how many partitions are kept ahead of the current one';
COMMENT ON COLUMN eventlog.logs.partitions IS 'how many there are, the default partition included';
COMMENT ON COLUMN eventlog.logs.estimated_events IS 'how many events, as of the last ANALYZE or VACUUM';
COMMENT ON COLUMN eventlog.logs.bytes IS 'on disk, indexes included';
COMMENT ON COLUMN eventlog.logs.oldest IS 'where the first partition begins';
COMMENT ON COLUMN eventlog.logs.newest IS 'where the last partition ends';
COMMENT ON COLUMN eventlog.logs.problems IS 'what is wrong, and CALL eventlog.maintain() should mend; empty when all is well';
GRANT SELECT ON eventlog.logs TO PUBLIC;
