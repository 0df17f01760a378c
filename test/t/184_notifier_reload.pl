# A reload changes what has changed, and leaves the rest alone.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use JSON::PP;
use Notifier;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

$Notifier::sanitized = 1;
my $node = new_node();
my $receiver = receiver();
my $url = $receiver->{url};
my $port = PostgreSQL::Test::Cluster::get_free_port();
my %more = (listen => "127.0.0.1:$port");

sub count
{
	my ($notifier, $what) = @_;
	my @all = notifier_log($notifier) =~ /$what/g;

	return scalar @all;
}

my %stays = (stays => { url => "$url/stays" });
my $config = write_config({ %stays, changes => { url => "$url/changes" }, goes => { url => "$url/goes" } }, %more);
my $notifier = start_notifier($config, qw(stays changes goes));
query("SELECT eventlog.emit('before')");
await(sub { owed('stays') + owed('changes') + owed('goes') == 0 }, 'all deliver');
my $pid = query("SELECT DISTINCT consumer FROM eventlog.subscriptions");
set_modes($receiver, '/stays' => 'hold');
query("SELECT eventlog.emit('held')");
await(sub { requests($receiver, '/stays') == 2 && owed('changes') + owed('goes') == 0 }, 'a request is in flight');

write_config({ %stays, changes => { url => "$url/changed" }, comes => { url => "$url/comes" } }, file => $config, %more);
kill 'HUP', $notifier->{pid};
await(sub { count($notifier, 'reloaded the configuration') == 1 }, 'the new configuration counts at once');
is(metric($port, 'eventlog_notification_requests_in_flight{webhook="stays"}'), 1, 'what has not changed still has its request in flight');
is(metric($port, 'eventlog_notifications_total{webhook="stays"}'), 1, 'and its counts');
is(metric($port, 'eventlog_notifications_total{webhook="changes"}'), 0, 'what has changed begins anew');
is(metric($port, 'eventlog_notifications_total{webhook="goes"}'), undef, 'what is gone is gone');
is(count($notifier, 'msg=subscribed webhook=stays'), 1, 'nor has it subscribed again');
is(count($notifier, 'msg="connected to the database"'), 1, 'the session is the same');
await(sub { query("SELECT consumer FROM eventlog.subscriptions WHERE name = 'comes'") eq $pid }, 'and consumes what is new');
await(sub { query("SELECT consumer IS NULL FROM eventlog.subscriptions WHERE name = 'goes'") eq 't' }, 'but no more what is gone');
query("SELECT eventlog.emit('after')");
await(sub { requests($receiver, '/changed') == 1 && requests($receiver, '/comes') == 1 }, 'both deliver where they are to');
set_modes($receiver);
await(sub { owed('stays') == 0 }, 'what was in flight is delivered');
is(scalar(requests($receiver, '/stays')), 3, 'once');
is(scalar(requests($receiver, '/changes')), 2, 'nothing more went to the old place');

# A wrong one is told, and a right one again.
my $time = metric($port, 'eventlog_config_last_reload_success_timestamp_seconds');
append_to_file($config, 'junk');
kill 'HUP', $notifier->{pid};
await(sub { (metric($port, 'eventlog_config_last_reload_successful') // 1) == 0 }, 'a wrong configuration is told in the metrics');
is(metric($port, 'eventlog_config_last_reload_success_timestamp_seconds'), $time, 'with the time of the last right one');

# Another log: those webhooks that are the same keep their counts.
query("SELECT eventlog.create_log('other')");
write_config({ %stays }, file => $config, %more, log => 'other');
kill 'HUP', $notifier->{pid};
await(sub { count($notifier, 'reloaded the configuration') == 2 }, 'another log');
await(sub { count($notifier, 'msg=subscribed webhook=stays') == 2 }, 'to which it subscribes');
query("SELECT eventlog.emit('other', log => 'other')");
await(sub { requests($receiver, '/stays') == 4 }, 'and whose events it delivers');
is(metric($port, 'eventlog_notifications_total{webhook="stays"}'), 4, 'the counts go on');

# Several files, of which the later ones override.
my $part = write_config({ stays => { url => "$url/part" } }, %more, log => 'other');
kill 'TERM', $notifier->{pid};
is(stop_notifier($notifier, 0), 0, 'clean');
command_ok([ 'eventlog-notifier', '--check', '--config', $config, '--config', $part ], 'parts of a configuration');
query("SELECT eventlog.emit('part', log => 'other')");
command_ok([ 'eventlog-notifier', '--once', '--config', $config, '--config', $part ], 'are put together');
is(scalar(requests($receiver, '/part')), 1, 'and the later one counts');
{
	local @ENV{qw(PGHOST PGPORT PGDATABASE)} = ($node->host, $node->port, 'postgres');
	my $file = PostgreSQL::Test::Utils::tempdir() . '/notifier.json';
	append_to_file($file, encode_json({ log => 'other', event_log => { notification => { enabled => JSON::PP::true } }, webhooks => \%stays }));
	command_ok([ 'eventlog-notifier', '--check', '--config', $file ], "without a database, libpq's environment has it");
}

done_testing();
