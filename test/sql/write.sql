--
-- Writing: what is stored, what emit says about it, and errors about values
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET eventlog.default_log = 'write_log';
\set VERBOSITY terse
SELECT eventlog.create_log('write_log', premake => 0);

-- The same id is one event; an id of an event that is not stored is not returned.
SELECT eventlog.emit('a', id => eventlog.new_id('2022-08-24Z', '1')) =
  eventlog.new_id('2022-08-24Z', '1') AS stored;
SELECT eventlog.emit('b', id => eventlog.new_id('2022-08-24Z', '1')) =
  eventlog.new_id('2022-08-24Z', '1') AS there;
CREATE UNIQUE INDEX write_request ON write_log (request_id, occurred_at);
SELECT eventlog.emit('a', request_id => 'r',
  id => eventlog.new_id('2022-08-25Z', '2')) IS NOT NULL AS stored;
DO $$
DECLARE c text;
BEGIN
  PERFORM eventlog.emit('a', request_id => 'r', id => eventlog.new_id('2022-08-25Z', '3'));
EXCEPTION WHEN unique_violation THEN
  GET STACKED DIAGNOSTICS c = CONSTRAINT_NAME;
  RAISE WARNING 'unique violation of %', c;
END $$;
SELECT count(*) FROM write_log WHERE request_id = 'r';
-- without any right to read
CREATE ROLE write_role;
GRANT INSERT ON write_log TO write_role;
SET ROLE write_role;
SELECT eventlog.emit('b', id => eventlog.new_id('2022-08-24Z', '1')) =
  eventlog.new_id('2022-08-24Z', '1') AS there;
RESET ROLE;
DROP INDEX write_request;
-- also in one transaction, and after it was deleted
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM write_log;
SELECT eventlog.emit('t', id => eventlog.new_id('2022-08-26Z', '4')) =
  eventlog.new_id('2022-08-26Z', '4') AS stored;
SELECT eventlog.emit('t', id => eventlog.new_id('2022-08-26Z', '4')) =
  eventlog.new_id('2022-08-26Z', '4') AS there;
COMMIT;

-- A trigger that suppresses the event.
CREATE FUNCTION pg_temp.suppress() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  RETURN NULL; END $$;
CREATE TRIGGER suppress BEFORE INSERT ON write_log
  FOR EACH ROW WHEN (NEW.event_type = 'suppressed') EXECUTE FUNCTION pg_temp.suppress();
SELECT eventlog.emit('suppressed') IS NULL AS none;
SELECT eventlog.emit('suppressed', id => eventlog.new_id('2022-08-24Z', '5')) IS NULL AS none;
SELECT eventlog.emit('suppressed', id => eventlog.new_id('2022-08-24Z', '1')) IS NULL AS none;
DROP TRIGGER suppress ON write_log;
-- A trigger that gives the event another id, and one that emits another event.
CREATE FUNCTION pg_temp.rename() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN NEW.id := eventlog.new_id(NEW.occurred_at, 'renamed'); RETURN NEW; END $$;
CREATE FUNCTION pg_temp.also() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  PERFORM eventlog.emit('also', log => 'write_log'); RETURN NEW; END $$;
CREATE TRIGGER rename BEFORE INSERT ON write_log FOR EACH ROW WHEN (NEW.event_type = 'renamed')
  EXECUTE FUNCTION pg_temp.rename();
SELECT eventlog.emit('renamed',
  occurred_at => '2022-08-24 01:00Z') = eventlog.new_id('2022-08-24 01:00Z', 'renamed') AS stored;
SELECT eventlog.emit('renamed', id => eventlog.new_id('2022-08-24 02:00Z',
  'given')) = eventlog.new_id('2022-08-24 02:00Z', 'renamed') AS stored;
DROP TRIGGER rename ON write_log;
CREATE TRIGGER also AFTER INSERT ON write_log FOR EACH ROW WHEN (NEW.event_type = 'first')
  EXECUTE FUNCTION pg_temp.also();
SELECT eventlog.emit('first', id => eventlog.new_id('2022-08-24 03:00Z',
  'given')) = eventlog.new_id('2022-08-24 03:00Z', 'given') AS stored;
SELECT count(*) FROM write_log WHERE event_type IN ('first', 'also');
DROP TRIGGER also ON write_log;

-- Rules that replace the INSERT.
CREATE RULE instead AS ON INSERT TO write_log DO INSTEAD NOTHING;
SELECT eventlog.emit('a');
CREATE OR REPLACE RULE instead AS ON INSERT TO write_log DO INSTEAD SELECT 1;
SELECT eventlog.emit('a');
CREATE OR REPLACE RULE instead AS ON INSERT TO write_log
  WHERE new.event_type = 'ruled' DO INSTEAD NOTHING;
SELECT eventlog.emit('ruled') IS NULL AS none, eventlog.emit('not.ruled') IS NOT NULL AS stored;
DROP RULE instead ON write_log;

-- A trigger that renames the log and emits does not free the running plan.
CREATE FUNCTION pg_temp.nests() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.event_type = 'outer' THEN
    -- PostgreSQL refuses to rename a table that is in use, but not its schema
    EXECUTE format('ALTER SCHEMA %I RENAME TO %I', TG_TABLE_SCHEMA, TG_TABLE_SCHEMA || 'x');
    PERFORM eventlog.emit('inner', log => (SELECT inhparent::regclass FROM pg_inherits
      WHERE inhrelid = TG_RELID));
  END IF;
  RETURN NEW;
END $$;
CREATE SCHEMA write_schema;
SELECT eventlog.create_log('write_schema.log', premake => 0);
CREATE TRIGGER nests BEFORE INSERT ON write_schema.log FOR EACH ROW
  EXECUTE FUNCTION pg_temp.nests();
SELECT 'write_schema.log'::regclass::oid AS log_oid \gset
SELECT eventlog.emit('outer', log => :log_oid) IS NOT NULL AS stored;
SELECT eventlog.emit('outer', log => :log_oid) IS NOT NULL AS stored;
SELECT eventlog.emit('outer', id => eventlog.new_id('2022-08-27Z', '6'),
  log => :log_oid) IS NOT NULL AS stored;
SELECT :log_oid::regclass AS log, (SELECT count(*) FROM eventlog.list(log => :log_oid)) AS events;
DROP SCHEMA write_schemaxxx CASCADE;

-- Plans are kept for so many logs.
DO $$
BEGIN
  FOR i IN 1 .. 70 LOOP
    PERFORM eventlog.create_log('write_many_' || i, premake => 0, indexes => '{}');
    PERFORM eventlog.emit('a', log => ('write_many_' || i)::regclass);
  END LOOP;
END $$;
DO $$
BEGIN
  FOR i IN 1 .. 70 LOOP
    PERFORM eventlog.emit('a', log => ('write_many_' || i)::regclass);
    IF eventlog.count(log => ('write_many_' || i)::regclass) <> 2 THEN RAISE 'lost'; END IF;
    EXECUTE 'DROP TABLE write_many_' || i;
  END LOOP;
END $$;

-- Other names of the levels, in any case, in all functions.
TRUNCATE write_log;
SELECT eventlog.emit('level', l) IS NOT NULL
  FROM
  unnest('{Trace,information,NOTICE,Warn,err,CRIT,fatal,alert,emerg,
     Emergency,PANIC,debug,Info}'::text[]) l;
INSERT INTO write_log (event_type, level) VALUES ('level', 'Err'), ('level', NULL);
COPY write_log (event_type, level, created_at) FROM stdin;
level	warn	\N
level	\N	\N
\.
SELECT level, count(*) FROM write_log GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM write_log WHERE created_at IS NULL;
SELECT (SELECT count(*) FROM eventlog.list(level => 'ERR')) AS err,
  eventlog.count(min_level => 'Fatal') AS fatal;
SELECT eventlog.subscribe('write', '{Err,FATAL}');
SELECT levels FROM eventlog.subscriptions WHERE name = 'write';
SELECT eventlog.unsubscribe('write');
SELECT eventlog.emit('null', NULL) IS NOT NULL AS stored;
SELECT level FROM write_log WHERE event_type = 'null';

-- The defaults that programs find in the catalog.
SELECT attname, pg_get_expr(adbin, adrelid) FROM pg_attrdef JOIN pg_attribute
  ON attrelid = adrelid AND attnum = adnum
 WHERE adrelid = 'write_log'::regclass ORDER BY attnum;
INSERT INTO write_log (id, event_type, occurred_at)
  VALUES (DEFAULT, 'default', DEFAULT) RETURNING id IS NOT NULL AS id;

-- Limits, and the fields of errors about a value.
CREATE FUNCTION pg_temp.refused(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE s text; t text; c text; k text; m text;
BEGIN
  EXECUTE statement;
  RETURN 'NOT REFUSED';
EXCEPTION WHEN others THEN
  GET STACKED DIAGNOSTICS s = SCHEMA_NAME, t = TABLE_NAME, c = COLUMN_NAME, k = CONSTRAINT_NAME,
    m = MESSAGE_TEXT;
  RETURN concat_ws(' | ', SQLSTATE, s || '.' || t, c, k, m);
END $$;
\pset format unaligned
\pset tuples_only on
SELECT eventlog.emit('limit', message => repeat('x', 1024 * 1024), base_url => repeat('u', 2048),
  details => jsonb_build_array(repeat('j', 8 * 1024 * 1024 - 100))) IS NOT NULL;
SELECT pg_temp.refused($$SELECT eventlog.emit('a', message => repeat('ü', 512 * 1024 + 1))$$);
SELECT pg_temp.refused($$SELECT eventlog.emit('a', base_url => repeat('x', 2049))$$);
SELECT pg_temp.refused($$SELECT eventlog.emit('a',
  details => jsonb_build_array(repeat('j', 8 * 1024 * 1024)))$$);
SELECT pg_temp.refused($$INSERT INTO write_log (event_type, request_id)
  VALUES ('a', repeat('x', 256))$$);
SELECT pg_temp.refused($$INSERT INTO write_log (event_type, id, occurred_at)
  VALUES ('a', eventlog.new_id('2022-08-24Z', 'x'), '2022-08-25Z')$$);
SELECT pg_temp.refused($$INSERT INTO write_log (event_type, occurred_at)
  VALUES ('a', '1969-12-31Z')$$);
SELECT pg_temp.refused($$INSERT INTO write_log (event_type) VALUES ('A')$$);
SELECT pg_temp.refused($$INSERT INTO write_log (event_type) VALUES (NULL)$$);
SELECT pg_temp.refused($$INSERT INTO write_log (event_type, occurred_at) VALUES ('a', NULL)$$);
SELECT pg_temp.refused($$INSERT INTO write_log (event_type, level) VALUES ('a', 'loud')$$);
SELECT pg_temp.refused($$UPDATE write_log SET level = NULL$$);
SELECT pg_temp.refused($$UPDATE write_log SET created_at = NULL$$);
SELECT pg_temp.refused($$UPDATE write_log SET event_type = NULL$$);
SELECT pg_temp.refused($$UPDATE write_log SET category = repeat('x', 256)
  WHERE event_type = 'limit'$$);
SELECT pg_temp.refused($$SELECT eventlog.emit(NULL)$$);
SELECT pg_temp.refused($$SELECT eventlog.emit('a', 'loud')$$);
SELECT pg_temp.refused($$SELECT eventlog.emit('a', occurred_at => 'infinity')$$);
SELECT pg_temp.refused($$SELECT eventlog.emit('a',
  id => '8c179a3b-27a5-43fe-9285-cf4feb65561d')$$);
SELECT pg_temp.refused($$SELECT eventlog.emit('a', id => eventlog.new_id('2022-08-24Z'),
  occurred_at => '2022-08-25Z')$$) LIKE '22023 | public.write_log | id | eventlog_check | %';
-- the table is not known here, so the error names none
SELECT pg_temp.refused($$SELECT eventlog._check(eventlog.new_id('2022-08-24Z', 'x'),
  '2022-08-25Z')$$);

DROP TABLE write_log;
DROP ROLE write_role;
