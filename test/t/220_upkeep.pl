# Upkeep among others: a reader that stays, writers that come while their range is
# given a partition, maintainers that are killed, queries on a hot standby.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
$node->start;
$node->safe_psql('postgres', "CREATE EXTENSION eventlog; ALTER DATABASE postgres SET timezone = 'UTC';");

sub query
{
	return $node->safe_psql('postgres', join(' ', @_));
}

# begin_maintain: in a session of its own, whose output goes to $$output; the
# timeout is a guard.
sub begin_maintain
{
	my ($output) = @_;

	return IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-c', "SET statement_timeout = '120s'",
			'-c', 'CALL eventlog.maintain()' ], '>', $output, '2>&1');
}

# A reader holds the log for as long as it likes. Upkeep gives up, writers go on
# all the while (the timeout is a guard: without short waits they would wait for
# the reader), and the view tells.
query("SELECT eventlog.create_log('events', '1 day', retention => '10000 days');",
	"CREATE TABLE expired PARTITION OF events FOR VALUES FROM ('1990-01-01Z') TO ('1990-01-02Z');",
	"CREATE TABLE expired2 PARTITION OF events FOR VALUES FROM ('1990-01-02Z') TO ('1990-01-03Z');",
	"INSERT INTO events (event_type, occurred_at) VALUES ('expired', '1990-01-01Z');");
my $reader = $node->background_psql('postgres');
$reader->query_safe('BEGIN; SELECT count(*) FROM events');
my $output = '';
my $maintain = begin_maintain(\$output);
my $written = 0;
while ($maintain->pumpable)
{
	$node->safe_psql('postgres', "SET lock_timeout = '60s'; SELECT eventlog.emit('new')");
	$written++;
	$maintain->pump_nb;
}
$maintain->finish;
cmp_ok($written, '>', 0, 'writers go on');
like($output, qr/WARNING: +could not drop an expired partition of log public\.events: could not obtain lock on relation "events"\nHINT: +The next call will try again/,
	'upkeep gives up');
is(() = $output =~ /WARNING/g, 1, 'at the first partition, since it is the log that is held');
is(query('SELECT problems FROM eventlog.logs'), '{"retention overdue for 2 partitions"}', 'which shows');
is($reader->query_safe("SELECT count(*) FROM events WHERE event_type = 'expired'; COMMIT"), 1, 'the reader has what it had');
query('CALL eventlog.maintain()');
is(query('SELECT problems FROM eventlog.logs'), '{}', 'the next call drops');

# A partition that is held by itself does not keep others from being dropped.
query("CREATE TABLE expired PARTITION OF events FOR VALUES FROM ('1990-01-01Z') TO ('1990-01-02Z');",
	"CREATE TABLE expired2 PARTITION OF events FOR VALUES FROM ('1990-01-02Z') TO ('1990-01-03Z');");
$reader->query_safe('BEGIN; SELECT count(*) FROM expired');
query('CALL eventlog.maintain()');
is(query('SELECT problems FROM eventlog.logs'), '{"retention overdue for 1 partitions"}', 'the other one is dropped');
$reader->query_safe('COMMIT');

# A log that is locked does not keep others from being kept.
query("SELECT eventlog.create_log('others', '1 day', premake => 0); INSERT INTO others (event_type, occurred_at) VALUES ('a', '2022-08-24Z');");
$reader->query_safe('BEGIN; LOCK TABLE events');
$maintain = begin_maintain(\$output);
$maintain->finish;
like($output, qr/WARNING: +could not examine the partitions of log public\.events: canceling statement due to lock timeout/, 'a locked log is left');
$reader->query_safe('COMMIT');
is(query("SELECT problems FROM eventlog.logs WHERE log = 'others'::regclass"), '{}', 'others are not');
query('CALL eventlog.maintain(); DROP TABLE others;');

# Nobody kept the log for a year: then there are events, and upkeep, at once.
# Not one is refused.
query('DO $$ DECLARE p regclass; BEGIN FOR p IN SELECT inhrelid FROM pg_inherits WHERE inhparent = \'events\'::regclass'
	  . ' AND inhrelid <> \'events_default\'::regclass LOOP EXECUTE \'DROP TABLE \' || p; END LOOP; END $$;');
is(query('SELECT problems FROM eventlog.logs'), '{"5 partitions missing ahead"}', 'nobody made room');
my $script = PostgreSQL::Test::Utils::tempdir() . '/write.sql';
append_to_file($script, "INSERT INTO events (event_type, occurred_at) VALUES ('idle', now() - random() * interval '20 days');\n"
	  . "SELECT eventlog.emit('idle');\n");
my $writers = IPC::Run::start([ 'pgbench', '-n', '-c', 4, '-t', 1500, '-f', $script, $node->connstr('postgres') ], '>', \my $bench, '2>&1');
sleep 0.1;
while ($writers->pumpable)
{
	query('CALL eventlog.maintain()');
	$writers->pump_nb;
}
ok($writers->finish, 'no writer is refused') or diag($bench);
query('CALL eventlog.maintain()');
is(query("SELECT count(*), count(*) FILTER (WHERE tableoid = 'events_default'::regclass) FROM events WHERE event_type = 'idle'"), '12000|0', 'each event has found its place');

# So many of one range that writers would wait for long: less of it is moved at a
# time, and all of it in the end.
query("INSERT INTO events (event_type, occurred_at) SELECT 'many', '2022-08-24Z'::timestamptz + g % 60000 * interval '1 s' FROM generate_series(1, 120000) g;",
	"INSERT INTO events (event_type, occurred_at) SELECT 'same', '2022-08-30 12:00Z' FROM generate_series(1, 50002) g;");
($output) = ('');
begin_maintain(\$output)->finish;
my @moved = $output =~ /(\d+) events were moved/g;
is(join(' ', @moved), '50002 50002 19996 50002', 'in steps');
is(query("SELECT count(*), count(DISTINCT tableoid), count(*) FILTER (WHERE tableoid = 'events_default'::regclass) FROM events WHERE event_type IN ('many', 'same')"),
	'170002|4|0', 'all of it');
query("CALL eventlog.purge(before => '2022-09-01Z')");

# A maintainer is killed again and again, and the server too: nothing is lost, and
# what was begun is done in the end.
query("INSERT INTO events (event_type, message, occurred_at) SELECT 'kept', g::text, '2022-01-01Z'::timestamptz + g * interval '1 hour' FROM generate_series(0, 4799) g;");
query("SELECT eventlog.subscribe('hook'); SELECT eventlog.emit('owed', occurred_at => '2022-03-01Z');");
my $all = "SELECT count(*), sum(hashtextextended(e::text, 0)) FROM events e";
my $sum = query($all);
my $partitions = "(SELECT count(*) FROM pg_inherits WHERE inhparent = 'events'::regclass)";
my $made = query("SELECT $partitions");
my $terminate = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE query LIKE 'CALL eventlog.maintain%'";
my $killed = 0;
for my $round (1 .. 30)
{
	$maintain = begin_maintain(\$output);
	if ($round == 1)
	{
		# the first time certainly midway: as soon as one partition more is there
		query("SET statement_timeout = '60s';", "DO \$\$ BEGIN WHILE $partitions = $made LOOP COMMIT; PERFORM pg_sleep(0.001); END LOOP; END \$\$;", $terminate);
	}
	else
	{
		sleep 0.02 + rand 0.1;
	}
	if ($round % 10 == 0)
	{
		$node->stop('immediate');
		$node->start;
	}
	else
	{
		query($terminate);
	}
	$maintain->finish;
	my $left = query('SELECT count(*) FROM events_default');
	$killed++ if 0 < $left && $left < 4801;
	is(query($all), $sum, "round $round: nothing is lost ($left left)");
}
cmp_ok($killed, '>', 0, 'some were killed midway');
# (one call makes 100 partitions out of the default)
query('CALL eventlog.maintain()') for 1 .. 2;
is(query($all), $sum, 'nor in the end');
is(query('SELECT problems FROM eventlog.logs'), '{}', 'all is done');
is(query('SELECT pending FROM eventlog.subscriptions'), 1, 'nothing is owed again');

# A query on a hot standby reads on in a partition that the primary drops.
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', 'max_standby_streaming_delay = -1');
$standby->start;
query("CREATE TABLE expired PARTITION OF events FOR VALUES FROM ('1990-01-01Z') TO ('1990-01-02Z');",
	"INSERT INTO events (event_type, occurred_at) VALUES ('expired', '1990-01-01Z');");
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', 'SELECT problems FROM eventlog.logs'), '{"retention overdue for 1 partitions"}', 'a standby tells what is wrong');
my $query = $standby->background_psql('postgres');
$query->query_safe("BEGIN; SELECT count(*) FROM events");
query('CALL eventlog.maintain()');
is(query('SELECT problems FROM eventlog.logs'), '{}', 'the primary waits for nobody there');
query("SELECT eventlog.emit('new')");
is($query->query_safe("SELECT count(*) FROM eventlog.list('expired')"), 1, 'the query reads on');
$query->query_safe('COMMIT');
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', "SELECT eventlog.count('expired')"), 0, 'and what was dropped goes after it');
$query->quit;
$reader->quit;

done_testing();
