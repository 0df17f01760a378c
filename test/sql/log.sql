--
-- Logs: create, change, list, maintain
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';

-- A log is a table of the user.
SELECT eventlog.create_log('log_log', '1 day', retention => '90 days', premake => 2,
  indexes => '{resource_id,user_id}');
SELECT partition_interval, retention, premake, partitions, estimated_events, problems,
       newest - oldest AS covers, oldest <= now() AND now() < newest AS now_covered
  FROM eventlog.logs WHERE log = 'log_log'::regclass;
SELECT regexp_replace(pg_get_indexdef(indexrelid), '.* USING ', '') AS index, indisprimary
  FROM pg_index WHERE indrelid = 'log_log'::regclass ORDER BY 2 DESC, 1;
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'log_log'::regclass
  AND contype = 'c' ORDER BY 1;
-- the table and its columns have comments
SELECT obj_description('log_log'::regclass);
SELECT attname, col_description(attrelid, attnum) FROM pg_attribute
 WHERE attrelid = 'log_log'::regclass AND attnum > 0 ORDER BY attnum;
-- no column depends on the extension
SELECT count(*) FROM pg_attribute a JOIN pg_depend d ON d.refobjid = a.atttypid AND d.deptype = 'e'
 WHERE a.attrelid = 'log_log'::regclass AND a.attnum > 0;

-- Its settings follow it.
SELECT eventlog.alter_log('log_log', premake => 3, retention => '0');
ALTER TABLE log_log RENAME TO log_renamed;
SELECT partition_interval, retention, premake FROM eventlog.logs
  WHERE log = 'log_renamed'::regclass;
CREATE SCHEMA log_schema;
ALTER TABLE log_renamed SET SCHEMA log_schema;
SELECT eventlog.emit('a', log => 'log_schema.log_renamed') IS NOT NULL AS emitted;
DROP SCHEMA log_schema CASCADE;
SELECT count(*) FROM eventlog.logs;

-- Names that need quotes, and long ones.
SELECT eventlog.create_log('"Über ""Log"""');
SELECT eventlog.create_log(repeat('long', 15) || 'abc', '1 hour');
SELECT eventlog.emit('a', log => '"Über ""Log"""') IS NOT NULL AS emitted;
SELECT count(*) FROM eventlog.list(log => '"Über ""Log"""');
SELECT log, partitions FROM eventlog.logs ORDER BY log::text;
SELECT eventlog.alter_log(log, retention => '1 year') FROM eventlog.logs;
CALL eventlog.maintain();
DROP TABLE "Über ""Log""";
SELECT format('DROP TABLE %I', repeat('long', 15) || 'abc') \gexec

-- The default log is found by search_path.
CREATE SCHEMA log_a;
CREATE SCHEMA log_b;
SELECT eventlog.create_log('log_a.events'), eventlog.create_log('log_b.events');
SET search_path = log_b, log_a;
SELECT eventlog.emit('of.b') IS NOT NULL AS emitted;
SET search_path = log_a;
SELECT eventlog.count(), eventlog.count(log => 'log_b.events');
SET eventlog.default_log = 'log_b.events';
SELECT eventlog.count();
RESET eventlog.default_log;
RESET search_path;
DROP SCHEMA log_a, log_b CASCADE;

-- emit: the same id twice is one event; an id gives the time.
SELECT eventlog.create_log('log_emit');
SET eventlog.default_log = 'log_emit';
SELECT eventlog.emit('a', id => eventlog.new_id('2022-08-24Z', 'once')) =
  eventlog.new_id('2022-08-24Z', 'once') AS first;
SELECT eventlog.emit('b', 'error',
  id => eventlog.new_id('2022-08-24Z', 'once')) = eventlog.new_id('2022-08-24Z', 'once') AS second;
SELECT event_type, level, occurred_at FROM log_emit;
-- a renamed log is written to by its new name in the same session
ALTER TABLE log_emit RENAME TO log_emit2;
SELECT eventlog.create_log('log_emit');
SELECT eventlog.emit('new'), eventlog.emit('old', log => 'log_emit2') \gset
SELECT (SELECT count(*) FROM log_emit) AS new, (SELECT count(*) FROM log_emit2) AS old;
DROP TABLE log_emit, log_emit2;

--
-- Upkeep
--
SELECT eventlog.create_log('log_keep', '1 day', premake => 1);
SET eventlog.default_log = 'log_keep';
CREATE VIEW bounds AS
  SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) AS bounds
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
   WHERE i.inhparent = 'log_keep'::regclass AND c.relname ~ 'p(19|200|2022|21)' ORDER BY c.relname;

-- Events without a partition are kept, and moved into one later.
INSERT INTO log_keep (event_type, occurred_at)
  SELECT 'day', '2022-03-26 12:00Z'::timestamptz + g * interval '8 hours'
  FROM generate_series(0, 5) g;
INSERT INTO log_keep (event_type, occurred_at)
  VALUES ('first', '1970-01-01Z'), ('far', '2150-06-01Z');
SELECT problems FROM eventlog.logs WHERE log = 'log_keep'::regclass;
SET timezone = 'America/St_Johns';
SET client_min_messages = notice;
CALL eventlog.maintain('log_keep');
CALL eventlog.maintain('log_keep');
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
SELECT problems FROM eventlog.logs WHERE log = 'log_keep'::regclass;
SELECT * FROM bounds;
SELECT count(*), count(*) FILTER (WHERE tableoid = 'log_keep_default'::regclass) AS in_default
  FROM log_keep;

-- A new interval on a log with data: partitions stay, new ones fill the gaps.
SELECT eventlog.alter_log('log_keep', '1 month');
INSERT INTO log_keep (event_type, occurred_at)
  VALUES ('before', '2022-03-05Z'), ('between', '2022-03-30Z'),
  ('after', '2022-04-30 23:59:59.999999Z');
CALL eventlog.maintain('log_keep');
SELECT eventlog.alter_log('log_keep', '7 days');
INSERT INTO log_keep (event_type, occurred_at)
  VALUES ('week', '2022-05-01Z'), ('week', '2022-05-08 23:59Z');
CALL eventlog.maintain('log_keep');
SELECT * FROM bounds;
SELECT count(*) FILTER (WHERE tableoid = 'log_keep_default'::regclass) AS in_default FROM log_keep;

-- Partitions made by hand are read and respected.
CREATE TABLE log_keep_hand PARTITION OF log_keep FOR VALUES
  FROM ('2022-06-01Z') TO ('2022-06-02 12:34Z');
INSERT INTO log_keep (event_type, occurred_at)
  VALUES ('hand', '2022-06-02Z'), ('behind', '2022-06-02 12:34Z');
CALL eventlog.maintain('log_keep');
SELECT tableoid::regclass, event_type FROM log_keep WHERE event_type IN ('hand', 'behind')
  ORDER BY 2;
SELECT bounds FROM bounds WHERE bounds LIKE '%2022-06%';
ALTER TABLE log_keep DETACH PARTITION log_keep_hand;
SELECT eventlog.count('hand') AS detached;

-- Retention uses the real bounds; events of the default partition expire, too.
INSERT INTO log_keep (event_type, occurred_at) VALUES ('expired', '2001-01-01Z');
SELECT eventlog.alter_log('log_keep', retention => '10 years');
SELECT problems FROM eventlog.logs WHERE log = 'log_keep'::regclass;
SET client_min_messages = notice;
CALL eventlog.maintain('log_keep');
SET client_min_messages = warning;
SELECT problems FROM eventlog.logs WHERE log = 'log_keep'::regclass;
SELECT event_type, count(*) FROM log_keep GROUP BY 1 ORDER BY 1;

-- Moved events keep their values, also created_at, and are not enqueued again.
SELECT eventlog.subscribe('keep');
INSERT INTO log_keep (event_type, occurred_at, created_at, details)
  VALUES ('moved', '2022-12-24Z', '2022-12-25Z', '{"a": null}');
CALL eventlog.maintain('log_keep');
SELECT tableoid::regclass, created_at, details FROM log_keep WHERE event_type = 'moved';
SELECT pending FROM eventlog.subscriptions WHERE name = 'keep';
SELECT eventlog.unsubscribe('keep');

DROP TABLE log_keep CASCADE;
DROP TABLE log_keep_hand;

-- Partitions for history, made with the log or later.
SELECT eventlog.create_log('log_since', '1 month', premake => 1, indexes => '{}',
  since => '2022-06-15Z');
SELECT oldest, newest > now() AS ahead, problems FROM eventlog.logs
  WHERE log = 'log_since'::regclass;
SELECT eventlog.emit('june', occurred_at => '2022-06-01Z') IS NOT NULL
  FROM set_config('eventlog.default_log', 'log_since', false);
SELECT count(*) FROM log_since_default;
SELECT eventlog.alter_log('log_since', since => '2022-05-01Z');
SELECT oldest FROM eventlog.logs WHERE log = 'log_since'::regclass;
-- again, and in the future: nothing to do
SELECT eventlog.alter_log('log_since', since => '2022-05-01Z'),
  eventlog.alter_log('log_since', since => now() + interval '1 year');
SELECT oldest FROM eventlog.logs WHERE log = 'log_since'::regclass;
-- not if the default partition has events, and not too many
\set VERBOSITY terse
SELECT eventlog.emit('april', occurred_at => '2022-04-01Z') IS NOT NULL AS emitted;
SELECT eventlog.alter_log('log_since', since => '2022-03-01Z');
CALL eventlog.maintain('log_since');
SELECT eventlog.alter_log('log_since', since => '2022-03-01Z');
SELECT oldest FROM eventlog.logs WHERE log = 'log_since'::regclass;
SELECT eventlog.alter_log('log_since', '1 hour', since => '1999-01-01Z');
SELECT partition_interval, oldest FROM eventlog.logs WHERE log = 'log_since'::regclass;

-- Indexes, added and removed on every partition.
CREATE VIEW pg_temp.indexed AS
SELECT substring(pg_get_indexdef(indexrelid) FROM '\((.*)\)') AS columns, indisvalid AS valid,
       (SELECT count(*) FROM pg_inherits WHERE inhparent = indexrelid) =
       (SELECT count(*) FROM pg_inherits WHERE inhparent = indrelid) AS everywhere
  FROM pg_index WHERE indrelid = 'log_since'::regclass;
SELECT * FROM pg_temp.indexed ORDER BY 1;
SELECT eventlog.alter_log('log_since', indexes => '{user_id,source_host,user_id}');
SELECT * FROM pg_temp.indexed ORDER BY 1;
-- an index that a partition already has is used
SELECT relname AS a_partition FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
  WHERE inhparent = 'log_since'::regclass ORDER BY 1 LIMIT 1 \gset
CREATE INDEX log_since_own ON :a_partition (category);
SELECT eventlog.alter_log('log_since', indexes => '{user_id,category}');
SELECT * FROM pg_temp.indexed ORDER BY 1;
SELECT count(*) FROM pg_inherits WHERE inhrelid = 'log_since_own'::regclass;
SELECT eventlog.alter_log('log_since', premake => 1);
SELECT count(*) FROM pg_temp.indexed;
SELECT eventlog.alter_log('log_since', indexes => '{}');
SELECT * FROM pg_temp.indexed ORDER BY 1;
SELECT eventlog.alter_log('log_since', indexes => '{message}');
-- on a large log maintain builds them, partition by partition
INSERT INTO log_since (event_type, occurred_at, message)
SELECT 'much', '2022-07-01Z'::timestamptz + g * interval '1 minute',
  (SELECT string_agg(md5((g * h)::text), '') FROM generate_series(1, 60) h)
  FROM generate_series(1, 10000) g;
SET client_min_messages = notice;
SELECT eventlog.alter_log('log_since', indexes => '{category}');
SET client_min_messages = warning;
SELECT * FROM pg_temp.indexed ORDER BY 1;
SELECT regexp_replace(problems::text, '\d+', 'N') AS problems FROM eventlog.logs
  WHERE log = 'log_since'::regclass;
SELECT eventlog.count(category => 'none');
CALL eventlog.maintain('log_since');
SELECT * FROM pg_temp.indexed ORDER BY 1;
SELECT problems FROM eventlog.logs WHERE log = 'log_since'::regclass;
SELECT eventlog.count(category => 'none'), eventlog.count('much');
RESET eventlog.default_log;
DROP VIEW pg_temp.indexed;
DROP TABLE log_since;

-- The default: source_host, resource_id, user_id.
SELECT eventlog.create_log('log_defaults', premake => 0);
SELECT regexp_replace(pg_get_indexdef(indexrelid), '.* USING ', '') AS index FROM pg_index
  WHERE indrelid = 'log_defaults'::regclass ORDER BY 1;
DROP TABLE log_defaults;

-- Every object of the extension, and every column, has a comment; PostgreSQL 17 and
-- newer also count the types that they create implicitly.
SELECT pg_describe_object(classid, objid, objsubid) AS without_comment
  FROM pg_depend d
  JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
 WHERE e.extname = 'eventlog' AND d.deptype = 'e'
   AND NOT EXISTS (SELECT FROM pg_description x WHERE x.classoid = d.classid
                      AND x.objoid = d.objid AND x.objsubid = 0)
   AND NOT EXISTS (SELECT FROM pg_depend i WHERE i.classid = d.classid
                      AND i.objid = d.objid AND i.deptype = 'i');
SELECT a.attrelid::regclass AS relation, a.attname AS without_comment
  FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'v', 'c')
 WHERE c.relnamespace = 'eventlog'::regnamespace AND a.attnum > 0
   AND col_description(a.attrelid, a.attnum) IS NULL;
