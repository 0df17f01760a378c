-- Roles for a log: writer, reader, operator, notifier and monitor.
--
--   psql -v log=events -v prefix=eventlog -f contrib/roles.sql
--
-- Run by the log's owner with CREATEROLE, or by a superuser.  The roles cannot
-- log in: grant them to those that do.  Running it again is safe.

\set ON_ERROR_STOP on
\if :{?log} \else \set log events \endif
\if :{?prefix} \else \set prefix eventlog \endif

BEGIN;

-- the roles that do not exist yet
SELECT format('CREATE ROLE %I NOLOGIN', role) AS statement
  FROM unnest(ARRAY['writer', 'reader', 'operator', 'notifier', 'monitor']) AS kind,
       format('%s_%s', :'prefix', kind) AS role
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role)
\gexec

\set writer :prefix _writer
\set reader :prefix _reader
\set operator :prefix _operator
\set notifier :prefix _notifier
\set monitor :prefix _monitor

SELECT relnamespace::regnamespace AS schema, relowner::regrole AS owner
  FROM pg_class WHERE oid = :'log'::regclass
\gset

GRANT USAGE ON SCHEMA :schema TO :"writer", :"reader", :"operator", :"notifier";

GRANT INSERT ON :log TO :"writer";
GRANT SELECT ON :log TO :"reader", :"notifier";
GRANT SELECT, DELETE ON :log TO :"operator";

-- Upkeep, and dropping whole partitions, is the owner's.
SELECT format('GRANT %s TO %I', :'owner', :'operator') AS statement
 WHERE NOT (SELECT rolsuper FROM pg_roles WHERE oid = :'owner'::regrole)
\gexec

-- names, counts and sizes of all logs and subscriptions
GRANT pg_read_all_stats TO :"monitor";

COMMIT;
