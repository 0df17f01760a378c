# What can happen between the notifier and its database: rights that come late,
# statements that are cancelled or not taken, events that are gone, others who
# consume; and what it says of itself.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use IO::Socket::UNIX;
use JSON::PP;
use Notifier;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Socket;
use Test::More;

my $node = new_node();
$node->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1'");
$node->restart;
my $receiver = receiver();
my $url = $receiver->{url};
my ($true, $false) = (JSON::PP::true, JSON::PP::false);
my %quick = (initial_backoff => '10ms', max_backoff => '200ms', max_attempts => 0);
my $dir = PostgreSQL::Test::Utils::tempdir();
my $port = PostgreSQL::Test::Cluster::get_free_port();

sub forget
{
	query("SELECT eventlog.unsubscribe(name) FROM eventlog.subscriptions");
}

sub consumer
{
	return query("SELECT consumer FROM eventlog.subscriptions WHERE name = '$_[0]'");
}

# waits: is the notifier's statement, which looks like this, waiting for a lock?
sub waits
{
	return query("SELECT count(*) FROM pg_stat_activity WHERE application_name ~ '^eventlog-notifier '"
		  . " AND wait_event_type = 'Lock' AND query ~ '$_[0]'") eq '1';
}

sub cancel
{
	query("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name ~ '^eventlog-notifier '");
}

# Rights that are granted later are seen.
query("CREATE ROLE sender LOGIN");
my $config = write_config({ event_update => { url => "$url/rights" } },
	database => $node->connstr('postgres') . ' user=sender', listen => "127.0.0.1:$port");
my $notifier = start_notifier($config);
await(sub { notifier_log($notifier) =~ /could not subscribe.*permission denied/ }, 'without rights it cannot subscribe');
like(metrics($port, '/readyz'), qr/\n503$/, 'and is not ready');
query("GRANT SELECT ON events TO sender");
await(sub { metrics($port, '/readyz') =~ /\n200$/ }, 'when they are granted, it is');
query("SELECT eventlog.emit('granted')");
await(sub { requests($receiver, '/rights') == 1 }, 'and delivers');
is(stop_notifier($notifier), 0, 'clean');

# Metrics tell what is owed, and for how long, as soon as there are any.
forget();
query("SELECT eventlog.subscribe('failing'); SELECT count(eventlog.emit('metrics', occurred_at => now() - interval '100 s')) FROM generate_series(1, 30)");
set_modes($receiver, '/failing' => 'late', '/hold' => 'hold');
$config = write_config({
	failing => { url => "$url/failing", retry => \%quick },
	hold => { url => "$url/hold", max_concurrency => 3 } }, listen => "127.0.0.1:$port");
$notifier = start_notifier($config, qw(failing hold));
await(sub { metrics($port) =~ /^eventlog_notifications_owed\{webhook="failing"\} 30$/m }, 'what is owed');
like(metrics($port), qr/^eventlog_notifications_oldest_owed_age_seconds\{webhook="failing"\} 1\d\d/m, 'and for how long');
await(sub { metrics($port) =~ /^eventlog_notification_requests_failed_total\{webhook="failing",reason="5xx"\} [1-9]/m }, 'what fails, and why');

# A receiver that fails gets one probe at a time.
await(sub { metrics($port) =~ /^eventlog_breaker_state\{webhook="failing"\} [12]$/m }, 'the breaker opens');
my $before = requests($receiver, '/failing');
await(sub { requests($receiver, '/failing') >= $before + 6 }, 'and probes go on');
my @present = map { $_->{present} } requests($receiver, '/failing');
cmp_ok((sort { $a <=> $b } @present)[-1], '>', 1, 'first, several requests at once');
is_deeply([ grep { $_ > 1 } @present[-3 .. -1] ], [], 'in the end, one at a time');

# No more requests at once than max_concurrency.
query("SELECT count(eventlog.emit('many')) FROM generate_series(1, 20)");
await(sub { metrics($port) =~ /^eventlog_notification_requests_in_flight\{webhook="hold"\} 3$/m }, 'three are in flight');
set_modes($receiver);
await(sub { owed('hold') == 0 }, 'all arrive');
is_deeply([ grep { $_ > 3 } map { $_->{present} } requests($receiver, '/hold') ], [], 'never more than three at once');
await(sub { owed('failing') == 0 }, 'and where it failed too');
stop_notifier($notifier);

# Statements that are cancelled: what was delivered is not sent again, what
# failed is tried again, and nothing is forgotten.
forget();
set_modes($receiver, '/ack' => 'hold', '/fail' => 'hold');
$config = write_config({ ack => { url => "$url/ack", timeout => '10m' }, fail => { url => "$url/fail", timeout => '10m', retry => \%quick } });
$notifier = start_notifier($config, qw(ack fail));
query("SELECT eventlog.emit('cancel')");
await(sub { requests($receiver, '/ack') == 1 && requests($receiver, '/fail') == 1 }, 'two requests are in flight, neither of which waits for the other');
my $blocker = $node->background_psql('postgres');
$blocker->query_safe('BEGIN; LOCK TABLE eventlog._queue IN SHARE MODE');
set_modes($receiver, '/fail' => 'hold');
await(sub { waits('eventlog.ack') }, 'an acknowledgement cannot be written');
cancel();
await(sub { notifier_log($notifier) =~ /could not acknowledge/ }, 'and is cancelled');
set_modes($receiver, '/fail' => '500');
await(sub { waits('eventlog.fail') }, 'a failure cannot be told');
cancel();
await(sub { notifier_log($notifier) =~ /could not report failures/ }, 'and is cancelled');
set_modes($receiver);
$blocker->query_safe('COMMIT');
$blocker->quit;
await(sub { owed('ack') == 0 }, 'it is acknowledged later');
is(scalar(requests($receiver, '/ack')), 1, 'and was not sent again');
await(sub { owed('fail') == 0 }, 'what failed is sent again');
query("SELECT eventlog.emit('after')");
await(sub { owed('ack') + owed('fail') == 0 }, 'both go on');
stop_notifier($notifier);

# After a retry it sleeps until it is woken: its slow poll, after half a minute,
# is for when all else fails.
forget();
set_modes($receiver, '/woken' => '500');
$config = write_config({ woken => { url => "$url/woken", retry => \%quick } });
$notifier = start_notifier($config, 'woken');
query("SELECT eventlog.emit('woken')");
await(sub { owed('woken', 'retrying') == 1 }, 'an event fails');
set_modes($receiver);
await(sub { owed('woken') == 0 }, 'and is delivered');
query("SELECT eventlog.emit('woken')");
await(sub { owed('woken') == 0 }, 'the next one is not left to the slow poll', 20);
stop_notifier($notifier);

# In order, when what holds up the others is deleted.
forget();
set_modes($receiver, '/ordered' => '500');
$config = write_config({ ordered => { url => "$url/ordered", ordered => $true, retry => \%quick } }, listen => "127.0.0.1:$port");
$notifier = start_notifier($config, 'ordered');
query("SELECT count(eventlog.emit('o' || lpad(g::text, 3, '0'))) FROM generate_series(1, 600) g");
await(sub { query("SELECT max(attempts) FROM eventlog.deliveries") >= 30 }, 'the first one fails, again and again');
is(owed('ordered', 'retrying'), 1, 'alone');
my ($waiting) = metrics($port) =~ /^eventlog_notifications_waiting\{webhook="ordered"\} (\d+)$/m;
cmp_ok($waiting, '<=', 256, 'and not all others are in memory meanwhile');
query("SELECT eventlog.clear('o001')");
set_modes($receiver);
await(sub { owed('ordered') == 0 }, 'it is deleted: the others are delivered');
my @types = grep { $_ ne 'o001' } map { decode_json($_->{body})->{type} } requests($receiver, '/ordered');
is_deeply(\@types, [ map { sprintf 'o%03d', $_ } 2 .. 600 ], 'in order');
stop_notifier($notifier);

# A statement that libpq does not take costs the session, and no more.
forget();
system_or_bail(split(' ', $ENV{CC} // 'cc'), '-shared', '-fPIC', '-o', "$dir/faults.so", 'test/clients/faults.c', '-ldl');
$config = write_config({ event_update => { url => "$url/untaken" } });
{
	local @ENV{qw(LD_PRELOAD FAULT)} = ("$dir/faults.so", "$dir/fault");
	$notifier = start_notifier($config, 'event_update');
}
query("SELECT eventlog.emit('taken')");
await(sub { owed('event_update') == 0 }, 'delivered');
append_to_file("$dir/fault", '');
query("SELECT eventlog.emit('untaken')");
await(sub { notifier_log($notifier) =~ /lost the database/ }, 'a statement is not taken');
await(sub { owed('event_update') == 0 }, 'it goes on in a new session');
is(stop_notifier($notifier), 0, 'clean');

# One that stands by does not fill the server's log.
forget();
$config = write_config({ event_update => { url => "$url/standby" } });
$notifier = start_notifier($config, 'event_update');
my $second = start_notifier($config);
await(sub { notifier_log($second) =~ /standing by, another session is the consumer/ }, 'a second one stands by');
my ($polls) = slurp_file($node->logfile) =~ /.*(?:concat\(l\.objid|eventlog\.fetch)/gs;
my $looks = sub { my @looks = slurp_file($node->logfile, length $polls) =~ /execute \S+ SELECT pg_catalog\.hashtextextended\(COALESCE\(pg_catalog\.string_agg|another consumer/g; return scalar @looks; };
await(sub { $looks->() >= 3 }, 'it looks again and again');
my @errors = slurp_file($node->logfile) =~ /ERROR:.*has another consumer/g;
is(scalar(@errors), 1, 'but has tried only once');
query("SELECT pg_terminate_backend(" . consumer('event_update') . ')');
query("SELECT eventlog.emit('standby')");
await(sub { requests($receiver, '/standby') >= 1 }, 'a session is ended: what is owed is delivered by the other or the same');
stop_notifier($_) foreach $notifier, $second;

# A host that disappears is noticed, on either side, in seconds and not in hours:
# the timer of the connection's socket says when the other side is asked next.
forget();
$config = write_config({ event_update => { url => "$url/tcp" } }, database => 'host=127.0.0.1 port=' . $node->port . ' dbname=postgres');
$notifier = start_notifier($config, 'event_update');
my $client_port = query("SELECT client_port FROM pg_stat_activity WHERE application_name ~ '^eventlog-notifier '");
my %probes;
# What is not acknowledged yet has another timer, for a moment.
await(
	sub {
		foreach my $line (split /\n/, slurp_file('/proc/net/tcp'))
		{
			my ($local, $remote, $timer, $when) = $line =~ /^\s*\d+: \w+:(\w+) \w+:(\w+) 01 \S+ (\w\w):(\w+)/ or next;
			$probes{client} = hex $when if hex $local == $client_port && $timer eq '02';
			$probes{server} = hex $when if hex $remote == $client_port && $timer eq '02';
		}
		return keys %probes == 2;
	},
	'both sides of an idle connection will ask');
cmp_ok($probes{client} // 1e9, '<=', 1000, 'the notifier asks within ten seconds whether the server is there');
cmp_ok($probes{server} // 1e9, '<=', 1000, 'and the server whether the notifier is');
stop_notifier($notifier);

# A prepared transaction cannot notify, so its events are polled for: the notifier is
# asleep before the transaction begins, and after it.
forget();
$config = write_config({ event_update => { url => "$url/prepared" } });
$notifier = start_notifier($config, 'event_update');
my $asleep = "SELECT count(*) FROM pg_stat_activity WHERE application_name ~ '^eventlog-notifier ' AND state = 'idle' AND query ~ 'eventlog.listen'";
await(sub { query($asleep) == 1 }, 'it sleeps');
query("BEGIN; SELECT eventlog.emit('prepared'); PREPARE TRANSACTION 'two'");
query("COMMIT PREPARED 'two'");
await(sub { requests($receiver, '/prepared') == 1 }, 'the event of a prepared transaction is delivered', 25);
stop_notifier($notifier);

# What nobody's configuration names is seen growing.
forget();
query("SELECT eventlog.subscribe('forgotten'); SELECT eventlog.emit('forgotten')");
$config = write_config({ event_update => { url => "$url/named" } });
$notifier = start_notifier($config, 'event_update');
await(sub { notifier_log($notifier) =~ /level=warning msg="a subscription that is owed events has no consumer" subscription=forgotten owed=1$/m },
	'a forgotten subscription is logged');
is(query("SELECT pending FROM eventlog.subscriptions WHERE consumer IS NULL"), 1, 'and in the view');
stop_notifier($notifier);

# Big events do not make a big process.
forget();
my $bulk = receiver();
my $count = sub { my @lines = slurp_file($bulk->{requests}) =~ /\n/g; return scalar @lines; };
set_modes($bulk, '/big' => 'hold');
$config = write_config({ event_update => { url => "$bulk->{url}/big" } });
query("SELECT eventlog.subscribe('event_update'); SELECT count(eventlog.emit('big', details => jsonb_build_object('x', repeat('x', 2000000)))) FROM generate_series(1, 40) g");
$notifier = start_notifier($config, 'event_update');
await(sub { $count->() >= 3 }, 'big events are in flight');
set_modes($bulk);
await(sub { owed('event_update') == 0 }, 'and delivered');
my ($peak) = slurp_file("/proc/$notifier->{pid}/status") =~ /^VmHWM:\s+(\d+) kB/m;
cmp_ok($peak, '<', 110_000, 'within bounds');
note("$peak kB");
is($count->(), 40, 'each once');
stop_notifier($notifier);

# A batch that fails and comes again in other company has another id.
forget();
set_modes($receiver, '/batch' => '500');
$config = write_config({ batch => { url => "$url/batch", format => 'cloudevents', batch => { max_events => 10 }, max_concurrency => 1, secret => SECRET, retry => \%quick } });
query("SELECT eventlog.subscribe('batch'); SELECT count(eventlog.emit('b')) FROM generate_series(1, 25)");
$notifier = start_notifier($config, 'batch');
await(sub { requests($receiver, '/batch') >= 3 }, 'batches fail');
query("SELECT count(eventlog.emit('b')) FROM generate_series(1, 5)");
set_modes($receiver);
await(sub { owed('batch') == 0 }, 'and arrive');
my %content;
foreach my $request (requests($receiver, '/batch'))
{
	my $ids = join ' ', map { $_->{id} } @{ decode_json($request->{body}) };
	$content{ $request->{headers}{'webhook-id'} }{$ids} = 1;
}
is_deeply([ grep { keys %$_ > 1 } values %content ], [], 'an id is one of one content');
stop_notifier($notifier);

# What an Anchore receiver counts by stays the same over attempts.
forget();
set_modes($receiver, '/anchore' => '500');
$config = write_config({ anchore => { url => "$url/anchore", format => 'anchore', retry => { %quick, max_age => '1h' } } });
$notifier = start_notifier($config, 'anchore');
query("SELECT eventlog.emit('a', message => 'm')");
my $created = query("SELECT extract(epoch FROM created_at)::bigint FROM eventlog.list('a', page_size => 1)");
await(sub { requests($receiver, '/anchore') >= 2 }, 'two attempts');
set_modes($receiver);
my @bodies = map { decode_json($_->{body}) } (requests($receiver, '/anchore'))[ 0, 1 ];
is_deeply([ map { $_->{tries} } @bodies ], [ 0, 1 ], 'tries are counted');
is($bodies[0]{dataId}, $bodies[1]{dataId}, 'of the same delivery');
is_deeply([ map { $_->{data}{notification_payload}{notificationId} } @bodies ], [ map { $_->{dataId} } @bodies ], 'which its payload names too');
is_deeply([ @{ $bodies[0] }{qw(userId created_at max_tries record_state_val)} ], [ undef, $created, $created + 3600, undef ], 'without a user, until max_age');
is_deeply([ sort keys %{ $bodies[0]{data}{notification_payload} } ], [ sort qw(userId notificationId generated_uuid created_at event) ], 'with the event as to_json has it');
await(sub { owed('anchore') == 0 }, 'delivered');
stop_notifier($notifier);

# An event that is too old is given up.
forget();
$config = write_config({ old => { url => 'http://127.0.0.1:1/', retry => { %quick, max_age => '1s' } } });
$notifier = start_notifier($config, 'old');
query("SELECT eventlog.emit('old')");
await(sub { owed('old', 'dead') == 1 }, 'after max_age it is dead');
stop_notifier($notifier);

# --once does not wait for a receiver that is gone, and tells of it.
forget();
query("SELECT eventlog.subscribe('gone'), eventlog.subscribe('ordered'); SELECT count(eventlog.emit('once')) FROM generate_series(1, 100)");
set_modes($receiver, '/ordered' => '500');
$config = write_config({ gone => { url => 'http://127.0.0.1:1/' }, ordered => { url => "$url/ordered", ordered => $true }, fine => { url => "$url/once" } });
command_exit_is([ 'eventlog-notifier', '--once', '--config', $config ], 1, '--once ends where nothing can be delivered');
is(owed('gone') + owed('ordered'), 200, 'which stays owed');

# systemd is told how it goes.
forget();
my $notify = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => "$dir/notify") or die $!;
$config = write_config({ event_update => { url => "$url/systemd" } }, log_level => 'error');
{
	local @ENV{qw(NOTIFY_SOCKET WATCHDOG_USEC)} = ("$dir/notify", 400000);
	$notifier = start_notifier($config, 'event_update');
}
sub told
{
	my ($what) = @_;

	for (1 .. 100)
	{
		my ($read, $message) = ('', '');
		vec($read, fileno $notify, 1) = 1;
		return 1 if select($read, undef, undef, 10) && defined $notify->recv($message, 1000) && $message eq $what;
	}
	return 0;
}
ok(told('READY=1'), 'systemd is told that it is up');
ok(told('WATCHDOG=1'), 'and that it is well');
ok(told('WATCHDOG=1'), 'again and again');
kill 'HUP', $notifier->{pid};
ok(told('RELOADING=1'), 'that it reloads');
ok(told('READY=1'), 'and has');
kill 'TERM', $notifier->{pid};
ok(told('STOPPING=1'), 'and that it stops');
is(stop_notifier($notifier, 0), 0, 'clean');
is(notifier_log($notifier), '', 'with nothing to log at this level');

done_testing();
