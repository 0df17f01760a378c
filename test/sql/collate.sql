--
-- A collation that the owner chose decides what is equal, whichever way events are
-- read
--
SET client_min_messages = warning;
SELECT NOT EXISTS (SELECT FROM pg_collation WHERE collprovider = 'i') AS skip \gset
\if :skip
\quit
\endif
CREATE EXTENSION IF NOT EXISTS eventlog;
CREATE COLLATION collate_nocase (provider = icu, locale = 'und-u-ks-level2',
  deterministic = false);
SELECT eventlog.create_log('collated', '1 day', premake => 0);
ALTER TABLE collated ALTER source_host TYPE text COLLATE collate_nocase,
  ALTER resource_type TYPE text COLLATE collate_nocase;
SELECT problems FROM eventlog.logs WHERE log = 'collated'::regclass;
INSERT INTO collated (event_type, source_host, resource_type)
  VALUES ('a', 'host', 'x'), ('b', 'HOST', 'X');
SELECT count(*), eventlog.count(source_host => 'Host', log => 'collated')
  FROM eventlog.list(source_host => 'Host', log => 'collated');
SELECT count(*), eventlog.count(resource_type => 'x', log => 'collated')
  FROM eventlog.list(resource_type => 'x', log => 'collated');
SET eventlog.scan_method = sql;
SELECT count(*), eventlog.count(source_host => 'Host', log => 'collated')
  FROM eventlog.list(source_host => 'Host', log => 'collated');
SELECT count(*), eventlog.count(resource_type => 'x', log => 'collated')
  FROM eventlog.list(resource_type => 'x', log => 'collated');
RESET eventlog.scan_method;
DROP TABLE collated;
DROP COLLATION collate_nocase;
