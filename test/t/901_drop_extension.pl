# DROP EXTENSION with logs present: refused without CASCADE; with it every log
# keeps its columns and events, and CREATE EXTENSION and eventlog.create_log
# make it a log again.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;

sub query
{
	return $node->safe_psql('postgres', "SET TIME ZONE 'UTC'; " . join(' ', @_));
}

# contents: columns and events, by plain SQL; needs nothing of the extension.
sub contents
{
	my ($log) = @_;
	return query(
		"SELECT attname, format_type(atttypid, atttypmod), attnotnull, collname
		FROM pg_attribute LEFT JOIN pg_collation c ON c.oid = attcollation
		WHERE attrelid = '$log'::regclass AND attnum > 0
		ORDER BY attnum;",
		"SELECT tableoid::regclass, l.* FROM $log l ORDER BY occurred_at, id;");
}

query(
	'CREATE EXTENSION eventlog;',
	"SELECT eventlog.create_log('events', partition_interval => '1 month');",
	'CREATE ROLE app;',
	'CREATE SCHEMA app AUTHORIZATION app;',
	"SET ROLE app; SELECT eventlog.create_log('app.log');",
	"SELECT eventlog.emit('app.started', 'warning', details => '[1, 2]', log => 'app.log');"
);
query('\i test/data/quickstart.sql');
query(
	"CALL eventlog.maintain();");
query(
	"SELECT eventlog.emit('system.now', 'critical', message => 'now');",
	"SELECT eventlog.subscribe('pager');");

my %before = map { $_ => contents($_) } 'events', 'app.log';
my $listed = query('SELECT * FROM eventlog.list();');
my $partitions = query(
	"SELECT partitions FROM eventlog.logs WHERE log = 'events'::regclass;");

my ($status, $stdout, $stderr) =
  $node->psql('postgres', 'DROP EXTENSION eventlog');
isnt($status, 0, 'DROP EXTENSION is refused');
like($stderr, qr/because other objects depend on it/, 'for what depends on it');
like($stderr, qr/events/, 'and names the log');
is(query('SELECT * FROM eventlog.list();'), $listed, 'nothing is gone');

query('DROP EXTENSION eventlog CASCADE;');
foreach my $log ('events', 'app.log')
{
	is(contents($log), $before{$log},
		"CASCADE: $log keeps its columns and events");
}
is( query("SELECT level FROM events WHERE event_type = 'system.now';"),
	'critical', 'and is read as any table is');

query('CREATE EXTENSION eventlog;', "SELECT eventlog.create_log('events');");
query("SET ROLE app; SELECT eventlog.create_log('app.log');");
foreach my $log ('events', 'app.log')
{
	is(contents($log), $before{$log},
		"create_log takes $log over as it was");
}
is(query('SELECT * FROM eventlog.list();'), $listed, 'it is listed as before');
is( query(
		"SELECT log FROM eventlog.logs ORDER BY log::text COLLATE \"C\";"),
	"app.log\nevents",
	'both are logs again');
cmp_ok(
	query(
		"SELECT partitions FROM eventlog.logs WHERE log = 'events'::regclass;"),
	'>=', $partitions, 'with the partitions they had');

# All that its triggers and constraints did is done again.
query("SELECT eventlog.subscribe('pager', levels => '{error}');");
is( query(
		"INSERT INTO events (event_type, level, occurred_at)
		VALUES ('system.again', 'ERROR', '2022-08-24 12:00Z')
		RETURNING level, eventlog.id_time(id) = occurred_at;"),
	'error|t',
	'an insert is filled in');
is( query(
		"SELECT (event).event_type FROM eventlog.fetch('pager', 10);"),
	'system.again',
	'and owed to a subscription');
($status, $stdout, $stderr) = $node->psql('postgres',
	"INSERT INTO events (event_type) VALUES ('Not Allowed')");
like($stderr, qr/event_type/, 'what is no event is refused');
($status) = $node->psql('postgres', 'CALL eventlog.maintain()');
is($status, 0, 'upkeep goes on');

# And a second time: nothing that was left behind is in the way.
query('DROP EXTENSION eventlog CASCADE;');
query('CREATE EXTENSION eventlog;', "SELECT eventlog.create_log('events');");
is(query("SELECT count(*) FROM eventlog.list(event_type => 'system.again');"),
	'1', 'all of it can be done again');

done_testing();
