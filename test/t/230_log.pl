# What a log is under: settings of a database, and changes beside those who read.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('node');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE app LOGIN');
$node->safe_psql('postgres', 'CREATE DATABASE app OWNER app');
$node->safe_psql('app', 'CREATE SCHEMA s AUTHORIZATION app');

# as_app SQL - in a session of its own, as the database's owner; what it returns
# and what it says
sub as_app
{
	my ($status, $out, $error) = $node->psql('app', shift, extra_params => [ '-U', 'app' ]);

	return ($out, $error);
}

# The owner of a database sets the default log for it. Where the library is not
# loaded yet, PostgreSQL does not know whose setting it is.
my ($out, $error) = as_app("CREATE EXTENSION eventlog; SELECT eventlog.create_log('s.trail')");
is($error, '', 'a trusted extension');
($out, $error) = as_app("ALTER DATABASE app SET eventlog.default_log = 's.trail'");
like($error, qr/permission denied to set parameter "eventlog.default_log"/, 'refused in a session that has not used the extension');
($out, $error) = as_app("SELECT eventlog.new_id(); ALTER DATABASE app SET eventlog.default_log = 's.trail'");
is($error, '', 'set in one that has');
($out, $error) = as_app("SELECT eventlog.emit('a') IS NOT NULL; SELECT eventlog.count(); SHOW eventlog.default_log");
is($out, "t\n1\ns.trail", 'in force in new sessions');
($out, $error) = as_app('SELECT eventlog.new_id(); ALTER DATABASE app RESET eventlog.default_log');
is($error, '', 'and taken back');
$node->safe_psql('app', 'GRANT SET ON PARAMETER eventlog.default_log TO app');
($out, $error) = as_app("ALTER DATABASE app SET eventlog.default_log = 's.trail'");
is($error, '', 'or set by who was granted the parameter');
($out, $error) = as_app("ALTER ROLE app SET eventlog.default_log = 's.trail'");
is($error, '', 'likewise for a role');

# Rights, settings and triggers change beside sessions that have just begun, and
# so look everything up.
my $dir = $node->basedir;
append_to_file("$dir/change.sql", join("\n", 'GRANT SELECT ON s.trail TO app;', 'SELECT eventlog.alter_log(\'s.trail\', premake => 3);',
		'ALTER TABLE s.trail DISABLE TRIGGER eventlog_queue;', 'ALTER TABLE s.trail ENABLE TRIGGER eventlog_queue;'));
append_to_file("$dir/read.sql", join("\n", "SELECT * FROM eventlog.get(eventlog.new_id(), 's.trail');",
		'SELECT count(*) FROM eventlog.logs;', "SELECT eventlog.emit('b', log => 's.trail');"));
my $changes = IPC::Run::start([ 'pgbench', '-n', '-t', 200, '-f', "$dir/change.sql", '-h', $node->host, '-p', $node->port, '-U', 'app', 'app' ],
	'>', \my $changes_out, '2>', \my $changes_error);
my $reads = IPC::Run::start([ 'pgbench', '-n', '-C', '-c', 4, '-t', 100, '-f', "$dir/read.sql", '-h', $node->host, '-p', $node->port, '-U', 'app', 'app' ],
	'>', \my $reads_out, '2>', \my $reads_error);
ok($reads->finish, 'read while it changes') or diag $reads_error;
ok($changes->finish, 'change while it is read') or diag $changes_error;
is($node->safe_psql('app', "SELECT count(*) FROM s.trail WHERE event_type = 'b'"), 400, 'and written to');
unlike(slurp_file($node->logfile), qr/TRAP|PANIC|terminated by signal|XX000/, 'no server process died');

done_testing();
