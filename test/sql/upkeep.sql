--
-- Upkeep of logs in unusual states
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
-- the partitions of a log, but for the default: their bounds, in order
CREATE FUNCTION upkeep_bounds(log regclass)
  RETURNS TABLE (partition regclass, lower text, upper text) LANGUAGE sql AS $$
  SELECT c.oid, m[1], m[2]
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid,
         regexp_match(pg_get_expr(c.relpartbound, c.oid),
           'FROM \(''?(.*?)''?\) TO \(''?(.*?)''?\)') m
   WHERE i.inhparent = log AND m IS NOT NULL
   ORDER BY eventlog.id_time(eventlog.new_id(CASE m[1] WHEN 'MINVALUE'
     THEN '1970-01-01Z' ELSE m[1] END::timestamptz))
$$;

-- The interval is changed on a log whose partitions are made ahead: what is left
-- between the old ones and the next month is made, too, before events come there.
SELECT eventlog.create_log('upkeep_log', '1 day', premake => 2);
SET eventlog.default_log = 'upkeep_log';
CREATE FUNCTION upkeep_gaps() RETURNS bigint LANGUAGE sql AS $$
  SELECT count(*) FROM (SELECT lower, lag(upper) OVER () AS before
    FROM upkeep_bounds('upkeep_log')) x WHERE lower <> before
$$;
SELECT eventlog.alter_log('upkeep_log', '1 month');
SELECT problems[1] LIKE '_ partitions missing ahead' AS missing FROM eventlog.logs
  WHERE log = 'upkeep_log'::regclass;
CALL eventlog.maintain('upkeep_log');
SELECT problems FROM eventlog.logs WHERE log = 'upkeep_log'::regclass;
SELECT upkeep_gaps(), newest = date_trunc('month', now()) + interval '3 months' AS ahead
  FROM eventlog.logs WHERE log = 'upkeep_log'::regclass;
-- and back: the existing months cover the days
SELECT eventlog.alter_log('upkeep_log', '1 day');
SELECT problems FROM eventlog.logs WHERE log = 'upkeep_log'::regclass;
CREATE TEMP TABLE before AS SELECT * FROM upkeep_bounds('upkeep_log');
CALL eventlog.maintain('upkeep_log');
TABLE before EXCEPT SELECT * FROM upkeep_bounds('upkeep_log');
SELECT upkeep_gaps();
-- a partition ahead that was dropped is created again
SELECT partition AS third FROM upkeep_bounds('upkeep_log') OFFSET 2 LIMIT 1 \gset
DROP TABLE :third;
SELECT problems FROM eventlog.logs WHERE log = 'upkeep_log'::regclass;
SELECT eventlog.alter_log('upkeep_log', premake => 100);
CALL eventlog.maintain('upkeep_log');
SELECT problems FROM eventlog.logs WHERE log = 'upkeep_log'::regclass;
SELECT upkeep_gaps();
DROP TABLE upkeep_log;

-- The session's time zone and styles do not change bounds, nor does daylight saving
-- time.
CREATE TABLE upkeep_zones (zone text, bounds text);
DO $$
DECLARE
  zones text[] := ARRAY['UTC', 'America/St_Johns', 'Europe/Berlin', 'Asia/Kathmandu',
    'Pacific/Apia', '<+13:45>-13:45', 'Australia/Lord_Howe'];
  styles text[] := ARRAY['ISO', 'German', 'SQL, DMY', 'Postgres, MDY'];
BEGIN
  FOR i IN 1 .. cardinality(zones) LOOP
    PERFORM set_config('timezone', zones[i], false),
      set_config('datestyle', styles[1 + i % 4], false),
            set_config('intervalstyle',
              (ARRAY['iso_8601', 'postgres_verbose', 'sql_standard'])[1 + i % 3], false);
    PERFORM eventlog.create_log('upkeep_zone', '1 day', retention => '10000 days', premake => 0);
    INSERT INTO upkeep_zone (event_type, occurred_at)
      SELECT 'a', timestamptz '2022-03-26 00:30Z' + g * interval '7 hours'
        FROM generate_series(0, 10) g
      UNION ALL SELECT 'a', timestamptz '2022-10-29 23:30Z' + g * interval '7 hours'
        FROM generate_series(0, 10) g;
    CALL eventlog.maintain('upkeep_zone');
    PERFORM set_config('timezone', 'UTC', false), set_config('datestyle', 'ISO', false),
      set_config('intervalstyle', 'postgres', false);
    INSERT INTO upkeep_zones SELECT zones[i], string_agg(lower || ' ' || upper, E'\n')
      FROM upkeep_bounds('upkeep_zone') WHERE lower LIKE '2022%';
    DROP TABLE upkeep_zone;
  END LOOP;
END $$;
SELECT count(*), count(DISTINCT bounds) FROM upkeep_zones;
SELECT bounds FROM upkeep_zones LIMIT 1;
DROP TABLE upkeep_zones;

-- Partitions that were not made by us: from the beginning, to the end, of other
-- bounds and columns in another order, partitioned further, of another kind.
SELECT eventlog.create_log('upkeep_log', '1 month', premake => 0);
CREATE TABLE upkeep_first PARTITION OF upkeep_log FOR VALUES
  FROM (MINVALUE) TO ('1999-12-31 12:34:56Z');
CREATE TABLE upkeep_order (
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(), gone int,
    request_id text COLLATE "C", base_url text,
  user_id text COLLATE "C", details jsonb, category text COLLATE "C", message text,
    occurred_at timestamptz NOT NULL,
  source_host text COLLATE "C", source_service text COLLATE "C", resource_type text COLLATE "C",
    resource_id text COLLATE "C",
  level text COLLATE "C" NOT NULL DEFAULT 'info', event_type text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
  CONSTRAINT eventlog_check CHECK (eventlog._check(id, occurred_at)),
  CONSTRAINT eventlog_level_check CHECK (level = ANY ('{debug,info,warning,error,critical}')));
ALTER TABLE upkeep_order DROP gone;
ALTER TABLE upkeep_log ATTACH PARTITION upkeep_order FOR VALUES
  FROM ('2000-01-10Z') TO ('2000-01-20 06:00Z');
CREATE TABLE upkeep_sub PARTITION OF upkeep_log FOR VALUES
  FROM ('2000-02-01Z') TO ('2000-02-03Z') PARTITION BY RANGE (occurred_at);
CREATE TABLE upkeep_sub1 PARTITION OF upkeep_sub FOR VALUES
  FROM ('2000-02-01Z') TO ('2000-02-02Z');
CREATE TABLE upkeep_sub2 PARTITION OF upkeep_sub DEFAULT;
CREATE TABLE upkeep_last PARTITION OF upkeep_log FOR VALUES FROM ('3000-01-01Z') TO (MAXVALUE);
INSERT INTO upkeep_log (event_type, message, occurred_at)
  SELECT 'a', g::text, t::timestamptz
    FROM
      unnest('{1970-01-01Z,1999-12-31 12:34:55Z,1999-12-31 12:34:56Z,
                   2000-01-09Z,2000-01-10Z,2000-01-20 05:59Z,
                  2000-01-20 06:00Z,2000-02-01Z,2000-02-02Z,2000-02-03Z,2000-03-01Z,
                   2999-12-31Z,9999-12-31Z}'::text[])
         WITH ORDINALITY u (t, g);
CALL eventlog.maintain('upkeep_log');
SELECT tableoid::regclass AS partition, message::int, occurred_at FROM upkeep_log
  ORDER BY occurred_at;
SELECT array_agg(message::int ORDER BY occurred_at DESC) FROM eventlog.list(page_size => NULL);
SELECT problems FROM eventlog.logs WHERE log = 'upkeep_log'::regclass;

-- They expire as a whole, by their bounds, like others.
SELECT eventlog.alter_log('upkeep_log', retention => '20 years');
SELECT problems FROM eventlog.logs WHERE log = 'upkeep_log'::regclass;
SET client_min_messages = notice;
CALL eventlog.maintain('upkeep_log');
SET client_min_messages = warning;
SELECT array_agg(message::int ORDER BY occurred_at) FROM upkeep_log;
-- and purge clears them
CREATE TABLE upkeep_first PARTITION OF upkeep_log FOR VALUES
  FROM (MINVALUE) TO ('1999-12-31 12:34:56Z');
CREATE TABLE upkeep_sub PARTITION OF upkeep_log FOR VALUES
  FROM ('2000-02-01Z') TO ('2000-02-03Z') PARTITION BY RANGE (occurred_at);
CREATE TABLE upkeep_sub1 PARTITION OF upkeep_sub DEFAULT;
INSERT INTO upkeep_log (event_type, occurred_at)
  VALUES ('a', '1980-01-01Z'), ('a', '2000-02-01Z'), ('a', '2000-02-02Z'), ('a', '2010-01-01Z'),
  ('b', '2010-01-01Z');
CALL eventlog.purge('a', batch_size => 2);
SELECT event_type, count(*) FROM upkeep_log GROUP BY 1;
INSERT INTO upkeep_log (event_type, occurred_at)
  VALUES ('a', '1980-01-01Z'), ('a', '2000-02-01Z'), ('a', '9999-01-01Z');
CALL eventlog.purge(everything => true);
SELECT lower, upper FROM upkeep_bounds('upkeep_log') WHERE upper NOT LIKE '20%';
SELECT count(*) FROM upkeep_log;

-- A detached partition is not part of the log and is left alone; new events of its
-- range get a new partition.
INSERT INTO upkeep_log (event_type, message, occurred_at) VALUES ('a', 'before', '2020-01-15Z');
SELECT eventlog.alter_log('upkeep_log', retention => '0');
CALL eventlog.maintain('upkeep_log');
ALTER TABLE upkeep_log DETACH PARTITION upkeep_log_p20200101;
INSERT INTO upkeep_log (event_type, message, occurred_at) VALUES ('a', 'after', '2020-01-15Z');
SELECT eventlog.alter_log('upkeep_log', retention => '1 year');
INSERT INTO upkeep_log (event_type, message, occurred_at) VALUES ('a', 'now', now());
CALL eventlog.maintain('upkeep_log');
SELECT message FROM upkeep_log;
SELECT message FROM upkeep_log_p20200101;
DROP TABLE upkeep_log_p20200101;

-- Without a default partition an event can be refused; upkeep goes on.
DROP TABLE upkeep_log_default;
SELECT problems FROM eventlog.logs WHERE log = 'upkeep_log'::regclass;
CALL eventlog.maintain('upkeep_log');
CALL eventlog.purge('a');
SELECT count(*) FROM upkeep_log;
DROP TABLE upkeep_log;

-- Nothing is removed too early, and what has expired is removed: partitions by their
-- end, events in the default partition by their time.
SELECT eventlog.create_log('upkeep_log', '1 hour', retention => '2 days', premake => 0);
DO $$
DECLARE
  due timestamptz := date_trunc('hour', now() - interval '2 days');
BEGIN
  EXECUTE format('CREATE TABLE upkeep_due PARTITION OF upkeep_log FOR VALUES FROM (%L) TO (%L)',
    due - interval '90 minutes', due);
  EXECUTE format('CREATE TABLE upkeep_kept PARTITION OF upkeep_log FOR VALUES FROM (%L) TO (%L)',
    due, due + interval '90 minutes');
  INSERT INTO upkeep_log (event_type, occurred_at)
    VALUES ('due', due - interval '1 microsecond'), ('kept.as.its.partition.is', due),
           ('default.due', due - interval '2 hours'), ('default.kept', due + interval '2 hours');
END $$;
SELECT problems FROM eventlog.logs WHERE log = 'upkeep_log'::regclass;
CALL eventlog.maintain('upkeep_log');
SELECT event_type FROM upkeep_log ORDER BY 1;
SELECT problems FROM eventlog.logs WHERE log = 'upkeep_log'::regclass;
DROP TABLE upkeep_log;

-- A problem with one step is reported and does not prevent the others.
SELECT eventlog.create_log('upkeep_log', '1 month', premake => 0);
INSERT INTO upkeep_log (event_type, occurred_at)
  SELECT 'a', '2001-01-01Z'::timestamptz + g * interval '1 month' FROM generate_series(0, 3) g;
CALL eventlog.maintain('upkeep_log');
CREATE VIEW upkeep_view AS SELECT * FROM upkeep_log_p20010201;
SELECT eventlog.alter_log('upkeep_log', retention => '20 years');
CALL eventlog.maintain('upkeep_log');
SELECT lower FROM upkeep_bounds('upkeep_log') WHERE lower LIKE '2001%';
SELECT problems FROM eventlog.logs WHERE log = 'upkeep_log'::regclass;
DROP VIEW upkeep_view;
CALL eventlog.maintain('upkeep_log');
SELECT problems FROM eventlog.logs WHERE log = 'upkeep_log'::regclass;
-- no trigger prevents that events are moved, and they are not enqueued again
SELECT eventlog.alter_log('upkeep_log', retention => '0');
INSERT INTO upkeep_log (event_type, occurred_at)
  VALUES ('lost', '2001-01-01Z'), ('kept', '2002-01-01Z'), ('stubborn', '2003-01-01Z');
CREATE FUNCTION upkeep_stop() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.event_type = 'stubborn' THEN RAISE 'not today'; END IF;
  RETURN CASE WHEN NEW.event_type <> 'lost' THEN NEW END;
END $$;
CREATE TRIGGER upkeep_stop BEFORE INSERT ON upkeep_log FOR EACH ROW EXECUTE FUNCTION upkeep_stop();
SELECT eventlog.subscribe('upkeep');
CALL eventlog.maintain('upkeep_log');
SELECT tableoid::regclass, event_type FROM upkeep_log ORDER BY 2;
-- (later events of this session are enqueued as before)
BEGIN;
SAVEPOINT a; SAVEPOINT b; SAVEPOINT c; SAVEPOINT d; SAVEPOINT e; SAVEPOINT f; SAVEPOINT g;
SAVEPOINT h;
SELECT eventlog.emit('new') IS NOT NULL AS emitted;
COMMIT;
SELECT pending FROM eventlog.subscriptions WHERE name = 'upkeep';
SELECT eventlog.unsubscribe('upkeep');
DROP TRIGGER upkeep_stop ON upkeep_log;
DROP FUNCTION upkeep_stop;

-- Extra columns move with the event, also generated ones after a dropped one.
ALTER TABLE upkeep_log ADD gone int, ADD n serial,
  ADD "Größe" int GENERATED ALWAYS AS (length(event_type)) STORED;
ALTER TABLE upkeep_log DROP gone;
INSERT INTO upkeep_log (event_type, occurred_at, n)
  VALUES ('four', '2010-01-01Z', 7), ('seventeen', '2010-01-02Z', 8);
CALL eventlog.maintain('upkeep_log');
SELECT tableoid::regclass, event_type, n, "Größe" FROM upkeep_log WHERE n IN (7, 8) ORDER BY n;
DROP TABLE upkeep_log;

-- Partitions use the tablespace of the log.
SET allow_in_place_tablespaces = true;
CREATE TABLESPACE upkeep_space LOCATION '';
SELECT eventlog.create_log('upkeep_log', '1 month', premake => 0);
ALTER TABLE upkeep_log SET TABLESPACE upkeep_space;
INSERT INTO upkeep_log (event_type, occurred_at) VALUES ('a', '2001-01-01Z');
CALL eventlog.maintain('upkeep_log');
SELECT spcname FROM pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace
  WHERE relname = 'upkeep_log_p20010101';
DROP TABLE upkeep_log;
DROP TABLESPACE upkeep_space;

-- A log whose owner was changed by ALTER TABLE, which does not change the owner of its
-- partitions, so that the new owner may not empty or drop them.
CREATE ROLE upkeep_role;
CREATE SCHEMA upkeep AUTHORIZATION upkeep_role;
SELECT eventlog.create_log('upkeep.log', '1 month', retention => '20 years', premake => 0);
CREATE TABLE upkeep.old PARTITION OF upkeep.log FOR VALUES FROM ('2000-01-01Z') TO ('2000-02-01Z');
INSERT INTO upkeep.log (event_type, occurred_at) VALUES ('a', '2001-01-01Z'), ('a', '2020-01-01Z');
ALTER TABLE upkeep.log OWNER TO upkeep_role;
SELECT problems FROM eventlog.logs WHERE log = 'upkeep.log'::regclass;
CALL eventlog.maintain('upkeep.log');
SELECT count(*) FROM upkeep.log;
DO $$
DECLARE partition regclass;
BEGIN
  FOR partition IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'upkeep.log'::regclass LOOP
    EXECUTE format('ALTER TABLE %s OWNER TO upkeep_role', partition);
  END LOOP;
END $$;
SET client_min_messages = notice;
CALL eventlog.maintain('upkeep.log');
SET client_min_messages = warning;
SELECT problems FROM eventlog.logs WHERE log = 'upkeep.log'::regclass;
-- What a superuser creates for a log belongs to its owner, too.
DROP EXTENSION eventlog CASCADE;
CREATE EXTENSION eventlog;
SELECT eventlog.create_log('upkeep.log', '1 day', retention => '1 year', premake => 1);
SELECT DISTINCT relowner::regrole FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
  WHERE inhparent = 'upkeep.log'::regclass;
DROP FUNCTION upkeep_bounds, upkeep_gaps;
DROP SCHEMA upkeep CASCADE;
DROP ROLE upkeep_role;
