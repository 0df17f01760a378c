# The notifier among all that can go wrong, for as long as one likes ("make
# soak-notifier"): events come all the while, and every few seconds something is
# killed, cut, frozen, loaded again, or refuses.
#
# At the end nothing is lost, what was delivered twice is no more than what was in
# flight at each of these, and where order is kept it was.
#
# DURATION (600) seconds; SEED.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/t";
use JSON::PP;
use Notifier;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

# what may be in flight of one webhook: requests, and acknowledgements that gather
# or are under way
use constant IN_FLIGHT => 16 + 2 * 128;

my $duration = $ENV{DURATION} // 600;
my $seed = $ENV{SEED} // int rand 1000000;
srand $seed;
note("$duration s, seed $seed");

my $node = new_node();
my $receiver = receiver();
my $balancer = balancer($node->host . '/.s.PGSQL.' . $node->port);
my %webhooks = (
	all => { url => "$receiver->{url}/all" },
	some => { url => "$receiver->{url}/some", event_type => 'some.', max_concurrency => 4 },
	ordered => { url => "$receiver->{url}/ordered", ordered => JSON::PP::true, event_type => 'some.' });
$_->{timeout} = '2s', $_->{retry} = { initial_backoff => '50ms', max_backoff => '2s' } foreach values %webhooks;
my @between = (database => "host=127.0.0.1 port=$balancer->{number} dbname=postgres");
my $config = write_config(\%webhooks, @between);
my $notifier = start_notifier($config, keys %webhooks);

my $emitted = 0;
my %done;
my $disturbances = 0;

sub emit
{
	my ($n) = @_;
	my $to = $emitted + $n - 1;

	query("SELECT count(eventlog.emit(CASE WHEN g % 5 = 0 THEN 'some.x' ELSE 'x' END, message => g::text))"
		  . " FROM generate_series($emitted, $to) g");
	$emitted += $n;
}

# for a while, in which events come
sub meanwhile
{
	my ($seconds) = @_;
	my $end = time + $seconds;

	do
	{
		emit(1 + int rand 200);
		sleep rand 0.5;
	} while (time < $end);
}

my %actions = (
	'the notifier is killed' => sub {
		stop_notifier($notifier, 'KILL');
		meanwhile(rand 2);
		$notifier = start_notifier($config);
	},
	'the notifier is stopped' => sub {
		is(stop_notifier($notifier), 0, 'it stops cleanly');
		$notifier = start_notifier($config);
	},
	'the server is killed' => sub {
		$node->stop('immediate');
		sleep rand 2;
		$node->start;
	},
	'its session is ended' => sub {
		query("SELECT pg_terminate_backend(consumer) FROM eventlog.subscriptions WHERE consumer IS NOT NULL");
	},
	'the balancer closes one side' => sub {
		set_balancer($balancer, 'half');
		meanwhile(rand 10);
		set_balancer($balancer, 'pass');
	},
	'the balancer stalls' => sub {
		set_balancer($balancer, 'freeze');
		meanwhile(rand 10);
		set_balancer($balancer, 'pass');
		# as a server does, in the end, with sessions of which it hears nothing
		query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ~ '^eventlog-notifier'");
	},
	'the receiver is killed' => sub {
		receiver_goes($receiver);
		meanwhile(rand 5);
		receiver_comes($receiver);
	},
	'the receiver refuses' => sub {
		my @how = qw(500 503 429 429:1 503:2 reset never late);
		set_modes($receiver, map { ("/$_" => $how[ rand @how ]) } keys %webhooks);
		meanwhile(rand 5);
		set_modes($receiver);
	},
	'the configuration is loaded again' => sub {
		$webhooks{all}{max_concurrency} = 1 + int rand 16;
		write_config(\%webhooks, @between, file => $config);
		kill 'HUP', $notifier->{pid};
	});

my $end = time + $duration;
while (time < $end)
{
	my $what = (sort keys %actions)[ rand keys %actions ];

	$actions{$what}->();
	$done{$what}++;
	$disturbances++;
	meanwhile(1 + rand 3);
}
note("$done{$_} times: $_") foreach sort keys %done;

# All is well: everything arrives.
query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ~ '^eventlog-notifier'");
$disturbances++;
await(sub { query('SELECT count(*) FROM eventlog.deliveries') eq '0' }, 'nothing is owed in the end', 300);
is(stop_notifier($notifier), 0, 'the notifier stops cleanly');

my (%first, %order);
my $twice = 0;
open my $lines, '<', $receiver->{requests} or die $!;
while (my $line = <$lines>)
{
	# one that was answered 204; its body is JSON within JSON
	next unless $line =~ /"mode":"204"/;
	my ($path) = $line =~ /"path":"([^"]+)"/;
	my ($number) = $line =~ /\\"message\\": ?\\"(\d+)\\"/ or die "not understood: $line";

	$twice++ if $first{$path}{$number}++;
	push @{ $order{$path} }, $number if $first{$path}{$number} == 1;
}
close $lines;
is(scalar(keys %{ $first{'/all'} }), $emitted, "0 of $emitted events are lost");
is(scalar(keys %{ $first{$_} }), int(($emitted + 4) / 5), "$_: nor any of those that are chosen") foreach qw(/some /ordered);
is_deeply($order{'/ordered'}, [ sort { $a <=> $b } @{ $order{'/ordered'} } ], 'order was kept');
cmp_ok($twice, '<=', $disturbances * keys(%webhooks) * IN_FLIGHT, 'duplicates are at most what was in flight');
note("$emitted events, $disturbances disturbances, $twice duplicates");

done_testing();
