# Behind a pooler (PgBouncer) that gives each transaction to whatever connection is
# free: what the manual's table says works does, and a consumer is told what it
# needs. In session mode everything works.

use strict;
use warnings;

use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
$node->safe_psql('postgres', "CREATE EXTENSION eventlog; SELECT eventlog.create_log('events'); SELECT eventlog.subscribe('s');");

my $user = $node->safe_psql('postgres', 'SELECT current_user');
my $dir = PostgreSQL::Test::Utils::tempdir();
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $connection = "host=127.0.0.1 port=$port dbname=postgres user=$user";
my $pgbouncer;

# pooler: start one in this mode, which hands out its connections in turn, so that
# one after the other is used.
sub pooler
{
	my ($mode) = @_;

	unlink "$dir/$_" foreach 'pgbouncer.ini', 'users';
	append_to_file("$dir/users", qq("$user" ""\n));
	append_to_file("$dir/pgbouncer.ini", join("\n", '[databases]', 'postgres = host=' . $node->host . ' port=' . $node->port,
			'[pgbouncer]', 'listen_addr = 127.0.0.1', "listen_port = $port", 'unix_socket_dir =', 'auth_type = trust',
			"auth_file = $dir/users", "pool_mode = $mode", 'server_round_robin = 1', ''));
	$pgbouncer = IPC::Run::start([ 'pgbouncer', '-q', "$dir/pgbouncer.ini" ], '>', \my $out, '2>&1');
	for (1 .. 600)
	{
		return if IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
		select undef, undef, undef, 0.1;
	}
	die "PgBouncer does not listen: $out";
}

# through: what psql says to these statements, each a transaction of its own.
sub through
{
	my ($stdout, $stderr);

	IPC::Run::run([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $connection ],
		'<', \join(";\n", @_, ''), '>', \$stdout, '2>', \$stderr);
	return "$stdout$stderr";
}

# Each row of the table, and what is tried of it.
my ($table) = slurp_file('doc/operations.md') =~ /^\| in transaction mode \|.*?\n\|[ -|]+\n((?:\|.*\n)+)/m;
my %rows = map { /^\| (.*?) \| (work|do not work)/ ? ($1 => $2) : die "a row without an answer: $_" } split /\n/, $table;
my %tries = (
	'`INSERT`, `COPY`, `emit`' =>
	  [ "INSERT INTO events (event_type) VALUES ('pool.insert')", "COPY events (event_type) FROM PROGRAM 'echo pool.copy'", "SELECT eventlog.emit('pool.emit')" ],
	'`list`, `get`, `count`, `types`, `histogram`, `delete`, `clear`' => [
		'SELECT count(*) FROM eventlog.list()', 'SELECT id AS id FROM eventlog.list(page_size => 1) \gset', "SELECT count(*) FROM eventlog.get(:'id')",
		'SELECT eventlog.count()', 'SELECT count(*) FROM eventlog.types()', "SELECT count(*) FROM eventlog.histogram('1 hour')",
		"SELECT eventlog.delete(:'id')", "SELECT eventlog.clear('pool.copy')" ],
	'`CALL maintain`, `CALL purge`' => [ 'CALL eventlog.maintain()', "CALL eventlog.purge('pool.insert')" ],
	'`subscribe`, `retry`, `replay` and other functions that only write' => [
		"SELECT eventlog.subscribe('t')", "SELECT eventlog.replay('t', 'pool')", "SELECT eventlog.retry('t')", "SELECT eventlog.pause('t')",
		"SELECT eventlog.unsubscribe('t')" ]);

pooler('transaction');
foreach my $row (sort keys %rows)
{
	if ($rows{$row} eq 'work')
	{
		unlike(through(@{ $tries{$row} }), qr/ERROR|error:/, "works: $row");
	}
	else
	{
		is($row, '`fetch` and `listen`', 'consuming does not work');
	}
}
is_deeply([ sort keys %tries, '`fetch` and `listen`' ], [ sort keys %rows ], 'every row is tried');

# A second session while the first is in a transaction makes a second connection. The
# consumer is one of the two, and is refused on the other.
is(through("SELECT count(eventlog.emit('pool.owed'))", 'BEGIN', 'SELECT 1',
		qq(\\! psql -XqAt -d "$connection" -c "SELECT count(*) > 0 FROM eventlog.fetch('s', 10)"), 'COMMIT'),
	"1\n1\nt\n", 'a first fetch is answered');
my $refused = join '', map { through("SELECT count(*) FROM eventlog.fetch('s', 10)") } 1 .. 4;
like($refused, qr/has another consumer/, 'a later one, on another connection, is refused');
like($refused, qr/HINT: .*pool_mode = session/, 'and told what a consumer needs');
$pgbouncer->kill_kill;

pooler('session');
$node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory')");
is(through("SELECT count(*) > 0 FROM eventlog.fetch('s', 1)", "SELECT count(*) FROM eventlog.fetch('s', 1) WHERE event IS NULL",
		"SELECT eventlog.ack('s', array_agg(seq)) > 0 FROM eventlog.deliveries WHERE subscription = 's'", "SELECT eventlog.listen('s') IS NOT NULL"),
	"t\n0\nt\nt\n", 'in session mode a consumer works');
$pgbouncer->kill_kill;
$node->stop;
done_testing();
