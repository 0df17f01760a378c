# Many webhooks, big events, and much that fails: nothing of it costs the others
# more than it must.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use JSON::PP;
use Notifier;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

$Notifier::sanitized = 1;
my $node = new_node();
$node->append_conf('postgresql.conf', "log_statement = 'all'");
$node->restart;
my $receiver = receiver();
my $url = $receiver->{url};
my %quick = (initial_backoff => '10ms', max_backoff => '200ms', max_attempts => 0);
my $notifier;

sub forget
{
	query("SELECT eventlog.unsubscribe(name, log) FROM eventlog.subscriptions");
}

# statements: how many of the notifier's there were with that text since then.
sub statements
{
	my ($what, $since) = @_;
	my @all = slurp_file($node->logfile, $since) =~ /execute \S+ SELECT .*\Q$what\E/g;

	return scalar @all;
}

# One of many is woken.  The notifier looks after the others now and then, too:
# so the least of a few tries counts.
my %many = map { $_ => { url => "$url/$_", event_type => "$_." } } map { sprintf 'w%02d', $_ } 1 .. 30;
$notifier = start_notifier(write_config(\%many), sort keys %many);
my $least = 1000;
for my $try (1 .. 3)
{
	sleep 1;
	my $since = -s $node->logfile;
	query("SELECT eventlog.emit('w07.x')");
	await(sub { requests($receiver, '/w07') == $try }, 'an event for one of thirty webhooks');
	my $n = statements('eventlog.fetch(', $since);
	$least = $n if $n < $least;
}
cmp_ok($least, '<=', 3, 'wakes that one, and not the others');

# Where many stand by, one looks for all of them.
my $second = start_notifier(write_config(\%many));
await(sub { query("SELECT count(DISTINCT consumer) FROM eventlog.subscriptions") == 2 }, 'two notifiers share them');
my $looked = sub { my @all = slurp_file($node->logfile, $_[0]) =~ /execute \S+ SELECT pg_catalog\.hashtextextended\(COALESCE\(pg_catalog\.string_agg/g; return scalar @all; };
sleep 8;
my $from = -s $node->logfile;
await(sub { $looked->($from) >= 8 }, 'those who stand by look who the consumers are, of all at once');
cmp_ok(statements('eventlog.fetch(', $from), '<', $looked->($from) * 15, 'and none of them tries by itself each time');
is(stop_notifier($second), 0, 'it stops cleanly');
is(stop_notifier($notifier), 0, 'it stops cleanly');

# Failures are told in batches.
forget();
set_modes($receiver, '/failing' => '500');
query("SELECT eventlog.subscribe('failing'); SELECT count(eventlog.emit('f')) FROM generate_series(1, 1600)");
my $since = -s $node->logfile;
$notifier = start_notifier(write_config({ failing => { url => "$url/failing", format => 'cloudevents', batch => { max_events => 100 }, retry => \%quick },
	fine => { url => "$url/fine" } }), qw(failing fine));
await(sub { query("SELECT count(*) FROM eventlog.deliveries WHERE attempts > 0") >= 500 }, 'hundreds of deliveries fail');
my $told = query("SELECT sum(attempts) FROM eventlog.deliveries");
cmp_ok(statements('eventlog.fail', $since), '<', $told / 5, 'which is told in a few statements');
my @asked = slurp_file($node->logfile, $since) =~ /execute \S+ SELECT f\.seq.*\n.*parameters: \$1 = 'failing', \$2 = '[^']*', \$3 = '(\d+)'/g;
cmp_ok((sort { $b <=> $a } @asked)[0] // 1e9, '<=', 1000, 'and fetched in statements that others need not wait for long');
cmp_ok((sort { $b <=> $a } @asked)[0] // 0, '>=', 500, 'which are worth it');
query("SELECT eventlog.emit('fine')");
await(sub { requests($receiver, '/fine') == 1 }, 'another webhook goes on');
set_modes($receiver);
await(sub { owed('failing') == 0 }, 'and this one, when it can');
is(stop_notifier($notifier), 0, 'it stops cleanly');

# Big events, also more of them than there is memory for, also where some of the
# receivers take nothing.
forget();
$Notifier::sanitized = 0;    # which need memory of their own
set_modes($receiver, map { ("/dead$_" => '503') } 1 .. 5);
my %big = (fine => { url => "$url/big" }, map { ("dead$_" => { url => "$url/dead$_" }) } 1 .. 5);
query("SELECT eventlog.subscribe(n) FROM unnest('{" . join(',', keys %big) . "}'::text[]) n;"
	  . " SELECT count(eventlog.emit('big', details => jsonb_build_object('x', repeat('x', 5000000)))) FROM generate_series(1, 60) g");
$notifier = start_notifier(write_config(\%big), sort keys %big);
await(sub { owed('fine') == 0 }, 'sixty events of 5 MB are delivered', 120);
my ($peak) = slurp_file("/proc/$notifier->{pid}/status") =~ /^VmHWM:\s+(\d+) kB/m;
cmp_ok($peak, '<', 128 * 1024, 'in less memory than the unit that is shipped allows');
note("$peak kB");
is(owed('dead1'), 60, 'and those whose receivers fail are owed theirs');
is(stop_notifier($notifier), 0, 'it stops cleanly');

done_testing();
