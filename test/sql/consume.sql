--
-- Code of a log's owner that runs inside fetch, and events that cannot be read
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set VERBOSITY terse
CREATE ROLE consume_owner;
CREATE ROLE consume_reader;
CREATE SCHEMA consume AUTHORIZATION consume_owner;
GRANT USAGE ON SCHEMA consume TO consume_reader;
SET ROLE consume_owner;
SELECT eventlog.create_log('consume.log');
GRANT SELECT ON consume.log TO consume_reader;
SET eventlog.default_log = 'consume.log';
CREATE TABLE consume.statement (sql text);
GRANT SELECT ON consume.statement TO consume_reader;
CREATE TABLE consume.told (message text);
GRANT SELECT, INSERT ON consume.told TO consume_reader;
-- a policy is evaluated for each event that is read
CREATE FUNCTION consume.policy(event_type text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  s text;
BEGIN
  FOR s IN SELECT sql FROM consume.statement LOOP
    BEGIN
      EXECUTE s;
      INSERT INTO consume.told VALUES (s);
    EXCEPTION WHEN object_in_use THEN
      INSERT INTO consume.told VALUES (sqlerrm);
    END;
  END LOOP;
  IF event_type LIKE 'raise.%' THEN
    RAISE EXCEPTION 'no reading of %', event_type USING ERRCODE = upper(substr(event_type, 7));
  END IF;
  RETURN event_type <> 'hidden';
END $$;
ALTER TABLE consume.log ENABLE ROW LEVEL SECURITY;
CREATE POLICY reads ON consume.log FOR SELECT TO consume_reader USING (consume.policy(event_type));
SET ROLE consume_reader;
SET eventlog.default_log = 'consume.log';
SELECT eventlog.subscribe('s'), eventlog.subscribe('other', event_type => 'other.');

-- During a fetch the consumer of the subscription is busy.
SET ROLE consume_owner;
INSERT INTO consume.log (event_type) VALUES ('a'), ('b'), ('other.c');
INSERT INTO consume.statement
SELECT format('SELECT eventlog.%s', call) FROM unnest('{
  "release(''s'')", "fetch(''s'', 2)", "listen(''s'')", "ack(''s'', ''{1}'')", "fail(''s'', 1)",
  "fail_batch(''s'', ''{1}'', ''{x}'', ''{NULL}'')"}'::text[]) call;
SET ROLE consume_reader;
SELECT (event).event_type FROM eventlog.fetch('s', 2);
SELECT message, count(*) FROM consume.told GROUP BY 1 ORDER BY 1;
SELECT (event).event_type FROM eventlog.fetch('s', 2);
SELECT (event).event_type FROM eventlog.fetch('s', 2);
-- Other subscriptions can be used, and functions that do not need the consumer.
SET ROLE consume_owner;
TRUNCATE consume.told, consume.statement;
INSERT INTO consume.statement VALUES
  ('SELECT eventlog.fetch(''other'', 1)'), ('SELECT eventlog.ack(''other'', ''{1}'')'),
  ('SELECT eventlog.release(''other'')'), ('SELECT eventlog.subscribe(''s'', ''{info}'')'),
  ('SELECT pending FROM eventlog.subscriptions'), ('SELECT pg_advisory_unlock_all()'),
  ('SELECT eventlog.retry(''s'')');
GRANT INSERT ON consume.log TO consume_reader;
SET ROLE consume_reader;
SELECT eventlog.release('s');
SELECT (event).event_type FROM eventlog.fetch('s', 1);
SELECT message, count(*) FROM consume.told GROUP BY 1 ORDER BY 1;
-- Afterwards it is free again, even after an error in a savepoint or transaction.
SET ROLE consume_owner;
TRUNCATE consume.told, consume.statement;
INSERT INTO consume.statement VALUES ('SELECT pg_sleep(60)');
SET ROLE consume_reader;
SELECT eventlog.release('s');
SET statement_timeout = '100ms';
BEGIN;
SAVEPOINT a;
SELECT (event).event_type FROM eventlog.fetch('s', 10);
ROLLBACK TO a;
SELECT eventlog.listen('s');
COMMIT;
SELECT (event).event_type FROM eventlog.fetch('s', 10);
RESET statement_timeout;
SET ROLE consume_owner;
TRUNCATE consume.statement;
SET ROLE consume_reader;
SELECT pending, dead FROM eventlog.subscriptions WHERE name = 's';
SELECT (event).event_type FROM eventlog.fetch('s', 10);

-- An event that cannot be read becomes dead, whatever error it raises; others come.
SELECT eventlog.ack('s', array_agg(seq)) FROM eventlog.deliveries WHERE subscription = 's';
SET ROLE consume_owner;
INSERT INTO consume.log (event_type) VALUES
  ('raise.57014'), ('one'), ('raise.40p01'), ('raise.53200'), ('hidden'), ('two'), ('raise.57p01');
SET ROLE consume_reader;
SELECT (event).event_type FROM eventlog.fetch('s', 10);
SELECT state, attempts, last_error FROM eventlog.deliveries WHERE subscription = 's' ORDER BY seq;
SELECT cancelled, last_error FROM eventlog.subscriptions WHERE name = 's';
SELECT eventlog.ack('s', array_agg(seq)) FROM eventlog.deliveries WHERE subscription = 's'
  AND state = 'pending';
-- also if it is the only one, and again when it is retried
SELECT eventlog.retry('s');
SELECT * FROM eventlog.fetch('s', 1);
SELECT state, count(*) FROM eventlog.deliveries WHERE subscription = 's' GROUP BY 1;
SELECT eventlog.ack('s', array_agg(seq)) FROM eventlog.deliveries WHERE subscription = 's';
-- An error that no single event causes is raised, and nothing is lost.
SET ROLE consume_owner;
INSERT INTO consume.log (event_type) VALUES ('d');
REVOKE EXECUTE ON FUNCTION consume.policy FROM PUBLIC;
SET ROLE consume_reader;
SELECT * FROM eventlog.fetch('s', 10);
SET ROLE consume_owner;
GRANT EXECUTE ON FUNCTION consume.policy TO consume_reader;
REVOKE SELECT ON consume.log FROM consume_reader;
SET ROLE consume_reader;
SELECT * FROM eventlog.fetch('s', 10);
SET ROLE consume_owner;
GRANT SELECT ON consume.log TO consume_reader;
SET ROLE consume_reader;
SELECT (event).event_type FROM eventlog.fetch('s', 10);

-- max_bytes limits a fetch, but one event always comes.
RESET ROLE;
SELECT eventlog.subscribe('b', event_type => 'big.');
INSERT INTO consume.log (event_type, message)
SELECT 'big.' || g, repeat('x', CASE g WHEN 3 THEN 100000 ELSE 1000 END)
  FROM generate_series(1, 5) g;
SELECT (event).event_type FROM eventlog.fetch('b', 10, 2500);
SELECT (event).event_type FROM eventlog.fetch('b', 10, 2500);
SELECT (event).event_type FROM eventlog.fetch('b', 10, 1);
SELECT (event).event_type FROM eventlog.fetch('b', 10, NULL);
SELECT (event).event_type FROM eventlog.fetch('b', 10, 2500);
SELECT * FROM eventlog.fetch('b', 10, 0);
-- also of events to be retried
SELECT eventlog.fail_batch('b', array_agg(seq), array_agg('again'::text),
  array_agg('2022-08-24Z'::timestamptz)) FROM eventlog.deliveries WHERE subscription = 'b';
SELECT (event).event_type, attempts FROM eventlog.fetch('b', 10, 2500);
SELECT (event).event_type, attempts FROM eventlog.fetch('b', 10, 2500);
SELECT (event).event_type, attempts FROM eventlog.fetch('b', 10);

-- Many failures at once.
SELECT min(seq) AS first FROM eventlog.deliveries WHERE subscription = 'b' \gset
SELECT eventlog.fail_batch('b', ARRAY[:first, :first + 2, NULL, 1], ARRAY['x', NULL, 'y', 'z'],
  ARRAY[NULL, '2150-01-01Z', NULL, NULL]::timestamptz[]);
SELECT seq - :first AS n, state, attempts, next_attempt_at, last_error FROM eventlog.deliveries
  WHERE subscription = 'b' ORDER BY seq;
SELECT last_error FROM eventlog.subscriptions WHERE name = 'b';
SELECT eventlog.fail_batch('b', '{}', '{}', '{}');
SELECT eventlog.fail_batch('b', '{1}', '{a,b}', '{NULL}');
SELECT eventlog.fail_batch('b', '{1}', NULL, '{NULL}');

SELECT eventlog.unsubscribe(name) FROM eventlog.subscriptions WHERE log = 'consume.log'::regclass;
DROP SCHEMA consume CASCADE;
DROP ROLE consume_owner, consume_reader;
