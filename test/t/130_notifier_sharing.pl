# Two notifiers of the same webhooks: they share them, and one stands in for the
# other.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use Notifier;
use Test::More;

my $node = new_node();
my $receiver = receiver();
my @names = map { "w$_" } 1 .. 4;
my $config = write_config({ map { $_ => { url => "$receiver->{url}/$_" } } @names });

# shares: how many of the subscriptions each session consumes.
sub shares
{
	return query("SELECT string_agg(n::text, ' ' ORDER BY n) FROM"
		  . " (SELECT count(*) AS n FROM eventlog.subscriptions WHERE consumer IS NOT NULL GROUP BY consumer) c");
}

my $first = start_notifier($config, @names);
is(shares(), '4', 'alone, a notifier consumes all');
query("SELECT count(eventlog.emit('before')) FROM generate_series(1, 20)");
my $second = start_notifier($config);
await(sub { shares() eq '2 2' }, 'with another, each consumes a half');
sleep 3;
is(shares(), '2 2', 'and it stays so');
query("SELECT count(eventlog.emit('after')) FROM generate_series(1, 20)");
foreach my $name (@names)
{
	await(sub { owed($name) == 0 }, "$name: all is delivered");
	is(scalar(requests($receiver, "/$name")), 40, "$name: once");
}
unlike(notifier_log($first) . notifier_log($second), qr/level=(warning|error)/, 'nobody has a reason to complain');

# One is killed: the other takes its part.
stop_notifier($first, 'KILL');
await(sub { shares() eq '4' }, 'one left, it consumes all');
query("SELECT eventlog.emit('left')");
foreach my $name (@names)
{
	await(sub { requests($receiver, "/$name") == 41 }, "$name: goes on");
}
is(stop_notifier($second), 0, 'done');

done_testing();
