--
-- Reading, as the caller. The filter is one list of arguments, the same names
-- wherever events are chosen, NULL for any.
--

CREATE FUNCTION eventlog._list_support(internal)
RETURNS internal LANGUAGE c IMMUTABLE STRICT
AS 'MODULE_PATHNAME', 'eventlog_list_support';
COMMENT ON FUNCTION eventlog._list_support(internal) IS
  'tells the planner that a page has at most page_size rows';

CREATE FUNCTION eventlog.list(
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
  page int DEFAULT 1,
  page_size int DEFAULT 100,
  after uuid DEFAULT NULL,
  log regclass DEFAULT NULL)
RETURNS SETOF eventlog.event LANGUAGE c STABLE ROWS 1000
SUPPORT eventlog._list_support
AS 'MODULE_PATHNAME', 'eventlog_list';
COMMENT ON FUNCTION eventlog.list(text, text, text, text, text, text, text, text, text, text, timestamptz, timestamptz, int, int, uuid, regclass) IS
  'events, newest first; page_size NULL: all; after: go on behind the event with that id; event_type is a plain prefix, since <= occurred_at < before';

CREATE FUNCTION eventlog.get(id uuid, log regclass DEFAULT NULL)
RETURNS SETOF eventlog.event LANGUAGE c STABLE ROWS 1
AS 'MODULE_PATHNAME', 'eventlog_get';
COMMENT ON FUNCTION eventlog.get(uuid, regclass) IS
  'the event with that id, or no row';

CREATE FUNCTION eventlog.count(
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
  log regclass DEFAULT NULL)
RETURNS bigint LANGUAGE c STABLE
AS 'MODULE_PATHNAME', 'eventlog_count';
COMMENT ON FUNCTION eventlog.count(text, text, text, text, text, text, text, text, text, text, timestamptz, timestamptz, regclass) IS
  'how many events';

CREATE FUNCTION eventlog.types(
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
  log regclass DEFAULT NULL)
RETURNS TABLE (event_type text, level eventlog.level, events bigint,
               last_occurred_at timestamptz) LANGUAGE c STABLE ROWS 100
AS 'MODULE_PATHNAME', 'eventlog_types';
COMMENT ON FUNCTION eventlog.types(text, text, text, text, text, text, text, text, text, text, timestamptz, timestamptz, regclass) IS
  'which types of events at which levels, how many, and when last';

CREATE FUNCTION eventlog._bucket(width interval, t timestamptz)
RETURNS timestamptz LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'eventlog_bucket';
COMMENT ON FUNCTION eventlog._bucket(interval, timestamptz) IS
  'the start of the bucket that holds a time, in UTC';

CREATE FUNCTION eventlog.histogram(
  width interval,
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
  log regclass DEFAULT NULL)
RETURNS TABLE (bucket timestamptz, level eventlog.level, events bigint,
               bar text) LANGUAGE c STABLE ROWS 100
AS 'MODULE_PATHNAME', 'eventlog_histogram';
COMMENT ON FUNCTION eventlog.histogram(interval, text, text, text, text, text, text, text, text, text, text, timestamptz, timestamptz, regclass) IS
  'how many events at which level in each bucket of that width, in UTC, weeks from Monday; empty buckets between the first and the last have no level';
