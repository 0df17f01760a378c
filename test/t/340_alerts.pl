# What contrib/prometheus has: alerts that fire when they should, and on metrics
# that there are.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use JSON::PP;
use Notifier;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $folder = 'contrib/prometheus';
my $dir = PostgreSQL::Test::Utils::tempdir();

# promtool: whether it is content with these arguments.
sub promtool
{
	my ($name, @arguments) = @_;
	my $said;

	ok(IPC::Run::run([ 'promtool', @arguments ], '>', \$said, '2>', \$said), $name) or diag $said;
}

promtool('the alerts are right', 'check', 'rules', "$folder/alerts.yml");
promtool('so is the configuration', 'check', 'config', "$folder/prometheus.yml");
promtool('each alert fires when it should', 'test', 'rules', "$folder/alerts_test.yml");
my $tests = slurp_file("$folder/alerts_test.yml");
my @alerts = slurp_file("$folder/alerts.yml") =~ /^      - alert: (\w+)$/mg;
cmp_ok(scalar @alerts, '>=', 14, 'there are alerts');
foreach my $alert (@alerts)
{
	like($tests, qr/alertname: $alert\n\s+exp_alerts:\n\s+- /, "a test in which $alert fires");
	like($tests, qr/alertname: $alert\b(?!\n\s+exp_alerts)/, 'and one in which it does not') unless $alert eq 'EventlogLogGrows';
}

# A log that is not well, a notifier, and both exporters as monitor: they report
# the same.
my $node = new_node();
my $receiver = receiver();
my ($notifier_port, $postgres_port, $sql_port, $prometheus_port) = map { PostgreSQL::Test::Cluster::get_free_port() } 1 .. 4;
my $host = $node->host;
my $number = $node->port;
$node->command_ok([ 'psql', '-Xq', '-d', $node->connstr('postgres'), '-f', 'contrib/roles.sql' ], 'roles');
query("CREATE ROLE monitor LOGIN; GRANT eventlog_monitor TO monitor");
query("SELECT eventlog.create_log('public.\"an \"\"Other\"\"\"')");
query("ALTER TABLE \"an \"\"Other\"\"\" DISABLE TRIGGER eventlog_fill");
query("SELECT eventlog.subscribe('left')");
my $notifier = start_notifier(write_config({ w => { url => "$receiver->{url}/" } }, listen => "127.0.0.1:$notifier_port"), 'w');
query("SELECT eventlog.emit('a') FROM generate_series(1, 3)");
$ENV{DATA_SOURCE_NAME} = "host=$host port=$number user=monitor dbname=postgres sslmode=disable";
append_to_file("$dir/postgres_exporter.yaml", slurp_file("$folder/postgres_exporter.yaml") =~ s/cache_seconds: 30/cache_seconds: 1/gr);
daemon('prometheus-postgres-exporter', "--extend.query-path=$dir/postgres_exporter.yaml", "--web.listen-address=127.0.0.1:$postgres_port");
my $configuration = slurp_file("$folder/sql_exporter.yaml");
$configuration =~ s{postgres://monitor\@localhost/app\?}{postgres://monitor@/postgres?host=$host&port=$number&} or die 'no connection';
$configuration =~ s/interval: 30s/interval: 1s/ or die 'no interval';
append_to_file("$dir/sql_exporter.yaml", $configuration);
daemon('prometheus-sql-exporter', "-config.file=$dir/sql_exporter.yaml", "-web.listen-address=127.0.0.1:$sql_port");

# A real Prometheus with the configuration that is shipped, but for the ports.
my $prometheus = slurp_file("$folder/prometheus.yml");
my %ports = (9187 => $notifier_port, 9188 => $postgres_port, 9237 => $sql_port);
$prometheus =~ s/127\.0\.0\.1:(\d+)/127.0.0.1:$ports{$1}/g;
$prometheus =~ s/scrape_interval: 15s/scrape_interval: 1s\n  evaluation_interval: 1s/ or die 'no interval';
append_to_file("$dir/prometheus.yml", $prometheus);
append_to_file("$dir/alerts.yml", slurp_file("$folder/alerts.yml"));
daemon('prometheus', "--config.file=$dir/prometheus.yml", "--storage.tsdb.path=$dir/tsdb", "--web.listen-address=127.0.0.1:$prometheus_port");

# value: the series that an expression gives, by some labels, with their values.
sub value
{
	my ($expr, @labels) = @_;
	my $json = `curl -s --data-urlencode 'query=$expr' http://127.0.0.1:$prometheus_port/api/v1/query`;
	my $result = eval { decode_json($json) } or return {};

	diag "$expr: $result->{error}" if $result->{error};
	return { map { join('|', @{ $_->{metric} }{@labels}) => $_->{value}[1] } @{ $result->{data}{result} } };
}

await(sub { my $up = value('up', 'job'); keys %$up == 3 && !grep { $_ != 1 } values %$up }, 'Prometheus scrapes all three');
await(sub { value('eventlog_notifications_total', 'webhook')->{w} // 0 == 3 }, 'the notifier');
foreach my $job ('eventlog-postgres-exporter', 'eventlog-sql-exporter')
{
	my $of = "{job=\"$job\"}";

	await(sub { (value("eventlog_queue_pending$of", qw(log subscription))->{'public.events|left'} // 0) == 3 }, "$job: what is owed") or diag explain value("eventlog_queue_pending$of", qw(log subscription));
	is_deeply(value("eventlog_queue_consumed$of", 'subscription'), { left => 0, w => 1 }, 'who consumes');
	is_deeply(value("eventlog_log_problems$of", 'log'), { 'public.events' => 0, 'public."an ""Other"""' => 2 }, 'how many problems');
	is_deeply(value("eventlog_problem_present$of", qw(log problem)),
		{ map { ("public.\"an \"\"Other\"\"\"|$_" => 1) } 'trigger "eventlog_fill" is disabled', 'triggers are disabled in 6 partitions' }, 'and which');
	cmp_ok(value("eventlog_log_bytes$of", 'log')->{'public.events'}, '>', 8192, 'the size');
}

# names: of the metrics that Prometheus has from a job, those without our prefix
# and those that Prometheus makes apart.
sub names
{
	my ($job) = @_;

	return join ' ', sort grep { /^eventlog_/ } keys %{ value("group by (__name__) ({job=\"$job\"})", '__name__') };
}

is(names('eventlog-sql-exporter'), names('eventlog-postgres-exporter'), 'both exporters have the same metrics');
is(value('eventlog_queue_delivered_total{job="eventlog-sql-exporter", col!=""}', 'col')->{x}, undef, 'by the same labels');

# Each metric that an alert or a dashboard names is one that there is.
my %there = %{ value('group by (__name__) ({__name__!=""})', '__name__') };
foreach my $file ("$folder/alerts.yml", "$folder/alerts_test.yml", glob('contrib/grafana/*.json'))
{
	my %named = map { $_ => 1 } slurp_file($file) =~ /\b((?:eventlog|process)_\w+)/g;

	delete @named{ grep { /^eventlog_(?:reader|monitor)$/ } keys %named };
	cmp_ok(scalar keys %named, '>', 5, "$file names metrics") unless $file =~ /sql/;
	is(join(' ', grep { !exists $there{$_} } sort keys %named), '', "$file names no metric that there is not");
}

# The manual has each alert and each metric.
my $manual = slurp_file('doc/monitoring.md');
is(join(' ', sort $manual =~ /^\| `(Eventlog\w+)`/mg), join(' ', sort @alerts), 'the manual has each alert');
is(join(' ', sort $manual =~ /^\| `(eventlog_\w+)`/mg), names('eventlog-postgres-exporter'), 'and each metric of the exporters');

# Each query of the dashboard finds something, once Prometheus has looked twice.
my $dashboard = decode_json(slurp_file('contrib/grafana/eventlog-metrics.json'));
my $nqueries = 0;
foreach my $panel (@{ $dashboard->{panels} })
{
	foreach my $target (@{ $panel->{targets} })
	{
		my $expr = $target->{expr} =~ s/\$webhook/(w|x)/gr =~ s/\$__rate_interval/1m/gr;

		$nqueries++;
		unlike($expr, qr/\$/, "$panel->{title}: nothing is left to fill in");
		await(sub { %{ value($expr) } }, "$panel->{title} shows something");
		my ($label) = $target->{legendFormat} =~ /^\{\{(\w+)\}\}$/ or next;
		is(join(' ', grep { $_ eq '' } keys %{ value($expr, $label) }), '', "and is told apart by $label");
	}
}
cmp_ok($nqueries, '>', 10, 'the dashboard has queries');

# Each alert of what is wrong here is under way.
await(sub {
	my $alerts = value('ALERTS', qw(alertname alertstate));
	return $alerts->{'EventlogNobodyConsumes|pending'} && $alerts->{'EventlogProblem|pending'};
}, 'Prometheus finds what is wrong here') or diag `curl -s http://127.0.0.1:$prometheus_port/api/v1/rules`;
is(join(' ', sort keys %{ value('ALERTS', 'alertname') }), 'EventlogNobodyConsumes EventlogProblem', 'and nothing else');

# What is mended is told no more, and what has no problem is no failure.
query("ALTER TABLE \"an \"\"Other\"\"\" ENABLE TRIGGER ALL; SELECT eventlog.unsubscribe('left')");
await(sub { !%{ value('ALERTS', 'alertname') } }, 'no alert is left when all is well');
is_deeply(value('eventlog_problem_present', 'job'), {}, 'no problem is reported');
is_deeply([ values %{ value('sql_exporter_last_scrape_failed', 'query') } ], [ 0, 0, 0 ], 'and no query fails');
is(stop_notifier($notifier), 0, 'clean');

done_testing();
