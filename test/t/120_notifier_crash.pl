# Nothing is lost: the notifier is killed again and again, and the server too,
# while events go on.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use Notifier;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $events = 20000;
my $kills = 20;
my $crashes = 5;

my $node = new_node();
$node->safe_psql('postgres', "ALTER SYSTEM SET restart_after_crash = on");
my $receiver = receiver();
my %webhooks = (
	all => { url => "$receiver->{url}/all" },
	errors => { url => "$receiver->{url}/errors", level => ['error'] },
	some => { url => "$receiver->{url}/some", event_type => 'some.' });
my $config = write_config(\%webhooks);
my $notifier = start_notifier($config, keys %webhooks);

# arrived: path and message of each request.  There are tens of thousands, which
# JSON::PP would take a minute for.
sub arrived
{
	return map {
		my ($path) = /"path":"([^"]*)"/ or die "no path: $_";
		my ($message) = /\\"message\\":\s*\\"(\w+)\\"/ or die "no message: $_";
		{ path => $path, message => $message }
	} split /\n/, slurp_file($receiver->{requests});
}

# Events come in all the while, in batches that are committed or told again.
my $batch = $events / ($kills + $crashes);
my $sent = 0;
for my $round (1 .. $kills + $crashes)
{
	my ($from, $to) = ($sent, $sent + $batch - 1);
	query("SELECT count(eventlog.emit(CASE WHEN g % 10 = 0 THEN 'some.x' ELSE 'x' END,"
		  . " CASE WHEN g % 7 = 0 THEN 'error' ELSE 'info' END, message => g::text)) FROM generate_series($from, $to) g");
	$sent += $batch;
	sleep 0.1 + rand 0.3;
	if ($round % 5 == 0)
	{
		$node->stop('immediate');
		$node->start;
	}
	else
	{
		stop_notifier($notifier, 'KILL');
		$notifier = start_notifier($config);
	}
}
await(sub { query('SELECT count(*) FROM eventlog.deliveries') == 0 }, 'all is delivered');

my (%seen, $requests);
foreach my $request (arrived())
{
	$requests++;
	$seen{ $request->{path} }{ $request->{message} }++;
}
is(scalar(keys %{ $seen{'/all'} }), $events, 'each event at the webhook for all');
is_deeply([ sort { $a <=> $b } keys %{ $seen{'/errors'} } ], [ grep { $_ % 7 == 0 } 0 .. $events - 1 ], 'errors, and nothing else, at that for errors');
is_deeply([ sort { $a <=> $b } keys %{ $seen{'/some'} } ], [ grep { $_ % 10 == 0 } 0 .. $events - 1 ], 'and these at that for some types');
my $once = 0;
$once += scalar keys %$_ foreach values %seen;
# in flight: 16 requests a webhook, and what was answered but not yet told
cmp_ok($requests - $once, '<=', ($kills + $crashes) * 3 * 64, 'duplicates are at most what was in flight');
note(($requests - $once) . ' duplicates');

# Two at once: the second stands by, and takes over.
my $second = start_notifier($config);
await(sub { notifier_log($second) =~ /standing by, another session is the consumer/ }, 'a second one stands by');
query("SELECT eventlog.emit('x', message => 'first')");
await(sub { owed('all') == 0 }, 'while the first goes on');
stop_notifier($notifier, 'KILL');
query("SELECT eventlog.emit('x', message => 'second')");
await(sub { owed('all') == 0 }, 'and takes over when it is gone');
is(scalar(grep { $_->{path} eq '/all' && $_->{message} eq 'first' } arrived()), 1, 'nothing was sent by both');
is(stop_notifier($second), 0, 'clean');

done_testing();
