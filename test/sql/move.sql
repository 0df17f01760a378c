--
-- Events moved out of the default partition: unchanged, and without running code that
-- users have attached to the log
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
SET timezone = 'UTC';
SET datestyle = 'ISO';
-- (the owner is not a superuser, whom no policy stops)
CREATE ROLE move_role;
GRANT CREATE ON SCHEMA public TO move_role;
SET ROLE move_role;
SELECT eventlog.create_log('move_log', '1 day', premake => 0);
RESET ROLE;
SET eventlog.default_log = 'move_log';
CREATE TABLE move_seen (what text);
CREATE FUNCTION move_spy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO move_seen VALUES (concat_ws(' ', TG_WHEN, TG_OP, TG_LEVEL, TG_ARGV[0]));
  IF TG_OP = 'INSERT' AND TG_WHEN = 'BEFORE' AND TG_LEVEL = 'ROW' THEN
    NEW.user_id := 'stamped by ' || current_user;
  END IF;
  RETURN coalesce(NEW, OLD);
END $$;

-- Extra columns: a dropped one, one with a default that older rows do not store, a
-- generated one whose function has changed since.
CREATE FUNCTION move_made(text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'then ' || $1 $$;
ALTER TABLE move_log ADD gone text,
  ADD made text GENERATED ALWAYS AS (move_made(event_type)) STORED;
INSERT INTO move_log (event_type, occurred_at, message, details, gone)
  SELECT 'old.' || g, timestamptz '2022-08-24Z' + g * interval '6 hours',
    repeat('long ' || g, 1000),
         jsonb_build_object('big', (SELECT string_agg(md5(g || ' ' || n), '')
           FROM generate_series(1, 3000) n), 'n', g), repeat('x', 5000)
    FROM generate_series(0, 9) g;
ALTER TABLE move_log DROP gone, ADD later text DEFAULT 'missing';
CREATE OR REPLACE FUNCTION move_made(text) RETURNS text IMMUTABLE LANGUAGE sql AS $$
  SELECT 'now ' || $1 $$;

-- References to the events, and triggers.
CREATE TABLE move_note (occurred_at timestamptz, id uuid,
  FOREIGN KEY (occurred_at, id) REFERENCES move_log ON DELETE CASCADE);
CREATE TABLE move_ref (occurred_at timestamptz, id uuid,
  FOREIGN KEY (occurred_at, id) REFERENCES move_log);
CREATE TABLE move_later (occurred_at timestamptz, id uuid,
  FOREIGN KEY (occurred_at, id) REFERENCES move_log ON DELETE
  SET NULL DEFERRABLE INITIALLY DEFERRED);
INSERT INTO move_note SELECT occurred_at, id FROM move_log WHERE event_type IN ('old.1', 'old.2');
INSERT INTO move_ref SELECT occurred_at, id FROM move_log WHERE event_type = 'old.3';
INSERT INTO move_later SELECT occurred_at, id FROM move_log WHERE event_type = 'old.3';
CREATE TRIGGER stamp BEFORE INSERT OR DELETE ON move_log FOR EACH ROW EXECUTE FUNCTION move_spy();
CREATE TRIGGER after AFTER INSERT OR DELETE ON move_log FOR EACH ROW EXECUTE FUNCTION move_spy();
CREATE TRIGGER statement AFTER INSERT OR DELETE ON move_log FOR EACH STATEMENT
  EXECUTE FUNCTION move_spy();
CREATE TRIGGER always BEFORE INSERT OR DELETE ON move_log FOR EACH ROW
  EXECUTE FUNCTION move_spy('always');
ALTER TABLE move_log ENABLE ALWAYS TRIGGER always;
CREATE TRIGGER part BEFORE DELETE ON move_log_default FOR EACH ROW
  EXECUTE FUNCTION move_spy('of the partition');
CREATE CONSTRAINT TRIGGER deferred AFTER INSERT OR DELETE
  ON move_log DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION move_spy('deferred');
CREATE RULE also AS ON INSERT TO move_log DO ALSO INSERT INTO move_seen VALUES ('rule');
ALTER TABLE move_log ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY nothing ON move_log USING (false) WITH CHECK (false);
SELECT eventlog.subscribe('move');
CREATE TABLE move_before AS SELECT * FROM move_log;
SET client_min_messages = notice;
CALL eventlog.maintain('move_log');
SET client_min_messages = warning;
SELECT problems FROM eventlog.logs WHERE log = 'move_log'::regclass;
SELECT count(*), count(*) FILTER (WHERE tableoid = 'move_log_default'::regclass) AS in_default,
  count(DISTINCT tableoid) FROM move_log;
SELECT count(*) FROM ((TABLE move_before EXCEPT TABLE move_log)
  UNION ALL (TABLE move_log EXCEPT TABLE move_before)) changed;
SELECT made, later, user_id FROM move_log LIMIT 1;
SELECT (SELECT count(*) FROM move_note) AS notes, (SELECT count(*) FROM move_ref) AS refs,
  (SELECT count(id) FROM move_later) AS later;
TABLE move_seen;
SELECT pending FROM eventlog.subscriptions WHERE name = 'move';
-- the indexes have them
SET enable_seqscan = off;
SELECT count(*) FROM move_log WHERE occurred_at < '2022-08-25Z';
SELECT count(*) FROM eventlog.list('old.5');
RESET enable_seqscan;
-- and foreign keys still hold
DO $$ BEGIN
  DELETE FROM move_log WHERE event_type = 'old.3';
EXCEPTION WHEN foreign_key_violation THEN RAISE WARNING 'referred to';
END $$;
DELETE FROM move_log WHERE event_type = 'old.1';
SELECT (SELECT count(*) FROM move_note) AS notes, (SELECT count(*) FROM move_ref) AS refs;
SELECT eventlog.unsubscribe('move');
DROP TABLE move_note, move_ref, move_later, move_before;
DROP TABLE move_log;

-- If a move would break a guarantee, the events stay, and the reason is reported.
SELECT eventlog.create_log('move_log', '1 day', premake => 0);
INSERT INTO move_log (event_type, occurred_at)
  VALUES ('bad', '2022-08-24Z'), ('good', '2022-08-25Z');
ALTER TABLE move_log ADD CONSTRAINT no_bad CHECK (event_type <> 'bad') NOT VALID;
CALL eventlog.maintain('move_log');
SELECT problems FROM eventlog.logs WHERE log = 'move_log'::regclass;
DELETE FROM move_log WHERE event_type = 'bad';
ALTER TABLE move_log VALIDATE CONSTRAINT no_bad;
CALL eventlog.maintain('move_log');
SELECT problems FROM eventlog.logs WHERE log = 'move_log'::regclass;
-- a published log whose replica identity cannot be used
INSERT INTO move_log (event_type, occurred_at) VALUES ('published', '2022-08-26Z');
ALTER TABLE move_log REPLICA IDENTITY NOTHING;
ALTER TABLE move_log_default REPLICA IDENTITY NOTHING;
SET client_min_messages = error;
CREATE PUBLICATION move_publication FOR TABLE move_log;
SET client_min_messages = warning;
CALL eventlog.maintain('move_log');
SELECT problems FROM eventlog.logs WHERE log = 'move_log'::regclass;
ALTER TABLE move_log_default REPLICA IDENTITY DEFAULT;
CALL eventlog.maintain('move_log');
SELECT problems FROM eventlog.logs WHERE log = 'move_log'::regclass;
DROP PUBLICATION move_publication;

-- New partitions get the replica identity of the log.
CREATE FUNCTION move_identity() RETURNS TABLE (relreplident "char", index text) LANGUAGE sql AS $$
  SELECT c.relreplident, (SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = c.oid
    AND indisreplident)
    FROM pg_class c WHERE c.oid = (SELECT max(inhrelid) FROM pg_inherits
      WHERE inhparent = 'move_log'::regclass)
$$;
SELECT * FROM move_identity();
ALTER TABLE move_log REPLICA IDENTITY FULL;
INSERT INTO move_log (event_type, occurred_at) VALUES ('full', '2022-08-27Z');
CALL eventlog.maintain('move_log');
SELECT * FROM move_identity();
CREATE UNIQUE INDEX move_unique ON move_log (occurred_at, created_at, id);
ALTER TABLE move_log REPLICA IDENTITY USING INDEX move_unique;
INSERT INTO move_log (event_type, occurred_at) VALUES ('index', '2022-08-28Z');
CALL eventlog.maintain('move_log');
SELECT * FROM move_identity();
DROP TABLE move_log;
DROP FUNCTION move_identity, move_spy, move_made;
DROP TABLE move_seen;
REVOKE CREATE ON SCHEMA public FROM move_role;
DROP ROLE move_role;
