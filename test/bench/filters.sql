--
-- The filters that are measured, and how each contestant is asked for them.
--
-- A filter is what eventlog.list takes; "behind" is how many of the newest
-- events lie before the page, which the log and the plain table are told as
-- the last of these events (a cursor), and Anchore's as the number of the page.
--
CREATE TABLE bench.filter (
  name           text PRIMARY KEY,
  event_type     text,
  level          text,
  min_level      text,
  resource_type  text,
  resource_id    text,
  user_id        text,
  source_service text,
  source_host    text,
  since          interval,    -- this long before the end of the period
  before         interval,
  behind         bigint,
  page           int,
  n              int GENERATED ALWAYS AS IDENTITY
);

INSERT INTO bench.filter (name) VALUES ('newest');
INSERT INTO bench.filter (name, event_type) VALUES
  ('prefix, dense', 'system.'),
  ('prefix, one area', 'system.image_analysis.'),
  ('prefix, sparse', 'user.policy.'),
  ('type, dense', 'system.image_analysis.added'),
  ('type, rare', 'audit.login'),
  ('type, old only', 'storage.corruption_detected'),
  ('type, absent', 'system.teleport');
INSERT INTO bench.filter (name, event_type, level, min_level) VALUES
  ('prefix and level', 'system.image_analysis.', 'error', NULL),
  ('rare prefix and level', 'system.notification.u', 'error', NULL),
  ('prefix and min_level', 'system.', NULL, 'error'),
  ('prefix and level, never', 'user.policy.created', 'critical', NULL);
INSERT INTO bench.filter (name, level, min_level) VALUES
  ('level, dense', 'info', NULL),
  ('level, sparse', 'error', NULL),
  ('level, rare', 'critical', NULL),
  ('level, absent', 'debug', NULL),
  ('min_level', NULL, 'warning');
INSERT INTO bench.filter (name, source_service, resource_type) VALUES
  ('service, dense', 'analyzer', NULL),
  ('service, rare', 'reports', NULL),
  ('service, retired', 'legacy_feeds', NULL),
  ('service, absent', 'nonesuch', NULL),
  ('resource type, sparse', NULL, 'cluster'),
  ('service and type of resource, never', 'policy_engine', 'feed');
INSERT INTO bench.filter (name, event_type, source_service, resource_type, level) VALUES
  ('prefix and service', 'system.image_analysis.', 'catalog', NULL, NULL),
  ('prefix and service, never', 'system.image_analysis.', 'policy_engine', NULL, NULL),
  ('prefix and service, never, sparse', 'user.image.', 'simplequeue', NULL, NULL),
  ('prefix and type of resource, never', 'system.image_analysis.', NULL, 'image_reference', NULL),
  ('prefix, level and type of resource, never', 'system.', NULL, 'image_reference', 'error'),
  ('prefix and retired service', 'system.feeds.', 'legacy_feeds', NULL, NULL);
INSERT INTO bench.filter (name, source_host, level, event_type) VALUES
  ('host, frequent', 'node-01', NULL, NULL),
  ('host, rare', 'node-40', NULL, NULL),
  ('host, absent', 'node-99', NULL, NULL),
  ('host and level', 'node-40', 'critical', NULL),
  ('host and prefix', 'node-40', NULL, 'user.policy.');
INSERT INTO bench.filter (name, resource_id) VALUES
  ('resource, frequent', bench.resource_name(0)),
  ('resource, rare', bench.resource_name(49000)),
  ('resource, absent', 'docker.io/library/nonesuch:1');
INSERT INTO bench.filter (name, user_id) VALUES
  ('account', 'account-7');
INSERT INTO bench.filter (name, user_id, source_host, event_type) VALUES
  ('account and host', 'account-7', 'node-40', NULL),
  ('account and prefix, dense', 'account-7', NULL, 'system.');
INSERT INTO bench.filter (name, since, before, event_type, level) VALUES
  ('window, one day', '51 days', '50 days', NULL, NULL),
  ('window, prefix', '51 days', '50 days', 'user.policy.', NULL),
  ('window, one hour, level', '50 days 1 hour', '50 days', NULL, 'error'),
  ('window, after the incident', '10 days', NULL, 'storage.corruption_detected', NULL),
  ('window, old half, rare', NULL, '50 days', 'system.notification.u', 'error');
INSERT INTO bench.filter (name, behind, event_type) VALUES
  ('page behind event 1', 1, NULL),
  ('page behind event ' || least(1000000, :size / 2), least(1000000, :size / 2), NULL),
  ('the last page', :size - 100, NULL),
  ('behind the last event', :size, NULL),
  ('prefix, behind event ' || least(1000000, :size / 2), least(1000000, :size / 2), 'system.image_analysis.'),
  ('sparse prefix, the last page', :size - 100, 'user.policy.');
INSERT INTO bench.filter (name, page) VALUES ('page 1,000 by number', 1000);

-- Where "behind" is in each table, and on which of Anchore's pages
CREATE TABLE bench.cursor AS
SELECT behind, p.id, p.occurred_at, t.id AS tenth_id,
       (SELECT count(*) / 100 + 1
          FROM bench.anchore a
         WHERE a.resource_user_id = 'admin'
           AND a."timestamp" > p.occurred_at AT TIME ZONE 'UTC') AS page
  FROM (SELECT DISTINCT behind FROM bench.filter WHERE behind IS NOT NULL) f,
       LATERAL (SELECT id, occurred_at FROM bench.plain
                 ORDER BY occurred_at DESC, id DESC
                OFFSET behind - 1 LIMIT 1) p,
       LATERAL (SELECT id FROM tenth
                 ORDER BY occurred_at DESC, id DESC
                OFFSET greatest(behind / 10, 1) - 1 LIMIT 1) t;

-- One condition, or nothing where no value was given
CREATE FUNCTION bench.cond(template text, value text) RETURNS text IMMUTABLE
  RETURN CASE WHEN value IS NULL THEN '' ELSE pg_catalog.format(template, value) END;

CREATE FUNCTION bench.levels(f bench.filter) RETURNS text STABLE
  RETURN coalesce(
    (SELECT 'IN (' || string_agg(quote_literal(l), ', ') || ')'
       FROM unnest(enum_range(f.min_level::eventlog.level, NULL)) AS l
      WHERE f.min_level IS NOT NULL),
    '= ' || quote_literal(f.level));

CREATE FUNCTION bench.prefix_pattern(prefix text) RETURNS text IMMUTABLE
  RETURN pg_catalog.replace(prefix, '_', '\_') || '%';

-- eventlog.list
CREATE FUNCTION bench.ask_list(f bench.filter, log text, after uuid)
RETURNS text STABLE
  RETURN 'SELECT * FROM eventlog.list(page_size => 100'
    || bench.cond(', event_type => %L', f.event_type)
    || bench.cond(', level => %L', f.level)
    || bench.cond(', min_level => %L', f.min_level)
    || bench.cond(', resource_type => %L', f.resource_type)
    || bench.cond(', resource_id => %L', f.resource_id)
    || bench.cond(', user_id => %L', f.user_id)
    || bench.cond(', source_service => %L', f.source_service)
    || bench.cond(', source_host => %L', f.source_host)
    || bench.cond(', since => %L', (bench.period_end() - f.since)::text)
    || bench.cond(', before => %L', (bench.period_end() - f.before)::text)
    || bench.cond(', page => %s', f.page::text)
    || bench.cond(', after => %L', after::text)
    || bench.cond(', log => %L)', log);

-- The plain table, or the log itself.  Fenced, its rows are sorted by an expression, so that the
-- planner does not bet on the time index for the sake of the LIMIT.
CREATE FUNCTION bench.ask_plain(f bench.filter, c bench.cursor, fenced boolean, tab text DEFAULT 'bench.plain')
RETURNS text STABLE
  RETURN 'SELECT id, event_type, level, resource_id, resource_type, source_service,'
    || ' source_host, occurred_at, message, category, details, user_id, base_url,'
    || ' request_id, created_at FROM ' || tab || ' WHERE true'
    || bench.cond(' AND event_type LIKE %L', bench.prefix_pattern(f.event_type))
    || bench.cond(' AND level %s', bench.levels(f))
    || bench.cond(' AND resource_type = %L', f.resource_type)
    || bench.cond(' AND resource_id = %L', f.resource_id)
    || bench.cond(' AND user_id = %L', f.user_id)
    || bench.cond(' AND source_service = %L', f.source_service)
    || bench.cond(' AND source_host = %L', f.source_host)
    || bench.cond(' AND occurred_at >= %L', (bench.period_end() - f.since)::text)
    || bench.cond(' AND occurred_at < %L', (bench.period_end() - f.before)::text)
    || CASE WHEN c.id IS NULL THEN ''
            ELSE format(' AND (occurred_at, id) < (%L, %L) AND occurred_at <= %1$L',
                        c.occurred_at, c.id) END
    || ' ORDER BY occurred_at' || CASE WHEN fenced THEN ' + interval ''0''' ELSE '' END
    || ' DESC, id DESC LIMIT 100'
    || bench.cond(' OFFSET %s', ((f.page - 1) * 100)::text);

-- Anchore's, which always asks for one account
CREATE FUNCTION bench.ask_anchore(f bench.filter, page bigint)
RETURNS text STABLE
BEGIN ATOMIC
  SELECT CASE WHEN page > 1 THEN
           'SELECT * FROM (SELECT *, row_number() OVER (ORDER BY "timestamp" DESC) AS rank '
           || asked || ') p WHERE rank > ' || (page - 1) * 100
           || ' AND rank <= ' || page * 100 + 1 || ' ORDER BY "timestamp" DESC'
         ELSE 'SELECT * ' || asked || ' ORDER BY "timestamp" DESC LIMIT 101'
         END
    FROM (SELECT format('FROM bench.anchore WHERE resource_user_id = %L',
                        coalesce(f.user_id, 'admin'))
      || bench.cond(' AND type LIKE %L', bench.prefix_pattern(f.event_type))
      || bench.cond(' AND level %s', bench.levels(f))
      || bench.cond(' AND resource_type = %L', f.resource_type)
      || bench.cond(' AND resource_id = %L', f.resource_id)
      || bench.cond(' AND source_servicename = %L', f.source_service)
      || bench.cond(' AND source_hostid = %L', f.source_host)
      || bench.cond(' AND "timestamp" >= %L',
                    ((bench.period_end() - f.since) AT TIME ZONE 'UTC')::text)
      || bench.cond(' AND "timestamp" < %L',
                    ((bench.period_end() - f.before) AT TIME ZONE 'UTC')::text)
      AS asked) q;
END;

CREATE TABLE bench.query AS
SELECT f.n, f.name, 'list' AS kind, v.variant, v.sql
  FROM bench.filter f
  LEFT JOIN bench.cursor c USING (behind),
       LATERAL (VALUES
         ('a', bench.ask_list(f, 'events', c.id)),
         ('t', bench.ask_list(f, 'tenth', c.tenth_id)),
         ('o', bench.ask_list(f, 'one', c.id)),
         ('m', bench.ask_list(f, 'mixed', c.id)),
         ('b', bench.ask_plain(f, c, false)),
         ('f', bench.ask_plain(f, c, true)),
         ('s', bench.ask_plain(f, c, false, 'events')),
         ('g', bench.ask_plain(f, c, true, 'events')),
         ('c', bench.ask_anchore(f, coalesce(f.page, c.page)))) v(variant, sql);

-- Beside the pages: the aggregates
INSERT INTO bench.query
SELECT 1000 + k, name, 'aggregate', variant, sql
  FROM (VALUES
    (1, 'types, all', 'SELECT event_type, level, events, last_occurred_at FROM eventlog.types(log => %L) ORDER BY 1, 2',
     'SELECT event_type, level, count(*), max(occurred_at) FROM bench.plain GROUP BY 1, 2 ORDER BY 1, level::eventlog.level'),
    (2, 'types, sparse prefix', 'SELECT event_type, level, events, last_occurred_at FROM eventlog.types(event_type => ''user.policy.'', log => %L) ORDER BY 1, 2',
     'SELECT event_type, level, count(*), max(occurred_at) FROM bench.plain WHERE event_type LIKE ''user.policy.%'' GROUP BY 1, 2 ORDER BY 1, level::eventlog.level'),
    (3, 'count, prefix and level', 'SELECT eventlog.count(event_type => ''system.'', level => ''error'', log => %L)',
     'SELECT count(*) FROM bench.plain WHERE event_type LIKE ''system.%'' AND level = ''error'''),
    (4, 'count, absent type', 'SELECT eventlog.count(event_type => ''system.teleport'', log => %L)',
     'SELECT count(*) FROM bench.plain WHERE event_type LIKE ''system.teleport%''')
  ) q(k, name, ours, plain),
  LATERAL (VALUES ('a', format(ours, 'events')), ('t', format(ours, 'tenth')),
                  ('b', plain), ('s', replace(plain, 'bench.plain', 'events'))) v(variant, sql);
