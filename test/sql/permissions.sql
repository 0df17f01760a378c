--
-- Rights: a role can do nothing here that it cannot do by SQL
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set VERBOSITY terse
CREATE ROLE rights_owner;
CREATE ROLE rights_writer;
CREATE ROLE rights_reader;
CREATE ROLE rights_nobody;
CREATE SCHEMA rights AUTHORIZATION rights_owner;
GRANT USAGE ON SCHEMA rights TO PUBLIC;

SET ROLE rights_owner;
SELECT eventlog.create_log('rights.log');
GRANT INSERT ON rights.log TO rights_writer;
GRANT SELECT ON rights.log TO rights_reader;
SET eventlog.default_log = 'rights.log';
SELECT eventlog.subscribe('owners');

-- A writer needs INSERT and nothing else, also with webhooks on.
SET ROLE rights_writer;
SELECT eventlog.emit('a') IS NOT NULL AS emitted;
SELECT eventlog.emit('b', id => eventlog.new_id('2022-08-24Z', 'b')) IS NOT NULL AS emitted;
SELECT eventlog.emit('b', id => eventlog.new_id('2022-08-24Z', 'b')) IS NOT NULL AS emitted;
INSERT INTO rights.log (event_type) VALUES ('c');
SELECT eventlog.list();
SELECT eventlog.get(eventlog.new_id('2022-08-24Z', 'b'));
SELECT eventlog.delete(eventlog.new_id('2022-08-24Z', 'b'));
SELECT eventlog.subscribe('writers');
SELECT * FROM eventlog.subscriptions;
SELECT * FROM eventlog._queue;
SELECT * FROM eventlog._subscription;
SELECT nextval('eventlog._queue_seq');

-- A reader can read.
SET ROLE rights_reader;
SELECT event_type FROM eventlog.list();
SELECT eventlog.count();
SELECT eventlog.emit('d');
SELECT eventlog.clear('a');
SELECT eventlog.clear('nothing.like.it');
CALL eventlog.purge('a');
CALL eventlog.maintain('rights.log');
SELECT eventlog.alter_log('rights.log', retention => '1 day');
SELECT eventlog.subscribe('readers');

-- Other roles can do nothing.
SET ROLE rights_nobody;
SELECT eventlog.list();
SELECT eventlog.list('a', page_size => NULL);
SELECT eventlog.count();
SELECT eventlog.types();
SELECT eventlog.histogram('1 day');
SELECT eventlog.get(eventlog.new_id('2022-08-24Z', 'b'));
SELECT eventlog.get(NULL);
SELECT eventlog.list(page_size => 0);
SELECT eventlog.list(level => 'info', min_level => 'error');
SELECT eventlog.emit('d');
SELECT eventlog.delete(NULL);
SELECT eventlog.delete(eventlog.new_id('2022-08-24Z', 'b'));
SELECT eventlog.clear(everything => true);
CALL eventlog.purge(everything => true);
SELECT eventlog.subscribe('nobodys');
SELECT eventlog.fetch('owners', 1);
SELECT eventlog.ack('owners', '{1}');
SELECT eventlog.unsubscribe('owners');
SELECT eventlog.replay('owners');
SELECT eventlog.subscribe('owners');
SELECT count(*) FROM eventlog.subscriptions;
SELECT count(*) FROM eventlog.deliveries;
SELECT log FROM eventlog.logs;
CALL eventlog.maintain();

-- Rights on some columns are not rights on all.
RESET ROLE;
GRANT SELECT (id, occurred_at) ON rights.log TO rights_nobody;
SET ROLE rights_nobody;
SELECT eventlog.list();
SELECT eventlog.count();

-- Members of the owner have the rights of the owner.
RESET ROLE;
GRANT rights_owner TO rights_reader;
SET ROLE rights_reader;
SELECT count(*) FROM eventlog.fetch('owners', 10);
SELECT eventlog.release('owners');
CALL eventlog.maintain('rights.log');
RESET ROLE;
REVOKE rights_owner FROM rights_reader;

-- Row-level security holds in every function.
SET ROLE rights_owner;
ALTER TABLE rights.log ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON rights.log FOR SELECT TO rights_reader USING (event_type = 'a');
CREATE POLICY cleared ON rights.log FOR DELETE TO rights_reader USING (event_type = 'a');
GRANT DELETE ON rights.log TO rights_reader;
SET ROLE rights_reader;
SELECT event_type FROM eventlog.list();
SELECT eventlog.count(), eventlog.count('b');
SELECT event_type, events FROM eventlog.types();
SELECT sum(events) FROM eventlog.histogram('1 day');
SELECT * FROM eventlog.get(eventlog.new_id('2022-08-24Z', 'b'));
SELECT * FROM eventlog.delete(eventlog.new_id('2022-08-24Z', 'b'));
SELECT eventlog.replay('readers');
SELECT (event).event_type FROM eventlog.fetch('readers', 10);
SELECT count(*) FROM eventlog.clear(everything => true);
CALL eventlog.purge(everything => true);
RESET ROLE;
SELECT event_type FROM eventlog.list();
-- a superuser and the owner see all events
SET ROLE rights_owner;
SELECT eventlog.count();
ALTER TABLE rights.log FORCE ROW LEVEL SECURITY;
SELECT eventlog.count();
ALTER TABLE rights.log NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;

-- A role without USAGE on the schema cannot use its log by OID, either.
RESET ROLE;
SELECT 'rights.log'::regclass::oid AS log_oid \gset
SELECT eventlog.emit('a') IS NOT NULL AS emitted;
GRANT ALL ON rights.log TO rights_reader;
REVOKE USAGE ON SCHEMA rights FROM PUBLIC;
SET ROLE rights_reader;
SELECT eventlog.list(log => :log_oid);
SELECT eventlog.get(eventlog.new_id('2022-08-24Z', 'b'), log => :log_oid);
SELECT eventlog.count(log => :log_oid);
SELECT eventlog.count('a', log => :log_oid);
SELECT eventlog.types(log => :log_oid);
SELECT eventlog.histogram('1 day', log => :log_oid);
SELECT eventlog.emit('a', log => :log_oid);
SELECT eventlog.delete(eventlog.new_id('2022-08-24Z', 'b'), log => :log_oid);
SELECT eventlog.clear('a', log => :log_oid);
CALL eventlog.purge('a', log => :log_oid);
SELECT eventlog.subscribe('numbers', log => :log_oid);
SELECT eventlog.alter_log(:log_oid, premake => 1);
-- and it is not read for a subscription that was made before
SELECT eventlog.replay('readers');
SELECT eventlog.fetch('readers', 10);
SELECT eventlog.release('readers');
RESET ROLE;
GRANT USAGE ON SCHEMA rights TO PUBLIC;
REVOKE INSERT, UPDATE, TRUNCATE, REFERENCES, TRIGGER ON rights.log FROM rights_reader;
SET ROLE rights_owner;

-- Code of an owner runs as the owner, not as the superuser who maintains the log.
CREATE TABLE rights.seen (who name, what text);
GRANT INSERT ON rights.seen TO PUBLIC;
CREATE FUNCTION rights.spy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO rights.seen VALUES (current_user, TG_OP);
  BEGIN
    RESET ROLE;
    INSERT INTO rights.seen VALUES (current_user, 'after RESET ROLE');
  EXCEPTION WHEN insufficient_privilege THEN
    INSERT INTO rights.seen VALUES (current_user, 'RESET ROLE refused');
  END;
  RETURN coalesce(NEW, OLD);
END $$;
CREATE FUNCTION rights.spy_check(text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO rights.seen VALUES (current_user, 'CHECK');
  RETURN true;
END $$;
CREATE TRIGGER spy BEFORE INSERT OR DELETE ON rights.log FOR EACH ROW
  EXECUTE FUNCTION rights.spy();
ALTER TABLE rights.log ADD CONSTRAINT spy CHECK (rights.spy_check(event_type)) NOT VALID;
ALTER TABLE rights.log VALIDATE CONSTRAINT spy;
INSERT INTO rights.log (event_type, occurred_at)
  VALUES ('moved', '2021-01-01Z'), ('purged', '2021-02-01Z');
TRUNCATE rights.seen;
RESET ROLE;
CALL eventlog.maintain('rights.log');
CALL eventlog.purge('purged');
SELECT DISTINCT who, what FROM rights.seen ORDER BY 1, 2;

-- The extension does not use a schema of that name that somebody created before.
DROP SCHEMA rights CASCADE;
DROP EXTENSION eventlog CASCADE;
CREATE SCHEMA eventlog AUTHORIZATION rights_nobody;
CREATE EXTENSION eventlog;
DROP SCHEMA eventlog;
DROP ROLE rights_owner, rights_writer, rights_reader, rights_nobody;
CREATE EXTENSION eventlog;
