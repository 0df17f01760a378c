# The notifier, end to end: events become webhooks that receivers which are not
# ours understand.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use JSON::PP;
use Notifier;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node();
my $receiver = receiver();
my ($true, $false) = (JSON::PP::true, JSON::PP::false);

# The command line.
command_like([ 'eventlog-notifier', '--version' ], qr/^eventlog-notifier \d/, '--version');
command_like([ 'eventlog-notifier', '--help' ], qr/Usage:.*Exit status:/s, '--help');
command_exit_is([ 'eventlog-notifier' ], 2, 'no configuration named');
command_exit_is([ 'eventlog-notifier', '--nonsense' ], 2, 'an unknown option');
my $wrong = write_config({ event_update => { url => 'mailto:x' } });
command_checks_all([ 'eventlog-notifier', '--check', '--config', $wrong ],
	2, [qr/^$/], [qr/webhooks\.event_update\.url: must begin with http/], '--check tells what is wrong, and where');
command_exit_is([ 'eventlog-notifier', '--check', '--config', '/nonexistent' ], 2, 'no such configuration');

# Errors alone are sent, signed, as Standard Webhooks.
my $config = write_config({ event_update => { url => "$receiver->{url}/events", secret => SECRET },
		general => { url => "$receiver->{url}/general" } },
	notification => { enabled => $true, level => ['ERROR'] });
command_ok([ 'eventlog-notifier', '--check', '--config', $config ], '--check passes');
my $notifier = start_notifier($config, 'event_update');
query("\\i test/data/quickstart.sql");
await(sub { requests($receiver) == 6 }, 'six errors arrive');
await(sub { owed('event_update') == 0 }, 'and are owed no more');
my @requests = requests($receiver);
is_deeply([ sort @{ verify('standard', @requests) } ],
	[ ('system.analysis_archive.image_archive_failed error') x 1,
	  ('system.image_analysis.registry_lookup_failed error') x 5 ],
	'standardwebhooks verifies and understands them');
is(scalar(grep { $_->{path} ne '/events' } @requests), 0, 'event_update is used, not general');
my ($aerospike) = grep { $_->{body} =~ /aerospike/ } @requests;
is($aerospike->{headers}{'webhook-id'}, query("SELECT id FROM eventlog.list(resource_id => 'docker.io/aerospike:latest')"), "webhook-id is the event's id");
my $body = decode_json($aerospike->{body});
is_deeply([ sort keys %$body ], [qw(data timestamp type)], 'the envelope');
is($body->{timestamp}, '2022-08-24T22:08:28.811441Z', 'its time');
is_deeply($body->{data}, decode_json(query("SELECT eventlog.to_json(e) FROM eventlog.list(resource_id => 'docker.io/aerospike:latest') e")), 'and the event');
is($aerospike->{headers}{'content-type'}, 'application/json', 'its kind');
query("UPDATE events SET level = 'error'; SELECT eventlog.emit('late', 'info')");
query("SELECT eventlog.emit('late', 'error', details => '{\"n\": 12345678901234567890123456789012345678901234567890, \"s\": \"\\u00e4\\\\\\\"\"}')");
await(sub { requests($receiver) == 7 }, 'a further one arrives');
like((requests($receiver))[6]{body}, qr/12345678901234567890123456789012345678901234567890/, 'with its numbers whole');
is(stop_notifier($notifier), 0, 'SIGTERM ends it cleanly');
like(notifier_log($notifier), qr/^time=\S+ level=info msg=subscribed webhook=event_update$/m, 'it logs in logfmt');
unlike(notifier_log($notifier), qr/whsec|MfKQ9r8/, 'and no secret');

# --once delivers what is owed, and exits.
query("SELECT eventlog.emit('once', 'error')");
command_ok([ 'eventlog-notifier', '--once', '--config', $config ], '--once');
is(scalar(requests($receiver)), 8, 'delivers what is owed');
# Disabled, what the configuration names is unsubscribed.
write_config({ event_update => { url => "$receiver->{url}/events" } }, file => $config, notification => { enabled => $false });
command_ok([ 'eventlog-notifier', '--once', '--config', $config ], 'disabled');
is(query('SELECT count(*) FROM eventlog.subscriptions'), 0, 'it unsubscribes');

# Three webhooks, three formats, three ways to say who one is.
my $header = write_config({
	general => { url => "$receiver->{url}/<notification_type>/<userId>?u=<userId>", format => 'anchore', level => ['error'],
		basic_auth => { username => 'me', password => 'hunter2' } },
	clouds => { url => "$receiver->{url}/clouds", format => 'cloudevents', event_type => 'cloud.',
		authorization => { credentials => 'hunter2' } },
	batches => { url => "$receiver->{url}/batches", format => 'cloudevents', event_type => 'batch.', batch => { max_events => 10 },
		max_concurrency => 1, secret => SECRET, http_headers => { 'X-Mine' => 'yes' } } });
query("SELECT eventlog.subscribe('batches', event_type => 'batch.'); SELECT count(eventlog.emit('batch.' || g)) FROM generate_series(1, 25) g");
$notifier = start_notifier($header, qw(general clouds batches));
query("SELECT eventlog.emit('cloud.seen', 'warning', resource_id => 'r', source_service => 'a b', details => '{\"a\": null}')");
query("SELECT eventlog.emit('old', 'error', user_id => 'a/b', message => 'm')");
await(sub { requests($receiver, '/clouds') == 1 && requests($receiver, '/event_log/a%2Fb?u=a%2Fb') == 1 }, 'to where their configuration says');
await(sub { owed('batches') == 0 }, 'batches too');
my ($cloud) = requests($receiver, '/clouds');
is_deeply(verify('cloudevents', $cloud), ['cloud.seen warning'], 'cloudevents understands one');
is($cloud->{headers}{'content-type'}, 'application/cloudevents+json; charset=utf-8', 'structured mode');
is($cloud->{headers}{authorization}, 'Bearer hunter2', 'bearer');
$body = decode_json($cloud->{body});
is_deeply([ @$body{qw(specversion type subject source)} ], ['1.0', 'cloud.seen', 'r', '/-/a-b'], 'attributes');
is_deeply($body->{data}{event}{details}, { a => undef }, 'nulls of the details stay');
my @batches = requests($receiver, '/batches');
my $understood = verify('cloudevents', @batches);
is(scalar(map { split /, / } @$understood), 25, 'cloudevents understands batches');
is(scalar(grep { /INVALID/ } @$understood), 0, 'all of them');
cmp_ok(scalar(@batches), '<=', 4, 'of up to ten');
is($batches[0]{headers}{'content-type'}, 'application/cloudevents-batch+json; charset=utf-8', 'batch mode');
is($batches[0]{headers}{'x-mine'}, 'yes', 'a header of ones own');
ok($batches[0]{headers}{'webhook-signature'}, 'signed too, as there is a secret');
my ($anchore) = requests($receiver, '/event_log/a%2Fb?u=a%2Fb');
$body = decode_json($anchore->{body});
is_deeply([ sort keys %$body ], [ sort qw(queueId userId dataId created_at last_updated record_state_key record_state_val tries max_tries data) ], 'what an Anchore receiver gets');
is_deeply([ @$body{qw(queueId userId record_state_key tries)} ], [ 'event_log', 'a/b', 'active', 0 ], 'its values');
is_deeply([ @{ $body->{data} }{qw(notification_user notification_type)} ], [ 'a/b', 'event_log' ], 'its notification');
is($body->{data}{notification_payload}{event}{message}, 'm', 'and the event');
is_deeply($body->{data}{notification_payload}{event}{details}, {}, 'whose details are an object where there are none');
like($anchore->{body}, qr/"dataId"\s*:\s*"\d+".*"notificationId"\s*:\s*"\d+"/s, 'and numbers of deliveries are strings');
is($anchore->{headers}{authorization}, 'Basic bWU6aHVudGVyMg==', 'basic');
unlike(notifier_log($notifier), qr/hunter2/, 'no password in the log');

# Reload: the new configuration counts; a wrong one does not.
append_to_file($header, 'junk');
kill 'HUP', $notifier->{pid};
await(sub { notifier_log($notifier) =~ /keeping the old configuration/ }, 'a wrong configuration is refused');
query("SELECT eventlog.emit('cloud.again')");
await(sub { requests($receiver, '/clouds') == 2 }, 'the old one goes on');
write_config({ clouds => { url => "$receiver->{url}/elsewhere" } }, file => $header);
kill 'HUP', $notifier->{pid};
await(sub { notifier_log($notifier) =~ /msg="reloading the configuration"(.*\n)*.*subscribed webhook=clouds/ }, 'a right one is loaded');
query("SELECT eventlog.emit('cloud.moved')");
await(sub { requests($receiver, '/elsewhere') >= 1 }, 'and counts');
is(stop_notifier($notifier, 'INT'), 0, 'SIGINT ends it cleanly');

# Health and metrics.
my $probe = receiver();
my ($port) = $probe->{url} =~ /:(\d+)$/;
kill 'TERM', $probe->{pid};
waitpid $probe->{pid}, 0;
$config = write_config({ event_update => { url => "$receiver->{url}/m" } }, listen => "127.0.0.1:$port");
$notifier = start_notifier($config, 'event_update');
sub get { return `curl -s -w '\\n%{http_code}' http://127.0.0.1:$port$_[0]`; }
like(get('/healthz'), qr/\n200$/, '/healthz');
await(sub { get('/readyz') =~ /\n200$/ }, '/readyz');
query("SELECT eventlog.emit('m')");
await(sub { get('/metrics') =~ /^eventlog_notifications_total\{webhook="event_update"\} 1$/m }, 'delivered events are counted');
like(get('/metrics'), qr/^eventlog_notification_latency_seconds_bucket\{webhook="event_update",le="\+Inf"\} 1$/m, 'and their latency');
await(sub { get('/metrics') =~ /^eventlog_notifications_owed\{webhook="event_update"\} 0$/m }, 'and what is owed');
like(get('/metrics'), qr/^eventlog_notifications_oldest_owed_age_seconds\{webhook="event_update"\} 0$/m, 'for how long');
like(get('/nowhere'), qr/\n404$/, 'nothing else is there');
$node->stop;
await(sub { get('/readyz') =~ /\n503$/ }, 'without its database it is not ready');
like(get('/healthz'), qr/\n200$/, 'but healthy');
$node->start;
await(sub { get('/readyz') =~ /\n200$/ }, 'it connects again');
query("SELECT eventlog.emit('again')");
await(sub { requests($receiver, '/m') == 2 }, 'and goes on');

# Idle, it is asleep: no transaction, no statement.
await(sub { query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid >= 64") == 1 }, 'it sleeps');
my (%states, %transactions);
for (1 .. 20)
{
	my ($change, $xact) = split /\|/, query("SELECT state_change, xact_start FROM pg_stat_activity WHERE application_name ~ '^eventlog-notifier '"), -1;
	$states{$change} = 1;
	$transactions{$xact} = 1;
	sleep 0.1;
}
cmp_ok(scalar(keys %states), '<=', 2, 'and asks nothing while nothing is owed, but every 15 seconds how it goes');
is_deeply([ keys %transactions ], [''], 'nor does it hold a transaction');
is(stop_notifier($notifier), 0, 'done');

done_testing();
