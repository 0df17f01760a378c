--
-- Writing, as the caller
--

CREATE FUNCTION eventlog.emit(
  event_type text,
  level text DEFAULT 'info',
  message text DEFAULT NULL,
  resource_id text DEFAULT NULL,
  resource_type text DEFAULT NULL,
  user_id text DEFAULT NULL,
  source_service text DEFAULT NULL,
  source_host text DEFAULT NULL,
  base_url text DEFAULT NULL,
  request_id text DEFAULT NULL,
  category text DEFAULT NULL,
  details jsonb DEFAULT NULL,
  occurred_at timestamptz DEFAULT NULL,
  id uuid DEFAULT NULL,
  log regclass DEFAULT NULL)
RETURNS uuid LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'eventlog_emit';
COMMENT ON FUNCTION eventlog.emit(text, text, text, text, text, text, text, text, text, text, text, jsonb, timestamptz, uuid, regclass) IS
  'write one event and return its id; the same id emitted twice is one event';
