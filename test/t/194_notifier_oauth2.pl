# Requests that carry a token of OAuth 2.0: it is fetched, kept, renewed when the
# receiver does not know it, and no event is to blame when there is none.

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
my $dir = PostgreSQL::Test::Utils::tempdir();
append_to_file("$dir/secret", "sesame open+/:\n");
chmod 0600, "$dir/secret";

# webhook: one with an endpoint of its own.
sub webhook
{
	my ($name) = @_;

	return ($name => { url => "$url/$name", retry => { initial_backoff => '100ms', max_backoff => '500ms' },
			oauth2 => { client_id => 'a client', client_secret_file => "$dir/secret", token_url => "$url/token-$name",
				scopes => [ 'read', 'write' ], endpoint_params => { audience => 'x&y=z' } } });
}

sub asked
{
	return scalar requests($receiver, "/token-$_[0]");
}

my %webhooks = map { webhook($_) } qw(known renewed refused down short);
set_modes($receiver, '/token-known' => 'token:3600', '/known' => 'bearer:token-1-of-token-known',
	'/token-renewed' => 'token:3600', '/renewed' => 'bearer:token-2-of-token-renewed',
	'/token-refused' => 'token:3600', '/refused' => '401', '/token-down' => '503', '/token-short' => 'token:1');
my $config = write_config(\%webhooks, listen => "127.0.0.1:$port");
my $notifier = start_notifier($config, sort keys %webhooks);
query("SELECT count(eventlog.emit('a.b')) FROM generate_series(1, 40)");

await(sub { owed('known') == 0 }, 'events are delivered');
is(asked('known'), 1, 'with one token');
my ($request) = requests($receiver, '/token-known');
is($request->{headers}{authorization}, 'Basic YSUyMGNsaWVudDpzZXNhbWUlMjBvcGVuJTJCJTJGJTNB', 'which was asked for with id and secret, both encoded');
is($request->{headers}{'content-type'}, 'application/x-www-form-urlencoded', 'by a form');
is($request->{body}, 'grant_type=client_credentials&scope=read%20write&audience=x%26y%3Dz', 'that has all that is configured');

await(sub { owed('renewed') == 0 }, 'where the receiver does not know the first token, events are delivered, too');
is(asked('renewed'), 2, 'with one more token for all of them');
is(query("SELECT count(*) FROM eventlog.deliveries WHERE subscription = 'renewed'"), 0, 'and no attempt is spent');
unlike(notifier_log($notifier), qr/delivery failed" webhook=renewed/, 'nor told');

await(sub { query("SELECT min(attempts) FROM eventlog.deliveries WHERE subscription = 'refused'") >= 2 }, 'a receiver that always answers 401');
is(asked('refused'), 2, 'gets one more token, and not another one for each event');
like(last_error('refused'), qr/HTTP status 401/, 'and then events fail');

is(owed('down', 'retrying'), 0, 'where there is no token, no event loses an attempt');
is(owed('down'), 40, 'and none is delivered');
await(sub { metrics($port, '/readyz') =~ /^webhook down: no OAuth 2.0 token: HTTP status 503\n/m }, '/readyz says so');
ok(metric($port, 'eventlog_notification_token_requests_failed_total{webhook="down"}') > 0, 'and the metrics');
is(metric($port, 'eventlog_notification_token_requests_failed_total{webhook="known"}'), 0, 'of that webhook');
my @told = notifier_log($notifier) =~ /could not get an OAuth 2.0 token" webhook=down/g;
await(sub { asked('down') > 2 }, 'it is asked for again');
is(scalar @told, 1, 'and told once');
set_modes($receiver, '/token-down' => 'token:3600', '/token-short' => 'token:1', '/refused' => 'echo');
await(sub { owed('down') == 0 }, 'when the endpoint is back, all is delivered');
like(notifier_log($notifier), qr/got an OAuth 2.0 token again" webhook=down/, 'which is told');

await(sub { owed('short') == 0 }, 'with a token that lives for a second');
my $before = asked('short');
sleep 1.5;
query("SELECT eventlog.emit('a.b')");
await(sub { owed('short') == 0 && asked('short') > $before }, 'another one is asked for when it is over');

# Neither secret nor token is told, even where the receiver tells them.
await(sub { last_error('refused') =~ /HTTP status 500: POST .refused .*Bearer \*{8}/ }, 'what the receiver answers is kept without the token');
is(query("SELECT count(*) FROM eventlog.deliveries WHERE last_error ~ 'token-\\d|sesame'"), 0, 'in each event');
unlike(notifier_log($notifier), qr/token-\d|sesame|YSUyMG/, 'and the log has none');

# One by one: what an endpoint must not answer.
my %bad = ('token:0' => 'its expires_in is no number of seconds above zero', 'token:soon' => 'its expires_in is no number', garbage => 'Unsupported protocol', 'tell' => 'the answer has no access_token', 'long' => 'HTTP status 500', 'redirect:http://x/' => 'HTTP status 301');
foreach my $mode (sort keys %bad)
{
	my ($out, $err);
	set_modes($receiver, '/token-known' => $mode);
	IPC::Run::run([ 'eventlog-notifier', '--config', $config, '--test', 'known' ], '>', \$out, '2>', \$err);
	is($? >> 8, 1, "$mode is no token for --test");
	like($err, qr/no OAuth 2.0 token: .*(?:$bad{$mode})/, 'which says so');
	unlike($err, qr/sesame|YSUyMG/, 'without a secret');
}
set_modes($receiver, '/token-known' => 'token:3600', '/known' => '204');
is(system('eventlog-notifier', '--config', $config, '--test', 'known'), 0, 'with a token it sends');
is(stop_notifier($notifier), 0, 'it stops cleanly');

done_testing();
