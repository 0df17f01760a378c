--
-- The events of bench.row in a plain table with an index (column, occurred_at
-- DESC) for each column that a filter may name, as one would write it by hand.
--
-- All short text is in collation C, which prefixes of event_type need.  With -v
-- rows=CONDITION, only the events that meet it.
--
\if :{?rows}
\else
\set rows true
\endif

CREATE TABLE bench.plain (
  id             uuid PRIMARY KEY,
  event_type     text COLLATE "C" NOT NULL,
  level          text COLLATE "C" NOT NULL,
  resource_id    text COLLATE "C",
  resource_type  text COLLATE "C",
  source_service text COLLATE "C",
  source_host    text COLLATE "C",
  occurred_at    timestamptz NOT NULL,
  message        text,
  category       text COLLATE "C",
  details        jsonb,
  user_id        text COLLATE "C",
  base_url       text,
  request_id     text COLLATE "C",
  created_at     timestamptz NOT NULL
);
CREATE INDEX ON bench.plain (occurred_at DESC);
CREATE INDEX ON bench.plain (event_type, occurred_at DESC);
CREATE INDEX ON bench.plain (level, occurred_at DESC);
CREATE INDEX ON bench.plain (resource_type, occurred_at DESC);
CREATE INDEX ON bench.plain (resource_id, occurred_at DESC);
CREATE INDEX ON bench.plain (user_id, occurred_at DESC);
CREATE INDEX ON bench.plain (source_service, occurred_at DESC);
CREATE INDEX ON bench.plain (source_host, occurred_at DESC);
CREATE INDEX ON bench.plain (category, occurred_at DESC);
CREATE INDEX ON bench.plain (request_id, occurred_at DESC);

INSERT INTO bench.plain
SELECT id, event_type, level, resource_id, resource_type,
       source_service, source_host, occurred_at, message, category,
       details, user_id, base_url, request_id, created_at
  FROM bench.row
 WHERE :rows;
