# clear and purge delete exactly what list would show: random logs, filters and
# windows, small batches, in the default partition and in others; also when they
# are broken off at a random moment and called again.
#
# Seeded; EVENTLOG_SEED repeats a run that failed, but for the moments.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $seed = $ENV{EVENTLOG_SEED} // int(rand(1000000));
srand $seed;
note("seed $seed");

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off");
$node->start;
$node->safe_psql('postgres', <<'END');
CREATE EXTENSION eventlog;
CREATE ROLE owner; CREATE ROLE clerk;
CREATE SCHEMA app AUTHORIZATION owner; GRANT USAGE ON SCHEMA app TO clerk;
SET ROLE owner;
SELECT eventlog.create_log('app.events', '1 day', premake => 0, indexes => '{resource_id}');
GRANT SELECT, DELETE ON app.events TO clerk;
RESET ROLE;
SELECT eventlog.subscribe('all', log => 'app.events');
ALTER DATABASE postgres SET eventlog.default_log = 'app.events';
ALTER DATABASE postgres SET timezone = 'UTC';
CREATE FUNCTION pick(VARIADIC text[]) RETURNS text LANGUAGE sql VOLATILE AS
  $$ SELECT $1[1 + floor(random() * array_length($1, 1))::int] $$;
-- n events of nine days, of few instants, so that many tie, and some of today
CREATE PROCEDURE load(n int) LANGUAGE sql AS $$
  INSERT INTO app.events (event_type, level, resource_id, resource_type, source_service, source_host, user_id, category, request_id, occurred_at)
  SELECT pick('a', 'a.b', 'a.b.c', 'ab', 'b', 'b_c'), pick('debug', 'info', 'warning', 'error', 'critical'),
         pick('r1', 'r2', 'r3', NULL), pick('t1', 't2', NULL), pick('s1', 's2', NULL), pick('h1', 'h2'), pick('u1', NULL), pick('c1', NULL),
         pick('q1', NULL), CASE WHEN random() < 0.05 THEN now() - random() * interval '1 minute'
                           ELSE '2022-08-20Z'::timestamptz + floor(random() * 36) * interval '6 hours' END
    FROM generate_series(1, n)
$$;
-- what there is, what of it a filter chose, and what clear told it deleted
CREATE TABLE before (id uuid, event text);
CREATE TABLE shown (id uuid);
CREATE TABLE told (id uuid);
GRANT ALL ON before, shown, told TO PUBLIC;
END

sub query
{
	return $node->safe_psql('postgres', join(' ', @_));
}

sub one_of
{
	return $_[ rand @_ ];
}

# a time: the bound of a partition, an event's, or any
sub a_time
{
	my $day = 19 + int rand 11;

	return sprintf('2022-08-%02d %sZ', $day, one_of('00:00:00.000000', '00:00:00.000001', '05:59:59.999999', '06:00:00.000000'));
}

# a filter, as arguments: windows alone, others alone, both, or none
sub a_filter
{
	my $kind = rand;
	my @args;
	my %values = (
		event_type => [ 'a', 'a.', 'a.b', 'b', 'zz', 'a%' ], level => [ 'error', 'INFO' ], min_level => [ 'warning', 'Critical' ],
		resource_type => [ 't1', 't9' ], resource_id => [ 'r1', 'r9' ], user_id => ['u1'], source_service => [ 's1', 's9' ],
		source_host => ['h1'], category => ['c1'], request_id => ['q1']);

	if ($kind > 0.4)
	{
		foreach my $name (sort keys %values)
		{
			push @args, "$name => '" . one_of(@{ $values{$name} }) . "'" if rand() < 0.15;
		}
	}
	if ($kind < 0.7)
	{
		my ($since, $before) = sort(a_time(), a_time());

		push @args, "since => '$since'" if rand() < 0.7;
		push @args, "before => '$before'" if rand() < 0.7 && $since ne $before;
	}
	return @args;
}

# left: nothing that was not shown is gone or changed, nothing new is there.
# How many of those shown are left.
sub left
{
	my ($what) = @_;

	is(query('SELECT count(*) FROM (SELECT id, event FROM before WHERE id NOT IN (TABLE shown) EXCEPT SELECT id, e::text FROM app.events e) x'),
		0, "$what: what was not shown stays");
	is(query('SELECT count(*) FROM (SELECT id, e::text FROM app.events e EXCEPT TABLE before) x'), 0, "$what: as it was");
	return query('SELECT count(*) FROM shown WHERE id IN (SELECT id FROM app.events)');
}

my ($broken_off, $inside) = (0, 0);
for my $round (1 .. 60)
{
	my @filter = a_filter();
	my $arguments = join ', ', @filter;
	my $role = one_of('postgres', 'owner', 'clerk');
	my $batch = 1 + int rand 12;
	my $how = one_of('clear', 'purge', 'purge', 'purge, timed out', 'purge, terminated');
	my $what = "$round: $how of ($arguments) by $batch as $role, seed $seed";
	my $purge = "CALL eventlog.purge(" . join(', ', @filter, @filter ? () : 'everything => true', "batch_size => $batch") . ')';

	query("SELECT setseed(" . rand() . "); CALL load(300);");
	query('CALL eventlog.maintain();') if rand() < 0.5;
	query("CALL load(20);") if rand() < 0.5;
	query("TRUNCATE before, shown, told; INSERT INTO before SELECT id, e::text FROM app.events e;",
		"INSERT INTO shown SELECT id FROM eventlog.list(" . join(', ', @filter, 'page_size => NULL') . ');');
	my $shown = query('SELECT count(*) FROM shown');

	if ($how eq 'clear')
	{
		query("SET ROLE $role; INSERT INTO told SELECT eventlog.clear(" . join(', ', @filter, @filter ? () : 'everything => true') . ');');
		is(query('SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE id IN (TABLE shown)) FROM told'), "$shown|$shown|$shown",
			"$what: told");
	}
	else
	{
		my $left = $shown;

		if ($how =~ /timed/)
		{
			my ($status, $out, $error) = $node->psql('postgres', "SET ROLE $role; SET statement_timeout = " . int(2 + rand 40) . "; $purge");

			$broken_off++ if $error =~ /due to statement timeout/;
			$left = left("$what, broken off");
		}
		elsif ($how =~ /terminated/)
		{
			my $session = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-c', "SET ROLE $role", '-c', $purge ],
				'>', \my $out, '2>', \my $error);

			sleep 0.01 + rand 0.06;
			query("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE query LIKE 'CALL eventlog.purge%'");
			$session->finish;
			$broken_off++ if $error =~ /terminating connection/;
			$left = left("$what, broken off");
		}
		$inside++ if 0 < $left && $left < $shown;
		is(query("SET ROLE $role; $purge"), $left, "$what: how many it deleted");
	}
	is(left($what), 0, "$what: all that was shown is gone");
}
note("$broken_off broken off, $inside of these in the middle");

# The same, certainly in the middle: a purge waits for a row that somebody else has
# locked, and is broken off there.
query("CALL load(300); TRUNCATE before, shown; INSERT INTO before SELECT id, e::text FROM app.events e;",
	"INSERT INTO shown SELECT id FROM eventlog.list(event_type => 'a', page_size => NULL);");
my $shown = query('SELECT count(*) FROM shown');
my $holder = $node->background_psql('postgres');
$holder->query_safe("BEGIN; SELECT FROM app.events WHERE id = (SELECT id FROM (SELECT id, row_number() OVER (ORDER BY occurred_at, id) FROM app.events"
	  . " WHERE id IN (TABLE shown)) x WHERE row_number = $shown / 2) FOR UPDATE;");
my $purge = "CALL eventlog.purge(event_type => 'a', batch_size => 1)";
my $session = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-c', 'SET ROLE clerk', '-c', $purge ],
	'>', \my $out, '2>', \my $error);
ok($node->poll_query_until('postgres', "SELECT count(*) < $shown FROM shown WHERE id IN (SELECT id FROM app.events)"), 'a purge is under way');
query("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE query LIKE 'CALL eventlog.purge%'");
$session->finish;
like($error, qr/terminating connection/, 'it is broken off');
my $rest = left('broken off in the middle');
cmp_ok($rest, '>', 0, 'in the middle');
$holder->query_safe('COMMIT');
$holder->quit;
is(query($purge), $rest, 'and deletes the rest when it is called again');
is(left('called again'), 0, 'all that was shown is gone');

# What was owed of events that are gone is cancelled, and counted once.
my $owed = query("SELECT pending + cancelled FROM eventlog.subscriptions");
query('CALL eventlog.maintain();');
is(query('SELECT pending FROM eventlog.subscriptions'), query('SELECT count(*) FROM app.events'), 'what is there is owed');
is(query('SELECT pending + cancelled FROM eventlog.subscriptions'), $owed, 'the others are cancelled');

# It tells how far it is, and how fast.
query('CALL load(3000);');
my (undef, undef, $told) = $node->psql('postgres', "CALL eventlog.purge('b', batch_size => 100)");
my @percent = $told =~ /DETAIL:  This is (\d+) % of the time range, at \d+ events per second\./g;
cmp_ok(scalar @percent, '>', 3, 'a purge tells how far it is');
is("@percent", join(' ', sort { $a <=> $b } @percent), 'and goes forward');

# Two at once share the work; who writes meanwhile is not disturbed.
query("CALL load(20000); CALL eventlog.maintain(); CALL load(2000);");
my $chosen = query("SELECT eventlog.count('a', before => '2022-09-01Z')");
my $others = query("SELECT eventlog.count()") - $chosen;
my @out = ('', '');
my @purgers = map {
	IPC::Run::start([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-c', 'SET client_min_messages = warning', '-c',
			"CALL eventlog.purge('a', before => '2022-09-01Z', batch_size => 100)" ], '>', \$out[$_], '2>&1')
} 0, 1;
my $written = 0;
while (grep { $_->pumpable } @purgers)
{
	# a guard against waiting for ever, no measure
	query("SET lock_timeout = '60s'; INSERT INTO app.events (event_type, occurred_at) VALUES ('a.new', now()), ('b', '2022-08-21Z');");
	$written += 2;
	$_->pump_nb foreach grep { $_->pumpable } @purgers;
}
ok($_->finish, 'a purge beside another') foreach @purgers;
is($out[0] + $out[1], $chosen, 'each counts what it deleted');
is(query("SELECT eventlog.count('a', before => '2022-09-01Z')"), 0, 'and all is gone');
is(query('SELECT eventlog.count()'), $others + $written, 'but for others, and what was written');

done_testing();
