# pg_dump and pg_restore of a database with logs, subscriptions and owed
# deliveries: after it, on another server, everything is as it was and goes on
# from there.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir();
my $source = PostgreSQL::Test::Cluster->new('source');
my $target = PostgreSQL::Test::Cluster->new('target');
foreach my $node ($source, $target)
{
	$node->init;
	$node->start;
	$node->safe_psql('postgres', 'CREATE ROLE app; CREATE ROLE auditor;');
}

# Transaction numbers on the source run ahead of the target's, as they do on
# a server that has lived: what is owed carries them.
$source->safe_psql('postgres',
	'DO $$ BEGIN FOR i IN 1..20000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$'
);

# Two logs, one of another role and schema; what is owed in every state.
$source->safe_psql('postgres', <<'END');
CREATE EXTENSION eventlog;
SELECT eventlog.create_log('events', partition_interval => '1 day',
	retention => '100 years', premake => 2, indexes => '{source_host}');
CREATE SCHEMA app AUTHORIZATION app;
GRANT SELECT ON events TO auditor;
SELECT eventlog.subscribe('pager', levels => '{error}', log => 'events');
SELECT eventlog.subscribe('archive', log => 'events');
SELECT eventlog.subscribe('paused', event_type => 'system.', log => 'events');
SELECT eventlog.pause('paused');
SET ROLE app;
SELECT eventlog.create_log('app.log');
SELECT eventlog.emit('app.started', details => '{"pid": 1}', log => 'app.log');
END
$source->safe_psql('postgres', '\i test/data/quickstart.sql');
$source->safe_psql('postgres', <<'END');
CALL eventlog.maintain('events');
SELECT eventlog.emit('system.now', 'error');
CREATE TEMPORARY TABLE handed AS
	SELECT row_number() OVER (ORDER BY seq) AS n, seq
	FROM eventlog.fetch('pager', 100);
SELECT eventlog.ack('pager', (SELECT array_agg(seq) FROM handed WHERE n <= 2));
SELECT eventlog.fail('pager', seq, 'gone', NULL) FROM handed WHERE n = 3;
SELECT eventlog.fail('pager', seq, 'busy', '2100-01-01Z') FROM handed WHERE n = 4;
END

# state: all that a user can see of logs and webhooks in a database.
sub state
{
	my ($node, $database, $log) = @_;
	return $node->safe_psql($database, <<'END');
SET TIME ZONE 'UTC';
SELECT * FROM public.events ORDER BY occurred_at, id;
SELECT tableoid::regclass, id FROM public.events ORDER BY occurred_at, id;
SELECT log, partition_interval, retention, premake, partitions
FROM eventlog.logs ORDER BY log::text;
SELECT relname, relowner::regrole, relacl FROM pg_class
WHERE relname IN ('events', 'log') ORDER BY relname;
SELECT indexrelid::regclass FROM pg_index
WHERE indrelid = 'events'::regclass ORDER BY indexrelid::regclass::text;
SELECT * FROM eventlog.list(log => 'app.log');
SELECT name, owner, log, levels, event_type, paused, consumer, pending,
	retrying, dead, delivered, last_error
FROM eventlog.subscriptions ORDER BY name;
SELECT subscription, seq, event_id, state, attempts, next_attempt_at, last_error
FROM eventlog.deliveries ORDER BY subscription, seq;
END
}

# goes_on: a restored database works as the first did.
sub goes_on
{
	my ($database, $how) = @_;
	my $fetched = $target->safe_psql($database, <<'END');
SELECT eventlog.emit('system.after', 'error', message => 'restored') IS NOT NULL;
CREATE TEMPORARY TABLE first AS SELECT * FROM eventlog.fetch('pager', 100);
CREATE TEMPORARY TABLE second AS SELECT * FROM eventlog.fetch('pager', 100);
SELECT count(*), count(DISTINCT seq) FROM first;
SELECT count(*) FROM second;
SELECT (event).event_type FROM first ORDER BY seq DESC LIMIT 1;
SELECT eventlog.ack('pager', (SELECT array_agg(seq) FROM first));
SELECT pending, retrying, dead FROM eventlog.subscriptions WHERE name = 'pager';
END
	is($fetched, "t\n4|4\n0\nsystem.after\n4\n0|1|1",
		"$how: each owed event is handed out once, new ones too");
	my ($status, undef, $stderr) =
	  $target->psql($database, "CALL eventlog.maintain();");
	is($status, 0, "$how: upkeep goes on");
}

sub dump_to
{
	my ($file, @options) = @_;
	$source->command_ok([ 'pg_dump', '-f', "$dir/$file", @options, 'postgres' ],
		"pg_dump @options");
	return "$dir/$file";
}

my $before = state($source, 'postgres');

my $plain = dump_to('plain.sql');
$target->safe_psql('postgres', 'CREATE DATABASE plain');
$target->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $plain, 'plain' ],
	'a plain dump is restored');
is(state($target, 'plain'), $before, 'plain: everything is as it was');

# What is dumped again is what was restored.
$target->command_ok([ 'pg_dump', '-f', "$dir/again.sql", 'plain' ],
	'pg_dump of what was restored');
sub without_noise
{
	return join "\n", grep { !/^(--|\\(un)?restrict )/ } split /\n/,
	  slurp_file($_[0]);
}
is(without_noise("$dir/again.sql"),
	without_noise($plain), 'plain: a second dump is the same as the first');
goes_on('plain', 'plain');

my $directory = dump_to('directory', '-Fd', '-j2');
$target->safe_psql('postgres', 'CREATE DATABASE directory');
$target->command_ok([ 'pg_restore', '-e', '-j2', '-d', 'directory', $directory ],
	'a directory dump is restored by two jobs');
is(state($target, 'directory'), $before, 'directory: everything is as it was');
goes_on('directory', 'directory');

# Schema first, then data alone with triggers off, as documented.
my $custom = dump_to('custom', '-Fc');
$target->safe_psql('postgres', 'CREATE DATABASE custom');
$target->command_ok([ 'pg_restore', '-e', '-s', '-d', 'custom', $custom ],
	'the schema alone is restored');
$target->command_ok(
	[ 'pg_restore', '-e', '-a', '--disable-triggers', '-d', 'custom', $custom ],
	'then the data alone');
is(state($target, 'custom'), $before, 'custom: everything is as it was');
goes_on('custom', 'custom');

# One log alone, into a database that has the extension.
my $one = dump_to('one.sql', '-t', 'public.events*');
$target->safe_psql('postgres', 'CREATE DATABASE one');
$target->safe_psql('one', 'CREATE EXTENSION eventlog');
$target->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $one, 'one' ],
	'one log is restored');
my $listing = 'SELECT * FROM eventlog.list(); '
  . 'SELECT log, partition_interval, retention, premake, partitions '
  . "FROM eventlog.logs WHERE log = 'events'::regclass;";
is( $target->safe_psql('one', $listing),
	$source->safe_psql('postgres', $listing),
	'one log: its events and settings came with it');
is( $target->safe_psql('one',
		"INSERT INTO events (event_type) VALUES ('a.b') RETURNING level"),
	'info', 'one log: it is a log');

done_testing();
