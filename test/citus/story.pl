# One log over two workers by Citus, from two empty servers to webhooks.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use Nodes;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

require_citus();

my $seed = $ENV{EVENTLOG_SEED} // int(rand(1000000));
note("seed $seed");

my ($coordinator, @workers) = start_nodes();
my ($ret, $out, $err);

sub ask { return $coordinator->safe_psql('postgres', $_[0]) }
sub refused
{
	my ($node, $sql, $message, $name) = @_;

	(undef, undef, $err) = $node->psql('postgres', $sql);
	like($err, $message, $name);
}

# A log with events, and what is subscribed to it, is distributed.
ask(<<'END');
CREATE ROLE reader LOGIN; CREATE ROLE writer LOGIN;
SELECT eventlog.create_log('events', '3 days', indexes => '{resource_id, source_host}');
SELECT eventlog.create_log('alike', '3 days', indexes => '{resource_id, source_host}');
CREATE FUNCTION pick(VARIADIC text[]) RETURNS text LANGUAGE sql VOLATILE AS
  $$ SELECT $1[1 + floor(random() * array_length($1, 1))::int] $$;
INSERT INTO events (event_type, level, resource_id, resource_type, source_service, source_host, user_id, message, details, occurred_at)
  SELECT pick('a', 'a.b', 'a.b.c', 'a.c', 'ab', 'b', 'b_c', 'b-z'), pick('debug', 'info', 'warning', 'error', 'critical'),
         pick('r1', 'r2', 'r3', NULL), pick('t1', 't2', NULL), pick('s1', 's2', NULL, 's3'), pick('h1', 'h2'), pick('u1', NULL),
         'it''s ' || g, jsonb_build_object('n', g), '2022-08-20Z'::timestamptz + floor(random() * 60) * interval '3 hours'
    FROM generate_series(1, 1000) g;
CALL eventlog.maintain('events');
GRANT SELECT ON events TO reader; GRANT INSERT ON events TO writer;
SET citus.shard_count = 8;
SELECT create_distributed_table('events', 'occurred_at');
END
is(ask("SELECT eventlog.count(), (SELECT count(*) FROM eventlog.list(page_size => NULL))"), '1000|1000', 'a log that is distributed answers at once');
like(ask("SELECT problems FROM eventlog.logs WHERE log = 'events'::regclass"), qr/no table of shards/, 'and what makes it quick is missing');
ask('CALL eventlog.maintain()');
is(ask("SELECT count(*) FROM events_shards"), 8, 'maintain makes the table of shards');
my ($rows, $said);
(undef, $rows, $said) = $coordinator->psql('postgres', "DO 'BEGIN PERFORM eventlog.list(); END'; SET citus.log_remote_commands = on; SELECT count(*) FROM eventlog.list('a', page_size => 20)");
is($rows, 20, 'a page');
is(scalar(() = $said =~ /issuing SELECT/g), 2, 'is one task on each worker, which has several shards');
my $misplaced = ask("SELECT max(shardid) FROM pg_dist_shard WHERE logicalrelid = 'events'::regclass");
my $misplace = "UPDATE pg_dist_placement p SET groupid = (SELECT max(groupid) + min(groupid) - p.groupid FROM pg_dist_node WHERE groupid > 0) WHERE shardid = $misplaced";
ask($misplace);
refused($coordinator, "SELECT count(*) FROM eventlog.list(page_size => 20)", qr/relation "(?:public\.)?events_$misplaced" does not exist\nCONTEXT: +while executing command on 127/, 'a worker that lacks one of them says so: no short answer');
ask($misplace);
like(ask("SELECT eventlog.explain('a')"), qr/by its shards.*events_\d+, newest first/s, 'by which pages are found');

# Writing.
ask(<<'END');
INSERT INTO events (event_type, occurred_at) VALUES ('plain', '2022-08-21Z');
COPY events (event_type, occurred_at) FROM PROGRAM 'echo copied,2022-08-21; echo copied,2022-08-29' (FORMAT csv);
END
my $id = ask("SELECT eventlog.emit('emitted', 'err', occurred_at => '2022-08-22Z')");
is(ask("SELECT eventlog.emit('emitted', 'err', id => '$id')"), $id, 'an id that is emitted twice is one event');
is(ask("SELECT event_type, level, occurred_at = eventlog.id_time(id) FROM eventlog.get('$id')"), 'emitted|error|t', 'which get finds');
is(ask("SELECT eventlog.delete('$id')"), $id, 'and delete deletes');
is(ask("SELECT count(*) FROM eventlog.get('$id')"), 0, 'for good');
is($workers[0]->safe_psql('postgres', "INSERT INTO events (event_type, occurred_at) VALUES ('on.worker', '2022-08-22Z'); SELECT eventlog.count('on')"), 1, 'a worker takes events and questions');
is(ask("SELECT string_agg(event_type || '|' || events, ' ') FROM eventlog.types('plain') t"), 'plain|1', 'a plain INSERT');
is(ask("SELECT eventlog.count('copied')"), 2, 'COPY');
is(ask("BEGIN; SELECT 1 FROM eventlog.emit('own'); SELECT eventlog.count('own'), (SELECT count(*) FROM eventlog.list('own')); ROLLBACK") =~ s/^1\n//r, '1|1', 'own uncommitted rows are seen');
is(ask("SELECT eventlog.count('own')"), 0, 'until they are rolled back');
my $many = "INSERT INTO events (event_type, occurred_at) SELECT 'own', '2022-08-20Z'::timestamptz + n * interval '1 hour' FROM generate_series(1, 200) n";
is(ask("BEGIN; $many; SELECT count(*) FROM eventlog.list('own', page_size => 1000); ROLLBACK"), 200, 'many of them, too, which several connections to a worker wrote');
is(ask("DO 'BEGIN $many; ASSERT (SELECT count(*) FROM eventlog.list(''own'', page_size => 1000)) = 200; END'; SELECT eventlog.clear('own') IS NULL LIMIT 1" =~ s/'own', '2022-08-20Z'/''own'', ''2022-08-20Z''/r =~ s/'1 hour'/''1 hour''/r), 'f', 'and in one statement');
is($workers[0]->safe_psql('postgres', "SELECT count(*) FROM eventlog.list('a', page_size => 20)"), 20, 'a page from a worker');

# Whose rights.
is(ask("SET ROLE reader; SELECT eventlog.count('a.b') > 0, (SELECT count(*) FROM eventlog.list(page_size => 5))"), 't|5', 'SELECT is enough to read');
refused($coordinator, "SET ROLE writer; SELECT eventlog.count()", qr/permission denied for table events/, 'and INSERT is not');
refused($coordinator, "SET ROLE reader; SELECT eventlog.clear(everything => true)", qr/permission denied for table events/, 'SELECT is not enough to clear');
refused($coordinator, "SET ROLE reader; SELECT eventlog.emit('x')", qr/permission denied for table events/, 'nor to write');
is(ask("SET ROLE writer; SELECT eventlog.emit('by.writer', occurred_at => '2022-08-22Z') IS NULL"), 'f', 'INSERT is enough to write');

# All that is read is as on a local log.
ask(<<'END');
INSERT INTO alike SELECT * FROM events;
CREATE FUNCTION wrong(n int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  f text; p text; q text; got text; expected text; size int;
BEGIN
  FOR i IN 1..n LOOP
    f := concat_ws(', ',
      'event_type => ' || quote_literal(pick('a', 'a.b', 'b', 'zz', 'a.', 'a%', NULL, NULL)),
      'level => ' || quote_literal(pick('debug', 'error', 'critical', NULL, NULL)),
      'min_level => ' || quote_literal(pick('info', 'warning', NULL, NULL)),
      'resource_type => ' || quote_literal(pick('t1', 't9', NULL, NULL)),
      'resource_id => ' || quote_literal(pick('r1', 'r9', NULL, NULL, NULL)),
      'user_id => ' || quote_literal(pick('u1', NULL, NULL, NULL)),
      'source_service => ' || quote_literal(pick('s1', 's3', 's9', NULL, NULL, NULL)),
      'source_host => ' || quote_literal(pick('h1', 'h''1', NULL, NULL)),
      CASE WHEN random() < 0.3 THEN format('since => %L', '2022-08-20Z'::timestamptz + random() * interval '4 days') END,
      CASE WHEN random() < 0.3 THEN format('before => %L', '2022-08-24Z'::timestamptz + random() * interval '4 days') END,
      '');
    size := floor(random() * pick('5', '60', '400')::int);
    p := CASE WHEN random() < 0.4 THEN format('after => %L, page_size => %s, ', eventlog.new_id('2022-08-20Z'::timestamptz + random() * interval '8 days'), size)
              WHEN random() < 0.2 THEN 'page_size => NULL, '
              ELSE format('page => %s, page_size => %s, ', 1 + floor(random() * 3), size) END;
    FOREACH q IN ARRAY ARRAY[
      'SELECT array_agg(l)::text FROM eventlog.list(' || f || p || 'log => %L) l',
      'SELECT eventlog.count(' || f || 'log => %L)::text',
      'SELECT array_agg(t)::text FROM eventlog.types(' || f || 'log => %L) t',
      'SELECT array_agg(h)::text FROM eventlog.histogram(''6 hours'', ' || f || 'log => %L) h'] LOOP
      EXECUTE format(replace(replace(q, 'a%', 'a%%'), '%%L', '%L'), 'events') INTO got;
      EXECUTE format(replace(replace(q, 'a%', 'a%%'), '%%L', '%L'), 'alike') INTO expected;
      IF got IS DISTINCT FROM expected THEN
        RETURN format('%s: %s, expected %s', q, left(got, 300), left(expected, 300));
      END IF;
    END LOOP;
  END LOOP;
  RETURN 'none';
END $$;
END
is(ask("SELECT setseed(" . ($seed % 1000) / 1000 . "); SELECT wrong(150)") =~ s/^\n//r, 'none', 'pages, counts, types and histograms are as on a local log');

# Own uncommitted rows among them.
is(ask("BEGIN; INSERT INTO events (event_type, occurred_at) SELECT 'a.b', '2022-08-21Z' FROM generate_series(1, 20); SELECT eventlog.count('a.b') - (SELECT count(*) FROM alike WHERE event_type LIKE 'a.b%'); ROLLBACK"), 20, 'a transaction counts its own events');

# Clearing.
is(ask("SELECT count(*) FROM eventlog.clear('a.b', min_level => 'error')"), ask("SELECT count(*) FROM eventlog.clear('a.b', min_level => 'error', log => 'alike')"), 'clear clears as many');
is(ask("CALL eventlog.purge('a.c', batch_size => 40)"), ask("CALL eventlog.purge('a.c', log => 'alike')"), 'purge by a filter');
ask("CALL eventlog.purge(before => '2022-08-23Z', log => 'alike')");
($ret, $out, $err) = $coordinator->psql('postgres', "CALL eventlog.purge(before => '2022-08-23Z')");
like($err, qr/purged \d+ events with partition public.events_p/, 'purge drops whole partitions');
is(ask('SELECT wrong(40)'), 'none', 'and what is left is as on a local log');

# Upkeep.
ask("INSERT INTO events (event_type, occurred_at) SELECT 'late', '2020-01-01Z'::timestamptz + g * interval '5 hours' FROM generate_series(1, 40) g");
ask("SELECT eventlog.subscribe('hook')");
is(ask("SELECT count(*) FROM events_default WHERE event_type = 'late'"), 40, 'events without a partition of theirs');
($ret, $out, $err) = $coordinator->psql('postgres', 'CALL eventlog.maintain()');
like($err, qr/events were moved into it from the default partition/, 'maintain moves them');
is(ask("SELECT count(*) FROM events_default; SELECT count(*) FROM events WHERE event_type = 'late'"), "0\n40", 'and none is lost');
is(ask("SELECT pending FROM eventlog.subscriptions"), 0, 'and none is owed for that');
is(ask("SELECT problems FROM eventlog.logs WHERE log = 'events'::regclass"), '{}', 'all is well then');
($ret, $out, $err) = $workers[0]->psql('postgres', "CALL eventlog.maintain('events')");
like($err, qr/left the shards of public.events alone/, 'on a worker maintain leaves them alone');
ask("SELECT eventlog.alter_log('events', retention => '2 years')");
($ret, $out, $err) = $coordinator->psql('postgres', 'CALL eventlog.maintain()');
like($err, qr/dropped expired partition/, 'retention drops partitions everywhere');
is(ask("SELECT count(*) FROM events WHERE occurred_at < now() - interval '2 years 10 days'"), 0, 'with their events');
is(ask("SELECT bool_and(result = '0') FROM run_command_on_workers('SELECT count(*) FROM pg_class WHERE relname ~ ''events_p2020''')"), 't', 'and their shards');
ask("SELECT eventlog.alter_log('events', retention => '0')");

# Webhooks: owed where the event is, told as a sum.
ask("INSERT INTO events (event_type, level) SELECT 'hooked', 'error' FROM generate_series(1, 20); SELECT eventlog.subscribe('errors', '{error}', 'hook')");
is(ask("SELECT pending FROM eventlog.subscriptions WHERE name = 'hook'"), 20, 'events are owed to the subscription');
ask("INSERT INTO events (event_type, level, occurred_at) SELECT 'hooked', pick('error', 'error'), now() - g * interval '1 minute' FROM generate_series(1, 30) g");
is(ask("SELECT string_agg(pending::text, ' ' ORDER BY name) FROM eventlog.subscriptions"), '30 50', 'of each filter');
my @owed = map { $_->safe_psql('postgres', "SELECT count(DISTINCT (event).id), sum(eventlog.ack('hook', ARRAY[seq])) FROM eventlog.fetch('hook', 1000)") } @workers;
my @numbers = map { (split /\|/, $_)[1] || 0 } @owed;
is($numbers[0] + $numbers[1], 50, "each worker hands out its own (@numbers)");
is(ask("SELECT pending, delivered FROM eventlog.subscriptions WHERE name = 'hook'"), '0|50', 'and the coordinator sums up');
is(ask("SELECT eventlog.replay('hook', 'hooked', min_level => 'error')"), 50, 'replay owes them again');
ask("SELECT eventlog.pause('hook')");
is($workers[1]->safe_psql('postgres', "SELECT count(*) FROM eventlog.fetch('hook', 10)"), 0, 'pause pauses on the workers');
ask("SELECT eventlog.resume('hook')");

# A shard that is moved leaves behind what it owes, which is delivered there.
my ($number) = split /\n/, ask("SELECT shardid FROM citus_shards WHERE table_name = 'events'::regclass AND nodeport = " . $workers[0]->port . " ORDER BY shardid");
my $before = ask("SELECT pending FROM eventlog.subscriptions WHERE name = 'hook'");
ask("SELECT citus_move_shard_placement($number, '127.0.0.1', " . $workers[0]->port . ", '127.0.0.1', " . $workers[1]->port . ", 'block_writes')");
is(ask("SELECT pending FROM eventlog.subscriptions WHERE name = 'hook'"), $before, 'a shard that is moved owes nothing twice');
ask("DROP TABLE alike; SELECT eventlog.create_log('alike', '3 days'); INSERT INTO alike SELECT * FROM events");
is(ask('SELECT wrong(20)'), 'none', 'is read where it is');
@numbers = map { (split /\|/, $_->safe_psql('postgres', "SELECT count(DISTINCT (event).id), sum(eventlog.ack('hook', ARRAY[seq])) FROM eventlog.fetch('hook', 1000)"))[1] || 0 } @workers;
is($numbers[0] + $numbers[1], 50, "and all is handed out (@numbers)");

# A shard that is split.
my ($which) = split /\n/, ask("SELECT shardid || ' ' || (shardminvalue::bigint + shardmaxvalue::bigint) / 2 FROM pg_dist_shard WHERE logicalrelid = 'events'::regclass ORDER BY shardid");
my ($split, $middle) = split / /, $which;
ask("SELECT citus_split_shard_by_split_points($split, ARRAY['$middle'], ARRAY[nodeid, nodeid], 'block_writes') FROM pg_dist_node WHERE nodeport = " . $workers[1]->port);
is(ask('SELECT wrong(20)'), 'none', 'after a split plain SQL answers');
ask('CALL eventlog.maintain()');
is(ask("SELECT count(*) FROM events_shards"), 9, 'until maintain has made the table of shards anew');
is(ask('SELECT wrong(20)'), 'none', 'which answers alike');

# What is not supported says so.
ask("SELECT eventlog.create_log('by_id'); SELECT create_distributed_table('by_id', 'id')");
refused($coordinator, "SELECT eventlog.list(log => 'by_id')", qr/log "by_id" cannot be used: it is distributed by id.*HINT:.*occurred_at/s, 'a log distributed by id');
like(ask("SELECT problems FROM eventlog.logs WHERE log = 'by_id'::regclass"), qr/distributed by id/, 'and logs says so');
ask("DROP TABLE by_id; SELECT eventlog.create_log('kind')");
refused($coordinator, "SELECT create_reference_table('kind')", qr/ERROR/, 'Citus makes no reference table of a log');
refused($coordinator, "DO 'BEGIN PERFORM alter_table_set_access_method(''kind'', ''columnar''); EXCEPTION WHEN internal_error THEN RAISE WARNING ''refused''; END'",
	qr/refused/, 'nor a columnar one');
like(ask("SELECT eventlog.emit('whole', log => 'kind'); SELECT eventlog.count(log => 'kind'); DROP TABLE kind"), qr/^1$/m, 'and it stays what it was');

# A lookalike of Citus's names does nothing.
my $plain = PostgreSQL::Test::Cluster->new('plain');
$plain->init;
$plain->start;
$plain->safe_psql('postgres', <<'END');
CREATE EXTENSION eventlog; SELECT eventlog.create_log('events');
CREATE TABLE pg_dist_partition AS SELECT 'events'::regclass AS logicalrelid, 'h'::"char" AS partmethod, 'x'::text AS partkey, 1 AS colocationid, 's'::"char" AS repmodel, false AS autoconverted;
CREATE TABLE events_shards (occurred_at timestamptz, shard bigint);
INSERT INTO events (event_type) VALUES ('a');
END
is($plain->safe_psql('postgres', 'SELECT eventlog.count()'), 1, 'a table named like one of Citus is nothing');

# A tenant's schema on one node.
ask("SET citus.enable_schema_based_sharding = on; CREATE SCHEMA tenant");
is(ask("SET search_path = tenant; SELECT eventlog.create_log('tenant.events', '1 day') IS NULL"), 'f', 'a log in a distributed schema');
is(ask("SELECT 1 FROM eventlog.emit('t.a', log => 'tenant.events'); SELECT eventlog.count(log => 'tenant.events')"), "1\n1", 'is written and read');
ask("CALL eventlog.maintain('tenant.events')");
is(ask("SELECT event_type FROM eventlog.list(log => 'tenant.events')"), 't.a', 'and kept in order');

# A worker that is down.
$workers[0]->stop('immediate');
my $port = $workers[0]->port;
refused($coordinator, $_, qr/127\.0\.0\.1:$port/, "$_ names the node that is down")
  foreach 'SELECT count(*) FROM eventlog.list()', 'SELECT eventlog.count()', "SELECT eventlog.clear('hooked')", "SELECT eventlog.subscribe('hook')";
like(ask("SELECT problems FROM eventlog.logs WHERE log = 'events'::regclass"), qr/127\.0\.0\.1:$port/, 'and so does the view of logs');
$workers[0]->start;
is(ask("SELECT eventlog.count('hooked')"), 50, 'until it is back');

done_testing();
