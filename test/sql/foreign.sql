--
-- A log one of whose partitions is on another server (here the same one)
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
CREATE EXTENSION postgres_fdw;
SET timezone = 'UTC';
SET datestyle = 'ISO';
DO $$ BEGIN EXECUTE
  format('CREATE SERVER loopback FOREIGN DATA WRAPPER postgres_fdw'
    ' OPTIONS (dbname %L, host %L, port %L)',
  current_database(), split_part(current_setting('unix_socket_directories'), ',', 1),
    current_setting('port')); END $$;
CREATE USER MAPPING FOR CURRENT_USER SERVER loopback;

-- ten partitions there with one event each, whose rows have the same ctid
SELECT eventlog.create_log('far_log', '1 day', premake => 0);
INSERT INTO far_log (event_type, resource_id, occurred_at)
  SELECT 'a.' || g, 'r' || g % 3, '2022-08-01 12:00Z'::timestamptz + g * interval '1 day'
  FROM generate_series(0, 9) g;
CALL eventlog.maintain('far_log');
SELECT count(DISTINCT tableoid) AS partitions, count(DISTINCT ctid) AS places FROM far_log;

-- PostgreSQL has no unique index over a foreign partition, but on the others
SELECT eventlog.create_log('near_log', '1 day', premake => 0);
SET eventlog.default_log = 'near_log';
ALTER TABLE near_log DROP CONSTRAINT near_log_pkey;
ALTER TABLE near_log_default ADD PRIMARY KEY (occurred_at, id);
CREATE FOREIGN TABLE near_log_far PARTITION OF near_log FOR VALUES
  FROM ('2022-08-01Z') TO ('2022-08-11Z') SERVER loopback OPTIONS (table_name 'far_log');
INSERT INTO near_log (event_type, resource_id, occurred_at)
  SELECT 'b.' || g, 'r' || g % 3, '2022-08-11 12:00Z'::timestamptz + g * interval '1 day'
  FROM generate_series(0, 3) g;
CALL eventlog.maintain('near_log');
ALTER TABLE near_log_p20220812 ADD PRIMARY KEY (occurred_at, id);
INSERT INTO near_log_default (event_type, occurred_at)
  VALUES ('b.old', '2022-07-01Z'), ('b.new', '2022-08-15 01:00Z');
SELECT tableoid::regclass, count(*) FROM near_log GROUP BY 1 ORDER BY 1;

-- order, pages, cursor, filters: the same as plain SQL
SELECT string_agg(event_type, ' ') FROM eventlog.list();
SELECT p, string_agg(l.event_type, ' ')
  FROM generate_series(1, 5) p, eventlog.list(page => p, page_size => 3) l GROUP BY p ORDER BY p;
CREATE FUNCTION pg_temp.by_cursor(size int, OUT types text) LANGUAGE plpgsql AS $$
DECLARE last uuid; part text; BEGIN
  LOOP
    SELECT string_agg(l.event_type, ' '), (array_agg(l.id))[count(*)] INTO part, last
      FROM eventlog.list(page_size => size, after => last) l;
    EXIT WHEN part IS NULL;
    types := concat_ws(' ', types, part);
  END LOOP;
END $$;
SELECT size, pg_temp.by_cursor(size) FROM unnest('{1,4,50}'::int[]) size;
SELECT string_agg(event_type, ' ')
  FROM eventlog.list('a.', resource_id => 'r1', since => '2022-08-03Z');
SELECT count(*) FROM near_log, eventlog.get(near_log.id);
SELECT eventlog.count('a.'), eventlog.count(), eventlog.count(since => '2022-08-10Z',
  before => '2022-08-12Z');
SELECT * FROM eventlog.types('b.');

-- a role that may read the log but not the partition sees the same
CREATE ROLE near_reader;
GRANT SELECT ON near_log TO near_reader;
CREATE USER MAPPING FOR near_reader SERVER loopback OPTIONS (user 'postgres',
  password_required 'false');
SET ROLE near_reader;
SELECT string_agg(event_type, ' ') FROM eventlog.list(page_size => 7);
RESET ROLE;
-- a page that is too large for memory, and the whole log, by one statement
SELECT string_agg(event_type, ' ') FROM eventlog.list(page_size => 100000000);
SELECT string_agg(event_type, ' ') FROM eventlog.list(page_size => NULL);

-- an event is stored in its partition
INSERT INTO near_log (event_type, occurred_at) VALUES ('a.there', '2022-08-02 15:00Z');
SELECT event_type, id = (SELECT id FROM far_log WHERE event_type = 'a.there') AS same
  FROM eventlog.list('a.t');

-- one is deleted, cleared, purged: no other event is lost
SELECT count(*) FROM eventlog.delete((SELECT id FROM near_log WHERE event_type = 'a.there'));
SELECT count(*) FROM far_log;
SELECT count(*) FROM eventlog.clear('a.3');
SELECT string_agg(event_type, ' ' ORDER BY occurred_at) FROM far_log;
SELECT count(*) FROM eventlog.clear(resource_id => 'r1');
SELECT string_agg(event_type, ' ' ORDER BY occurred_at) FROM near_log;
CALL eventlog.purge(since => '2022-08-06Z', before => '2022-08-07Z');
CALL eventlog.purge('a.8', batch_size => 1);
SELECT string_agg(event_type, ' ' ORDER BY occurred_at) FROM far_log;

-- if the other server would not run the whole statement, nothing is deleted
CREATE FUNCTION near_keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$;
CREATE TRIGGER near_keep BEFORE DELETE ON near_log FOR EACH ROW EXECUTE FUNCTION near_keep();
SELECT eventlog.clear('a.0');
SELECT eventlog.delete((SELECT id FROM near_log WHERE event_type = 'a.0'));
SELECT count(*) FROM eventlog.clear('b.0');
SELECT string_agg(event_type, ' ' ORDER BY occurred_at) FROM near_log;
DROP TRIGGER near_keep ON near_log;
DROP FUNCTION near_keep();

-- more than clear deletes by key
INSERT INTO near_log (event_type, occurred_at)
  SELECT 'many', '2022-08-02Z'::timestamptz + g * interval '2 seconds'
  FROM generate_series(1, 10000) g;
SELECT count(*) FROM eventlog.clear('many');
SELECT string_agg(event_type, ' ' ORDER BY occurred_at) FROM near_log;

-- an expired foreign partition is removed; its events stay on their server
SELECT eventlog.alter_log('near_log', retention => '1 year');
CALL eventlog.maintain('near_log');
SELECT count(*) FROM near_log;
SELECT count(*) FROM far_log;

-- and no others are lost with an expired event of a foreign default partition
INSERT INTO far_log (event_type, occurred_at)
  SELECT 'c.' || g, '2022-08-01 18:00Z'::timestamptz + g * interval '1 day'
  FROM generate_series(0, 9) g;
CALL eventlog.maintain('far_log');
DELETE FROM far_log WHERE event_type NOT LIKE 'c.%';
DROP TABLE near_log_default;
CREATE FOREIGN TABLE near_log_other PARTITION OF near_log DEFAULT SERVER loopback OPTIONS
  (table_name 'far_log');
SELECT problems FROM eventlog.logs WHERE log = 'near_log'::regclass;
CREATE FUNCTION near_keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$;
CREATE TRIGGER near_keep BEFORE DELETE ON near_log FOR EACH ROW EXECUTE FUNCTION near_keep();
SELECT eventlog.alter_log('near_log',
  retention => date_trunc('day', now()) - '2022-08-02 12:00Z'::timestamptz);
CALL eventlog.maintain('near_log');
SELECT count(*) FROM far_log;
DROP TRIGGER near_keep ON near_log;
DROP FUNCTION near_keep();
CALL eventlog.maintain('near_log');
SELECT count(*) < 10, min(event_type) > 'c.0' FROM far_log;

DROP TABLE near_log, far_log;
DROP EXTENSION postgres_fdw CASCADE;
DROP FUNCTION pg_temp.by_cursor;
DROP ROLE near_reader;
