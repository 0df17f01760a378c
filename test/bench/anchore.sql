--
-- The events of bench.row in a table with the columns and indexes of Anchore's.
--
-- Its column type is in collation C here, without which its prefixes could not
-- use the index at all.  With -v rows=CONDITION, only the events that meet it.
--
\if :{?rows}
\else
\set rows true
\endif

CREATE TABLE bench.anchore (
  generated_uuid     text PRIMARY KEY,
  resource_user_id   text,
  resource_id        text,
  resource_type      text,
  source_servicename text,
  source_hostid      text,
  source_base_url    text,
  source_request_id  text,
  type               text COLLATE "C",
  category           text,
  level              text,
  message            text,
  details            text,
  "timestamp"        timestamp,
  created_at         timestamp
);
CREATE INDEX ON bench.anchore ("timestamp" DESC);
CREATE INDEX ON bench.anchore (resource_user_id);
CREATE INDEX ON bench.anchore (resource_type);
CREATE INDEX ON bench.anchore (resource_id);
CREATE INDEX ON bench.anchore (source_servicename);
CREATE INDEX ON bench.anchore (source_hostid);
CREATE INDEX ON bench.anchore (level);
CREATE INDEX ON bench.anchore (type);

INSERT INTO bench.anchore
SELECT replace(id::text, '-', ''), user_id, resource_id, resource_type,
       source_service, source_host, base_url, request_id, event_type, category,
       level, message, details::text, occurred_at AT TIME ZONE 'UTC',
       created_at AT TIME ZONE 'UTC'
  FROM bench.row
 WHERE :rows;
