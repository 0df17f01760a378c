--
-- Webhooks, the database side: who is owed what, and its handing out.
-- Nothing here is granted to PUBLIC but the functions, which check for
-- themselves, and the views, which show one's own.
--

CREATE SEQUENCE eventlog._subscription_id AS int;
CREATE TABLE eventlog._subscription (
  id int NOT NULL DEFAULT pg_catalog.nextval('eventlog._subscription_id') PRIMARY KEY,
  name text COLLATE pg_catalog."C" NOT NULL UNIQUE,
  owner regrole NOT NULL,
  log regclass NOT NULL,
  levels text[],
  event_type text COLLATE pg_catalog."C",
  paused boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE eventlog._subscription IS 'who is owed which events';

CREATE FUNCTION eventlog._subscription_changed()
RETURNS trigger LANGUAGE c
AS 'MODULE_PATHNAME', 'eventlog_subscription_changed';
COMMENT ON FUNCTION eventlog._subscription_changed() IS
  'trigger that tells all sessions that the subscriptions have changed';
CREATE TRIGGER changed
  AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON eventlog._subscription
  FOR EACH STATEMENT EXECUTE FUNCTION eventlog._subscription_changed();

CREATE SEQUENCE eventlog._queue_seq;
CREATE TABLE eventlog._queue (
  subscription int NOT NULL,
  seq bigint NOT NULL,
  xid xid8 NOT NULL,
  event_id uuid NOT NULL,
  attempts int NOT NULL DEFAULT 0,
  next_attempt_at timestamptz,
  failed_at timestamptz,
  last_error text,
  PRIMARY KEY (subscription, seq)
);
CREATE INDEX _queue_new ON eventlog._queue (subscription, xid, seq);
CREATE INDEX _queue_retry ON eventlog._queue (subscription, next_attempt_at, seq)
  WHERE next_attempt_at IS NOT NULL;
COMMENT ON TABLE eventlog._queue IS
  'what is owed; next_attempt_at NULL: new, infinity: dead, else to be retried';
COMMENT ON COLUMN eventlog._queue.xid IS 'the transaction that owes it';

CREATE TABLE eventlog._tally (
  subscription int PRIMARY KEY,
  delivered bigint NOT NULL DEFAULT 0,
  cancelled bigint NOT NULL DEFAULT 0,
  last_delivered_at timestamptz,
  last_error text,
  last_error_at timestamptz
) WITH (fillfactor = 50);
COMMENT ON TABLE eventlog._tally IS 'what became of what was owed';

-- A subscription of a log that is gone is not dumped: its Oid might be
-- another table's by then.
SELECT pg_catalog.pg_extension_config_dump('eventlog._subscription',
  'WHERE log::oid IN (SELECT oid FROM pg_catalog.pg_class)');
SELECT pg_catalog.pg_extension_config_dump('eventlog._subscription_id', '');
SELECT pg_catalog.pg_extension_config_dump('eventlog._queue',
  'WHERE subscription IN (SELECT id FROM eventlog._subscription WHERE log::oid IN (SELECT oid FROM pg_catalog.pg_class))');
SELECT pg_catalog.pg_extension_config_dump('eventlog._queue_seq', '');
SELECT pg_catalog.pg_extension_config_dump('eventlog._tally',
  'WHERE subscription IN (SELECT id FROM eventlog._subscription WHERE log::oid IN (SELECT oid FROM pg_catalog.pg_class))');

CREATE FUNCTION eventlog.subscribe(
  name text,
  levels text[] DEFAULT NULL,
  event_type text DEFAULT NULL,
  log regclass DEFAULT NULL)
RETURNS void LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_subscribe';
COMMENT ON FUNCTION eventlog.subscribe(text, text[], text, regclass) IS
  'from now on each new event of these levels and this prefix of types is owed to name; again: replaces the filters; needs SELECT on the log';

CREATE FUNCTION eventlog.unsubscribe(name text)
RETURNS void LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_unsubscribe';
COMMENT ON FUNCTION eventlog.unsubscribe(text) IS
  'drop a subscription and what it is owed';

CREATE FUNCTION eventlog.pause(name text)
RETURNS void LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_pause';
COMMENT ON FUNCTION eventlog.pause(text) IS
  'what is owed waits until eventlog.resume';

CREATE FUNCTION eventlog.resume(name text)
RETURNS void LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_resume';
COMMENT ON FUNCTION eventlog.resume(text) IS
  'what is owed is handed out again after eventlog.pause';

CREATE FUNCTION eventlog.fetch(name text, max int)
RETURNS TABLE (seq bigint, attempts int, event eventlog.event)
LANGUAGE c VOLATILE ROWS 100
AS 'MODULE_PATHNAME', 'eventlog_fetch';
COMMENT ON FUNCTION eventlog.fetch(text, int) IS
  'the next events owed, at most max, and how often each has failed; makes this session the consumer; error 55006 while another one is';

CREATE FUNCTION eventlog.ack(name text, seqs bigint[])
RETURNS bigint LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_ack';
COMMENT ON FUNCTION eventlog.ack(text, bigint[]) IS
  'these were delivered and are owed no more; how many';

CREATE FUNCTION eventlog.fail(
  name text, seq bigint, error text DEFAULT NULL,
  next_attempt_at timestamptz DEFAULT NULL)
RETURNS bigint LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_fail';
COMMENT ON FUNCTION eventlog.fail(text, bigint, text, timestamptz) IS
  'this one failed and is handed out again at that time; NULL: it is dead; how many changed';

CREATE FUNCTION eventlog.release(name text)
RETURNS void LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_release';
COMMENT ON FUNCTION eventlog.release(text) IS
  'this session is the consumer no more; what it has not settled is handed out again';

CREATE FUNCTION eventlog.listen(name text)
RETURNS boolean LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_listen';
COMMENT ON FUNCTION eventlog.listen(text) IS
  'true: nothing is owed now, and NOTIFY eventlog will tell as soon as something is; false: fetch again shortly';

CREATE FUNCTION eventlog.retry(name text, seq bigint DEFAULT NULL)
RETURNS bigint LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_retry';
COMMENT ON FUNCTION eventlog.retry(text, bigint) IS
  'dead deliveries, or that one, are owed again; how many';

CREATE FUNCTION eventlog.replay(
  name text,
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
  log regclass DEFAULT NULL)
RETURNS bigint LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_replay';
COMMENT ON FUNCTION eventlog.replay(text, text, text, text, text, text, text, text, text, text, text, timestamptz, timestamptz, regclass) IS
  'past events that the filter and the subscription choose are owed once more; how many';

CREATE VIEW eventlog.subscriptions WITH (security_barrier) AS
SELECT s.name,
       s.owner,
       c.oid::pg_catalog.regclass AS log,
       s.levels,
       s.event_type,
       s.paused,
       (SELECT l.pid
          FROM pg_catalog.pg_locks l
          JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) l.database
         WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory'
           AND d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
           AND l.classid OPERATOR(pg_catalog.=) 1702259815::oid
           AND l.objid OPERATOR(pg_catalog.=) s.id::oid
           AND l.objsubid OPERATOR(pg_catalog.=) 3
           AND l.granted LIMIT 1) AS consumer,
       q.pending,
       q.retrying,
       q.dead,
       t.delivered,
       t.cancelled,
       q.oldest_pending_at,
       t.last_delivered_at,
       t.last_error,
       t.last_error_at
  FROM eventlog._subscription s
  LEFT JOIN eventlog._tally t ON t.subscription OPERATOR(pg_catalog.=) s.id
  LEFT JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) s.log::oid
 CROSS JOIN LATERAL (
       SELECT pg_catalog.count(*) FILTER (WHERE q.attempts OPERATOR(pg_catalog.=) 0
                AND q.next_attempt_at IS DISTINCT FROM 'infinity') AS pending,
              pg_catalog.count(*) FILTER (WHERE q.attempts OPERATOR(pg_catalog.>) 0
                AND q.next_attempt_at OPERATOR(pg_catalog.<) 'infinity') AS retrying,
              pg_catalog.count(*) FILTER (WHERE q.next_attempt_at OPERATOR(pg_catalog.=) 'infinity') AS dead,
              pg_catalog.min(eventlog.id_time(q.event_id)) FILTER
                (WHERE q.next_attempt_at IS DISTINCT FROM 'infinity') AS oldest_pending_at
         FROM eventlog._queue q
        WHERE q.subscription OPERATOR(pg_catalog.=) s.id) q
 WHERE pg_catalog.pg_has_role(s.owner, 'USAGE');
COMMENT ON VIEW eventlog.subscriptions IS
  'the subscriptions of one''s own roles, and how their deliveries are';
COMMENT ON COLUMN eventlog.subscriptions.log IS 'NULL: dropped';
COMMENT ON COLUMN eventlog.subscriptions.levels IS 'NULL: all';
COMMENT ON COLUMN eventlog.subscriptions.event_type IS 'prefix; NULL: all';
COMMENT ON COLUMN eventlog.subscriptions.consumer IS 'pid of the session that fetches; NULL: nobody does';
COMMENT ON COLUMN eventlog.subscriptions.pending IS 'owed and not tried yet';
COMMENT ON COLUMN eventlog.subscriptions.retrying IS 'failed, and to be tried again';
COMMENT ON COLUMN eventlog.subscriptions.dead IS 'given up; see eventlog.retry';
COMMENT ON COLUMN eventlog.subscriptions.delivered IS 'how many were acknowledged';
COMMENT ON COLUMN eventlog.subscriptions.cancelled IS 'how many were deleted, or out of the owner''s sight, before they were handed out';
COMMENT ON COLUMN eventlog.subscriptions.oldest_pending_at IS 'when the oldest event occurred that is still owed';
GRANT SELECT ON eventlog.subscriptions TO PUBLIC;

CREATE VIEW eventlog.deliveries WITH (security_barrier) AS
SELECT s.name AS subscription,
       q.seq,
       q.event_id,
       CASE WHEN q.next_attempt_at OPERATOR(pg_catalog.=) 'infinity' THEN 'dead'
            WHEN q.attempts OPERATOR(pg_catalog.=) 0 THEN 'pending'
            ELSE 'retrying' END AS state,
       q.attempts,
       NULLIF(q.next_attempt_at, 'infinity') AS next_attempt_at,
       q.last_error
  FROM eventlog._queue q
  JOIN eventlog._subscription s ON s.id OPERATOR(pg_catalog.=) q.subscription
 WHERE pg_catalog.pg_has_role(s.owner, 'USAGE');
COMMENT ON VIEW eventlog.deliveries IS
  'what is owed to the subscriptions of one''s own roles';
COMMENT ON COLUMN eventlog.deliveries.state IS 'pending, retrying or dead';
COMMENT ON COLUMN eventlog.deliveries.attempts IS 'how often it has failed';
GRANT SELECT ON eventlog.deliveries TO PUBLIC;
