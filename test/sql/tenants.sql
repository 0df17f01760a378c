--
-- Tenants: the owner of one log cannot disturb the upkeep of others
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SELECT eventlog.create_log('ten_bad', '1 day', retention => '1 year', premake => 0);
SELECT eventlog.create_log('ten_good', '1 day', retention => '1 year', premake => 0);
CREATE FUNCTION ten_due() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM ten_good;
  INSERT INTO ten_good (event_type, occurred_at) VALUES ('due', '2001-01-01Z');
END $$;
-- the messages of upkeep, and what it did for the other log
CREATE FUNCTION ten_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  CASE current_setting('ten.does')
    WHEN 'cancel' THEN RAISE SQLSTATE '57014'
      USING MESSAGE = 'canceling statement due to user request';
    WHEN 'shutdown' THEN RAISE SQLSTATE '57P01'
      USING MESSAGE = 'terminating connection due to administrator command';
    WHEN 'lock' THEN RAISE SQLSTATE '55P03' USING MESSAGE = 'not now';
    WHEN 'insert' THEN INSERT INTO public.ten_bad (event_type, occurred_at)
      VALUES ('again', OLD.occurred_at);
    WHEN 'loop' THEN LOOP END LOOP;
    WHEN 'swallow' THEN BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN
      PERFORM pg_sleep(60); END;
    WHEN 'swallow all' THEN LOOP BEGIN BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled
      THEN NULL; END; EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP;
    WHEN 'keep' THEN RETURN NULL;
    ELSE NULL;
  END CASE;
  RETURN OLD;
END $$;
SET ten.does = '';
INSERT INTO ten_bad (event_type, occurred_at) VALUES ('bad', '2001-01-01Z');
CREATE TRIGGER bad BEFORE DELETE ON ten_bad FOR EACH ROW EXECUTE FUNCTION ten_trigger();
SELECT ten_due(); SET ten.does = 'cancel'; CALL eventlog.maintain(); SELECT count(*) FROM ten_good;
SELECT ten_due(); SET ten.does = 'shutdown';
CALL eventlog.maintain(); SELECT count(*) FROM ten_good;
SELECT ten_due(); SET ten.does = 'lock'; CALL eventlog.maintain(); SELECT count(*) FROM ten_good;
SELECT ten_due(); SET ten.does = 'keep'; CALL eventlog.maintain(); SELECT count(*) FROM ten_good;
-- (endless)
SET eventlog.step_timeout = '300ms';
SELECT ten_due(); SET ten.does = 'loop'; CALL eventlog.maintain(); SELECT count(*) FROM ten_good;
SELECT ten_due(); SET ten.does = 'swallow';
CALL eventlog.maintain(); SELECT count(*) FROM ten_good;
SELECT ten_due(); SET ten.does = 'swallow all';
CALL eventlog.maintain(); SELECT count(*) FROM ten_good;
RESET eventlog.step_timeout;
-- rows that are inserted again when they are deleted; purge ends all the same
DROP TRIGGER bad ON ten_bad;
CREATE TRIGGER bad AFTER DELETE ON ten_bad FOR EACH ROW EXECUTE FUNCTION ten_trigger();
SELECT ten_due(); SET ten.does = 'insert'; CALL eventlog.maintain(); SELECT count(*) FROM ten_good;
SELECT event_type, count(*) FROM ten_bad GROUP BY 1;
SELECT problems FROM eventlog.logs WHERE log = 'ten_bad'::regclass;
CREATE OR REPLACE FUNCTION ten_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.ten_bad (event_type, occurred_at)
    VALUES ('again', OLD.occurred_at - interval '1 us');
  RETURN OLD;
END $$;
CALL eventlog.purge(everything => true, batch_size => 1, log => 'ten_bad');
SELECT event_type, count(*) FROM ten_bad GROUP BY 1;
SET ten.does = '';
DROP TABLE ten_bad, ten_good;
DROP FUNCTION ten_due, ten_trigger;

-- Many slow steps, none of which exceeds its limit, end, too.
SELECT eventlog.create_log('ten_slow', '1 day', retention => '1 year', premake => 0);
CREATE TABLE ten_ref (t timestamptz, i uuid, FOREIGN KEY (t, i) REFERENCES ten_slow);
INSERT INTO ten_slow (event_type, occurred_at) SELECT 'slow', '2001-01-01Z'
  FROM generate_series(1, 25000);
CREATE FUNCTION ten_sleep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.05);
RETURN NULL; END $$;
CREATE TRIGGER slow AFTER DELETE ON ten_slow_default FOR EACH STATEMENT
  EXECUTE FUNCTION ten_sleep();
SET eventlog.step_timeout = '100ms';
SET client_min_messages = error;
CALL eventlog.maintain('ten_slow');
SET client_min_messages = warning;
RESET eventlog.step_timeout;
SELECT count(*) > 0 AS some_left FROM ten_slow;
DROP TABLE ten_ref, ten_slow;
DROP FUNCTION ten_sleep;

-- A writer can insert events of any time.  One call limits what it does about them,
-- and a few events far ahead get no partitions.
SELECT eventlog.create_log('ten_log', '7 days', premake => 1);
INSERT INTO ten_log (event_type, occurred_at) SELECT 'ahead', now() + g * interval '7 days'
  FROM generate_series(10, 3009) g;
INSERT INTO ten_log (event_type, occurred_at)
  SELECT 'dense', date_trunc('day', now()) + interval '10 years' + g * interval '1 s'
  FROM generate_series(1, 600) g;
INSERT INTO ten_log (event_type, occurred_at)
  SELECT 'past', '2001-01-01Z'::timestamptz + g * interval '7 days' FROM generate_series(1, 150) g;
SELECT problems FROM eventlog.logs WHERE log = 'ten_log'::regclass;
SET client_min_messages = error;
CALL eventlog.maintain('ten_log');
SELECT event_type, count(DISTINCT tableoid),
  count(*) FILTER (WHERE tableoid <> 'ten_log_default'::regclass) AS moved FROM ten_log GROUP BY 1
  ORDER BY 1;
SELECT partitions FROM eventlog.logs WHERE log = 'ten_log'::regclass;
CALL eventlog.maintain('ten_log');
SELECT event_type, count(*) FILTER (WHERE tableoid <> 'ten_log_default'::regclass) AS moved
  FROM ten_log GROUP BY 1 ORDER BY 1;
SELECT problems FROM eventlog.logs WHERE log = 'ten_log'::regclass;
SET client_min_messages = notice;
CALL eventlog.maintain('ten_log');
SET client_min_messages = warning;

-- In a read-only session the error is raised once.
SET default_transaction_read_only = on;
CALL eventlog.maintain();
CALL eventlog.purge(everything => true, log => 'ten_log');
RESET default_transaction_read_only;
DROP TABLE ten_log;

-- Deliveries of dropped subscriptions are removed, once a call, for all logs; others
-- stay.
SELECT eventlog.create_log('ten_log', '1 day', premake => 0);
SELECT eventlog.subscribe('ten', log => 'ten_log');
SELECT count(eventlog.emit('owed', log => 'ten_log')) FROM generate_series(1, 3);
INSERT INTO eventlog._queue (subscription, seq, xid, event_id, attempts)
  SELECT 1000000 + g % 3, 1000000 + g, pg_current_xact_id(), eventlog.new_id(), 0
    FROM generate_series(1, 25000) g;
CALL eventlog.maintain();
SELECT count(*) FROM eventlog._queue;
SELECT pending FROM eventlog.subscriptions WHERE name = 'ten';
SELECT eventlog.unsubscribe('ten', 'ten_log');
DROP TABLE ten_log;
