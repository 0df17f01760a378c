# Receivers that fail for a while, for some events, or for too many of them: one
# that comes back is noticed, and what is refused holds up nothing else.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use JSON::PP;
use Notifier;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

$Notifier::sanitized = 1;
my $node = new_node();
my $receiver = receiver();
my $url = $receiver->{url};
my $port = PostgreSQL::Test::Cluster::get_free_port();
my ($config, $notifier);

sub forget
{
	query("SELECT eventlog.unsubscribe(name, log) FROM eventlog.subscriptions");
}

# A receiver that fails for a few seconds, with all that may be in flight under
# way, is noticed when it comes back.
set_modes($receiver, '/outage' => 'hold');
$notifier = start_notifier(write_config({ outage => { url => "$url/outage" } }), 'outage');
query("SELECT count(eventlog.emit('outage')) FROM generate_series(1, 40)");
await(sub { requests($receiver, '/outage') == 16 }, 'sixteen requests are in flight');
set_modes($receiver, '/outage' => '503');
await(sub { notifier_log($notifier) =~ /receiver keeps failing, sending it probes/ }, 'all of them fail');
sleep 4;
set_modes($receiver);
await(sub { owed('outage') == 0 }, 'when it comes back, all is delivered within a minute');
is(stop_notifier($notifier), 0, 'it stops cleanly');

# Events that it refuses say nothing against the next one.
forget();
set_modes($receiver, '/refuses' => 'refuse:bad');
$notifier = start_notifier(write_config({ refuses => { url => "$url/refuses" } }, listen => "127.0.0.1:$port"), 'refuses');
query("SELECT count(eventlog.emit('bad')) FROM generate_series(1, 40)");
query("SELECT eventlog.emit('good', 'critical')");
await(sub { query("SELECT count(*) FROM eventlog.deliveries WHERE attempts > 0") == 40 && owed('refuses') == 40 },
	'forty events are refused, and the next one is delivered');
like(metrics($port), qr/^eventlog_breaker_state\{webhook="refuses"\} 0$/m, 'the breaker is closed');
is(stop_notifier($notifier), 0, 'it stops cleanly');

# Nor do failures of one event that has become a probe.
forget();
set_modes($receiver, '/fails' => 'fail:bad');
$notifier = start_notifier(write_config({ fails => { url => "$url/fails" } }), 'fails');
query("SELECT eventlog.emit('bad')");
await(sub { notifier_log($notifier) =~ /receiver keeps failing, sending it probes/ }, 'an event fails again and again');
query("SELECT eventlog.emit('good')");
await(sub { owed('fails') == 1 }, 'another one is delivered all the same');
is(stop_notifier($notifier), 0, 'it stops cleanly');

# Who asks for a pause is sent nothing meanwhile, and no event is blamed for it.
forget();
set_modes($receiver, '/pause' => '429:15');
$notifier = start_notifier(write_config({ pause => { url => "$url/pause", max_concurrency => 4, retry => { max_attempts => 2 } } },
	listen => "127.0.0.1:$port"), 'pause');
query("SELECT count(eventlog.emit('pause')) FROM generate_series(1, 50)");
await(sub { requests($receiver, '/pause') > 0 }, 'it asks for a pause of fifteen seconds');
my $pause_began = time;
await(sub { metrics($port) =~ /^eventlog_notification_requests_in_flight\{webhook="pause"\} 0$/m }, 'all that was in flight is answered');
my $asked = requests($receiver, '/pause');
cmp_ok($asked, '<=', 4, 'no more than may be in flight');
set_modes($receiver);
SKIP:
{
	sleep 2;
	my $sent = requests($receiver, '/pause');
	skip 'too slow to tell', 1 if time - $pause_began >= 10;
	is($sent, $asked, 'in the pause nothing is sent');
}
like(notifier_log($notifier), qr/level=warning msg="receiver asks for a pause" webhook=pause reason=4xx seconds=15\.000$/m, 'which is told');
is(query("SELECT count(*) FROM eventlog.deliveries WHERE attempts > 0"), 0, 'and costs no attempt');
await(sub { owed('pause') == 0 }, 'then all are delivered');
is(query("SELECT delivered FROM eventlog.subscriptions"), 50, 'all of them');
is(stop_notifier($notifier), 0, 'it stops cleanly');

# No more requests than the rate that is set.
forget();
$notifier = start_notifier(write_config({ rate => { url => "$url/rate", rate_limit => '20/s' } }), 'rate');
query("SELECT count(eventlog.emit('rate')) FROM generate_series(1, 60)");
await(sub { owed('rate') == 0 }, 'with a limit of the rate, all are delivered');
my @times = map { $_->{at} } requests($receiver, '/rate');
is(scalar(@times), 60, 'once each');
my ($most) = sort { $b <=> $a } map { my $from = $_; scalar grep { $_ >= $from && $_ < $from + 1000 } @times } @times;
cmp_ok($most, '<=', 24, 'never many more than 20 within a second');
is(stop_notifier($notifier), 0, 'it stops cleanly');

# What a webhook does not want is owed no more, and not sent.
forget();
$notifier = start_notifier(write_config({ wants => { url => "$url/wants", resource_type => 'image', source_service => 'catalog' } }), 'wants');
query("SELECT eventlog.emit('no', resource_type => 'tag', source_service => 'catalog'), eventlog.emit('no', resource_type => 'image'),"
	  . " eventlog.emit('yes', resource_type => 'image', source_service => 'catalog')");
await(sub { owed('wants') == 0 }, 'three events are owed no more');
is_deeply([ map { decode_json($_->{body})->{type} } requests($receiver, '/wants') ], ['yes'], 'and the one that is wanted was sent');
is(stop_notifier($notifier), 0, 'it stops cleanly');

done_testing();
