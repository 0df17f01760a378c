--
-- The events that every benchmark reads: psql -v size=N -f generate.sql
--
-- N events over the 100 days before a fixed instant, made once into
-- bench.row, from where each contestant takes the same rows.  All is a hash of
-- the row's number, so every run anywhere has the same events:
--
--   * 242 classes (event_type, level, source_service, resource_type), the
--     frequent ones thousands of times as frequent as the rare ones
--   * 40 hosts and 50,000 resources, some used more than others; 95% of all
--     events belong to one account, the rest to 19
--   * an incident: storage.corruption_detected, on the 13th day only
--   * a retired service: legacy_feeds, in the first 30 days only
--   * no event of level debug, and types that some services never emit
--   * bursts of up to five events of the same instant
--
CREATE SCHEMA bench;

CREATE FUNCTION bench.period_start() RETURNS timestamptz IMMUTABLE
  RETURN timestamptz '2025-03-22 00:00:00+00';
CREATE FUNCTION bench.period_end() RETURNS timestamptz IMMUTABLE
  RETURN timestamptz '2025-06-30 00:00:00+00';

-- The k-th number in [0, 1) of row n
CREATE FUNCTION bench.u(n bigint, k int) RETURNS float8 IMMUTABLE
  RETURN (pg_catalog.hashint8extended(n, k) >> 11 & 9007199254740991)::float8
         / 9007199254740992;

CREATE FUNCTION bench.hex(n bigint, k int) RETURNS text IMMUTABLE
  RETURN pg_catalog.lpad(pg_catalog.to_hex(pg_catalog.hashint8extended(n, k)), 16, '0');

--
-- Classes: ten areas of eight types; each type as its service emits it, as a
-- failure, and as another service does.  The last two are the incident, and an
-- audit trail that belongs to no area.
--
CREATE TABLE bench.class AS
WITH area(a, domain, service, other, resource_type) AS (VALUES
  (0, 'system.image_analysis', 'analyzer', 'catalog', 'image_digest'),
  (1, 'user.image', 'apiext', 'catalog', 'image_reference'),
  (2, 'system.vulnerability_scan', 'policy_engine', 'analyzer', 'image_digest'),
  (3, 'system.feeds', 'feeds', 'legacy_feeds', 'feed'),
  (4, 'user.policy', 'policy_engine', 'apiext', 'policy'),
  (5, 'system.analysis_archive', 'catalog', 'simplequeue', 'image_digest'),
  (6, 'system.service', 'simplequeue', 'catalog', 'service'),
  (7, 'user.account', 'apiext', 'enterprise_auth', 'account'),
  (8, 'system.notification', 'notifications', 'simplequeue', 'notification'),
  (9, 'user.runtime_inventory', 'inventory', 'reports', 'cluster')
), action(b, verb, failure) AS (VALUES
  (0, 'added', 'error'), (1, 'completed', 'error'), (2, 'created', 'warning'),
  (3, 'deleted', 'warning'), (4, 'lookup', 'error'), (5, 'started', 'warning'),
  (6, 'sync', 'critical'), (7, 'updated', 'error')
), numbered AS (
  SELECT v * 80 + a * 8 + b AS k, v, domain || '.' || verb AS event_type,
         CASE v WHEN 1 THEN failure ELSE 'info' END AS level,
         CASE v WHEN 2 THEN other ELSE service END AS source_service,
         resource_type
    FROM area, action, generate_series(0, 2) v
), ranked AS (
  SELECT k, event_type, level, source_service, resource_type,
         (array[1, 0.05, 0.3])[v + 1] * (k % 80 * 27 % 80 + 1) ^ -1.6 AS weight
    FROM numbered
   UNION ALL VALUES
     (240, 'storage.corruption_detected', 'critical', 'catalog', 'storage', 0),
     (241, 'audit.login', 'info', 'enterprise_auth', 'account', 0.0002)
)
SELECT k, event_type, level, source_service, resource_type,
       (sum(weight) OVER (ORDER BY k) / sum(weight) OVER ())::float8 AS upper
  FROM ranked;

-- The number of a resource: the first 20,000 are image digests
CREATE FUNCTION bench.resource_of(n bigint, resource_type text)
RETURNS bigint IMMUTABLE
  RETURN CASE resource_type
           WHEN 'image_digest' THEN pg_catalog.floor(bench.u(n, 3) ^ 2 * 20000)
           ELSE 20000 + pg_catalog.floor(bench.u(n, 3) ^ 2 * 30000)
         END::bigint;

CREATE FUNCTION bench.resource_name(r bigint) RETURNS text IMMUTABLE
  RETURN CASE
           WHEN r < 20000 THEN 'sha256:' || bench.hex(r, 1) || bench.hex(r, 2)
                               || bench.hex(r, 3) || bench.hex(r, 4)
           ELSE 'registry.example/team-' || (r % 97)::text || '/app-' || r::text
                || ':1.' || (r % 31)::text
         END;

CREATE FUNCTION bench.account(n bigint) RETURNS text IMMUTABLE
  RETURN CASE WHEN bench.u(n, 7) < 0.95 THEN 'admin'
              ELSE 'account-' || pg_catalog.floor(bench.u(n, 8) * 19 + 1)::int::text
         END;

--
-- The rows, in order of time
--
CREATE UNLOGGED TABLE bench.row AS
WITH instant AS (
  SELECT n, bench.period_end() - (bench.period_end() - bench.period_start())
            * ((:size - at + bench.u(at, 0)) / :size) AS occurred_at
    FROM generate_series(1, :size::bigint) AS n,
         LATERAL (SELECT CASE WHEN bench.u(n / 5, 9) < 0.1
                              THEN greatest(n - n % 5, 1) ELSE n END AS at) burst
), chosen AS (
  SELECT *, width_bucket(bench.u(n, 1),
                         (SELECT array_agg(upper ORDER BY k)
                            FROM bench.class WHERE k < 241)) AS k,
         occurred_at - bench.period_start() AS since
    FROM instant OFFSET 0
), classed AS (
  SELECT n, occurred_at, (class).*
    FROM (SELECT n, occurred_at,
                 (SELECT array_agg(c ORDER BY k) FROM bench.class c)[
                   CASE
                     WHEN since >= '12 days' AND since < '13 days'
                          AND bench.u(n, 2) < 0.05 THEN 240
                     WHEN since >= '30 days'
                          AND k BETWEEN 184 AND 191 THEN k - 160
                     ELSE k
                   END + 1] AS class
            FROM chosen OFFSET 0) c
)
SELECT n,
       eventlog.new_id(occurred_at, n::text) AS id,
       event_type,
       level,
       bench.resource_name(bench.resource_of(n, resource_type)) AS resource_id,
       resource_type,
       source_service,
       'node-' || lpad((floor(bench.u(n, 4) ^ 2 * 40) + 1)::text, 2, '0') AS source_host,
       occurred_at,
       CASE level WHEN 'info' THEN 'Done: ' ELSE 'Failed: ' END || event_type
         || ' in ' || floor(bench.u(n, 5) * 5000)::int::text || ' ms' AS message,
       CASE WHEN k % 3 = 0 THEN split_part(event_type, '.', 2) END AS category,
       CASE level
         WHEN 'info' THEN jsonb_build_object('attempt', 1)
         ELSE jsonb_build_object('attempt', floor(bench.u(n, 6) * 5 + 1),
                                 'cause', 'timeout after 30 s')
       END AS details,
       bench.account(n) AS user_id,
       'http://' || source_service || ':8228' AS base_url,
       CASE WHEN n % 2 = 0 THEN bench.hex(n, 11) || bench.hex(n, 12) END AS request_id,
       occurred_at + interval '1 ms' * ceil(bench.u(n, 10) * 20) AS created_at
  FROM classed;

ANALYZE bench.row;
