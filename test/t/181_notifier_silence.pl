# A database that says nothing: hosts that do not answer, a balancer that closes
# one side only, a backend that is stopped; and poolers that give each statement
# to another connection.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use IO::Socket::INET;
use JSON::PP;
use Notifier;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

$Notifier::sanitized = 1;
my $node = new_node();
my $receiver = receiver();
my $url = $receiver->{url};
my $dir = PostgreSQL::Test::Utils::tempdir_short();
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $socket = $node->host . '/.s.PGSQL.' . $node->port;

sub forget
{
	query("SELECT eventlog.unsubscribe(name) FROM eventlog.subscriptions");
}

# The first of several hosts takes connections and says nothing.
my $silent = IO::Socket::INET->new(Listen => 128, LocalAddr => '127.0.0.1') or die $!;
my $config = write_config({ hosts => { url => "$url/hosts" } },
	database => 'host=127.0.0.1,127.0.0.1,' . $node->host . ' port=' . join(',', $silent->sockport, $silent->sockport, $node->port)
	  . ' dbname=postgres connect_timeout=2');
my $notifier = start_notifier($config, 'hosts');
query("SELECT eventlog.emit('hosts')");
await(sub { owed('hosts') == 0 }, 'the first hosts are silent: the last one is used');
my $missed = 'level=warning msg="connecting to the database took too long" host=127.0.0.1 address=127.0.0.1 port=' . $silent->sockport . ' error="no answer within 2 s" next="another host"';
cmp_ok(scalar(() = notifier_log($notifier) =~ /\Q$missed\E$/mg), '>=', 2, 'and the log names those that were waited for');
is(stop_notifier($notifier), 0, 'clean');

# The first of several addresses of a host is silent; and a name is looked up for
# ever, which holds up nothing else.
forget();
system_or_bail(split(' ', $ENV{CC} // 'cc'), '-shared', '-fPIC', '-o', "$dir/faults.so", 'test/clients/faults.c', '-ldl');
$node->append_conf('postgresql.conf', "listen_addresses = '127.0.0.2'");
$node->append_conf('pg_hba.conf', 'host all all 127.0.0.2/32 trust');
$node->restart;
my $first = IO::Socket::INET->new(Listen => 128, LocalAddr => '127.0.0.1', LocalPort => $node->port) or die $!;
$config = write_config({ addresses => { url => "$url/addresses" } }, listen => "127.0.0.1:$port",
	database => 'host=two.example port=' . $node->port . ' dbname=postgres connect_timeout=2');
{
	local $ENV{LD_PRELOAD} = "$dir/faults.so";
	$notifier = start_notifier($config, 'addresses');
}
query("SELECT eventlog.emit('addresses')");
await(sub { owed('addresses') == 0 }, 'the first address is silent: the second one is used');
like(notifier_log($notifier), qr/msg="connecting to the database took too long" host=two\.example address=127\.0\.0\.1 port=\d+ error="no answer within 2 s" next="another address"/,
	'which is told');
like(notifier_log($notifier), qr/msg="connected to the database" host=two\.example port=/, 'the host keeps its name');
is(stop_notifier($notifier), 0, 'clean');
close $first;
$config = write_config({ slow => { url => "$url/slow" } }, listen => "127.0.0.1:$port",
	database => 'host=slow.example,' . $node->host . ' port=' . $node->port . ' dbname=postgres connect_timeout=5');
{
	local $ENV{LD_PRELOAD} = "$dir/faults.so";
	$notifier = start_notifier($config);
}
await(sub { metrics($port, '/readyz') =~ /not connected to the database\n.*\n503$/s }, 'a name is looked up for an hour: meanwhile it answers');
await(sub { notifier_log($notifier) =~ /msg="looking up a host of the database took too long" host=slow\.example port=\d+ error="no answer within 5 s" next="another host"/ }, 'and does not wait that long');
await(sub { query("SELECT count(*) FROM eventlog.subscriptions WHERE consumer IS NOT NULL") == 1 }, 'but uses the next host');
query("SELECT eventlog.emit('slow')");
await(sub { owed('slow') == 0 }, 'and delivers');
is(stop_notifier($notifier), 0, 'clean');

# What stands between the notifier and its database goes silent.
forget();
my $balancer = balancer($socket);
$config = write_config({ between => { url => "$url/between" } }, listen => "127.0.0.1:$port",
	database => "host=127.0.0.1 port=$balancer->{number} dbname=postgres");
$notifier = start_notifier($config, 'between');
await(sub { metrics($port, '/readyz') =~ /\n200$/ }, 'it is ready');
set_balancer($balancer, 'freeze');
query("SELECT eventlog.emit('between')");
await(sub { metrics($port, '/readyz') =~ /the database does not answer\n.*\n503$/s }, 'a database that does not answer is noticed', 40);
is(metric($port, 'eventlog_database_up'), 0, 'in the metrics, too');
like(notifier_log($notifier), qr/level=warning msg="the database does not answer" host=127.0.0.1 port=\d+ seconds=1\d$/m, 'and in the log');
set_balancer($balancer, 'pass');
query("SELECT pg_terminate_backend(consumer) FROM eventlog.subscriptions");
await(sub { owed('between') == 0 }, 'the session is given up, and the event delivered by another');
like(notifier_log($notifier), qr/level=error msg="the database did not answer in time"/, 'which is told');
await(sub { metrics($port, '/readyz') =~ /\n200$/ }, 'it is ready again');

# A backend that is stopped holds its subscription: that is told.
my $backend = query("SELECT consumer FROM eventlog.subscriptions");
kill 'STOP', $backend;
query("SELECT eventlog.emit('between')");
await(sub { metrics($port, '/readyz') =~ /\n503$/ }, 'a backend is stopped', 40);
await(sub { (() = notifier_log($notifier) =~ /msg="the database did not answer in time"/g) == 2 }, 'its session is given up');
kill 'CONT', $backend;
await(sub { owed('between') == 0 }, 'when it goes on, another session delivers');
is(stop_notifier($notifier), 0, 'clean');

# A pooler that gives each statement to any connection is refused.
forget();
my $pool_port = PostgreSQL::Test::Cluster::get_free_port();
my $user = getpwuid($<);
append_to_file("$dir/users", qq("$user" ""\n));

sub pooler
{
	my ($mode) = @_;

	unlink "$dir/pgbouncer.ini";
	append_to_file("$dir/pgbouncer.ini", join("\n", '[databases]', 'postgres = host=' . $node->host . ' port=' . $node->port,
			'[pgbouncer]', 'listen_addr = 127.0.0.1', "listen_port = $pool_port", 'unix_socket_dir =', 'auth_type = trust',
			"auth_file = $dir/users", "pool_mode = $mode", ''));
	my $pid = daemon('pgbouncer', '-q', "$dir/pgbouncer.ini");
	await(sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $pool_port) }, "a pooler in $mode mode");
	return $pid;
}
my $pooler = pooler('transaction');
$config = write_config({ pooled => { url => "$url/pooled" } }, listen => "127.0.0.1:$port",
	database => "host=127.0.0.1 port=$pool_port dbname=postgres user=$user");
$notifier = start_notifier($config);
await(sub { notifier_log($notifier) =~ /a pooler gives the session's statements to different connections/ }, 'transaction mode is noticed');
like(notifier_log($notifier), qr/hint="[^"]*pool_mode = session/, 'with what to do');
is(scalar(() = notifier_log($notifier) =~ /level=error/g), 1, 'by one error');
like(metrics($port, '/readyz'), qr/a pooler.*\n503$/s, 'it is not ready, and says why');
is(query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), 0, 'no lock stays behind');
is(query('SELECT count(*) FROM eventlog.subscriptions'), 0, 'nor a subscription');
is(stop_notifier($notifier), 0, 'clean');
command_exit_is([ 'eventlog-notifier', '--once', '--config', $config ], 1, '--once fails there');
kill 'KILL', $pooler;
waitpid $pooler, 0;
pooler('session');
$notifier = start_notifier($config, 'pooled');
query("SELECT eventlog.emit('pooled')");
await(sub { owed('pooled') == 0 }, 'session mode will do') or diag(notifier_log($notifier));
my $sent = requests($receiver, '/pooled');
query("SELECT eventlog.emit('pooled')");
await(sub { requests($receiver, '/pooled') > $sent }, 'and is rung for') or diag(notifier_log($notifier));
is(stop_notifier($notifier), 0, 'clean');

done_testing();
