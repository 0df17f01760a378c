--
-- The queue: fetch, acknowledge, fail, retry, replay
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SELECT eventlog.create_log('queue_log');
SET eventlog.default_log = 'queue_log';
SELECT eventlog.subscribe('q');
ALTER SEQUENCE eventlog._queue_seq RESTART;

SELECT eventlog.emit('e' || g, resource_id => 'r' || g) IS NOT NULL AS emitted
  FROM generate_series(1, 5) g;
-- fetch makes this session the consumer, and returns each event once
SELECT seq, attempts, (event).event_type, (event).level, (event).resource_id
  FROM eventlog.fetch('q', 2);
SELECT seq, attempts, (event).event_type FROM eventlog.fetch('q', 10);
SELECT * FROM eventlog.fetch('q', 10);
SELECT consumer = pg_backend_pid() AS me, pending, retrying, dead, delivered
  FROM eventlog.subscriptions;

-- acknowledged events are not owed any more; other numbers are ignored
SELECT eventlog.ack('q', '{1,3,99,NULL}');
SELECT eventlog.ack('q', '{1}');
-- a failed event comes again at the given time
SELECT eventlog.fail('q', 2, 'HTTP status 500', clock_timestamp());
SELECT eventlog.fail('q', 4, 'later', 'infinity'::timestamptz - interval '0');
SELECT eventlog.fail('q', 5, 'later', '2150-01-01Z');
SELECT eventlog.fail('q', 99, 'nobody');
SELECT seq, attempts, (event).event_type FROM eventlog.fetch('q', 10);
SELECT * FROM eventlog.fetch('q', 10);
SELECT subscription, seq, state, attempts, next_attempt_at < now() AS due, last_error
  FROM eventlog.deliveries ORDER BY seq;
-- or never: without a time the delivery is dead
SELECT eventlog.fail('q', 2, repeat('ü', 2000));
SELECT seq, state, attempts, next_attempt_at, octet_length(last_error) FROM eventlog.deliveries
  ORDER BY seq;
SELECT pending, retrying, dead, delivered, cancelled, left(last_error, 3) AS last_error,
  last_error_at IS NOT NULL AS at FROM eventlog.subscriptions;
-- until somebody retries it
SELECT eventlog.retry('q', 4), eventlog.retry('q', 4), eventlog.retry('q');
SELECT seq, attempts, (event).event_type FROM eventlog.fetch('q', 10);
SELECT * FROM eventlog.fetch('q', 10);
SELECT eventlog.ack('q', '{2,4,5}');

-- events that were returned come again after release
SELECT eventlog.emit('again') IS NOT NULL AS emitted;
SELECT seq, (event).event_type FROM eventlog.fetch('q', 1);
SELECT eventlog.release('q');
SELECT consumer FROM eventlog.subscriptions;
SELECT seq, (event).event_type FROM eventlog.fetch('q', 1);
-- and after all advisory locks of the session were released
SELECT pg_advisory_unlock_all();
SELECT seq, (event).event_type FROM eventlog.fetch('q', 1);
SELECT eventlog.ack('q', '{6}');

-- while it is paused, events wait
SELECT eventlog.pause('q');
SELECT eventlog.emit('while.paused') IS NOT NULL AS emitted;
SELECT * FROM eventlog.fetch('q', 1);
SELECT eventlog.listen('q');
SELECT eventlog.resume('q');
SELECT seq, (event).event_type FROM eventlog.fetch('q', 1);
SELECT eventlog.ack('q', '{7}');

-- listen: a notification will come when nothing is owed now
SELECT eventlog.fetch('q', 1);
SELECT eventlog.listen('q');
SELECT eventlog.emit('rings') IS NOT NULL AS emitted;
SELECT eventlog.listen('q') AS asleep;
SELECT seq, (event).event_type FROM eventlog.fetch('q', 1);
SELECT eventlog.ack('q', '{8}');

-- an event that was deleted meanwhile is cancelled
SELECT eventlog.emit('deleted') IS NOT NULL AS emitted FROM generate_series(1, 3);
SELECT count(*) FROM eventlog.clear('deleted');
SELECT eventlog.emit('there') IS NOT NULL AS emitted;
SELECT seq, (event).event_type FROM eventlog.fetch('q', 10);
SELECT delivered, cancelled FROM eventlog.subscriptions;
SELECT eventlog.ack('q', '{12}');

-- an event that was changed meanwhile is delivered as it is now
SELECT eventlog.emit('changed', message => 'before') AS id \gset
UPDATE queue_log SET message = 'after' WHERE id = :'id';
SELECT seq, (event).message FROM eventlog.fetch('q', 10);
SELECT eventlog.ack('q', '{13}');

-- replay enqueues the events that the filter and the subscription choose, oldest first
SELECT eventlog.subscribe('q', '{info}', 'e');
SELECT eventlog.replay('q', event_type => 'e', since => (SELECT occurred_at FROM queue_log
  WHERE event_type = 'e2'), before => (SELECT occurred_at FROM queue_log WHERE event_type = 'e5'));
SELECT eventlog.replay('q', 'there');
SELECT seq, attempts, (event).event_type FROM eventlog.fetch('q', 10);
SELECT eventlog.ack('q', '{14,15,16}');

-- large values and nulls come through
SELECT eventlog.emit('e.large', message => repeat('x', 100000),
  details => jsonb_build_object('s', repeat('y', 100000))) IS NOT NULL AS emitted;
SELECT seq, length((event).message), length((event).details ->> 's') FROM eventlog.fetch('q', 1);
SELECT eventlog.ack('q', '{17}');

-- events returned in a transaction or savepoint that fails come again
SELECT eventlog.emit('e.again') IS NOT NULL AS emitted FROM generate_series(1, 2);
BEGIN;
SELECT seq FROM eventlog.fetch('q', 1);
SAVEPOINT s;
SELECT seq FROM eventlog.fetch('q', 1);
SELECT eventlog.ack('q', '{18,19}');
ROLLBACK TO s;
SELECT seq FROM eventlog.fetch('q', 10);
ROLLBACK;
SELECT seq FROM eventlog.fetch('q', 10);
SELECT eventlog.ack('q', '{18,19}');

-- events of a transaction are returned after its commit, to the same session, too
BEGIN;
SELECT eventlog.emit('e.own') IS NOT NULL AS emitted;
SELECT seq FROM eventlog.fetch('q', 10);
COMMIT;
SELECT seq FROM eventlog.fetch('q', 10);
SELECT eventlog.ack('q', '{20}');

-- fetch needs READ COMMITTED
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM eventlog.fetch('q', 1);
ROLLBACK;

-- upkeep removes deliveries of events that are gone, and old dead ones
SELECT eventlog.emit('e.gone') IS NOT NULL AS emitted FROM generate_series(1, 2);
SELECT eventlog.emit('e.stays') IS NOT NULL AS emitted;
SELECT eventlog.fail('q', 23, 'dead');
DELETE FROM queue_log WHERE event_type = 'e.gone';
SET client_min_messages = notice;
CALL eventlog.maintain('queue_log');
SET eventlog.dead_retention = 0;
CALL eventlog.maintain('queue_log');
RESET eventlog.dead_retention;
SET client_min_messages = warning;
SELECT pending, dead, delivered, cancelled FROM eventlog.subscriptions;

SELECT eventlog.unsubscribe('q');
DROP TABLE queue_log;
