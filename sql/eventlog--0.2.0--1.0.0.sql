-- eventlog: from 0.2.0 to 1.0.0

\echo Use "ALTER EXTENSION eventlog UPDATE" to load this file. \quit

-- Views are replaced, not dropped: views of users may depend on them.

--
-- Events
--

COMMENT ON TYPE eventlog.level IS
  'how bad it is: debug < info < warning < error < critical; where a level comes in as text, any case and the names that syslog, OpenTelemetry and log4j have are taken';
COMMENT ON COLUMN eventlog.event.message IS 'for people, up to 1 MiB';
COMMENT ON COLUMN eventlog.event.details IS 'for programs, up to 8 MiB';
COMMENT ON COLUMN eventlog.event.base_url IS
  'of the source service, up to 2,048 bytes';

ALTER FUNCTION eventlog._utc(timestamptz) RENAME TO utc;
ALTER FUNCTION eventlog._json(eventlog.event) RENAME TO event_json;
COMMENT ON FUNCTION eventlog.utc(timestamptz) IS
  'a time as ISO 8601, in UTC, with six digits and Z';
COMMENT ON FUNCTION eventlog.event_json(eventlog.event) IS
  'what eventlog.to_json gives, as json, which costs less to make';

--
-- Logs
--

CREATE FUNCTION eventlog._check(
  id uuid, occurred_at timestamptz, event_type text, resource_id text,
  resource_type text, source_service text, source_host text, category text,
  user_id text, request_id text, base_url text, message text, details jsonb)
RETURNS boolean LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'eventlog_check';
COMMENT ON FUNCTION eventlog._check(uuid, timestamptz, text, text, text, text, text, text, text, text, text, text, jsonb) IS
  'true if these are of an event, else an error; in the CHECK constraint of a log';
COMMENT ON FUNCTION eventlog._check(uuid, timestamptz, text, text, text, text, text, text, text, text) IS
  'the same for logs made before version 1.0';

DROP FUNCTION eventlog.create_log(text, interval, interval, int, text[]);
CREATE FUNCTION eventlog.create_log(
  name text,
  partition_interval interval DEFAULT '7 days',
  retention interval DEFAULT NULL,
  premake int DEFAULT 4,
  indexes text[] DEFAULT '{source_host,resource_id,user_id}',
  since timestamptz DEFAULT NULL)
RETURNS regclass LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_create_log';
COMMENT ON FUNCTION eventlog.create_log(text, interval, interval, int, text[], timestamptz) IS
  'make a log, or mend a damaged one, which keeps its settings and indexes; retention NULL or ''0'' keeps events for ever; indexes: filter columns to index; since: make partitions from then on';

DROP FUNCTION eventlog.alter_log(regclass, interval, interval, int);
CREATE FUNCTION eventlog.alter_log(
  log regclass,
  partition_interval interval DEFAULT NULL,
  retention interval DEFAULT NULL,
  premake int DEFAULT NULL,
  indexes text[] DEFAULT NULL,
  since timestamptz DEFAULT NULL)
RETURNS void LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_alter_log';
COMMENT ON FUNCTION eventlog.alter_log(regclass, interval, interval, int, text[], timestamptz) IS
  'change the settings of a log; NULL keeps one, retention ''0'' is for ever; indexes: all filter columns that shall be indexed, in a big log by the next maintain; since: make partitions from then on';

ALTER FUNCTION eventlog._log_status(oid) RENAME TO _log_status_0_2;
CREATE FUNCTION eventlog._log_status(
  log oid,
  OUT partition_interval interval,
  OUT retention interval,
  OUT premake int,
  OUT partitions int,
  OUT estimated_events bigint,
  OUT bytes bigint,
  OUT oldest timestamptz,
  OUT newest timestamptz,
  OUT problems text[])
RETURNS record LANGUAGE c VOLATILE STRICT
AS 'MODULE_PATHNAME', 'eventlog_log_status';
COMMENT ON FUNCTION eventlog._log_status(oid) IS
  'for the view eventlog.logs; NULL if the table is gone; waits for no lock';

CREATE OR REPLACE VIEW eventlog.logs AS
SELECT t.log::pg_catalog.regclass AS log,
       s.partition_interval,
       s.retention,
       s.premake,
       s.partitions,
       s.estimated_events,
       s.bytes,
       s.oldest,
       s.newest,
       s.problems
  FROM (SELECT DISTINCT c.oid AS log
          FROM pg_catalog.pg_trigger t
          JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.tgrelid
         WHERE t.tgfoid OPERATOR(pg_catalog.=) ANY (ARRAY[
                 'eventlog._settings'::pg_catalog.regproc::oid,
                 'eventlog._fill'::pg_catalog.regproc::oid,
                 'eventlog._owe'::pg_catalog.regproc::oid])
           AND t.tgparentid OPERATOR(pg_catalog.=) 0::oid
           AND c.relkind OPERATOR(pg_catalog.=) 'p') t
 CROSS JOIN LATERAL eventlog._log_status(t.log) s
 WHERE s.problems IS NOT NULL;
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
COMMENT ON COLUMN eventlog.logs.problems IS 'what is wrong; CALL eventlog.maintain() tells what it cannot mend, eventlog.create_log mends a damaged log; empty when all is well; locked: somebody holds a lock that would have to be waited for';
DROP FUNCTION eventlog._log_status_0_2(oid);

--
-- Reading and writing
--

ALTER FUNCTION eventlog.list(text, text, text, text, text, text, text, text, text, text, timestamptz, timestamptz, int, int, uuid, regclass)
  PARALLEL RESTRICTED;
ALTER FUNCTION eventlog.get(uuid, regclass)
  PARALLEL RESTRICTED;
ALTER FUNCTION eventlog.count(text, text, text, text, text, text, text, text, text, text, timestamptz, timestamptz, regclass)
  PARALLEL RESTRICTED;
ALTER FUNCTION eventlog.types(text, text, text, text, text, text, text, text, text, text, timestamptz, timestamptz, regclass)
  PARALLEL RESTRICTED;
ALTER FUNCTION eventlog.histogram(interval, text, text, text, text, text, text, text, text, text, text, timestamptz, timestamptz, regclass)
  PARALLEL RESTRICTED;

CREATE FUNCTION eventlog.explain(
  event_type text DEFAULT NULL,
  level text DEFAULT NULL,
  min_level text DEFAULT NULL,
  resource_type text DEFAULT NULL,
  resource_id text DEFAULT NULL,
  user_id text DEFAULT NULL,
  source_service text DEFAULT NULL,
  source_host text DEFAULT NULL,
  category text DEFAULT NULL,
  request_id text DEFAULT NULL,
  since timestamptz DEFAULT NULL,
  before timestamptz DEFAULT NULL,
  page int DEFAULT 1,
  page_size int DEFAULT 100,
  after uuid DEFAULT NULL,
  log regclass DEFAULT NULL)
RETURNS SETOF text LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_explain';
COMMENT ON FUNCTION eventlog.explain(text, text, text, text, text, text, text, text, text, text, timestamptz, timestamptz, int, int, uuid, regclass) IS
  'what list does with these arguments, and what it takes';

COMMENT ON FUNCTION eventlog._fill() IS
  'trigger of a log that makes the id, brings the level into its canonical form and fills in defaults for nulls';
COMMENT ON FUNCTION eventlog.histogram(interval, text, text, text, text, text, text, text, text, text, text, timestamptz, timestamptz, regclass) IS
  'how many events at which level in each bucket of that width, in UTC, weeks from Monday; empty buckets between the first and the last have no level; at most 100,000 rows';
COMMENT ON FUNCTION eventlog.emit(text, text, text, text, text, text, text, text, text, text, text, jsonb, timestamptz, uuid, regclass) IS
  'write one event and return its id; the same id emitted twice is one event; NULL when a trigger of the log suppressed it';

--
-- Webhooks: names are a log's own, and nothing that is restored or planted can
-- make a writer fail
--

-- a name has at most 63 bytes now
UPDATE eventlog._subscription
   SET name = pg_catalog.left(name, 12) OPERATOR(pg_catalog.||) '-' OPERATOR(pg_catalog.||) id::text
 WHERE pg_catalog.octet_length(name) OPERATOR(pg_catalog.>) 63;
ALTER TABLE eventlog._subscription
  DROP CONSTRAINT _subscription_name_key,
  ADD UNIQUE (log, name);
ALTER TABLE eventlog._subscription ENABLE ALWAYS TRIGGER changed;
ALTER SEQUENCE eventlog._subscription_id CYCLE;
ALTER SEQUENCE eventlog._queue_seq CYCLE;
ALTER TABLE eventlog._queue DROP CONSTRAINT _queue_pkey;
CREATE INDEX _queue_owed ON eventlog._queue (subscription, seq);

-- The role that makes the extension, often a database's owner and no superuser,
-- is the one that dumps and restores it.  A row that it plants lets it do
-- nothing as another role: whoever uses a subscription must be a member of its
-- owner, and its events are read with that owner's rights.
GRANT SELECT, INSERT ON
  eventlog._subscription, eventlog._queue, eventlog._tally TO @extowner@;
GRANT SELECT, UPDATE ON SEQUENCE
  eventlog._subscription_id, eventlog._queue_seq TO @extowner@;

-- A subscription whose log or owner is gone is not dumped: its Oid might be
-- another one's by then.
SELECT pg_catalog.pg_extension_config_dump('eventlog._subscription',
  'WHERE log::oid IN (SELECT oid FROM pg_catalog.pg_class) AND owner::oid IN (SELECT oid FROM pg_catalog.pg_roles)');
SELECT pg_catalog.pg_extension_config_dump('eventlog._subscription_id', '');
SELECT pg_catalog.pg_extension_config_dump('eventlog._queue',
  'WHERE subscription IN (SELECT id FROM eventlog._subscription WHERE log::oid IN (SELECT oid FROM pg_catalog.pg_class) AND owner::oid IN (SELECT oid FROM pg_catalog.pg_roles))');
SELECT pg_catalog.pg_extension_config_dump('eventlog._queue_seq', '');
SELECT pg_catalog.pg_extension_config_dump('eventlog._tally',
  'WHERE subscription IN (SELECT id FROM eventlog._subscription WHERE log::oid IN (SELECT oid FROM pg_catalog.pg_class) AND owner::oid IN (SELECT oid FROM pg_catalog.pg_roles))');

DROP FUNCTION eventlog.unsubscribe(text);
DROP FUNCTION eventlog.pause(text);
DROP FUNCTION eventlog.resume(text);
DROP FUNCTION eventlog.fetch(text, int);
DROP FUNCTION eventlog.ack(text, bigint[]);
DROP FUNCTION eventlog.fail(text, bigint, text, timestamptz);
DROP FUNCTION eventlog.release(text);
DROP FUNCTION eventlog.listen(text);
DROP FUNCTION eventlog.retry(text, bigint);

CREATE FUNCTION eventlog.unsubscribe(name text, log regclass DEFAULT NULL)
RETURNS void LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_unsubscribe';
COMMENT ON FUNCTION eventlog.unsubscribe(text, regclass) IS
  'drop a subscription and what it is owed; the owner of its log may too';

CREATE FUNCTION eventlog.pause(name text, log regclass DEFAULT NULL)
RETURNS void LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_pause';
COMMENT ON FUNCTION eventlog.pause(text, regclass) IS
  'what is owed waits until eventlog.resume';

CREATE FUNCTION eventlog.resume(name text, log regclass DEFAULT NULL)
RETURNS void LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_resume';
COMMENT ON FUNCTION eventlog.resume(text, regclass) IS
  'what is owed is handed out again after eventlog.pause';

CREATE FUNCTION eventlog.alter_subscription(
  name text, owner regrole, log regclass DEFAULT NULL)
RETURNS void LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_alter_subscription';
COMMENT ON FUNCTION eventlog.alter_subscription(text, regrole, regclass) IS
  'give a subscription to another role, which needs SELECT on the log; the caller must be a member of both';

CREATE FUNCTION eventlog.fetch(
  name text, max int, max_bytes bigint DEFAULT NULL,
  log regclass DEFAULT NULL)
RETURNS TABLE (seq bigint, attempts int, event eventlog.event)
LANGUAGE c VOLATILE ROWS 100
AS 'MODULE_PATHNAME', 'eventlog_fetch';
COMMENT ON FUNCTION eventlog.fetch(text, int, bigint, regclass) IS
  'the next events owed, at most max and together at most max_bytes unless one alone is larger, and how often each has failed; makes this session the consumer; error 55006 while another one is';

CREATE FUNCTION eventlog.ack(
  name text, seqs bigint[], log regclass DEFAULT NULL)
RETURNS bigint LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_ack';
COMMENT ON FUNCTION eventlog.ack(text, bigint[], regclass) IS
  'these were delivered and are owed no more; how many';

CREATE FUNCTION eventlog.fail(
  name text, seq bigint, error text DEFAULT NULL,
  next_attempt_at timestamptz DEFAULT NULL, log regclass DEFAULT NULL)
RETURNS bigint LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_fail';
COMMENT ON FUNCTION eventlog.fail(text, bigint, text, timestamptz, regclass) IS
  'this one failed and is handed out again at that time; NULL: it is dead; how many changed';

CREATE FUNCTION eventlog.fail_batch(
  name text, seqs bigint[], errors text[], next_attempt_at timestamptz[],
  log regclass DEFAULT NULL)
RETURNS bigint LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_fail_batch';
COMMENT ON FUNCTION eventlog.fail_batch(text, bigint[], text[], timestamptz[], regclass) IS
  'these failed, each with its error and its next time; a time that is NULL: it is dead; how many changed';

CREATE FUNCTION eventlog.release(name text, log regclass DEFAULT NULL)
RETURNS void LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_release';
COMMENT ON FUNCTION eventlog.release(text, regclass) IS
  'this session is the consumer no more; what it has not settled is handed out again';

CREATE FUNCTION eventlog.listen(name text, log regclass DEFAULT NULL)
RETURNS boolean LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_listen';
COMMENT ON FUNCTION eventlog.listen(text, regclass) IS
  'true: nothing is owed now, and NOTIFY eventlog with this name will tell as soon as something is; false: fetch again shortly';

CREATE FUNCTION eventlog.retry(
  name text, seq bigint DEFAULT NULL, log regclass DEFAULT NULL)
RETURNS bigint LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_retry';
COMMENT ON FUNCTION eventlog.retry(text, bigint, regclass) IS
  'dead deliveries, or that one, are owed again; how many';

-- The views read through functions that return what the caller may see, so
-- that not even a plan tells of anything else.

CREATE FUNCTION eventlog._subscriptions()
RETURNS TABLE (id int, name text, owner regrole, log regclass, levels text[],
               event_type text, paused boolean, consumer int)
LANGUAGE c STABLE ROWS 10
AS 'MODULE_PATHNAME', 'eventlog_subscriptions';
COMMENT ON FUNCTION eventlog._subscriptions() IS
  'the subscriptions that the caller may see';

CREATE FUNCTION eventlog._subscription_counts(subscription int)
RETURNS TABLE (pending bigint, retrying bigint, dead bigint,
               oldest_pending_at timestamptz, delivered bigint,
               cancelled bigint, last_delivered_at timestamptz,
               last_error text, last_error_at timestamptz)
LANGUAGE c STABLE STRICT COST 1000 ROWS 1
AS 'MODULE_PATHNAME', 'eventlog_subscription_counts';
COMMENT ON FUNCTION eventlog._subscription_counts(int) IS
  'how the deliveries of a subscription are that the caller may see';

CREATE FUNCTION eventlog._deliveries(subscription int, state text)
RETURNS TABLE (seq bigint, event_id uuid, attempts int,
               next_attempt_at timestamptz, last_error text)
LANGUAGE c STABLE STRICT COST 1000 ROWS 1000
AS 'MODULE_PATHNAME', 'eventlog_deliveries';
COMMENT ON FUNCTION eventlog._deliveries(int, text) IS
  'what is owed, in that state, to a subscription of one''s own roles';

CREATE OR REPLACE VIEW eventlog.subscriptions AS
SELECT s.name COLLATE pg_catalog."C" AS name,
       s.owner,
       s.log,
       s.levels,
       s.event_type COLLATE pg_catalog."C" AS event_type,
       s.paused,
       s.consumer,
       c.pending,
       c.retrying,
       c.dead,
       c.delivered,
       c.cancelled,
       c.oldest_pending_at,
       c.last_delivered_at,
       c.last_error,
       c.last_error_at
  FROM eventlog._subscriptions() s
 CROSS JOIN LATERAL eventlog._subscription_counts(s.id) c;
COMMENT ON VIEW eventlog.subscriptions IS
  'the subscriptions of one''s own roles, and how their deliveries are; the owner of a log sees all of that log, and members of pg_read_all_stats all there are, without filters and errors';
COMMENT ON COLUMN eventlog.subscriptions.log IS 'NULL: dropped';
COMMENT ON COLUMN eventlog.subscriptions.levels IS 'NULL: all';
COMMENT ON COLUMN eventlog.subscriptions.event_type IS 'prefix; NULL: all';
COMMENT ON COLUMN eventlog.subscriptions.paused IS 'paused, or its owner is gone';
COMMENT ON COLUMN eventlog.subscriptions.consumer IS 'pid of the session that fetches; NULL: nobody does';
COMMENT ON COLUMN eventlog.subscriptions.pending IS 'owed and not tried yet';
COMMENT ON COLUMN eventlog.subscriptions.retrying IS 'failed, and to be tried again';
COMMENT ON COLUMN eventlog.subscriptions.dead IS 'given up; see eventlog.retry';
COMMENT ON COLUMN eventlog.subscriptions.delivered IS 'how many were acknowledged';
COMMENT ON COLUMN eventlog.subscriptions.cancelled IS 'how many were deleted, or out of the owner''s sight, before they were handed out';
COMMENT ON COLUMN eventlog.subscriptions.oldest_pending_at IS 'when the oldest event occurred that is still owed';

-- One branch for each state, so that a condition on the state leaves the
-- others out.
CREATE OR REPLACE VIEW eventlog.deliveries AS
SELECT s.name COLLATE pg_catalog."C" AS subscription,
       d.seq,
       d.event_id,
       d.state,
       d.attempts,
       d.next_attempt_at,
       d.last_error,
       s.log
  FROM eventlog._subscriptions() s
 CROSS JOIN LATERAL (
       SELECT p.seq, p.event_id, 'pending' AS state, p.attempts,
              p.next_attempt_at, p.last_error
         FROM eventlog._deliveries(s.id, 'pending') p
       UNION ALL
       SELECT r.seq, r.event_id, 'retrying' AS state, r.attempts, r.next_attempt_at,
              r.last_error
         FROM eventlog._deliveries(s.id, 'retrying') r
       UNION ALL
       SELECT x.seq, x.event_id, 'dead' AS state, x.attempts, x.next_attempt_at,
              x.last_error
         FROM eventlog._deliveries(s.id, 'dead') x) d;
COMMENT ON VIEW eventlog.deliveries IS
  'what is owed to the subscriptions of one''s own roles';
COMMENT ON COLUMN eventlog.deliveries.state IS 'pending, retrying or dead';
COMMENT ON COLUMN eventlog.deliveries.attempts IS 'how often it has failed';
COMMENT ON COLUMN eventlog.deliveries.log IS 'NULL: dropped';
