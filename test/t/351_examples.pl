# The programs in contrib/examples, run with the drivers that they are for.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1'");
$node->start;
$node->safe_psql('postgres', "CREATE EXTENSION eventlog; SELECT eventlog.create_log('events');");
my $user = $node->safe_psql('postgres', 'SELECT current_user');

sub run_example
{
	my ($stdout, $stderr);

	IPC::Run::run([@_], '>', \$stdout, '2>', \$stderr);
	return $stdout . $stderr;
}

my $said = "read 251\nhanded out \"to be handed out\"\n";
is(run_example('/usr/bin/python3', 'contrib/examples/events.py', $node->connstr('postgres')), $said, 'Python, by psycopg2');
{
	local $ENV{NODE_PATH} = 'test/clients/node_modules';
	is(run_example('node', 'contrib/examples/events.js', 'postgresql:///postgres?host=' . $node->host . '&port=' . $node->port
			. '&user=' . $user), $said, 'Node.js, by pg');
}
{
	local $ENV{GO111MODULE} = 'off';
	local $ENV{GOPATH} = '/usr/share/gocode';
	local $ENV{GOCACHE} = PostgreSQL::Test::Utils::tempdir();
	is(run_example('go', 'run', 'contrib/examples/events.go', 'host=' . $node->host . ' port=' . $node->port
			. ' dbname=postgres user=' . $user), $said, 'Go, by pgx');
}
is(run_example('java', '-cp', '/usr/share/java/postgresql.jar', 'contrib/examples/Events.java', "jdbc:postgresql://127.0.0.1:"
		. $node->port . '/postgres?user=' . $user), $said, 'Java, by JDBC');
is($node->safe_psql('postgres', "SELECT message, details FROM eventlog.list('example', level => 'error') WHERE details IS NOT NULL"),
	join("\n", (q(it's "quoted"|{"attempt": 1})) x 4), 'what they wrote');
is($node->safe_psql('postgres', "SELECT count(DISTINCT id), count(*), min(level), count(DISTINCT event_type) FROM events WHERE event_type ~ 'many'"),
	'1000|1000|info|4', 'an id and a level for each of many');

$node->stop;
done_testing();
