--
-- Bad input: every error has an SQLSTATE, the value and a hint
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
SET eventlog.default_log = 'errors_log';

-- Run a statement that must fail, and show how it did.
CREATE FUNCTION pg_temp.refused(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  message text; hint text;
BEGIN
  EXECUTE statement;
  RETURN 'NOT REFUSED';
EXCEPTION WHEN others THEN
  GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
  RETURN concat_ws(E'\n  hint: ', concat(SQLSTATE, ': ', message), nullif(hint, ''));
END $$;
\pset format unaligned
\pset tuples_only on

-- no log yet
SELECT pg_temp.refused($$SELECT eventlog.emit('a')$$);
SELECT pg_temp.refused($$SELECT eventlog.list()$$);
SET eventlog.default_log = 'nowhere.errors_log';
SELECT pg_temp.refused($$SELECT eventlog.count()$$);
SET eventlog.default_log = 'errors_log';

-- logs
SELECT eventlog.create_log('errors_log');
CREATE TABLE errors_plain (id uuid);
SELECT pg_temp.refused($$SELECT eventlog.create_log('errors_log')$$);
SELECT pg_temp.refused($$SELECT eventlog.create_log('errors_plain')$$);
SELECT pg_temp.refused($$SELECT eventlog.create_log('')$$);
SELECT pg_temp.refused($$SELECT eventlog.create_log(NULL)$$);
SELECT pg_temp.refused($$SELECT eventlog.create_log('nowhere.x')$$);
SELECT pg_temp.refused($$SELECT eventlog.create_log('x', '0 days')$$);
SELECT pg_temp.refused($$SELECT eventlog.create_log('x', '1 month 1 day')$$);
SELECT pg_temp.refused($$SELECT eventlog.create_log('x', '-1 day')$$);
SELECT pg_temp.refused($$SELECT eventlog.create_log('x', NULL)$$);
SELECT pg_temp.refused($$SELECT eventlog.create_log('x', retention => '-1 day')$$);
SELECT pg_temp.refused($$SELECT eventlog.create_log('x', premake => -1)$$);
SELECT pg_temp.refused($$SELECT eventlog.create_log('x', premake => 1001)$$);
SELECT pg_temp.refused($$SELECT eventlog.create_log('x', '59.999999 seconds')$$);
SELECT pg_temp.refused($$SELECT eventlog.create_log('x', '1201 months')$$);
SELECT pg_temp.refused($$SELECT eventlog.create_log('x', retention => '178000000 years')$$);
SELECT pg_temp.refused($$SELECT eventlog.create_log('x', indexes => '{{level},{category}}')$$);
SELECT pg_temp.refused($$SELECT eventlog.create_log('"x')$$);
SELECT pg_temp.refused($$SELECT eventlog.create_log('a.b.c.d')$$);
SELECT pg_temp.refused($$SELECT eventlog.create_log('information_schema.tables')$$);
SELECT pg_temp.refused($$SELECT eventlog.create_log('x', indexes => '{message}')$$);
SELECT pg_temp.refused($$SELECT eventlog.create_log('x', indexes => '{NULL}')$$);
SELECT pg_temp.refused($$SELECT eventlog.create_log('pg_temp.x')$$);
SELECT pg_temp.refused($$SELECT eventlog.create_log('x', since => '1969-12-31Z')$$);
SELECT pg_temp.refused($$SELECT eventlog.create_log('x', '1 hour', since => '2022-08-24Z')$$);
SELECT to_regclass('x') IS NULL;
CREATE TEMP TABLE errors_temp (LIKE errors_log INCLUDING ALL) PARTITION BY RANGE (occurred_at);
SELECT pg_temp.refused($$SELECT eventlog.create_log('pg_temp.errors_temp')$$);
CREATE TRIGGER s BEFORE TRUNCATE ON errors_temp
  EXECUTE FUNCTION eventlog._settings('0 months 1 days 0 microseconds',
  '0 months 0 days 0 microseconds', '4');
SELECT pg_temp.refused($$SELECT eventlog.subscribe('temp', log => 'errors_temp')$$);
SELECT problems FROM eventlog.logs WHERE log = 'errors_temp'::regclass;
DROP TABLE errors_temp;
SELECT pg_temp.refused($$SELECT eventlog.alter_log('errors_plain', retention => '1 day')$$);
SELECT pg_temp.refused($$SELECT eventlog.list(log => 'errors_plain')$$);
SELECT pg_temp.refused($$SELECT eventlog.list(log => 'pg_class')$$);
SELECT pg_temp.refused($$SELECT eventlog.list(log => 4294967295::oid::regclass)$$);

-- event types
SELECT pg_temp.refused(format('SELECT eventlog.emit(%L)', t))
  FROM unnest(ARRAY['', 'a..b', '.a', 'a.', 'Upper', 'two words', 'ä', 'a%', repeat('x', 256)]) t;
SELECT pg_temp.refused($$SELECT eventlog.emit(NULL)$$);
SELECT eventlog.emit(repeat('x', 255)) IS NOT NULL;

-- levels
SELECT pg_temp.refused($$SELECT eventlog.emit('a', 'loud')$$);
SELECT pg_temp.refused($$SELECT eventlog.list(level => 'loud')$$);
SELECT pg_temp.refused($$SELECT eventlog.count(min_level => '')$$);

-- ids and times
SELECT pg_temp.refused($$SELECT eventlog.emit('a',
  id => '8c179a3b-27a5-43fe-9285-cf4feb65561d')$$);
SELECT pg_temp.refused($$SELECT eventlog.emit('a', id => eventlog.new_id('2022-08-24Z', 's'),
  occurred_at => '2022-08-25Z')$$);
SELECT pg_temp.refused($$SELECT eventlog.emit('a', occurred_at => '1969-12-31Z')$$);
SELECT pg_temp.refused($$SELECT eventlog.emit('a', occurred_at => 'infinity')$$);
SELECT pg_temp.refused($$SELECT eventlog.emit('a', occurred_at => '-infinity')$$);
SELECT pg_temp.refused($$SELECT eventlog.emit('a', occurred_at => '10000-01-01Z')$$);
SELECT pg_temp.refused($$INSERT INTO errors_log (event_type, occurred_at)
  VALUES ('a', 'infinity')$$);
SELECT pg_temp.refused($$INSERT INTO errors_log (event_type, id)
  VALUES ('a', eventlog.new_id('2022-08-24Z'))$$) LIKE
  '22023: the time in id % does not match occurred_at%eventlog.emit%';

-- an id that no event can have is not found, and no page continues after it
SELECT count(*) FROM eventlog.get('8c179a3b-27a5-43fe-9285-cf4feb65561d');
SELECT count(*) FROM eventlog.get('ffffffff-ffff-7fff-bfff-ffffffffffff');
SELECT count(*) FROM eventlog.delete('8c179a3b-27a5-43fe-9285-cf4feb65561d');
SELECT count(*) FROM eventlog.delete('ffffffff-ffff-7fff-bfff-ffffffffffff');

-- texts that are too long
SELECT pg_temp.refused(format('SELECT eventlog.emit(''a'', %I => %L)', c, repeat('x', n + 1)))
  FROM (VALUES ('resource_id', 1024), ('user_id', 1024), ('resource_type', 255),
               ('source_service', 255), ('source_host', 255), ('category', 255),
               ('request_id', 255)) v (c, n);
SELECT eventlog.emit('a', resource_id => repeat('ü', 512),
  user_id => repeat('x', 1024)) IS NOT NULL;

-- the error about a long level shows only its beginning
SELECT pg_temp.refused($$SELECT eventlog.emit('a', repeat('ü', 1000000))$$);
SELECT pg_temp.refused($$SELECT eventlog.count(min_level => repeat('x', 61))$$);

-- windows and pages
SELECT pg_temp.refused($$SELECT eventlog.list(since => '2022-08-24Z', before => '2022-08-24Z')$$);
SELECT pg_temp.refused($$SELECT eventlog.histogram('1 day', since => '2022-08-25Z',
  before => '2022-08-24Z')$$);
SELECT pg_temp.refused($$SELECT eventlog.list(page => 0)$$);
SELECT pg_temp.refused($$SELECT eventlog.list(page => -1)$$);
SELECT pg_temp.refused($$SELECT eventlog.list(page_size => -1)$$);
SELECT pg_temp.refused($$SELECT eventlog.list(page => 2, page_size => NULL)$$);
SELECT pg_temp.refused($$SELECT eventlog.list(page => 2, after => eventlog.new_id('2022-08-24Z',
  's'))$$);
-- no events follow an id that no event can have
SELECT count(*) FROM eventlog.list(after => '8c179a3b-27a5-43fe-9285-cf4feb65561d');
SELECT count(*) FROM eventlog.list(page_size => NULL,
  after => 'ffffffff-ffff-7fff-bfff-ffffffffffff');
SELECT count(*) FROM eventlog.list(page_size => 2147483647);
SELECT count(*) FROM eventlog.list(page => 2147483647, page_size => 2147483647);
-- a number of events at which the bytes needed would overflow 64 bits
SELECT count(*) FROM eventlog.list(page => 536838145, page_size => 536903681);
SELECT count(*) FROM eventlog.list(page_size => 0);
SELECT pg_temp.refused($$SELECT eventlog.histogram(NULL)$$);
SELECT pg_temp.refused($$SELECT eventlog.histogram('0')$$);
SELECT pg_temp.refused($$SELECT eventlog.histogram('1 month 1 day')$$);

-- clearing
SELECT pg_temp.refused($$SELECT eventlog.clear()$$);
SELECT pg_temp.refused($$SELECT eventlog.clear(everything => false)$$);
SELECT pg_temp.refused($$CALL eventlog.purge(everything => true)$$);
SELECT pg_temp.refused($$CALL eventlog.maintain()$$);
\set VERBOSITY terse
SET client_min_messages = notice;
BEGIN;
CALL eventlog.purge(everything => true);
ROLLBACK;
BEGIN;
CALL eventlog.maintain();
ROLLBACK;
-- a block with an EXCEPTION clause is a subtransaction
DO $$
DECLARE n bigint := 0;
BEGIN
  CALL eventlog.purge(everything => true, deleted => n);
EXCEPTION WHEN active_sql_transaction THEN RAISE NOTICE '%', SQLERRM;
END $$;
DO $$
BEGIN
  CALL eventlog.maintain();
EXCEPTION WHEN active_sql_transaction THEN RAISE NOTICE '%', SQLERRM;
END $$;
SET client_min_messages = warning;
CALL eventlog.purge();
CALL eventlog.purge(everything => true, batch_size => 0);
CALL eventlog.purge(everything => true, batch_size => NULL);
SELECT eventlog.count();

-- subscriptions
SELECT pg_temp.refused($$SELECT eventlog.subscribe('')$$);
SELECT pg_temp.refused($$SELECT eventlog.subscribe(NULL)$$);
SELECT pg_temp.refused(format('SELECT eventlog.subscribe(%L)', repeat('x', 256)));
SELECT pg_temp.refused($$SELECT eventlog.subscribe('s', '{loud}')$$);
SELECT pg_temp.refused($$SELECT eventlog.subscribe('s', '{}')$$);
SELECT pg_temp.refused($$SELECT eventlog.subscribe('s', '{NULL}')$$);
SELECT pg_temp.refused($$SELECT eventlog.subscribe('s', log => 'errors_plain')$$);
SELECT pg_temp.refused($$SELECT eventlog.unsubscribe('nobody')$$);
SELECT pg_temp.refused($$SELECT eventlog.fetch('nobody', 1)$$);
SELECT pg_temp.refused($$SELECT eventlog.listen('nobody')$$);
SELECT eventlog.subscribe('errors');
SELECT eventlog.subscribe('errors', '{error}');
SELECT pg_temp.refused($$SELECT eventlog.fetch('errors', 0)$$);
SELECT pg_temp.refused($$SELECT eventlog.fetch('errors', NULL)$$);
SELECT eventlog.ack('errors', '{1,2,3}'), eventlog.ack('errors', NULL),
  eventlog.fail('errors', 1), eventlog.retry('errors');
SELECT pg_temp.refused($$SELECT eventlog.replay('errors', since => '2022-08-25Z',
  before => '2022-08-24Z')$$);
SELECT eventlog.create_log('errors_other');
SELECT pg_temp.refused($$SELECT eventlog.replay('errors', log => 'errors_other')$$);
SELECT eventlog.unsubscribe('errors');

-- triggers on tables that are not logs
CREATE TABLE errors_hostile (id int, event_type text, level text, occurred_at timestamptz);
CREATE TRIGGER t BEFORE INSERT ON errors_hostile FOR EACH ROW EXECUTE FUNCTION eventlog._fill();
SELECT pg_temp.refused($$INSERT INTO errors_hostile VALUES (1, 'a', 'b', now())$$);
DROP TRIGGER t ON errors_hostile;
CREATE TRIGGER t AFTER INSERT ON errors_hostile FOR EACH STATEMENT
  EXECUTE FUNCTION eventlog._owe();
SELECT pg_temp.refused($$INSERT INTO errors_hostile VALUES (1, 'a', 'b', now())$$);
DROP TRIGGER t ON errors_hostile;
CREATE TRIGGER t AFTER INSERT ON errors_hostile FOR EACH STATEMENT
  EXECUTE FUNCTION eventlog._settings('junk', '7 days', 'x');
SELECT count(*) FROM eventlog.logs WHERE log = 'errors_hostile'::regclass;
SELECT pg_temp.refused($$SELECT eventlog._fill()$$);

DROP TABLE errors_log, errors_plain, errors_hostile, errors_other;
