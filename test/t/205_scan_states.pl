# Reading by posting lists where a table is in an unusual state: loaded with
# COPY FREEZE, under an old snapshot, with the newest rows deleted and not
# vacuumed, with more classes than are read at once, and large enough for each
# way in to be chosen.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{EVENTLOG_SEED} // int(rand(1000000));
note("seed $seed");

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off\nwal_level = minimal\nmax_wal_senders = 0\nwork_mem = '8MB'");
$node->start;
my $old_snapshots = $node->safe_psql('postgres', "SELECT count(*) FROM pg_settings WHERE name = 'old_snapshot_threshold'");

sub query
{
	return $node->safe_psql('postgres', "SET eventlog.default_log = 'events'; SET timezone = 'UTC'; " . join(' ', @_));
}

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION eventlog;
CREATE FUNCTION pick(VARIADIC text[]) RETURNS text LANGUAGE sql VOLATILE AS
  $$ SELECT $1[1 + floor(random() * array_length($1, 1))::int] $$;
SQL

# What is loaded with COPY FREEZE is frozen at once; nothing remembers that the
# partition was empty before.
my $file = $node->basedir . '/frozen';
query(<<"SQL");
SELECT eventlog.create_log('events', '100 years');
INSERT INTO events (event_type, occurred_at) SELECT 'a', '2022-08-20Z'::timestamptz + g * interval '1 second' FROM generate_series(1, 4000) g;
COPY (SELECT event_type, level, occurred_at, id, created_at FROM events) TO '$file' WITH (FORMAT binary);
SQL
my $partition = query("SELECT tableoid::regclass FROM events LIMIT 1");
my $reader = $node->background_psql('postgres');
$reader->query_safe("SET eventlog.default_log = 'events'");
is($reader->query_safe("SELECT count(*), eventlog.count('a') FROM eventlog.list('a', page_size => 10000)"), '4000|4000', 'before');
query("TRUNCATE $partition");
is($reader->query_safe("SELECT count(*), eventlog.count('a') FROM eventlog.list('a', page_size => 10000)"), '0|0', 'truncated');
query("BEGIN; TRUNCATE $partition; COPY $partition (event_type, level, occurred_at, id, created_at) FROM '$file' WITH (FORMAT binary, FREEZE); COMMIT");
is($reader->query_safe("SELECT count(*), eventlog.count('a') FROM eventlog.list('a', page_size => 10000)"), '4000|4000', 'loaded with COPY FREEZE');
$reader->quit;

# An old snapshot is refused, or sees what it saw before.
SKIP:
{
	skip 'no old_snapshot_threshold', 1 unless $old_snapshots;
	$node->append_conf('postgresql.conf', "old_snapshot_threshold = 0");
	$node->restart;
	my $old = $node->background_psql('postgres', on_error_stop => 0);
	$old->query("SET eventlog.default_log = 'events'; BEGIN ISOLATION LEVEL REPEATABLE READ; DECLARE c CURSOR FOR SELECT 1; FETCH c; SELECT count(*) FROM pg_class;");
	query("DELETE FROM events WHERE random() < 0.5");
	sleep 1;
	query("SELECT txid_current()");
	$node->safe_psql('postgres', "VACUUM events");
	my ($out, $error) = $old->query("SELECT count(*) FROM eventlog.list('a', page_size => 10000)");
	ok($out eq '4000' || $old->{stderr} =~ /snapshot too old/ || $out eq '', "an old snapshot misses nothing silently ($out)");
	eval { $old->quit };
	$node->append_conf('postgresql.conf', "old_snapshot_threshold = -1");
	$node->restart;
}

# The newest rows are deleted and not vacuumed: they are passed over once.
sub read_entries
{
	my $text = query("SELECT * FROM eventlog.explain(@_)");
	my $n = 0;

	$n += $1 while $text =~ /Rows fetched: (\d+)/g;
	return $n;
}

query(<<'SQL');
DROP TABLE events;
SELECT eventlog.create_log('events', '100 years');
INSERT INTO events (event_type, level, source_host, occurred_at)
  SELECT pick('a', 'b', 'c.d'), pick('info', 'error'), 'h' || g % 40, '2022-08-20Z'::timestamptz + g * interval '1 second' FROM generate_series(1, 30000) g;
SQL
$node->safe_psql('postgres', 'VACUUM ANALYZE events');
query("DELETE FROM events WHERE occurred_at > '2022-08-20 05:00Z'");
for my $filter ("", "level => 'error'", "source_host => 'h7'", "event_type => 'c.', source_host => 'h7'")
{
	my ($first, $second) = (read_entries($filter), read_entries($filter));

	cmp_ok($second, '<', 2000, "deleted rows are not looked at again ($filter: $first, $second)");
}

# maintain has emptied the default partition
query(<<'SQL');
DROP TABLE events;
SELECT eventlog.create_log('events', '1 month', premake => 0);
INSERT INTO events (event_type, level, source_host, occurred_at)
  SELECT pick('a', 'b', 'c.d'), pick('info', 'error'), 'h' || g % 40, '2022-08-20Z'::timestamptz + g * interval '1 second' FROM generate_series(1, 20000) g;
SQL
$node->safe_psql('postgres', 'CALL eventlog.maintain()');
read_entries("level => 'error', source_host => 'h7'");
cmp_ok(read_entries("level => 'error', source_host => 'h7'"), '<', 1000, 'nor those that were moved out of the default partition');

# More classes than are read at once, by every way, in memory that is bounded.
query(<<'SQL');
DROP TABLE events;
SELECT eventlog.create_log('events', '1 day', premake => 0, indexes => '{source_host}');
INSERT INTO events (event_type, level, source_service, source_host, occurred_at)
  SELECT 'many.' || g % 701, pick('info', 'error', 'debug'), CASE WHEN g % 3 > 0 THEN 's' || g % 5 END, 'h' || g % 40, '2022-08-20Z'::timestamptz + g * interval '10 seconds' FROM generate_series(1, 30000) g;
SQL
$node->safe_psql('postgres', 'CALL eventlog.maintain()');
$node->safe_psql('postgres', 'VACUUM ANALYZE events');
my $many = $node->background_psql('postgres');
$many->query_safe("SET eventlog.default_log = 'events'");
for my $filter ("event_type => 'many.'", "event_type => 'many.1', level => 'error'", "event_type => 'many.', source_host => 'h3', level => 'debug'",
	"event_type => 'many.', source_service => 's1', source_host => 'h3'")
{
	my %answers;

	foreach my $way ('time', 'lists', 'probe', 'sql', 'auto')
	{
		$answers{ $many->query_safe("SET eventlog.scan_method = $way; SELECT md5(string_agg(id::text, '')) FROM eventlog.list($filter, page_size => 500)") } = $way;
	}
	is(scalar keys %answers, 1, "all ways agree on $filter");
}
slurp_file("/proc/" . $many->query_safe('SELECT pg_backend_pid()') . "/status") =~ /^VmHWM:\s+(\d+) kB/m;
cmp_ok($1, '<', 150 * 1024, 'in little memory');
$many->quit;

# Large enough for each way in to be chosen: in the order of time, in none, and
# in order but for a part that was put where other rows were.
foreach my $order ('occurred_at', 'random()')
{
	query(<<"SQL");
DROP TABLE IF EXISTS events;
SELECT eventlog.create_log('events', '100 years', indexes => '{source_host,resource_id,user_id}');
SELECT setseed($seed / 1000000.0);
INSERT INTO events (event_type, level, source_service, resource_type, source_host, resource_id, user_id, message, occurred_at)
  SELECT CASE WHEN g < 5000 AND g % 10 = 0 THEN 'old.only' WHEN g % 997 = 0 THEN 'rare' ELSE 'x' || g % 9 || '.' || pick('a', 'b', 'c') END,
         CASE WHEN g % 211 = 0 THEN 'critical' ELSE pick('info', 'info', 'warning', 'error') END,
         CASE WHEN g % 4 > 0 THEN 's' || g % 9 END, CASE WHEN g % 5 > 0 THEN 't' || g % 9 END,
         'h' || (random() * random() * 40)::int, 'r' || (random() * random() * 900)::int, CASE WHEN random() < 0.9 THEN 'u' ELSE 'u' || g % 19 END,
         repeat('x', 500), '2022-08-20Z'::timestamptz + g * interval '1 minute' AS occurred_at FROM generate_series(1, 40000) g ORDER BY $order;
SQL
	if ($order eq 'occurred_at')
	{
		query("DELETE FROM events WHERE occurred_at BETWEEN '2022-08-25Z' AND '2022-08-27Z'");
		$node->safe_psql('postgres', 'VACUUM events');
		query("INSERT INTO events (event_type, level, source_host, resource_id, user_id, message, occurred_at) SELECT 'x1.a', 'error', 'h3', 'r3', 'u3', repeat('y', 500), '2022-09-10Z'::timestamptz + g * interval '1 second' FROM generate_series(1, 1000) g");
	}
	$node->safe_psql('postgres', 'VACUUM ANALYZE events');
	my $wrong = query(<<'SQL');
CREATE OR REPLACE FUNCTION wrong(n int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE f record; way text; expected uuid[]; got uuid[]; behind uuid; ways text[] := '{}';
BEGIN
  FOR i IN 1..n LOOP
    SELECT pick('x1', 'x2.a', 'rare', 'old.only', 'x', 'zz', NULL, NULL) AS et, pick('error', 'critical', 'debug', NULL, NULL, NULL) AS lv,
           pick('t1', 't3', NULL, NULL, NULL) AS rt, pick('r1', 'r3', 'r700', NULL, NULL, NULL) AS ri, pick('u', 'u3', 'u7', NULL, NULL) AS ui,
           pick('s1', 's9', NULL, NULL, NULL) AS ss, pick('h0', 'h3', 'h20', 'h39', NULL, NULL) AS sh,
           CASE WHEN random() < 0.2 THEN '2022-08-20Z'::timestamptz + random() * interval '28 days' END AS si,
           CASE WHEN random() < 0.2 THEN '2022-09-17Z'::timestamptz + random() * interval '4 days' END AS be INTO f;
    behind := CASE WHEN random() < 0.3 THEN eventlog.new_id('2022-08-20Z'::timestamptz + random() * interval '28 days') END;
    FOREACH way IN ARRAY ARRAY['sql', 'auto', 'lists', 'probe'] LOOP
      PERFORM set_config('eventlog.scan_method', way, true);
      SELECT coalesce(array_agg(l.id), '{}') INTO got
        FROM eventlog.list(f.et, f.lv, NULL, f.rt, f.ri, f.ui, f.ss, f.sh, since => f.si, before => f.be, page_size => 20, after => behind) l;
      IF way = 'sql' THEN expected := got; END IF;
      IF got <> expected THEN
        RETURN format('%s: %s after %s: %s rows, expected %s', way, f, behind, cardinality(got), cardinality(expected));
      END IF;
    END LOOP;
  END LOOP;
  RETURN 'none';
END $$;
SELECT wrong(200);
SQL
	is($wrong, 'none', "auto agrees with SQL, rows ordered by $order (seed $seed)");
}

done_testing();
