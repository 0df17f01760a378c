--
-- Taking the time of a query inside the server.
--
-- Each query is a prepared statement without parameters, so that each is
-- planned once, with its values known, and what is timed is execution alone.
-- Its rows are made in full and thrown away by PL/pgSQL, the same for all.
--
CREATE TABLE bench.timing (
  name     text,
  variant  text,
  round    int,         -- 0: the warm-up, which also takes down the answer
  ms       float8,      -- NULL: it took longer than statement_timeout
  rows     bigint,
  answer   text
);

-- Is there nothing more to learn of this query?
CREATE FUNCTION bench.is_measured(name text, variant text, round int)
RETURNS boolean STABLE
BEGIN ATOMIC
  SELECT coalesce(bool_or(t.ms IS NULL)
                  OR min(t.ms) > 1000 AND $3 > 3, false)
    FROM bench.timing t
   WHERE t.name = $1 AND t.variant = $2;
END;

-- The fence can only help where the query without it is slow.
CREATE FUNCTION bench.needs_fence(name text, variant text) RETURNS boolean STABLE
BEGIN ATOMIC
  SELECT coalesce(bool_and(t.ms IS NULL OR t.ms > 10), false)
    FROM bench.timing t
   WHERE t.name = $1 AND t.variant = CASE $2 WHEN 'f' THEN 'b' ELSE 's' END AND t.round = 0;
END;

-- Run the query once, as the round of that number.
CREATE PROCEDURE bench.sample(name text, variant text, round int)
LANGUAGE plpgsql AS $$
DECLARE
  sql text := (SELECT q.sql FROM bench.query q
                WHERE q.name = $1 AND q.variant = $2);
  statement text := format('%I', name || ' ' || variant);
  started timestamptz;
  ended timestamptz;
  nrows bigint;
  answer text;
BEGIN
  IF bench.is_measured(name, variant, round)
     OR variant IN ('f', 'g') AND NOT bench.needs_fence(name, variant) THEN
    RETURN;
  END IF;
  BEGIN
    IF round = 0 THEN
      EXECUTE 'PREPARE ' || statement || ' AS ' || sql;
      started := clock_timestamp();
      EXECUTE 'SELECT count(*), md5(string_agg(q::text, E''\n'')) FROM ('
              || sql || ') q' INTO nrows, answer;
      ended := clock_timestamp();
    ELSE
      started := clock_timestamp();
      EXECUTE 'EXECUTE ' || statement;
      ended := clock_timestamp();
      GET DIAGNOSTICS nrows = ROW_COUNT;
    END IF;
  EXCEPTION WHEN query_canceled THEN
    IF SQLERRM NOT LIKE '%statement timeout%' THEN
      RAISE;
    END IF;
  END;
  INSERT INTO bench.timing VALUES
    (name, variant, round, extract(epoch FROM ended - started) * 1000, nrows, answer);
END;
$$;

-- Time the query as the first of its kind in a session, whose catalog caches
-- know the log.
CREATE PROCEDURE bench.sample_first(name text)
LANGUAGE plpgsql AS $$
DECLARE
  started timestamptz;
BEGIN
  PERFORM * FROM eventlog.list(event_type => 'nonesuch', log => 'events');
  EXECUTE 'PREPARE first AS '
          || (SELECT q.sql FROM bench.query q WHERE q.name = $1 AND q.variant = 'a');
  started := clock_timestamp();
  EXECUTE 'EXECUTE first';
  INSERT INTO bench.timing (name, variant, round, ms) VALUES
    (name, 'k', 1, extract(epoch FROM clock_timestamp() - started) * 1000);
END;
$$;
