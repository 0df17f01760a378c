# However the log is written to, all ways of reading it give the same: random
# filters, cursors and pages, compared row for row, in a session that goes on
# while others change the log.  Rows lie in the order of time, in none, and where
# others were; classes have nulls; a page of the table holds a few rows, and a
# range of BRIN a few pages.
#
# Seeded; EVENTLOG_SEED repeats a run that failed.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{EVENTLOG_SEED} // int(rand(1000000));
srand $seed;
note("seed $seed");

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION eventlog;
SELECT eventlog.create_log('events', '3 days', indexes => '{resource_id, source_host}');
-- fine enough for a table of a few hundred pages
DO $$ BEGIN
  EXECUTE format('DROP INDEX %s', (SELECT indexrelid::regclass FROM pg_index JOIN pg_class c ON c.oid = indexrelid
                                    WHERE indrelid = 'events'::regclass AND relam = (SELECT oid FROM pg_am WHERE amname = 'brin')));
  CREATE INDEX ON events USING brin (occurred_at) WITH (pages_per_range = 2);
END $$;
CREATE FUNCTION pick(VARIADIC text[]) RETURNS text LANGUAGE sql VOLATILE AS
  $$ SELECT $1[1 + floor(random() * array_length($1, 1))::int] $$;
-- n events of few instants, so that many tie
CREATE PROCEDURE load(n int, prefix text DEFAULT '') LANGUAGE sql AS $$
  INSERT INTO events (event_type, level, resource_id, resource_type, source_service, source_host, user_id, message, occurred_at)
  SELECT prefix || pick('a', 'a.b', 'a.b.c', 'a.c', 'ab', 'b', 'b_c', 'b-z'),
         pick('debug', 'info', 'warning', 'error', 'critical'),
         pick('r1', 'r2', 'r3', NULL), pick('t1', 't2', NULL), pick('s1', 's2', NULL, 's3'),
         pick('h1', 'h2'), pick('u1', NULL), repeat('x', (random() * 1500)::int),
         CASE WHEN n % 2 = 0 THEN '2022-08-20Z'::timestamptz + floor(random() * 60) * interval '3 hours'
              ELSE '2022-08-20Z'::timestamptz + g * 60 / n * interval '3 hours' END
    FROM generate_series(0, n - 1) g
$$;
CALL load(2001);
CALL eventlog.maintain();
CALL load(1000);
SELECT brin_summarize_new_values(indexrelid) FROM pg_index JOIN pg_class c ON c.oid = indexrelid
  WHERE c.relkind = 'i' AND relam = (SELECT oid FROM pg_am WHERE amname = 'brin');
-- how many of n random questions each way answers otherwise than plain SQL
CREATE FUNCTION wrong(n int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  f record; way text; expected uuid[]; got uuid[]; behind uuid; size int; number int;
BEGIN
  PERFORM set_config('eventlog.scan_method', 'auto', true);
  FOR i IN 1..n LOOP
    SELECT pick('a', 'a.b', 'b', 'zz', 'a.', 'a%', 'new', NULL, NULL) AS et, pick('debug', 'error', 'critical', NULL, NULL) AS lv,
           pick('info', 'warning', NULL, NULL) AS ml, pick('t1', 't9', NULL, NULL) AS rt, pick('r1', 'r9', NULL, NULL, NULL) AS ri,
           pick('u1', NULL, NULL, NULL) AS ui, pick('s1', 's3', 's9', NULL, NULL, NULL) AS ss, pick('h1', NULL, NULL) AS sh,
           CASE WHEN random() < 0.3 THEN '2022-08-20Z'::timestamptz + random() * interval '4 days' END AS si,
           CASE WHEN random() < 0.3 THEN '2022-08-24Z'::timestamptz + random() * interval '4 days' END AS be
      INTO f;
    behind := CASE WHEN random() < 0.3 THEN eventlog.new_id('2022-08-20Z'::timestamptz + random() * interval '8 days') END;
    size := floor(random() * pick('5', '60', '400')::int);
    number := CASE WHEN behind IS NULL THEN 1 + floor(random() * 3) ELSE 1 END;
    SELECT coalesce(array_agg(id ORDER BY occurred_at DESC, id DESC), '{}') INTO expected FROM (
      SELECT id, occurred_at FROM events
       WHERE (f.et IS NULL OR starts_with(event_type, f.et)) AND (f.lv IS NULL OR level = f.lv)
         AND (f.ml IS NULL OR level::eventlog.level >= f.ml::eventlog.level)
         AND (f.rt IS NULL OR resource_type = f.rt) AND (f.ri IS NULL OR resource_id = f.ri)
         AND (f.ui IS NULL OR user_id = f.ui) AND (f.ss IS NULL OR source_service = f.ss) AND (f.sh IS NULL OR source_host = f.sh)
         AND (f.si IS NULL OR occurred_at >= f.si) AND (f.be IS NULL OR occurred_at < f.be)
         AND (behind IS NULL OR (occurred_at, id) < (eventlog.id_time(behind), behind))
       ORDER BY occurred_at DESC, id DESC LIMIT size OFFSET (number - 1) * size) x;
    IF (SELECT count(*) FROM events
         WHERE (f.et IS NULL OR starts_with(event_type, f.et)) AND (f.lv IS NULL OR level = f.lv)
           AND (f.ml IS NULL OR level::eventlog.level >= f.ml::eventlog.level)
           AND (f.rt IS NULL OR resource_type = f.rt) AND (f.ri IS NULL OR resource_id = f.ri)
           AND (f.ui IS NULL OR user_id = f.ui) AND (f.ss IS NULL OR source_service = f.ss) AND (f.sh IS NULL OR source_host = f.sh)
           AND (f.si IS NULL OR occurred_at >= f.si) AND (f.be IS NULL OR occurred_at < f.be))
       <> eventlog.count(f.et, f.lv, f.ml, f.rt, f.ri, f.ui, f.ss, f.sh, since => f.si, before => f.be) THEN
      RETURN format('%s is counted wrongly', f);
    END IF;
    IF EXISTS (SELECT event_type, level::eventlog.level, count(*), max(occurred_at) FROM events
                WHERE (f.et IS NULL OR starts_with(event_type, f.et)) AND (f.lv IS NULL OR level = f.lv)
                  AND (f.ml IS NULL OR level::eventlog.level >= f.ml::eventlog.level)
                  AND (f.rt IS NULL OR resource_type = f.rt) AND (f.ss IS NULL OR source_service = f.ss)
                  AND (f.si IS NULL OR occurred_at >= f.si) AND (f.be IS NULL OR occurred_at < f.be)
                GROUP BY 1, 2
               EXCEPT
               SELECT * FROM eventlog.types(f.et, f.lv, f.ml, f.rt, source_service => f.ss, since => f.si, before => f.be)) THEN
      RETURN format('types of %s are counted wrongly', f);
    END IF;
    FOREACH way IN ARRAY ARRAY['lists', 'time', 'probe', 'auto', 'sql'] LOOP
      PERFORM set_config('eventlog.scan_method', way, true);
      SELECT coalesce(array_agg(l.id), '{}') INTO got
        FROM eventlog.list(f.et, f.lv, f.ml, f.rt, f.ri, f.ui, f.ss, f.sh, since => f.si, before => f.be,
                           page => number, page_size => size, after => behind) l;
      IF got <> expected THEN
        RETURN format('%s: %s after %s page %s of %s: %s rows, expected %s', way, f, behind, number, size,
                      cardinality(got), cardinality(expected));
      END IF;
    END LOOP;
  END LOOP;
  RETURN 'none';
END $$;
SQL

my $new = 0;
my @partitions = split /\n/, $node->safe_psql('postgres',
	"SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'events'::regclass AND inhrelid::regclass::text LIKE '%2022%'");
my %changes = (
	'events of known classes' => sub { "CALL load(50)" },
	'a new class' => sub { "CALL load(3, 'new" . ++$new . ".')" },
	'a class between others' => sub { "CALL load(2, 'a.b" . ++$new . "')" },
	'so many that pages split' => sub { "CALL load(800)" },
	'what is rolled back' => sub { "BEGIN; CALL load(20, 'gone" . ++$new . ".'); ROLLBACK" },
	'whole classes deleted' => sub { "DELETE FROM events WHERE event_type = pick('a', 'a.c', 'b')" },
	'some deleted' => sub { "DELETE FROM events WHERE random() < 0.05" },
	'updates of what is not indexed' => sub { "UPDATE events SET message = 'x' WHERE random() < 0.1" },
	'updates of what is' => sub { "UPDATE events SET source_service = pick('s1', 's3', NULL) WHERE random() < 0.05" },
	'one updated over and over' => sub {
		"DO \$\$ DECLARE one uuid := (SELECT id FROM events ORDER BY random() LIMIT 1); BEGIN FOR i IN 1..300 LOOP "
		  . "UPDATE events SET source_service = 's' || i % 4, resource_id = 'r' || i % 5 WHERE occurred_at = eventlog.id_time(one) AND id = one; "
		  . "END LOOP; END \$\$" },
	'vacuum' => sub { "VACUUM events" },
	'events in order' => sub { "CALL load(101)" },
	'ranges summarized' => sub { "SELECT brin_summarize_new_values(indexrelid) FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE c.relkind = 'i' AND relam = (SELECT oid FROM pg_am WHERE amname = 'brin')" },
	'the newest deleted' => sub { "DELETE FROM events WHERE occurred_at > (SELECT max(occurred_at) FROM events) - interval '12 hours'" },
	'an index built anew' => sub { "REINDEX TABLE " . $partitions[ rand @partitions ] },
	'a table written anew' => sub { "VACUUM FULL " . $partitions[ rand @partitions ] });

my $reader = $node->background_psql('postgres', on_error_stop => 0);
$reader->query_safe("SELECT setseed(" . ($seed % 1000) / 1000 . ")");
is($reader->query_safe('SELECT wrong(100)'), 'none', 'before anything changes');
my @names = sort keys %changes;
for my $round (1 .. 40)
{
	my $name = $names[ rand @names ];

	$node->safe_psql('postgres', $changes{$name}->());
	is($reader->query_safe('SELECT wrong(20)'), 'none', "$round: $name (seed $seed)");
}

# A writer's open transaction is seen by nobody else.
my $writer = $node->background_psql('postgres');
$writer->query_safe("BEGIN; CALL load(30, 'open.')");
is($reader->query_safe('SELECT wrong(50)'), 'none', 'while a transaction is open');
$writer->query_safe('COMMIT');
is($reader->query_safe('SELECT wrong(50)'), 'none', 'and when it has committed');
$writer->quit;

# A partition without the class index, and then with it.
$node->safe_psql('postgres', 'ALTER TABLE events DETACH PARTITION ' . $partitions[0]);
is($reader->query_safe('SELECT wrong(50)'), 'none', 'a partition detached');

# Many calls in one statement do not leak.
my $size = "SELECT sum(total_bytes) FROM pg_backend_memory_contexts";
my $many = "SELECT count(*) FROM generate_series(1, 2000) g, LATERAL eventlog.list('a', level => pick('error', 'nope2'::text, 'info'), page_size => 3 + g % 2) l";
$many =~ s/, 'nope2'::text//;
$reader->query_safe($many);
my $before = $reader->query_safe($size);
$reader->query_safe($many) for 1 .. 3;
cmp_ok($reader->query_safe($size), '<', $before + 1024 * 1024, 'memory does not grow');
$reader->quit;

# A page of large events is not all in memory.
$node->safe_psql('postgres', <<'SQL');
SELECT eventlog.create_log('large');
INSERT INTO large (event_type, message) SELECT 'l', (SELECT string_agg(md5(random()::text || i), '') FROM generate_series(1, 30000) i WHERE g > 0) FROM generate_series(1, 100) g;
SQL
my $peak = sub {
	slurp_file("/proc/" . $_[0]->query_safe('SELECT pg_backend_pid()') . "/status") =~ /^VmHWM:\s+(\d+) kB/m;
	return $1;
};
my $lister = $node->background_psql('postgres');
$lister->query_safe("SELECT count(*) FROM eventlog.list(page_size => 5, log => 'large')");
$before = $peak->($lister);
is($lister->query_safe("SELECT count(*) FROM eventlog.list(page_size => 100, log => 'large')"), 100, 'large events are listed');
cmp_ok($peak->($lister) - $before, '<', 40 * 1024, 'and are not all in memory');
$lister->quit;

# A standby answers alike.
my $backup = $node->backup('b');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'b', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
my $replica = $standby->background_psql('postgres');
is($replica->query_safe('SELECT wrong(50)'), 'none', 'on a standby');
$node->safe_psql('postgres', "CALL load(100, 'new" . ++$new . ".')");
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is($replica->query_safe('SELECT wrong(50)'), 'none', 'and after replay');
$replica->quit;

# A long sweep can be stopped.
my ($ret, $out, $err) = $node->psql('postgres',
	"SET statement_timeout = '300ms'; SELECT count(*) FROM generate_series(1, 100000000) g, LATERAL eventlog.list(level => 'error', source_service => 's9', page_size => 1 + g % 2) l");
like($err, qr/canceling statement due to statement timeout/, 'a long sweep can be cancelled');

done_testing();
