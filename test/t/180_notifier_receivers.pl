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

my $node = new_node();
my $receiver = receiver();
my $url = $receiver->{url};
my $port = PostgreSQL::Test::Cluster::get_free_port();
my ($config, $notifier);

sub forget
{
	query("SELECT eventlog.unsubscribe(name) FROM eventlog.subscriptions");
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
stop_notifier($notifier);

done_testing();
