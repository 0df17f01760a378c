-- eventlog: from 0.2.0 to 1.0.0

\echo Use "ALTER EXTENSION eventlog UPDATE" to load this file. \quit

-- Views are replaced, not dropped: views of users may depend on them.

--
-- Events
--

ALTER FUNCTION eventlog._utc(timestamptz) RENAME TO utc;
ALTER FUNCTION eventlog._json(eventlog.event) RENAME TO event_json;

--
-- Logs
--

CREATE FUNCTION eventlog._check(
  id uuid, occurred_at timestamptz, event_type text, resource_id text,
  resource_type text, source_service text, source_host text, category text,
  user_id text, request_id text, base_url text, message text, details jsonb)
RETURNS boolean LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'eventlog_check';

DROP FUNCTION eventlog.create_log(text, interval, interval, int, text[]);
CREATE FUNCTION eventlog.create_log(
  name text,
  partition_interval interval DEFAULT '7 days',
  retention interval DEFAULT NULL,
  premake int DEFAULT 4,
  indexes text[] DEFAULT '{source_host,resource_id,user_id}',
  since timestamptz DEFAULT NULL,
  on_expiry text DEFAULT NULL,
  archive_schema text DEFAULT NULL)
RETURNS regclass LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_create_log';

DROP FUNCTION eventlog.alter_log(regclass, interval, interval, int);
CREATE FUNCTION eventlog.alter_log(
  log regclass,
  partition_interval interval DEFAULT NULL,
  retention interval DEFAULT NULL,
  premake int DEFAULT NULL,
  indexes text[] DEFAULT NULL,
  since timestamptz DEFAULT NULL,
  on_expiry text DEFAULT NULL,
  archive_schema text DEFAULT NULL)
RETURNS void LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_alter_log';

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
  OUT problems text[],
  OUT on_expiry text,
  OUT archive_schema text)
RETURNS record LANGUAGE c VOLATILE STRICT
AS 'MODULE_PATHNAME', 'eventlog_log_status';

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
       s.problems,
       s.on_expiry,
       s.archive_schema
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

CREATE FUNCTION eventlog.pause(name text, log regclass DEFAULT NULL)
RETURNS void LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_pause';

CREATE FUNCTION eventlog.resume(name text, log regclass DEFAULT NULL)
RETURNS void LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_resume';

CREATE FUNCTION eventlog.alter_subscription(
  name text, owner regrole, log regclass DEFAULT NULL)
RETURNS void LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_alter_subscription';

CREATE FUNCTION eventlog.fetch(
  name text, max int, max_bytes bigint DEFAULT NULL,
  log regclass DEFAULT NULL)
RETURNS TABLE (seq bigint, attempts int, event eventlog.event)
LANGUAGE c VOLATILE ROWS 100
AS 'MODULE_PATHNAME', 'eventlog_fetch';

CREATE FUNCTION eventlog.ack(
  name text, seqs bigint[], log regclass DEFAULT NULL)
RETURNS bigint LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_ack';

CREATE FUNCTION eventlog.fail(
  name text, seq bigint, error text DEFAULT NULL,
  next_attempt_at timestamptz DEFAULT NULL, log regclass DEFAULT NULL)
RETURNS bigint LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_fail';

CREATE FUNCTION eventlog.fail_batch(
  name text, seqs bigint[], errors text[], next_attempt_at timestamptz[],
  log regclass DEFAULT NULL)
RETURNS bigint LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_fail_batch';

CREATE FUNCTION eventlog.release(name text, log regclass DEFAULT NULL)
RETURNS void LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_release';

CREATE FUNCTION eventlog.listen(name text, log regclass DEFAULT NULL)
RETURNS boolean LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_listen';

CREATE FUNCTION eventlog.retry(
  name text, seq bigint DEFAULT NULL, log regclass DEFAULT NULL)
RETURNS bigint LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_retry';

-- The views read through functions that return what the caller may see, so
-- that not even a plan tells of anything else.

CREATE FUNCTION eventlog._subscriptions()
RETURNS TABLE (id int, name text, owner regrole, log regclass, levels text[],
               event_type text, paused boolean, consumer int)
LANGUAGE c STABLE ROWS 10
AS 'MODULE_PATHNAME', 'eventlog_subscriptions';

CREATE FUNCTION eventlog._subscription_counts(subscription int)
RETURNS TABLE (pending bigint, retrying bigint, dead bigint,
               oldest_pending_at timestamptz, delivered bigint,
               cancelled bigint, last_delivered_at timestamptz,
               last_error text, last_error_at timestamptz)
LANGUAGE c STABLE STRICT COST 1000 ROWS 1
AS 'MODULE_PATHNAME', 'eventlog_subscription_counts';

CREATE FUNCTION eventlog._deliveries(subscription int, state text)
RETURNS TABLE (seq bigint, event_id uuid, attempts int,
               next_attempt_at timestamptz, last_error text)
LANGUAGE c STABLE STRICT COST 1000 ROWS 1000
AS 'MODULE_PATHNAME', 'eventlog_deliveries';

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

--
-- What each object is: as in the install script
--

COMMENT ON SCHEMA eventlog IS
  'event logs: writing, reading, clearing, retention and webhooks';
COMMENT ON TYPE eventlog.level IS
  'severity: debug < info < warning < error < critical; functions that take a level as text accept any case, and the level names of syslog, OpenTelemetry and log4j';
COMMENT ON TYPE eventlog.event IS
  'an event, as every function that reads events returns it';
COMMENT ON COLUMN eventlog.event.id IS
  'version 7 UUID that contains occurred_at to the microsecond';
COMMENT ON COLUMN eventlog.event.event_type IS
  'what happened: words of a-z, 0-9, _ and -, joined by single dots, 1 to 255 bytes';
COMMENT ON COLUMN eventlog.event.level IS 'severity';
COMMENT ON COLUMN eventlog.event.resource_id IS
  'the resource that the event is about, up to 1,024 bytes';
COMMENT ON COLUMN eventlog.event.resource_type IS
  'the kind of that resource, up to 255 bytes';
COMMENT ON COLUMN eventlog.event.source_service IS
  'the service that reported the event, up to 255 bytes';
COMMENT ON COLUMN eventlog.event.source_host IS
  'the host that the service runs on, up to 255 bytes';
COMMENT ON COLUMN eventlog.event.occurred_at IS
  'when the event occurred, from 1970 to the end of year 9999';
COMMENT ON COLUMN eventlog.event.message IS 'text for people, up to 1 MiB';
COMMENT ON COLUMN eventlog.event.category IS
  'free for the application to use, up to 255 bytes';
COMMENT ON COLUMN eventlog.event.details IS 'data for programs, up to 8 MiB';
COMMENT ON COLUMN eventlog.event.user_id IS
  'the account that the resource belongs to, up to 1,024 bytes';
COMMENT ON COLUMN eventlog.event.base_url IS
  'base URL of the source service, up to 2,048 bytes';
COMMENT ON COLUMN eventlog.event.request_id IS
  'the request during which the event occurred, up to 255 bytes';
COMMENT ON COLUMN eventlog.event.created_at IS 'when the row was written';
COMMENT ON FUNCTION eventlog.new_id(timestamptz, text) IS
  'make an id for an event of that time; the same time and seed give the same id, NULL gives a random one';
COMMENT ON FUNCTION eventlog.id_time(uuid) IS
  'the exact time in an id; an error if the id is not a version 7 UUID of an event';
COMMENT ON FUNCTION eventlog.utc(timestamptz) IS
  'a time as ISO 8601 in UTC, with six fractional digits and Z';
COMMENT ON FUNCTION eventlog.event_json(eventlog.event) IS
  'the same as eventlog.to_json as json, which is cheaper to make than jsonb';
COMMENT ON FUNCTION eventlog.to_json(eventlog.event) IS
  'an event as nested JSON: generated_uuid, created_at, event {type, level, message, category, details, timestamp, resource, source}';
COMMENT ON FUNCTION eventlog._check(uuid, timestamptz, text, text, text, text, text, text, text, text, text, text, jsonb) IS
  'CHECK constraint of a log: true if the values are those of an event, otherwise an error';
COMMENT ON FUNCTION eventlog._check(uuid, timestamptz, text, text, text, text, text, text, text, text) IS
  'CHECK constraint of logs made before version 1.0';
COMMENT ON FUNCTION eventlog._fill() IS
  'trigger of a log that makes the id, normalizes the level and replaces nulls by defaults';
COMMENT ON FUNCTION eventlog._owe() IS
  'trigger of a log that enqueues new events for the subscriptions that they match';
COMMENT ON FUNCTION eventlog._settings() IS
  'trigger of a log that does nothing; its arguments are the settings of the log';
COMMENT ON FUNCTION eventlog.create_log(text, interval, interval, int, text[], timestamptz, text, text) IS
  'create a log, or repair a damaged one, which keeps its settings and indexes; retention NULL or ''0'' keeps events forever; premake: how many partitions to create ahead; indexes: the filter columns to index; since: create partitions from that time on; on_expiry: ''drop'', or ''detach'' to make expired partitions tables of their own, in archive_schema, or in their own schema where that is empty';
COMMENT ON FUNCTION eventlog.alter_log(regclass, interval, interval, int, text[], timestamptz, text, text) IS
  'change the settings of a log; NULL leaves a setting as it is, retention ''0'' keeps events forever; indexes: all filter columns to index, which the next maintain builds if the log is large; since: create partitions from that time on; on_expiry: ''drop'', or ''detach'' to make expired partitions tables of their own, in archive_schema, or in their own schema where that is empty';
COMMENT ON PROCEDURE eventlog.maintain(regclass) IS
  'create partitions ahead, empty the default partition, drop expired events, build missing indexes and remove old dead deliveries; NULL: for all logs of the caller; commits as it goes';
COMMENT ON FUNCTION eventlog._log_status(oid) IS
  'status of a log, for the view eventlog.logs; NULL if the table is gone; waits for no lock';
COMMENT ON VIEW eventlog.logs IS
  'the logs of this database, their settings, sizes and problems';
COMMENT ON COLUMN eventlog.logs.log IS 'the table';
COMMENT ON COLUMN eventlog.logs.partition_interval IS
  'the span of time that a new partition covers';
COMMENT ON COLUMN eventlog.logs.retention IS
  'how long events are kept; NULL: forever';
COMMENT ON COLUMN eventlog.logs.premake IS
  'how many partitions are kept ahead of the current one';
COMMENT ON COLUMN eventlog.logs.partitions IS
  'number of partitions, including the default partition';
COMMENT ON COLUMN eventlog.logs.estimated_events IS
  'number of events as of the last ANALYZE or VACUUM';
COMMENT ON COLUMN eventlog.logs.bytes IS 'size on disk, including indexes';
COMMENT ON COLUMN eventlog.logs.oldest IS 'start of the first partition';
COMMENT ON COLUMN eventlog.logs.newest IS 'end of the last partition';
COMMENT ON COLUMN eventlog.logs.problems IS
  'what is wrong, empty if nothing is; CALL eventlog.maintain() reports what it cannot repair, and eventlog.create_log repairs a damaged log; "locked": another session holds a lock that the view would have to wait for';
COMMENT ON COLUMN eventlog.logs.on_expiry IS
  'what maintain does to an expired partition: drop or detach';
COMMENT ON COLUMN eventlog.logs.archive_schema IS
  'the schema into which detached partitions are moved; NULL: they stay';
COMMENT ON FUNCTION eventlog._list_support(internal) IS
  'planner support for eventlog.list: a page has at most page_size rows';
COMMENT ON FUNCTION eventlog.list(text, text, text, text, text, text, text, text, text, text, timestamptz, timestamptz, int, int, uuid, regclass) IS
  'the events that match the filter, newest first; event_type is a plain prefix, since <= occurred_at < before; page_size NULL: all events; after: start behind the event with that id';
COMMENT ON FUNCTION eventlog.explain(text, text, text, text, text, text, text, text, text, text, timestamptz, timestamptz, int, int, uuid, regclass) IS
  'how eventlog.list would read events with these arguments, and what that takes';
COMMENT ON FUNCTION eventlog.get(uuid, regclass) IS
  'the event with that id, or no row';
COMMENT ON FUNCTION eventlog.count(text, text, text, text, text, text, text, text, text, text, timestamptz, timestamptz, regclass) IS
  'the number of events that match the filter';
COMMENT ON FUNCTION eventlog.types(text, text, text, text, text, text, text, text, text, text, timestamptz, timestamptz, regclass) IS
  'the types and levels of the events that match the filter, the number of events of each and when the last one occurred';
COMMENT ON FUNCTION eventlog._bucket(interval, timestamptz) IS
  'the start of the bucket that contains a time, in UTC';
COMMENT ON FUNCTION eventlog.histogram(interval, text, text, text, text, text, text, text, text, text, text, timestamptz, timestamptz, regclass) IS
  'the number of events at each level in each bucket of that width, in UTC, weeks starting on Monday; empty buckets between the first and the last have no level; at most 100,000 rows';
COMMENT ON FUNCTION eventlog.emit(text, text, text, text, text, text, text, text, text, text, text, jsonb, timestamptz, uuid, regclass) IS
  'write an event and return its id; an id that was emitted before is not written again; NULL if a trigger of the log suppressed the event';
COMMENT ON FUNCTION eventlog.delete(uuid, regclass) IS
  'delete the event with that id; returns the id, or no row';
COMMENT ON FUNCTION eventlog.clear(text, text, text, text, text, text, text, text, text, text, timestamptz, timestamptz, boolean, regclass) IS
  'delete the events that eventlog.list would show, in this transaction; returns their ids';
COMMENT ON PROCEDURE eventlog.purge(text, text, text, text, text, text, text, text, text, text, timestamptz, timestamptz, boolean, int, regclass, bigint) IS
  'delete the events that eventlog.list would show, at scale: drops whole partitions and deletes the other events in committed batches; deleted: the number of events';
COMMENT ON SEQUENCE eventlog._subscription_id IS 'ids of subscriptions';
COMMENT ON TABLE eventlog._subscription IS
  'subscriptions: which events are delivered to whom';
COMMENT ON COLUMN eventlog._subscription.id IS
  'the subscription in the queue and in locks';
COMMENT ON COLUMN eventlog._subscription.name IS 'name, unique within the log';
COMMENT ON COLUMN eventlog._subscription.owner IS
  'the role that the subscription belongs to and that events are read as';
COMMENT ON COLUMN eventlog._subscription.log IS
  'the log whose events are delivered';
COMMENT ON COLUMN eventlog._subscription.levels IS
  'the levels that are delivered; NULL: all';
COMMENT ON COLUMN eventlog._subscription.event_type IS
  'prefix of the event types that are delivered; NULL: all';
COMMENT ON COLUMN eventlog._subscription.paused IS
  'true: nothing is handed out';
COMMENT ON FUNCTION eventlog._subscription_changed() IS
  'trigger that makes all sessions read the subscriptions again';
COMMENT ON SEQUENCE eventlog._queue_seq IS 'numbers of deliveries';
COMMENT ON TABLE eventlog._queue IS
  'deliveries; next_attempt_at NULL: new, infinity: dead, otherwise to be retried then';
COMMENT ON COLUMN eventlog._queue.subscription IS 'id of the subscription';
COMMENT ON COLUMN eventlog._queue.seq IS 'number of the delivery';
COMMENT ON COLUMN eventlog._queue.xid IS 'the transaction that enqueued it';
COMMENT ON COLUMN eventlog._queue.event_id IS 'the event to deliver';
COMMENT ON COLUMN eventlog._queue.attempts IS 'number of failed attempts';
COMMENT ON COLUMN eventlog._queue.next_attempt_at IS
  'when it is tried again; NULL: it is new; infinity: it is dead';
COMMENT ON COLUMN eventlog._queue.failed_at IS 'when it last failed';
COMMENT ON COLUMN eventlog._queue.last_error IS 'why it last failed';
COMMENT ON TABLE eventlog._tally IS 'delivery statistics of each subscription';
COMMENT ON COLUMN eventlog._tally.subscription IS 'id of the subscription';
COMMENT ON COLUMN eventlog._tally.delivered IS
  'number of acknowledged deliveries';
COMMENT ON COLUMN eventlog._tally.cancelled IS
  'number of cancelled deliveries';
COMMENT ON COLUMN eventlog._tally.last_delivered_at IS
  'when a delivery was last acknowledged';
COMMENT ON COLUMN eventlog._tally.last_error IS 'why a delivery last failed';
COMMENT ON COLUMN eventlog._tally.last_error_at IS
  'when a delivery last failed';
COMMENT ON FUNCTION eventlog.subscribe(text, text[], text, regclass) IS
  'enqueue each new event of these levels whose type has this prefix for delivery, NULL: all; an existing subscription gets these filters instead of its own; needs SELECT on the log';
COMMENT ON FUNCTION eventlog.unsubscribe(text, regclass) IS
  'drop a subscription and its deliveries; the owner of the log may do so, too';
COMMENT ON FUNCTION eventlog.pause(text, regclass) IS
  'hand out nothing until eventlog.resume; deliveries are kept';
COMMENT ON FUNCTION eventlog.resume(text, regclass) IS
  'hand out deliveries again after eventlog.pause';
COMMENT ON FUNCTION eventlog.alter_subscription(text, regrole, regclass) IS
  'give a subscription to another role, which needs SELECT on the log; the caller must be a member of both roles';
COMMENT ON FUNCTION eventlog.fetch(text, int, bigint, regclass) IS
  'the next deliveries, at most max and together at most max_bytes unless the first one alone is larger, each with its number of failed attempts; makes this session the consumer; error 55006 while another session is';
COMMENT ON FUNCTION eventlog.ack(text, bigint[], regclass) IS
  'acknowledge deliveries; returns how many were in the queue';
COMMENT ON FUNCTION eventlog.fail(text, bigint, text, timestamptz, regclass) IS
  'report a failed delivery, to be handed out again at next_attempt_at, NULL: never, it is dead; returns how many changed';
COMMENT ON FUNCTION eventlog.fail_batch(text, bigint[], text[], timestamptz[], regclass) IS
  'report failed deliveries, each with its error and the time to hand it out again, NULL: never, it is dead; returns how many changed';
COMMENT ON FUNCTION eventlog.release(text, regclass) IS
  'stop being the consumer; what was not acknowledged is handed out again';
COMMENT ON FUNCTION eventlog.listen(text, regclass) IS
  'true: nothing is to be delivered now, and NOTIFY eventlog with this name as payload follows as soon as something is; false: fetch again shortly';
COMMENT ON FUNCTION eventlog.retry(text, bigint, regclass) IS
  'deliver dead deliveries again, all of them or the one with that seq; returns how many';
COMMENT ON FUNCTION eventlog.replay(text, text, text, text, text, text, text, text, text, text, text, timestamptz, timestamptz, regclass) IS
  'enqueue past events that match both the filter and the subscription once more; returns how many';
COMMENT ON FUNCTION eventlog._subscriptions() IS
  'the subscriptions that the caller may see';
COMMENT ON FUNCTION eventlog._subscription_counts(int) IS
  'counts and statistics of a subscription that the caller may see';
COMMENT ON FUNCTION eventlog._deliveries(int, text) IS
  'the deliveries in that state of a subscription that belongs to one of the caller''s roles';
COMMENT ON VIEW eventlog.subscriptions IS
  'the subscriptions of the caller''s roles and the state of their deliveries; the owner of a log sees all subscriptions of that log, and a member of pg_read_all_stats all subscriptions, without filters and errors';
COMMENT ON COLUMN eventlog.subscriptions.name IS 'name, unique within the log';
COMMENT ON COLUMN eventlog.subscriptions.owner IS
  'the role that events are read as, and whose members may use the subscription';
COMMENT ON COLUMN eventlog.subscriptions.log IS
  'the log whose events are delivered; NULL: it was dropped';
COMMENT ON COLUMN eventlog.subscriptions.levels IS
  'the levels that are delivered; NULL: all';
COMMENT ON COLUMN eventlog.subscriptions.event_type IS
  'prefix of the event types that are delivered; NULL: all';
COMMENT ON COLUMN eventlog.subscriptions.paused IS
  'true: it is paused, or its owner was dropped';
COMMENT ON COLUMN eventlog.subscriptions.consumer IS
  'process ID of the session that fetches; NULL: none does';
COMMENT ON COLUMN eventlog.subscriptions.pending IS
  'number of deliveries that were not tried yet';
COMMENT ON COLUMN eventlog.subscriptions.retrying IS
  'number of deliveries that failed and will be tried again';
COMMENT ON COLUMN eventlog.subscriptions.dead IS
  'number of deliveries that were given up; see eventlog.retry';
COMMENT ON COLUMN eventlog.subscriptions.delivered IS
  'number of acknowledged deliveries';
COMMENT ON COLUMN eventlog.subscriptions.cancelled IS
  'number of deliveries whose event was deleted, or could not be seen by the owner, before they were handed out';
COMMENT ON COLUMN eventlog.subscriptions.oldest_pending_at IS
  'when the oldest event that is pending or retrying occurred';
COMMENT ON COLUMN eventlog.subscriptions.last_delivered_at IS
  'when a delivery was last acknowledged';
COMMENT ON COLUMN eventlog.subscriptions.last_error IS
  'why a delivery last failed';
COMMENT ON COLUMN eventlog.subscriptions.last_error_at IS
  'when a delivery last failed';
COMMENT ON VIEW eventlog.deliveries IS
  'the deliveries in the queue for the subscriptions of the caller''s roles';
COMMENT ON COLUMN eventlog.deliveries.subscription IS
  'name of the subscription';
COMMENT ON COLUMN eventlog.deliveries.seq IS 'number of the delivery';
COMMENT ON COLUMN eventlog.deliveries.event_id IS 'the event to deliver';
COMMENT ON COLUMN eventlog.deliveries.state IS 'pending, retrying or dead';
COMMENT ON COLUMN eventlog.deliveries.attempts IS 'number of failed attempts';
COMMENT ON COLUMN eventlog.deliveries.next_attempt_at IS
  'when it is tried again; NULL unless it is retrying';
COMMENT ON COLUMN eventlog.deliveries.last_error IS 'why it last failed';
COMMENT ON COLUMN eventlog.deliveries.log IS
  'the log of the subscription; NULL: it was dropped';
