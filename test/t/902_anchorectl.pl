# Every row of the manual's tables for people who come from Anchore: the test
# takes the command and what it is here from the tables themselves, and knows
# what must come out of the quickstart events.

use strict;
use warnings;

use IO::Socket::INET;
use JSON::PP;
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# The rows "| `left` | `right` |" of the page, in order.
sub table_rows
{
	return slurp_file('doc/coming-from-anchore.md') =~ /^\| `([^`]+)` \| `([^`]+)` \|$/mg;
}

# The old ids by what their events are, newest first.
my @events =
  map { decode_json($_) } split /\n/, slurp_file('test/data/quickstart.jsonl');
my @all = map { $_->{id} } @events;
my ($aerospike) = $all[-1];

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
$ENV{PGTZ} = 'UTC';
$node->safe_psql('postgres',
	"CREATE EXTENSION eventlog; SELECT eventlog.create_log('events');");

sub query
{
	return $node->safe_psql('postgres', join(' ', @_));
}

sub load_events
{
	query('\i test/data/quickstart.sql');
}

# From an old id to the id here, and back in the lists that come out.
load_events();
my %new_id;
foreach my $event (@events)
{
	$new_id{ $event->{id} } = query(
		"SELECT eventlog.new_id('$event->{occurred_at}', '$event->{id}')");
}
my %old_id = reverse %new_id;

sub old_ids
{
	my ($output) = @_;
	return [ map { $old_id{ (split /\|/)[0] } // $_ } split /\n/, $output ];
}

# The same ids as to_json writes them, without dashes.
sub old_json_ids
{
	my ($json) = @_;
	my %old = map { my $id = $_; $id =~ tr/-//d; $id => $old_id{$_} }
	  keys %old_id;
	return [ map { $old{ $_->{generated_uuid} } } @{ decode_json($json) } ];
}

sub like_any
{
	my ($field, $pattern) = @_;
	return
	  map { $_->{id} } grep { ($_->{$field} // '') =~ $pattern } @events;
}

my @late = like_any(occurred_at => qr/T23:/);
my @early = like_any(occurred_at => qr/T22:(08|48:23)/);

# What a command gives: the old ids in order, and what the log keeps.
my %lists = (
	'list' => \@all,
	'list --all' => \@all,
	'list --before 2022-08-24T22:48:45Z' => \@early,
	'list --event-type system.analysis_archive' =>
	  [ like_any(event_type => qr/^system\.analysis_archive/) ],
	'list --host anchore-quickstart' => \@all,
	'list --level INFO' => [ like_any(level => qr/^info$/) ],
	'list --page 2' => [],
	'list --resource-type image_digest' =>
	  [ like_any(resource_type => qr/^image_digest$/) ],
	'list --service catalog' => \@all,
	'list --since 2022-08-24T23:00:00Z' => \@late,
	'list -o text' => \@all,
	'list -o id' => \@all,
	'get ID' => [$aerospike]);
my %json_lists = map { $_ => \@all } 'list -o json', 'list -o json-raw';
my %deletes = (
	'delete ID' => [$aerospike],
	'delete --before 2022-08-24T22:48:45Z' => \@early,
	'delete --since 2022-08-24T23:00:00Z' => \@late,
	'delete --all' => \@all);

# try_delete: deletes these events, tells their ids, and leaves all others.
sub try_delete
{
	my ($command, $sql) = @_;
	my %gone = map { $_ => 1 } @{ $deletes{$command} };

	load_events();
	is_deeply([ sort @{ old_ids(query($sql)) } ],
		[ sort keys %gone ], "$command: tells what it deleted");
	is_deeply(
		old_ids(query('SELECT id FROM eventlog.list();')),
		[ grep { !$gone{$_} } @all ],
		"$command: leaves the rest");
}

# receive: a webhook receiver in a process of its own, which writes a line of
# credentials, path and event type for each request into a file.
my $received = PostgreSQL::Test::Utils::tempdir() . '/received';
my $listener = IO::Socket::INET->new(
	Listen => 10,
	LocalAddr => '127.0.0.1',
	Proto => 'tcp') or die "could not listen: $!";
my $url = 'http://127.0.0.1:' . $listener->sockport;

sub receive
{
	while (my $client = $listener->accept)
	{
		my ($path) = (<$client> // '') =~ /^POST (\S+)/;
		my ($length, $body, $who) = (0, '', '');

		while (defined(my $line = <$client>))
		{
			last if $line =~ /^\r?\n$/;
			$length = $1 if $line =~ /^Content-Length: *(\d+)/i;
			$who = decode_base64($1) . ' ' if $line =~ /^Authorization: *Basic (\S+)/i;
		}
		read $client, $body, $length;
		append_to_file($received,
			"$who$path " . decode_json($body)->{type} . "\n");
		print $client "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
		close $client;
	}
}

my $receiver = fork // die "could not fork: $!";
if ($receiver == 0)
{
	receive();
	exec 'true';	# without the END blocks of the test
}
END
{
	my $status = $?;
	kill 'TERM', $receiver if $receiver;
	waitpid $receiver, 0 if $receiver;
	$? = $status;
}

# merge: the second hash laid over the first, in depth.
sub merge
{
	my ($base, $over) = @_;
	my %merged = %$base;

	foreach my $key (keys %$over)
	{
		$merged{$key} =
		  ref $over->{$key} eq 'HASH' && ref $merged{$key} eq 'HASH'
		  ? merge($merged{$key}, $over->{$key})
		  : $over->{$key};
	}
	return \%merged;
}

# notified: the sorted paths and types that come of the eight events under
# a configuration, whose subscriptions are gone afterwards.
sub notified
{
	my ($config, $name) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . '/notifier.json';
	my $base = { database => $node->connstr('postgres'), log => 'events' };
	my $json = encode_json(merge($base, $config));
	my $off = { event_log => { notification => { enabled => JSON::PP::false } } };

	$json =~ s/URL/$url/g;
	query('SELECT eventlog.clear(everything => true);');
	unlink $file, $received;
	append_to_file($received, '');
	append_to_file($file, $json);
	command_ok([ 'eventlog-notifier', '--once', '--config', $file ],
		"$name: subscribes");
	load_events();
	command_ok([ 'eventlog-notifier', '--once', '--config', $file ],
		"$name: delivers");
	unlink $file;
	my $quiet = encode_json(merge(decode_json($json), $off));
	append_to_file($file, $quiet);
	system_or_bail('eventlog-notifier', '--once', '--config', $file);
	return [ sort split /\n/, slurp_file($received) ];
}

sub requests
{
	my ($path, @ids) = @_;
	my %wanted = map { $_ => 1 } @ids;
	return [
		sort
		map { $path->($_) . " $_->{event_type}" }
		grep { $wanted{ $_->{id} } } @events ];
}

my $enabled = { event_log => { notification => { enabled => JSON::PP::true } } };
my $general = { webhooks => { general => { url => 'URL/general' } } };
my @errors = like_any(level => qr/^error$/);
my $to = sub { my $path = shift; sub { $path } };
my %configurations = (
	'event_log.notification.enabled: true' =>
	  [ $general, requests($to->('/general'), @all) ],
	'event_log.notification.level: [error]' =>
	  [ merge($enabled, $general), requests($to->('/general'), @errors) ],
	'webhooks.event_update.url: URL/events' =>
	  [ merge($enabled, $general), requests($to->('/events'), @all) ],
	'webhooks.general.url: URL/<notification_type>/<userId>' => [
		$enabled,
		requests(
			sub { '/event_update/' . ($_[0]->{user_id} // '') }, @all) ],
	'webhooks.webhook_user: me, webhook_pass: secret' =>
	  [ merge($enabled, $general), requests($to->('me:secret /general'), @all) ],
	'webhooks.ssl_verify: false' =>
	  [ merge($enabled, $general), requests($to->('/general'), @all) ]);

# try_configuration: the row laid over what it needs to have an effect.
sub try_configuration
{
	my ($setting, $json) = @_;
	my ($base, $expected) = @{ $configurations{$setting} };

	is_deeply(notified(merge($base, decode_json($json)), $setting),
		$expected, "$setting: what arrives where");
}

my @rows = table_rows();
my %here = @rows;
my %known = (%lists, %json_lists, %deletes, %configurations);
is_deeply(
	[ sort keys %here ],
	[ sort keys %known ],
	'every row of the tables is tried');

while (my ($left, $right) = splice @rows, 0, 2)
{
	$right =~ s/\bID\b/$new_id{$aerospike}/;
	if ($lists{$left})
	{
		is_deeply(old_ids(query($right)), $lists{$left}, $left);
	}
	elsif ($json_lists{$left})
	{
		is_deeply(old_json_ids(query($right)), $json_lists{$left}, $left);
	}
	elsif ($deletes{$left})
	{
		try_delete($left, $right);
	}
	elsif ($configurations{$left})
	{
		try_configuration($left, $right);
	}
}

# The switch off: nothing is subscribed, nothing is sent.
is_deeply(
	notified(
		merge($general,
			{ event_log => { notification => { enabled => JSON::PP::false } } }),
		'enabled: false'),
	[],
	'enabled: false sends nothing');

# text is the listing's eight columns
is( query(
		$here{'list -o text'} =~ s/;$/ LIMIT 1;/r),
	join('|',
		$new_id{ $all[0] }, @{ $events[0] }{qw(event_type level resource_id
			resource_type source_service source_host)},
		'2022-08-24 23:08:30.54001+00'),
	'list -o text: the eight columns');

# Its table of events, imported by the page's statement, twice; and an event found
# by its old id, by way of the page's index.
my ($import, $find) = slurp_file('doc/coming-from-anchore.md') =~ /^```sql\n(.*?)^```$/msg;
query(<<'END');
DROP TABLE events;
CREATE SCHEMA anchore;
CREATE TABLE anchore.events (generated_uuid varchar PRIMARY KEY, created_at timestamp, resource_user_id varchar, resource_id varchar,
  resource_type varchar, source_servicename varchar, source_base_url varchar, source_hostid varchar, source_request_id varchar,
  type varchar, level varchar, message varchar, details varchar, "timestamp" timestamp);
CREATE TEMPORARY TABLE line (event jsonb);
\copy line FROM 'test/data/quickstart.jsonl' (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02')
INSERT INTO anchore.events
SELECT event->>'id', now() AT TIME ZONE 'UTC', 'admin', event->>'resource_id', event->>'resource_type', event->>'source_service', NULL,
       event->>'source_host', NULL, event->>'event_type', upper(event->>'level'), event->>'message', '{"msg": "as it was"}',
       (event->>'occurred_at')::timestamptz AT TIME ZONE 'UTC' FROM line;
SELECT eventlog.create_log('events', since => (SELECT min("timestamp") FROM anchore.events));
END
query($import) for 1 .. 2;
is_deeply(old_ids(query('SELECT id FROM eventlog.list()')), \@all, 'the import: each event once, with an id made of the old one');
is(query("SELECT string_agg(DISTINCT user_id || ' ' || (details->'details'->>'msg'), ',') FROM events"), 'admin as it was', 'with its account and details');
is(query('SELECT count(*) FROM events_default'), 0, 'in partitions');
like(query($find), qr/\Q$new_id{'8c179a3b27a543fe9285cf4feb65561d'}\E\|/, 'an event is found by its old id');
like(query("SET enable_seqscan = off; EXPLAIN $1"), qr/Index Scan|Bitmap Index Scan/, 'by the index') if $find =~ /(SELECT .*)/s;

done_testing();
