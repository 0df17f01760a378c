-- eventlog 0.1.0 to 0.2.0

\echo Use "ALTER EXTENSION eventlog UPDATE" to load this file. \quit

CREATE OR REPLACE FUNCTION eventlog._utc(t timestamptz)
RETURNS text LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'eventlog_utc';

CREATE FUNCTION eventlog._json(event eventlog.event)
RETURNS json LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'eventlog_json';
COMMENT ON FUNCTION eventlog._json(eventlog.event) IS
  'what to_json gives, as text that nobody has read yet';

CREATE OR REPLACE FUNCTION eventlog.to_json(event eventlog.event)
RETURNS jsonb LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'eventlog_to_json';

DROP FUNCTION eventlog._hex(uuid);

COMMENT ON COLUMN eventlog.logs.problems IS 'what is wrong; CALL eventlog.maintain() tells what it cannot mend; empty when all is well';
