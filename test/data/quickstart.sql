-- Load the events of quickstart.jsonl into the default log by psql, from the
-- top of the tree.  Their ids are made of their time and their old id, so that
-- loading them again changes nothing.
CREATE TEMPORARY TABLE line (event jsonb);
\copy line FROM 'test/data/quickstart.jsonl' (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02')

SELECT count(eventlog.emit(
    id             => eventlog.new_id((event->>'occurred_at')::timestamptz,
                                      event->>'id'),
    event_type     => event->>'event_type',
    level          => event->>'level',
    message        => event->>'message',
    resource_id    => event->>'resource_id',
    resource_type  => event->>'resource_type',
    user_id        => event->>'user_id',
    source_service => event->>'source_service',
    source_host    => event->>'source_host',
    base_url       => event->>'base_url',
    details        => event->'details')) AS emitted
FROM line;

DROP TABLE line;
