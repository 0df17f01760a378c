--
-- Code that the owner of a log plants runs as the owner at most, whoever maintains the
-- log: upkeep by a superuser gives nobody the rights of a superuser
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
CREATE ROLE attack_alice LOGIN;
CREATE SCHEMA attack AUTHORIZATION attack_alice;
SELECT current_user AS superuser \gset
-- (her own session, so that RESET ROLE changes nothing)
\c - attack_alice
SET client_min_messages = warning;
SET timezone = 'UTC';
SELECT eventlog.create_log('attack.log', '1 month', premake => 0);

-- Her code records as whom it runs and what it could do.
CREATE TABLE attack.seen (who name, what text, loot text);
CREATE FUNCTION attack.try(what text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  loot text := '';
  statement text;
BEGIN
  FOREACH statement IN ARRAY ARRAY['ALTER ROLE attack_alice SUPERUSER', 'RESET ROLE',
    'RESET SESSION AUTHORIZATION', 'SET ROLE NONE',
                                   'SET SESSION AUTHORIZATION DEFAULT', 'COMMIT',
                                     'SELECT pg_read_file(''PG_VERSION'')',
                                   'CREATE TEMP TABLE attack_temp ()',
                                     'DECLARE attack_cursor CURSOR WITH HOLD FOR SELECT 1'] LOOP
    BEGIN
      EXECUTE statement;
      loot := loot || statement || '; ';
    EXCEPTION WHEN others THEN NULL;
    END;
  END LOOP;
  INSERT INTO attack.seen VALUES (current_user, what, loot);
  RETURN true;
END $$;
-- the same, declared immutable, so that PostgreSQL calls it early
CREATE FUNCTION attack.early(what text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
  BEGIN
    EXECUTE 'SELECT attack.try($1)' USING what;
  EXCEPTION WHEN others THEN NULL;
  END;
  RETURN true;
END $$;
CREATE FUNCTION attack.trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM attack.try(concat_ws(' ', TG_WHEN, TG_LEVEL, TG_OP, 'trigger', TG_ARGV[0]));
  RETURN coalesce(NEW, OLD);
END $$;

-- All places for such code.
INSERT INTO attack.log (event_type, occurred_at)
  VALUES ('moved', '2021-01-01Z'), ('purged', '2021-02-01Z'), ('dropped', '2021-03-01Z'),
  ('expired', '1990-01-01Z'), ('kept', '2020-12-01Z');
SELECT eventlog.subscribe('attack', log => 'attack.log');
SELECT eventlog.replay('attack', log => 'attack.log');
CREATE TRIGGER a BEFORE INSERT OR UPDATE OR DELETE ON attack.log FOR EACH ROW
  EXECUTE FUNCTION attack.trigger();
CREATE TRIGGER b AFTER INSERT OR UPDATE OR DELETE ON attack.log FOR EACH ROW
  EXECUTE FUNCTION attack.trigger();
CREATE TRIGGER c BEFORE INSERT OR UPDATE OR DELETE ON attack.log FOR EACH STATEMENT
  EXECUTE FUNCTION attack.trigger();
CREATE TRIGGER d AFTER INSERT OR UPDATE OR DELETE ON attack.log FOR EACH STATEMENT
  EXECUTE FUNCTION attack.trigger();
CREATE TRIGGER e BEFORE TRUNCATE ON attack.log FOR EACH STATEMENT
  EXECUTE FUNCTION attack.trigger();
CREATE CONSTRAINT TRIGGER f AFTER INSERT OR DELETE ON attack.log DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION attack.trigger('deferred');
CREATE TRIGGER g BEFORE INSERT ON attack.log FOR EACH ROW WHEN (attack.try('WHEN of a trigger'))
  EXECUTE FUNCTION attack.trigger();
ALTER TABLE attack.log ADD extra int DEFAULT (attack.try('DEFAULT'))::int,
  ADD CONSTRAINT evil CHECK (attack.try('CHECK')) NOT VALID,
  ADD CONSTRAINT evil_early CHECK (attack.early('early CHECK'));
CREATE FUNCTION attack.length(text) RETURNS int IMMUTABLE LANGUAGE sql AS $$
  SELECT attack.early('expression')::int + octet_length($1) $$;
ALTER TABLE attack.log ADD made int GENERATED ALWAYS AS (attack.length(event_type)) STORED;
CREATE INDEX ON attack.log (attack.length(event_type));
CREATE INDEX ON attack.log (event_type) WHERE attack.early('predicate of an index');
CREATE STATISTICS attack.evil ON (attack.length(event_type)), (attack.early('statistics'))
  FROM attack.log_default;
CREATE RULE evil AS ON INSERT TO attack.log WHERE attack.try('WHERE of a rule') DO ALSO
  SELECT attack.try('rule');
CREATE POLICY evil ON attack.log USING (attack.try('policy'));
ALTER TABLE attack.log ENABLE ROW LEVEL SECURITY;
CREATE POLICY evil ON attack.log_default USING (attack.try('policy of a partition'));
ALTER TABLE attack.log_default ENABLE ROW LEVEL SECURITY;
-- objects that an unqualified query would use instead of PostgreSQL's
CREATE FUNCTION attack.same(timestamptz, timestamptz) RETURNS boolean LANGUAGE sql AS $$
  SELECT attack.try('operator') $$;
CREATE OPERATOR attack.= (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = attack.same);
CREATE OPERATOR attack.>= (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = attack.same);
CREATE OPERATOR attack.< (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = attack.same);
CREATE FUNCTION attack.min(timestamptz) RETURNS timestamptz LANGUAGE sql AS $$
  SELECT NULL::timestamptz FROM attack.try('function') $$;
CREATE FUNCTION attack.unnest(anyarray) RETURNS SETOF anyelement LANGUAGE sql AS $$
  SELECT NULL::anyelement FROM attack.try('function') $$;
CREATE TABLE attack.moved (LIKE attack.log);
-- a table that is not a log, with her function in its partition key
CREATE TABLE attack.no_log (LIKE attack.log) PARTITION BY RANGE ((event_type ||
  CASE WHEN attack.early('partition key') THEN '' END));
CREATE TRIGGER s BEFORE TRUNCATE ON attack.no_log
  EXECUTE FUNCTION eventlog._settings('0 months 1 days 0 microseconds',
  '0 months 0 days 0 microseconds', '0');
ALTER TABLE attack.log VALIDATE CONSTRAINT evil;
-- (if she runs it herself, she gains nothing)
SELECT count(*) FROM attack.seen WHERE who <> 'attack_alice' OR loot ~ 'ALTER|pg_read';
DELETE FROM attack.seen;

-- The superuser does everything that maintains a log.
\c - :superuser
-- what ran since then as another role, or gained her anything
CREATE FUNCTION attack_result() RETURNS TABLE (who name, what text, loot text) LANGUAGE sql AS $$
  WITH gone AS (DELETE FROM attack.seen RETURNING *)
  SELECT DISTINCT who, what, loot FROM gone WHERE who <> 'attack_alice' OR loot <> ''
    ORDER BY 1, 2, 3
$$;
\c - :superuser
SET client_min_messages = warning;
SET search_path = attack, pg_catalog, public;
SELECT log, problems FROM eventlog.logs WHERE log::text LIKE '%log' ORDER BY log::text;
SELECT eventlog.alter_log('attack.log', retention => '20 years');
CALL eventlog.maintain();
SELECT log, problems FROM eventlog.logs WHERE log::text LIKE '%log' ORDER BY log::text;
-- (it ran, as her)
SELECT DISTINCT who, what FROM attack.seen WHERE what ~ 'trigger' ORDER BY 2;
SELECT * FROM public.attack_result();
-- each in a new session, which has loaded nothing yet
\c - :superuser
SET client_min_messages = warning;
SET search_path = attack, pg_catalog, public;
CALL eventlog.purge('purged', log => 'attack.log');
SELECT DISTINCT who, what FROM attack.seen WHERE what ~ 'trigger' ORDER BY 2;
SELECT * FROM public.attack_result();
\c - :superuser
SET client_min_messages = warning;
SET search_path = attack, pg_catalog, public;
CALL eventlog.purge(since => '2021-03-01Z', before => '2021-04-01Z', log => 'attack.log');
SELECT * FROM public.attack_result();
-- upkeep reads the log to find deliveries of events that are gone
\c - :superuser
SET client_min_messages = warning;
SET search_path = attack, pg_catalog, public;
CALL eventlog.maintain('attack.log');
SELECT pending, cancelled FROM eventlog.subscriptions WHERE name = 'attack';
SELECT * FROM public.attack_result();
SELECT rolsuper FROM pg_roles WHERE rolname = 'attack_alice';
-- and so does reading without SQL
\c - :superuser
SET client_min_messages = warning;
SET search_path = attack, pg_catalog, public;
SELECT count(*) > 0 AS read FROM eventlog.list(page_size => 10, log => 'attack.log');
SELECT * FROM public.attack_result();

-- Reading runs what a SELECT runs: PostgreSQL itself runs functions in indexes,
-- statistics and CHECK constraints when it plans.
\c - attack_alice
SET client_min_messages = warning;
DO $$
DECLARE made regclass;
BEGIN
  FOR made IN SELECT indexrelid FROM pg_index WHERE indrelid = 'attack.log'::regclass
    AND (indpred IS NOT NULL OR indexprs IS NOT NULL) LOOP
    EXECUTE format('DROP INDEX %s', made);
  END LOOP;
END $$;
DROP STATISTICS attack.evil;
ALTER TABLE attack.log DROP CONSTRAINT evil_early, DROP made;
TRUNCATE attack.seen;
\c - :superuser
SET client_min_messages = warning;
SET search_path = attack, pg_catalog, public;
SELECT eventlog.subscribe('attack_root', log => 'attack.log');
SELECT eventlog.replay('attack_root', log => 'attack.log');
SELECT (event).event_type FROM eventlog.fetch('attack_root', 10, log => 'attack.log');
SELECT eventlog.ack('attack_root', array_agg(seq), 'attack.log') FROM eventlog.deliveries
  WHERE subscription = 'attack_root';
SELECT eventlog.listen('attack_root', 'attack.log');
SELECT event_type FROM eventlog.list(log => 'attack.log');
SET eventlog.scan_method = sql;
SELECT event_type FROM eventlog.list('m', log => 'attack.log');
RESET eventlog.scan_method;
SELECT eventlog.count('m', log => 'attack.log');
SELECT count(*) FROM eventlog.types('m', log => 'attack.log');
SELECT count(*) FROM eventlog.histogram('1 day', log => 'attack.log');
SELECT count(*) FROM eventlog.get((SELECT id FROM attack.log LIMIT 1), log => 'attack.log');
SELECT name, owner, pending FROM eventlog.subscriptions ORDER BY 1;
SELECT * FROM public.attack_result();

-- If a superuser repairs her log, that runs as her.
SELECT eventlog.unsubscribe('attack_root', 'attack.log');
DROP EXTENSION eventlog CASCADE;
CREATE EXTENSION eventlog;
SET ROLE attack_alice;
ALTER TABLE attack.log ADD CONSTRAINT evil_early CHECK (attack.early('early CHECK'));
TRUNCATE attack.seen;
\c - :superuser
SET client_min_messages = warning;
SET search_path = attack, pg_catalog, public;
SELECT eventlog.create_log('attack.log', '1 day', premake => 2);
SELECT DISTINCT relowner::regrole FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
  WHERE inhparent = 'attack.log'::regclass;
SELECT * FROM public.attack_result();

RESET search_path;
DROP FUNCTION attack_result;
DROP OWNED BY attack_alice CASCADE;
DROP ROLE attack_alice;
