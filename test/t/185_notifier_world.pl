# The database under a notifier that goes on: what is dropped and made again is
# found again, one event that cannot be rendered holds up no other, and what
# cannot be acknowledged is not sent for ever.

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
my %quick = (initial_backoff => '10ms', max_backoff => '200ms', max_attempts => 0);
my $nworlds = 0;
my ($config, $notifier);

sub forget
{
	query("SELECT eventlog.unsubscribe(name, log) FROM eventlog.subscriptions WHERE log IS NOT NULL");
}

# count: how often the notifier's log has it.
sub count
{
	my ($what) = @_;
	my @all = notifier_log($notifier) =~ /$what/g;

	return scalar @all;
}

# Somebody drops the subscription.
$config = write_config({ dropped => { url => "$url/dropped" } }, listen => "127.0.0.1:$port");
$notifier = start_notifier($config, 'dropped');
query("SELECT eventlog.emit('before')");
await(sub { owed('dropped') == 0 }, 'an event is delivered');
forget();
await(sub { count('msg=subscribed webhook=dropped') == 2 }, 'a subscription that was dropped is made again');
cmp_ok(count('level=error'), '<=', 1, 'and that is told once');
await(sub { metrics($port, '/readyz') =~ /\n200$/ }, 'it is ready again');
query("SELECT eventlog.emit('after')");
await(sub { requests($receiver, '/dropped') == 2 }, 'and delivers');
is(stop_notifier($notifier), 0, 'it stops cleanly');

# The log is dropped and made again, or another one takes its name; the extension
# itself is made anew.
my %worlds = (
	'a log that was dropped and made again' => "DROP TABLE events; SELECT eventlog.create_log('events')",
	'a log that took the name of another' => "ALTER TABLE events RENAME TO events_before; SELECT eventlog.create_log('events')",
	'an extension that was made anew' => "DROP EXTENSION eventlog CASCADE; DROP TABLE IF EXISTS events, events_before;"
	  . " CREATE EXTENSION eventlog; SELECT eventlog.create_log('events')");
foreach my $world (sort keys %worlds)
{
	forget();
	my $path = '/world' . ++$nworlds;
	$notifier = start_notifier(write_config({ world => { url => "$url$path" } }, listen => "127.0.0.1:$port"), 'world');
	query("SELECT eventlog.emit('before')");
	await(sub { requests($receiver, $path) == 1 }, "$world: before, an event is delivered");
	await(sub { metrics($port, '/readyz') =~ /\n200$/ }, "$world: it is ready");
	query($worlds{$world});
	await(sub { query("SELECT count(*) FROM eventlog.subscriptions WHERE name = 'world' AND log = 'events'::regclass AND consumer IS NOT NULL") == 1 },
		"$world: is found again");
	query("SELECT eventlog.emit('after')");
	await(sub { requests($receiver, $path) == 2 }, "$world: and delivers");
	await(sub { metrics($port, '/readyz') =~ /\n200$/ }, "$world: it is ready again");
	cmp_ok(count('level=error'), '<=', 2, "$world: nothing is told again and again");
	is(stop_notifier($notifier), 0, 'it stops cleanly');
}

# An event whose payload cannot be made: a function that fails for its time.
forget();
query("CREATE FUNCTION public.picky(t timestamptz) RETURNS text LANGUAGE plpgsql AS \$\$"
	  . "BEGIN IF t = '2001-01-01Z' THEN RAISE data_exception USING MESSAGE = 'too old to be shown'; END IF;"
	  . " RETURN to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'); END\$\$");
my $utc = query("SELECT proname FROM pg_proc WHERE pronamespace = 'eventlog'::regnamespace AND proname IN ('_utc', 'utc')");
query("CREATE OR REPLACE FUNCTION eventlog.$utc(t timestamptz) RETURNS text LANGUAGE sql AS 'SELECT public.picky(t)'");
$config = write_config({ unfit => { url => "$url/unfit", retry => { %quick, max_attempts => 3 } } });
$notifier = start_notifier($config, 'unfit');
query("SELECT count(eventlog.emit('fit')) FROM generate_series(1, 10);"
	  . " SELECT eventlog.emit('unfit', occurred_at => '2001-01-01Z');"
	  . " SELECT count(eventlog.emit('fit')) FROM generate_series(1, 10)");
await(sub { requests($receiver, '/unfit') == 20 }, 'an event that cannot be rendered holds up no other');
await(sub { owed('unfit', 'dead') == 1 && owed('unfit') == 1 }, 'it fails like any other');
like(last_error('unfit'), qr/^could not make its payload: too old to be shown$/, 'which is told');
is(stop_notifier($notifier), 0, 'it stops cleanly');
query("SELECT eventlog.retry('unfit')");
query("CREATE OR REPLACE FUNCTION public.picky(t timestamptz) RETURNS text LANGUAGE sql AS \$\$SELECT '2001-01-01T00:00:00Z'\$\$");
$notifier = start_notifier($config, 'unfit');
await(sub { owed('unfit') == 0 }, 'and is delivered when it can be');
is(stop_notifier($notifier), 0, 'it stops cleanly');

# Acknowledgements that cannot be written, as on a full disk.
forget();
query("CREATE FUNCTION public.full_disk() RETURNS trigger LANGUAGE plpgsql AS \$\$BEGIN RAISE disk_full USING MESSAGE = 'no space left'; END\$\$");
$config = write_config({ full => { url => "$url/full" } }, listen => "127.0.0.1:$port");
$notifier = start_notifier($config, 'full');
query("CREATE TRIGGER full_disk BEFORE DELETE ON eventlog._queue EXECUTE FUNCTION public.full_disk();"
	  . " SELECT count(eventlog.emit('full')) FROM generate_series(1, 3000)");
await(sub { notifier_log($notifier) =~ /level=error msg="could not acknowledge" webhook=full sqlstate=53100/ }, 'an acknowledgement cannot be written');
await(sub { metrics($port, '/readyz') =~ /\n503$/ }, 'it is not ready');
sleep 8;
cmp_ok(scalar(requests($receiver, '/full')), '<', 1000, 'not everything is sent meanwhile');
is(count('level=error msg="could not acknowledge"'), 1, 'the same error is told once');
query("DROP TRIGGER full_disk ON eventlog._queue");
await(sub { owed('full') == 0 }, 'when it can be, all is delivered');
is(scalar(requests($receiver, '/full')), 3000, 'once each');
await(sub { metrics($port, '/readyz') =~ /\n200$/ }, 'and it is ready again');
is(stop_notifier($notifier), 0, 'it stops cleanly');

# --once tells by its exit status whether anything is still owed: also where it
# is another session's to deliver, and where the receiver fails.
forget();
set_modes($receiver, '/once' => '500');
$config = write_config({ once => { url => "$url/once" } });
query("SELECT eventlog.subscribe('once'); SELECT eventlog.emit('once')");
my $session = $node->background_psql('postgres');
$session->query_safe("SELECT eventlog.fetch('once', 1)");
command_exit_is([ 'eventlog-notifier', '--once', '--config', $config ], 1, '--once fails where another session is the consumer');
$session->quit;
is(scalar(requests($receiver, '/once')), 0, 'which it leaves it to');
command_exit_is([ 'eventlog-notifier', '--once', '--config', $config ], 1, '--once fails where the receiver does');
set_modes($receiver);
await(sub { system("eventlog-notifier --once --config $config 2>/dev/null") == 0 }, 'it succeeds when all is delivered');
is(owed('once'), 0, 'which it is');

# Attempts do not end before the event is too old, unless that is asked for.
forget();
set_modes($receiver, '/days' => '500', '/twice' => '500');
$notifier = start_notifier(write_config({ days => { url => "$url/days", retry => { initial_backoff => '1ms', max_backoff => '10ms' } },
	twice => { url => "$url/twice", retry => { initial_backoff => '1ms', max_backoff => '10ms', max_attempts => 2 } } }), 'days', 'twice');
query("SELECT eventlog.emit('days')");
await(sub { owed('twice', 'dead') == 1 }, 'two attempts that are asked for are two');
await(sub { query("SELECT max(attempts) FROM eventlog.deliveries WHERE subscription = 'days'") > 30 && owed('days', 'dead') == 0 }, 'otherwise there is no end of them');
is(stop_notifier($notifier), 0, 'it stops cleanly');

done_testing();
