# The metrics: as Prometheus wants them, whole also for many webhooks, and not of
# the session that delivers.

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
my $dir = PostgreSQL::Test::Utils::tempdir();
my $port = PostgreSQL::Test::Cluster::get_free_port();
query("ALTER SYSTEM SET eventlog.max_subscriptions = 1000; SELECT pg_reload_conf()") if query("SELECT count(*) FROM pg_settings WHERE name = 'eventlog.max_subscriptions'");

# promtool: what it says of a page.
sub promtool
{
	my ($page) = @_;

	append_to_file("$dir/page.new", $page =~ s/\n\d+\z/\n/r);
	rename "$dir/page.new", "$dir/page";
	return scalar `promtool check metrics < $dir/page 2>&1`;
}

set_modes($receiver, '/fails' => '503', '/refuses' => '400');
my %webhooks = (
	"gr\x{f6}\x{df}e \"1\"\\" => { url => "$url/odd" },
	fails => { url => "$url/fails", retry => { initial_backoff => '10ms', max_backoff => '20ms' } },
	refuses => { url => "$url/refuses", retry => { initial_backoff => '10ms', max_backoff => '20ms', max_attempts => 2 } },
	unreachable => { url => 'http://127.0.0.1:1/' },
	fine => { url => "$url/fine" });
my $config = write_config(\%webhooks, listen => "127.0.0.1:$port");
my $notifier = start_notifier($config, qw(fails refuses unreachable fine));
query("SELECT count(eventlog.emit('m')) FROM generate_series(1, 3)");
await(sub { owed('fine') == 0 && owed('refuses', 'dead') == 3 }, 'events are delivered, or not');
is(promtool(metrics($port)), '', 'promtool has nothing to say');
foreach my $line (
	'eventlog_notification_requests_total{webhook="fine",code="204"} 3',
	'eventlog_notification_requests_total{webhook="refuses",code="400"} 6',
	'eventlog_notifications_total{webhook="größe \\"1\\"\\\\"} 3',
	'eventlog_notifications_given_up_total{webhook="refuses"} 3',
	'eventlog_notification_latency_seconds_bucket{webhook="fine",le="15"} 3',
	'eventlog_database_up 1',
	'eventlog_config_last_reload_successful 1')
{
	like(metrics($port), qr/^\Q$line\E$/m, $line);
}
like(metrics($port), qr/^eventlog_notification_requests_failed_total\{webhook="unreachable",reason="connect"\} [1-9]/m, 'what fails has the reason');
like(notifier_log($notifier), qr/webhook=unreachable .*reason=connect/, 'that the log has');
cmp_ok(abs(time - metric($port, 'eventlog_notification_last_success_timestamp_seconds{webhook="fine"}')), '<', 120, 'the last success');
is(metric($port, 'eventlog_notification_last_success_timestamp_seconds{webhook="fails"}'), undef, 'where there was one');
await(sub { (metric($port, 'eventlog_notifications_dead{webhook="refuses"}') // 0) == 3 }, 'dead ones are counted in the database');
await(sub { (metric($port, 'eventlog_breaker_pause_seconds{webhook="unreachable"}') // 0) > 0 }, 'how long a pause lasts yet');
cmp_ok(metric($port, $_), '>', 0, $_) foreach qw(process_resident_memory_bytes process_open_fds process_max_fds process_start_time_seconds);
is(query("SELECT count(*) FROM pg_stat_activity a JOIN eventlog.subscriptions s ON s.consumer = a.pid WHERE a.query ~ 'oldest_pending_at'"), 0,
	'what is owed is not counted by the session that delivers');
is(query("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'eventlog-notifier-gauges'"), 1, 'but by one of its own');

# A real Prometheus understands it.
my $prometheus = PostgreSQL::Test::Cluster::get_free_port();
append_to_file("$dir/prometheus.yml", "global: { scrape_interval: 1s }\nscrape_configs:\n"
	  . "- job_name: eventlog\n  static_configs: [ { targets: ['127.0.0.1:$port'] } ]\n");
daemon('prometheus', "--config.file=$dir/prometheus.yml", "--storage.tsdb.path=$dir/tsdb", "--web.listen-address=127.0.0.1:$prometheus");
await(sub { `curl -s 'http://127.0.0.1:$prometheus/api/v1/query?query=eventlog_notifications_total'` =~ /"webhook":"fine"\},"value":\[[^,]*,"3"\]/ }, 'Prometheus scrapes it');
like(`curl -s 'http://127.0.0.1:$prometheus/api/v1/query?query=up'`, qr/"value":\[[^,]*,"1"\]/, 'and finds it up');

# What the database said is not told for long when it is gone.
isnt(metric($port, 'eventlog_notifications_owed{webhook="fails"}'), undef, 'what is owed is told');
$node->stop;
await(sub { !defined metric($port, 'eventlog_notifications_owed{webhook="fails"}') }, 'but not while the database is gone');
is(metric($port, 'eventlog_database_up'), 0, 'which is told');
is(promtool(metrics($port)), '', 'and the page is still right');
$node->start;
await(sub { defined metric($port, 'eventlog_notifications_owed{webhook="fails"}') }, 'then it is told again');
is(stop_notifier($notifier), 0, 'clean');
query("SELECT eventlog.unsubscribe(name) FROM eventlog.subscriptions");

# Many webhooks make a page of many pieces.
my %many = map { (sprintf('w%03d', $_) => { url => "$url/many", event_type => "none$_." }) } 1 .. 100;
$config = write_config(\%many, listen => "127.0.0.1:$port");
$notifier = start_notifier($config, 'w001', 'w100');
await(sub { (metric($port, 'eventlog_notifications_owed{webhook="w100"}') // 1) == 0 }, 'many webhooks');
my $page = metrics($port);
is(promtool($page), '', 'a page of pieces is right');
is(scalar(() = $page =~ /^eventlog_webhook_ready\{webhook="w\d\d\d"\} /mg), 100, 'and whole');
cmp_ok(length $page, '>', 10 * 16384, 'and big');
is(stop_notifier($notifier), 0, 'clean');

done_testing();
