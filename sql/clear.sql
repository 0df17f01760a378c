--
-- Clearing, by the same filter as reading
--

CREATE FUNCTION eventlog.delete(id uuid, log regclass DEFAULT NULL)
RETURNS SETOF uuid LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'eventlog_delete';
COMMENT ON FUNCTION eventlog.delete(uuid, regclass) IS
  'delete the event with that id; the id, or no row';

CREATE FUNCTION eventlog.clear(
  event_type text DEFAULT NULL,
  level text DEFAULT NULL,
  min_level text DEFAULT NULL,
  resource_type text DEFAULT NULL,
  resource_id text DEFAULT NULL,
  user_id text DEFAULT NULL,
  source_service text DEFAULT NULL,
  source_host text DEFAULT NULL,
  category text DEFAULT NULL,
  request_id text DEFAULT NULL,
  since timestamptz DEFAULT NULL,
  before timestamptz DEFAULT NULL,
  everything boolean DEFAULT false,
  log regclass DEFAULT NULL)
RETURNS SETOF uuid LANGUAGE c VOLATILE ROWS 100
AS 'MODULE_PATHNAME', 'eventlog_clear';
COMMENT ON FUNCTION eventlog.clear(text, text, text, text, text, text, text, text, text, text, timestamptz, timestamptz, boolean, regclass) IS
  'delete the events that list would show, in this transaction; their ids';

CREATE PROCEDURE eventlog.purge(
  event_type text DEFAULT NULL,
  level text DEFAULT NULL,
  min_level text DEFAULT NULL,
  resource_type text DEFAULT NULL,
  resource_id text DEFAULT NULL,
  user_id text DEFAULT NULL,
  source_service text DEFAULT NULL,
  source_host text DEFAULT NULL,
  category text DEFAULT NULL,
  request_id text DEFAULT NULL,
  since timestamptz DEFAULT NULL,
  before timestamptz DEFAULT NULL,
  everything boolean DEFAULT false,
  batch_size int DEFAULT 10000,
  log regclass DEFAULT NULL,
  INOUT deleted bigint DEFAULT 0)
LANGUAGE c
AS 'MODULE_PATHNAME', 'eventlog_purge';
COMMENT ON PROCEDURE eventlog.purge(text, text, text, text, text, text, text, text, text, text, timestamptz, timestamptz, boolean, int, regclass, bigint) IS
  'delete the events that list would show, at scale: whole partitions dropped, the rest in committed batches; how many';
