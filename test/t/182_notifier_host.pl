# What is wrong on the notifier's own host, or in its configuration: it costs no
# event, and is told.

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
my ($true, $false) = (JSON::PP::true, JSON::PP::false);
my $dir = PostgreSQL::Test::Utils::tempdir();
my $port = PostgreSQL::Test::Cluster::get_free_port();
my %quick = (initial_backoff => '10ms', max_backoff => '200ms');
my ($config, $notifier);

sub forget
{
	query("SELECT eventlog.unsubscribe(name) FROM eventlog.subscriptions");
}

# Too few file descriptors.
my @names = map { "few$_" } 1 .. 3;
set_modes($receiver, map { ("/$_" => 'hold') } @names);
$config = write_config({ map { $_ => { url => "$url/$_", timeout => '5m', retry => { %quick, max_attempts => 3 } } } @names }, listen => "127.0.0.1:$port");
{
	local @Notifier::program = ('sh', '-c', 'ulimit -n 40; exec "$@"', 'sh', @Notifier::program);
	$notifier = start_notifier($config, @names);
}
is(metric($port, 'process_max_fds'), 40, 'a process that may have 40 descriptors');
query("SELECT count(eventlog.emit('few')) FROM generate_series(1, 100)");
await(sub { notifier_log($notifier) =~ /reason=local\b.*Too many open files/ }, 'has too few for all connections, which is told');
await(sub { metrics($port) =~ /^eventlog_notification_requests_failed_total\{webhook="few\d",reason="local"\} [1-9]/m }, 'in the metrics, for which some are left');
is(query('SELECT count(*) FROM eventlog.deliveries WHERE attempts > 0'), 0, 'it costs no event an attempt')
  or diag(query('SELECT DISTINCT last_error FROM eventlog.deliveries'));
cmp_ok(scalar(() = notifier_log($notifier) =~ /Too many open files/g), '<', 100, 'nor is it told for each event');
set_modes($receiver);
await(sub { query('SELECT count(*) FROM eventlog.deliveries') == 0 }, 'all are delivered in the end');
is(query("SELECT sum(delivered) FROM eventlog.subscriptions"), 300, 'each of them');
is(stop_notifier($notifier), 0, 'clean');

# A name that cannot be looked up now.
forget();
system_or_bail(split(' ', $ENV{CC} // 'cc'), '-shared', '-fPIC', '-o', "$dir/faults.so", 'test/clients/faults.c', '-ldl');
$config = write_config({ lost => { url => 'http://lost.example/', retry => { %quick, max_attempts => 2 } } }, listen => "127.0.0.1:$port");
{
	local $ENV{LD_PRELOAD} = "$dir/faults.so";
	$notifier = start_notifier($config, 'lost');
}
query("SELECT eventlog.emit('lost')");
await(sub { metrics($port) =~ /^eventlog_notification_requests_failed_total\{webhook="lost",reason="dns"\} [2-9]/m }, 'a name is looked up again and again');
is(query('SELECT attempts FROM eventlog.deliveries'), 0, 'which costs no attempt');
like(notifier_log($notifier), qr/reason=dns/, 'and is told');
await(sub { metrics($port, '/readyz') =~ /webhook lost:.*\n503$/s }, 'and makes it not ready', 40);
is(stop_notifier($notifier), 0, 'clean');

# Secrets: not in a core dump, not in a file that all may read.
forget();
append_to_file("$dir/open", SECRET);
append_to_file("$dir/shut", SECRET);
chmod 0644, "$dir/open";
chmod 0600, "$dir/shut";
$config = write_config({ open => { url => "$url/", secret_file => "$dir/open" }, shut => { url => "$url/", secret_file => "$dir/shut" } });
my $said = `eventlog-notifier --check --config $config 2>&1`;
like($said, qr{^eventlog-notifier: warning: webhooks\.open\.secret_file: other users can read "\Q$dir\E/open"}m, 'a secret that all may read is told');
unlike($said, qr/shut/, 'and no other');
like($said, qr/^eventlog-notifier: the configuration and the database are all right/m, 'it is a warning alone');
$notifier = start_notifier($config, qw(open shut));
like(slurp_file("/proc/$notifier->{pid}/limits"), qr/^Max core file size\s+0\s+0\s/m, 'there is no core file');
is((stat "/proc/$notifier->{pid}/environ")[4], 0, 'nor a core dump for a program') if $> != 0;
is(stop_notifier($notifier), 0, 'clean');

# An address that is taken.
forget();
my $taken = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die $!;
$config = write_config({ w => { url => "$url/" } }, listen => '127.0.0.1:' . $taken->sockport);
command_checks_all([ 'eventlog-notifier', '--config', $config ], 1, [qr/^$/],
	[qr/level=error msg="could not listen" listen=127\.0\.0\.1:\d+ error="Address already in use"/], 'why it cannot listen');

# Names and messages in any language.
$config = write_config({ "gr\x{f6}\x{df}e" => { url => "$url/" } }, log => "journal-gr\x{f6}\x{df}e");
$said = `eventlog-notifier --once --config $config 2>&1`;
like($said, qr/msg="the log does not exist" log=journal-größe hint="[^"]*create_log/, 'UTF-8 is logged as it is');
$said = `eventlog-notifier --check --config $config 2>&1`;
like($said, qr/^eventlog-notifier: log: "journal-größe" does not exist; create it with SELECT eventlog\.create_log/m, '--check looks for the log');

# What the server says beyond its error.
query("CREATE ROLE poor LOGIN; CREATE FUNCTION public.no_subscription() RETURNS trigger LANGUAGE plpgsql AS \$\$"
	  . "BEGIN RAISE EXCEPTION 'not today' USING DETAIL = 'It is a holiday.', HINT = E'Come back\ntomorrow.'; END\$\$;"
	  . "CREATE TRIGGER no BEFORE INSERT ON eventlog._subscription EXECUTE FUNCTION public.no_subscription()");
$config = write_config({ w => { url => "$url/" } });
$notifier = start_notifier($config);
await(sub { notifier_log($notifier) =~ /error="not today" detail="It is a holiday\." hint="Come back tomorrow\."/ }, 'detail and hint of an error, on one line');
query("DROP TRIGGER no ON eventlog._subscription");
await(sub { query("SELECT count(*) FROM eventlog.subscriptions WHERE consumer IS NOT NULL") == 1 }, 'it goes on');
query("SELECT pg_terminate_backend(consumer) FROM eventlog.subscriptions");
await(sub { notifier_log($notifier) =~ /sqlstate=57P01 error="terminating connection due to administrator command"/ }, 'why a session ends');
is(stop_notifier($notifier), 0, 'clean');
$said = `eventlog-notifier --check --config @{[ write_config({ w => { url => "$url/" } }, database => $node->connstr('postgres') . ' user=poor') ]} 2>&1`;
like($said, qr/log: role poor may not read events; run GRANT SELECT ON events TO poor/, '--check looks for rights');

# Extension and notifier of different versions.
forget();
query("CREATE DATABASE bare; UPDATE pg_extension SET extversion = '0.1.0' WHERE extname = 'eventlog'");
$notifier = start_notifier($config, 'w');
like(notifier_log($notifier), qr/level=warning msg="extension and notifier are of different versions" extension=0\.1\.0 notifier=\S+ hint="ALTER EXTENSION eventlog UPDATE"/,
	'versions that do not fit are told');
is(stop_notifier($notifier), 0, 'clean');
query("UPDATE pg_extension SET extversion = (SELECT default_version FROM pg_available_extensions WHERE name = 'eventlog') WHERE extname = 'eventlog'");
command_checks_all([ 'eventlog-notifier', '--once', '--config', write_config({ w => { url => "$url/" } }, database => $node->connstr('bare')) ], 1, [qr/^$/],
	[qr/the extension eventlog is not in this database.*hint="CREATE EXTENSION eventlog"/], 'and an extension that is not there');

# Off is told.
forget();
$notifier = start_notifier(write_config({ w => { url => "$url/" } }, notification => { enabled => $false }));
await(sub { notifier_log($notifier) =~ /level=info msg="notification is disabled, nothing is sent"/ }, 'that notification is off is told');
is(stop_notifier($notifier), 0, 'clean');

# Another session has the subscription: --once says that events are still owed,
# and a notifier that stands by for no notifier is not ready.
query("SELECT eventlog.subscribe('held'); SELECT eventlog.emit('held')");
my $holder = $node->background_psql('postgres');
$holder->query_safe("SELECT count(*) FROM eventlog.fetch('held', 1)");
$config = write_config({ held => { url => "$url/held" } }, listen => "127.0.0.1:$port");
command_checks_all([ 'eventlog-notifier', '--once', '--config', $config ], 1, [qr/^$/],
	[qr/events are still owed" webhook=held owed=1/], '--once: what another consumer holds is still owed');
$notifier = start_notifier($config);
await(sub { metrics($port, '/readyz') =~ /webhook held: the consumer is not a running notifier\n.*503$/s }, 'a stranger is the consumer: not ready', 40);
await(sub { notifier_log($notifier) =~ /level=warning msg="not ready" reason="webhook held: the consumer is not a running notifier/ }, 'which is logged', 40);
$holder->quit;
await(sub { metrics($port, '/readyz') =~ /\n200$/ }, 'until it goes');
my $second = start_notifier(write_config({ held => { url => "$url/held" } }, listen => '127.0.0.1:' . ($taken->sockport + 1)));
await(sub { metrics($taken->sockport + 1, '/readyz') =~ /\n200$/ }, 'one that stands by for another notifier is ready');
stop_notifier($_) foreach $second, $notifier;

done_testing();
