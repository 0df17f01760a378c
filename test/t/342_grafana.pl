# The dashboards: each is what Grafana's schema says, and each of its queries of
# the database gives what its panel shows, to a role that may read and monitor.
# (340_alerts.pl has the queries of Prometheus.)

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @files = glob('contrib/grafana/*.json');
my $said;

is(scalar @files, 2, 'two dashboards');
ok(IPC::Run::run([ 'node', 'test/clients/dashboards.mjs', @files ], '>', \$said, '2>', \$said), "Grafana's schema has nothing to say") or diag $said;

foreach my $file (@files)
{
	my $dashboard = decode_json(slurp_file($file));
	my %ids = map { $_->{id} => 1 } @{ $dashboard->{panels} };
	my %variable = map { $_->{name} => 1 } @{ $dashboard->{templating}{list} };
	my %cells;

	is(scalar keys %ids, scalar @{ $dashboard->{panels} }, "$file: each panel has an id of its own");
	foreach my $panel (@{ $dashboard->{panels} })
	{
		my $at = $panel->{gridPos};

		ok($panel->{title} && $panel->{description}, "$panel->{title}: is described");
		foreach my $x ($at->{x} .. $at->{x} + $at->{w} - 1)
		{
			$cells{"$x,$_"}++ foreach $at->{y} .. $at->{y} + $at->{h} - 1;
		}
		cmp_ok($at->{x} + $at->{w}, '<=', 24, "$panel->{title}: fits in");
	}
	is(scalar(grep { $_ > 1 } values %cells), 0, "$file: no panel covers another");
	my @unknown = grep { !$variable{$_} } slurp_file($file) =~ /\$\{?([a-z]\w*)/g;
	is("@unknown", '', "$file: each variable is one of its own");
}

#
# A log of ten hours, with something of everything, and what is wrong with one
#

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
$node->safe_psql('postgres', q{
CREATE EXTENSION eventlog;
SELECT eventlog.create_log('events', retention => '90 days');
SELECT eventlog.create_log('"an ""odd"" log''s name"');
ALTER TABLE "an ""odd"" log's name" DISABLE TRIGGER eventlog_fill;
SELECT eventlog.subscribe('event_update');
SELECT count(eventlog.emit((ARRAY['system.image.failed', 'user.login', 'user.logout'])[1 + n % 3],
       (ARRAY['debug', 'info', 'warning', 'error', 'critical'])[1 + n % 5], message => 'it''s number ' || n,
       source_service => (ARRAY['catalog', 'o''brien'])[1 + n % 2], source_host => 'h', resource_id => 'r',
       details => jsonb_build_object('n', n), occurred_at => date_trunc('hour', now()) - n * interval '1 minute'))
  FROM generate_series(1, 600) n;
});
$node->command_ok([ 'psql', '-Xq', '-d', $node->connstr('postgres'), '-f', 'contrib/roles.sql' ], 'roles');
$node->safe_psql('postgres', 'CREATE ROLE grafana LOGIN; GRANT eventlog_reader, eventlog_monitor TO grafana');

my $to = $node->safe_psql('postgres', q{SELECT extract(epoch FROM date_trunc('hour', now()))::bigint});
my %default = (log => 'events', event_type => '', level => '', service => '');
my $dashboard = decode_json(slurp_file('contrib/grafana/eventlog-sql.json'));
my %panel = map { $_->{title} => $_ } @{ $dashboard->{panels} };

# utc: a time as Grafana writes it.
sub utc
{
	my @t = gmtime $_[0];
	return sprintf "'%04d-%02d-%02dT%02d:%02d:%02dZ'", $t[5] + 1900, $t[4] + 1, @t[ 3, 2, 1, 0 ];
}

# interpolate: what Grafana sends: its variables, then the macros of its
# PostgreSQL data source; nothing may be left.
sub interpolate
{
	my ($sql, %value) = @_;
	my $quoted = sub { my $text = $value{ $_[0] } // die "no variable $_[0]"; return "'" . $text =~ s/'/''/gr . "'" };

	$sql =~ s/\$\{(\w+):sqlstring\}/$quoted->($1)/ge;
	$sql =~ s/\$__interval_ms\b/1800000/g;
	$sql =~ s/\$__timeFrom\(\)/utc($to - 10 * 3600)/ge;
	$sql =~ s/\$__timeTo\(\)/utc($to)/ge;
	unlike($sql, qr/\$/, 'nothing is left to fill in');
	return $sql;
}

# rows: what a query gives the role, as hashes.
sub rows
{
	my ($sql, %value) = @_;
	my ($out, $error);
	my $status = $node->psql('postgres',
		"SET TIME ZONE 'UTC'; SELECT COALESCE(json_agg(q), '[]') FROM (" . interpolate($sql, %default, %value) . ") q",
		extra_params => [ '-U', 'grafana' ], stdout => \$out, stderr => \$error);

	is($error, '', 'it runs');
	return $status == 0 ? @{ JSON::PP->new->decode($out) } : ();
}

sub panel_rows
{
	my ($title, %value) = @_;
	my ($target, $more) = @{ ($panel{$title} // die "no panel $title")->{targets} };

	die "$title has two queries" if $more;
	return rows($target->{rawSql}, %value);
}

# one: the only value of a panel.
sub one
{
	my ($row) = panel_rows(@_);
	return (values %$row)[0];
}

# Variables
my %query = map { $_->{name} => $_->{query} } grep { $_->{type} eq 'query' } @{ $dashboard->{templating}{list} };
is_deeply([ map { $_->{log} } rows($query{log}) ], [ '"an ""odd"" log\'s name"', 'events' ], 'the logs');
is_deeply([ map { "$_->{__text}=$_->{__value}" } rows($query{level}) ], [ 'any=', map { "$_=$_" } qw(debug info warning error critical) ], 'the levels');
is_deeply([ map { "$_->{__text}=$_->{__value}" } rows($query{service}) ], [ 'any=', 'catalog=catalog', "o'brien=o'brien" ], 'the services');

# Panels
is(one('Events'), 600, 'how many events there are');
is(one('Events', event_type => 'user.'), 400, 'of types with a prefix');
is(one('Events', level => 'error'), 120, 'of a level');
is(one('Events', service => "o'brien"), 300, 'of a service, whatever its name');
is(one('Events', event_type => "x'); DROP TABLE events; --"), 0, 'a prefix is text');
is(one('Errors'), 240, 'errors');
is(one('Errors', level => 'debug'), 240, 'whatever the level');
is(one('Size'), $node->safe_psql('postgres', "SELECT bytes FROM eventlog.logs WHERE log = 'events'::regclass"), 'the size');
cmp_ok(one('Size', log => '"an ""odd"" log\'s name"'), '>', 0, 'of a log with an odd name');
is(one('Problems'), 2, 'problems');
is(one('Owed'), 600, 'what is owed');
is(one('Owed', log => '"an ""odd"" log\'s name"'), 0, 'to nobody');
is(one('Dead'), 0, 'dead ones');

my @timeline = panel_rows('Timeline');
my ($sum, %levels) = (0);
foreach my $row (@timeline)
{
	$sum += $row->{value};
	$levels{ $row->{metric} } += $row->{value};
}
is($sum, 600, 'the timeline has all events');
is_deeply(\%levels, { map { $_ => 120 } qw(debug info warning error critical) }, 'by level');
is(scalar @timeline, 20 * 5, 'in buckets of the interval');
is_deeply([ map { $_->{time} } @timeline ], [ sort map { $_->{time} } @timeline ], 'in order of time');
is($panel{Timeline}{targets}[0]{format}, 'time_series', 'as a time series');
is_deeply([ panel_rows('Timeline', event_type => 'nothing') ], [], 'nothing is no error');
is_deeply([ sort map { $_->{matcher}{options} } @{ $panel{Timeline}{fieldConfig}{overrides} } ], [ sort keys %levels ], 'each level has its colour');

my @types = panel_rows('Top types');
is(scalar @types, 15, 'the types, by level');
is($types[0]{events}, 40, 'the most frequent first');
my @errors = panel_rows('Newest errors');
is(scalar @errors, 100, 'a hundred errors');
is_deeply([ @{ $errors[0] }{qw(level message details source_service)} ], [ 'error', "it's number 3", '{"n": 3}', "o'brien" ], 'the newest first, with its details');
is_deeply([ panel_rows('Problems of logs') ], [ map { { log => '"an ""odd"" log\'s name"', problem => $_ } } 'trigger "eventlog_fill" is disabled', 'triggers are disabled in 6 partitions' ], 'what is wrong');
is_deeply([ sort map { "$_->{log} " . ($_->{retention} // '') } panel_rows('Logs') ], [ '"an ""odd"" log\'s name" ', 'events 90 days' ], 'the logs');
my ($subscription) = panel_rows('Subscriptions');
is_deeply([ @{$subscription}{qw(name log pending consumer)} ], [ 'event_update', 'events', 600, undef ], 'the subscriptions');

# A column that a panel treats apart is one that its query has.
foreach my $panel (grep { $_->{type} eq 'table' } @{ $dashboard->{panels} })
{
	my ($row) = panel_rows($panel->{title});

	ok(exists $row->{ $_->{matcher}{options} }, "$panel->{title}: $_->{matcher}{options} is a column") foreach @{ $panel->{fieldConfig}{overrides} };
}

$node->stop;
done_testing();
