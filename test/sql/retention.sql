--
-- Retention and foreign keys
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
SET timezone = 'UTC';
SET datestyle = 'ISO';
-- A log with two expired partitions and expired events in the default partition.
CREATE FUNCTION ret_make(default_too boolean DEFAULT true) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM eventlog.create_log('ret_log', '1 month', retention => '1 year', premake => 0);
  CREATE TABLE ret_a PARTITION OF ret_log FOR VALUES FROM ('2001-01-01Z') TO ('2001-02-01Z');
  CREATE TABLE ret_b PARTITION OF ret_log FOR VALUES FROM ('2001-02-01Z') TO ('2001-03-01Z');
  INSERT INTO ret_log (event_type, occurred_at)
    SELECT 'e.' || m || '.' || g, make_timestamptz(2001, m, 1, 0, 0, 0,
      'UTC') + g * interval '1 day'
      FROM generate_series(1, 3) m, generate_series(0, 9) g WHERE default_too OR m < 3;
END $$;
CREATE FUNCTION ret_look() RETURNS TABLE (partition text, events bigint, referred bigint)
  LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY SELECT e.tableoid::regclass::text, count(*), count(r.id) FROM ret_log e LEFT
    JOIN ret_ref r USING (occurred_at, id) GROUP BY 1 ORDER BY 1;
END $$;

-- With a foreign key but no referring rows, all expired events are removed.
SELECT ret_make();
CREATE TABLE ret_ref (occurred_at timestamptz, id uuid,
  FOREIGN KEY (occurred_at, id) REFERENCES ret_log);
SET client_min_messages = notice;
CALL eventlog.maintain('ret_log');
SET client_min_messages = warning;
SELECT problems FROM eventlog.logs WHERE log = 'ret_log'::regclass;
SELECT * FROM ret_look();
SELECT count(*) FROM pg_class WHERE relname IN ('ret_a', 'ret_b');
DROP TABLE ret_ref, ret_log;

-- With rows that refer to some events, the others are removed, and these are reported.
SELECT ret_make();
CREATE TABLE ret_ref (occurred_at timestamptz, id uuid,
  FOREIGN KEY (occurred_at, id) REFERENCES ret_log);
INSERT INTO ret_ref SELECT occurred_at, id FROM ret_log WHERE event_type IN ('e.1.3', 'e.3.3');
CALL eventlog.maintain('ret_log');
SELECT problems FROM eventlog.logs WHERE log = 'ret_log'::regclass;
SELECT * FROM ret_look();
-- and the next call continues
DELETE FROM ret_ref;
CALL eventlog.maintain('ret_log');
SELECT problems FROM eventlog.logs WHERE log = 'ret_log'::regclass;
SELECT * FROM ret_look();
DROP TABLE ret_ref, ret_log;

-- ON DELETE CASCADE and SET NULL take effect.
SELECT ret_make();
CREATE TABLE ret_ref (occurred_at timestamptz, id uuid, n int,
  FOREIGN KEY (occurred_at, id) REFERENCES ret_log ON DELETE CASCADE);
CREATE TABLE ret_null (occurred_at timestamptz, id uuid, n int,
  FOREIGN KEY (occurred_at, id) REFERENCES ret_log ON DELETE SET NULL);
INSERT INTO ret_ref SELECT occurred_at, id, 1 FROM ret_log WHERE event_type IN ('e.1.3', 'e.3.3');
INSERT INTO ret_null SELECT occurred_at, id, 1 FROM ret_log WHERE event_type IN ('e.2.3', 'e.3.4');
CALL eventlog.maintain('ret_log');
SELECT problems FROM eventlog.logs WHERE log = 'ret_log'::regclass;
SELECT * FROM ret_look();
SELECT (SELECT count(*) FROM ret_ref) AS cascaded, (SELECT count(*) FROM ret_null
  WHERE id IS NULL) AS nulled;
DROP TABLE ret_ref, ret_null, ret_log;

-- the same with purge
SELECT ret_make();
CREATE TABLE ret_ref (occurred_at timestamptz, id uuid,
  FOREIGN KEY (occurred_at, id) REFERENCES ret_log);
INSERT INTO ret_ref SELECT occurred_at, id FROM ret_log WHERE event_type IN ('e.1.3', 'e.3.3');
SET client_min_messages = notice;
CALL eventlog.purge(before => '2002-01-01Z', log => 'ret_log');
SET client_min_messages = warning;
SELECT * FROM ret_look();
-- (delete runs a DELETE)
DO $$ BEGIN
  PERFORM eventlog.delete(id, 'ret_log') FROM ret_ref;
EXCEPTION WHEN foreign_key_violation THEN RAISE WARNING 'referred to';
END $$;
DROP TABLE ret_ref;
CALL eventlog.purge(before => '2002-01-01Z', log => 'ret_log');
DROP TABLE ret_log;

-- A partition that cannot be dropped does not block others; its rows are deleted.
SELECT ret_make();
CREATE TABLE ret_c PARTITION OF ret_log FOR VALUES FROM ('2001-05-01Z') TO ('2001-06-01Z');
CREATE TABLE ret_d PARTITION OF ret_log FOR VALUES FROM ('2001-06-01Z') TO ('2001-07-01Z');
CREATE TABLE ret_e PARTITION OF ret_log FOR VALUES FROM ('2001-07-01Z') TO ('2001-08-01Z');
INSERT INTO ret_log (event_type, occurred_at)
  SELECT 'e', t FROM generate_series(timestamptz '2001-05-15Z', '2001-07-15Z', '1 month') t;
CREATE VIEW ret_view AS SELECT * FROM ret_b;
CREATE TABLE ret_ref (occurred_at timestamptz, id uuid,
  FOREIGN KEY (occurred_at, id) REFERENCES ret_d);
SET client_min_messages = notice;
CALL eventlog.purge(before => '2002-01-01Z', log => 'ret_log');
SET client_min_messages = warning;
SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'ret_log'::regclass
  AND inhrelid::regclass::text LIKE 'ret\__' ORDER BY 1;
SELECT count(*) FROM ret_log;
CALL eventlog.maintain('ret_log');
DROP VIEW ret_view;
DROP TABLE ret_ref, ret_log;

-- A role that may not read the referring table gets an error.
CREATE ROLE ret_role;
GRANT CREATE ON SCHEMA public TO ret_role;
SET ROLE ret_role;
SELECT ret_make();
RESET ROLE;
CREATE TABLE ret_ref (occurred_at timestamptz, id uuid,
  FOREIGN KEY (occurred_at, id) REFERENCES ret_log);
CALL eventlog.maintain('ret_log');
SELECT problems FROM eventlog.logs WHERE log = 'ret_log'::regclass;
GRANT SELECT ON ret_ref TO ret_role;
CALL eventlog.maintain('ret_log');
SELECT problems FROM eventlog.logs WHERE log = 'ret_log'::regclass;
DROP TABLE ret_ref, ret_log;
REVOKE CREATE ON SCHEMA public FROM ret_role;
DROP ROLE ret_role;
DROP FUNCTION ret_make, ret_look;
