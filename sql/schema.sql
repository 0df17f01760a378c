-- eventlog: the install script, made by the Makefile of the parts in sql

\echo Use "CREATE EXTENSION eventlog" to load this file. \quit

-- Plainly, so that it fails where somebody has made this schema before: whoever
-- owned it could plant functions in it.
CREATE SCHEMA eventlog;
GRANT USAGE ON SCHEMA eventlog TO PUBLIC;
COMMENT ON SCHEMA eventlog IS
  'event log: logs, filters, clearing, retention and webhooks';
