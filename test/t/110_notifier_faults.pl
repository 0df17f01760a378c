# Receivers that fail in every way: what is owed is not lost, what cannot be
# delivered is told, and nothing else waits for it.

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
my $url = $receiver->{url};
my %quick = (initial_backoff => '10ms', max_backoff => '200ms', max_attempts => 0);

# One webhook for each fault; what it is called is where it goes.
my %faults = (
	'500' => qr/^HTTP status 500: out of \?\[31morder\xc3\xa4$/,
	"redirect:$url/followed" => qr/^HTTP status 301/,
	'reset' => qr/\S/,
	'never' => qr/^timed out waiting for the answer$/,
	'drip' => qr/^timed out/,
	'garbage' => qr/\S/);
my (%webhooks, %modes, %path);
my $n = 0;
foreach my $fault (sort keys %faults)
{
	my $name = 'fault' . ++$n;
	$path{$fault} = $name;
	$modes{"/$name"} = $fault;
	$webhooks{$name} = { url => "$url/$name", timeout => '500ms', retry => \%quick };
}
$webhooks{refused} = { url => 'http://127.0.0.1:1/', retry => \%quick };
$webhooks{dead} = { url => "$url/dead", retry => { %quick, max_attempts => 3 } };
$webhooks{huge} = { url => "$url/huge" };
$webhooks{gone} = { url => "$url/gone" };
$webhooks{fine} = { url => "$url/fine" };
set_modes($receiver, %modes, '/dead' => '503', '/huge' => 'huge', '/gone' => '410');
my $config = write_config(\%webhooks);
my $notifier = start_notifier($config, keys %webhooks);
query("SELECT eventlog.emit('e', 'error')");

await(sub { owed('fine') == 0 }, 'a receiver that works is not kept waiting');
await(sub { owed('huge') == 0 }, 'nor is an answer of a gigabyte read');
foreach my $fault (sort keys %faults)
{
	await(sub { query("SELECT last_error FROM eventlog.deliveries WHERE subscription = '$path{$fault}' AND attempts >= 2") =~ $faults{$fault} },
		"$fault: is tried again, and told");
}
await(sub { query("SELECT last_error FROM eventlog.deliveries WHERE subscription = 'refused'") =~ /connect/i }, 'refused: is told');
await(sub { owed('dead', 'dead') == 1 }, 'after max_attempts it is dead');
is(query("SELECT attempts FROM eventlog.deliveries WHERE subscription = 'dead'"), 3, 'after three, that is');
is(scalar(requests($receiver, '/dead')), 3, 'three requests');
is(scalar(requests($receiver, '/followed')), 0, 'a redirect is not followed');
await(sub { query("SELECT paused FROM eventlog.subscriptions WHERE name = 'gone'") eq 't' }, '410 pauses the subscription');
is(owed('gone'), 1, 'and what is owed stays');
like(notifier_log($notifier), qr/level=warning msg="receiver keeps failing, sending it probes" webhook=fault/, 'the breaker is told of');

# All is well again: everything arrives.
set_modes($receiver);
query("SELECT eventlog.resume('gone'); SELECT eventlog.retry('dead')");
await(sub { query("SELECT count(*) FROM eventlog.deliveries WHERE subscription <> 'refused'") == 0 }, 'when they recover, all is delivered');
is(query("SELECT count(*) FROM eventlog.subscriptions WHERE delivered = 1"), scalar(keys %webhooks) - 1, 'once each');
is(stop_notifier($notifier), 0, 'clean');

# Retry-After is honoured, as seconds and as a date.
query("SELECT eventlog.unsubscribe(name) FROM eventlog.subscriptions");
my @date = gmtime(time + 30);
my $date = sprintf '%s, %02d %s %04d %02d:%02d:%02d GMT', (qw(Sun Mon Tue Wed Thu Fri Sat))[ $date[6] ], $date[3],
  (qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec))[ $date[4] ], $date[5] + 1900, @date[ 2, 1, 0 ];
set_modes($receiver, '/seconds' => '503:20', '/date' => "429:$date", '/far' => '429:999999999');
$config = write_config({ map { $_ => { url => "$url/$_", retry => \%quick } } qw(seconds date far) });
$notifier = start_notifier($config, qw(seconds date far));
query("SELECT eventlog.emit('e')");
foreach my $case ([ seconds => 20, 20 ], [ date => 5, 35 ], [ far => 3600, 3600 ])
{
	my ($name, $low, $high) = @$case;
	my $told = qr/msg="receiver asks for a pause" webhook=$name reason=\S+ seconds=(\d+)/;
	await(sub { notifier_log($notifier) =~ $told && $1 >= $low && $1 <= $high }, "Retry-After: $name");
}
sleep 2;
is(scalar(requests($receiver, "/$_")), 1, "$_: nothing more is sent") foreach qw(seconds date far);
is(query("SELECT count(*) FROM eventlog.deliveries WHERE attempts > 0"), 0, 'and it costs no attempt');
stop_notifier($notifier);

# In order: a retry holds up what follows.
query("SELECT eventlog.unsubscribe(name) FROM eventlog.subscriptions");
set_modes($receiver, '/ordered' => '500');
$config = write_config({ ordered => { url => "$url/ordered", ordered => JSON::PP::true, retry => \%quick } });
$notifier = start_notifier($config, 'ordered');
query("SELECT count(eventlog.emit('o' || g)) FROM generate_series(1, 20) g");
await(sub { query("SELECT count(*) FROM eventlog.deliveries WHERE attempts >= 2") == 1 }, 'the first one fails');
# also over a restart
stop_notifier($notifier, 'KILL');
$notifier = start_notifier($config, 'ordered');
await(sub { query("SELECT count(*) FROM eventlog.deliveries WHERE attempts >= 4") == 1 }, 'and fails again');
is(query("SELECT count(*) FROM eventlog.deliveries WHERE attempts > 0"), 1, 'alone');
set_modes($receiver);
await(sub { owed('ordered') == 0 }, 'then all are delivered');
my @types = map { decode_json($_->{body})->{type} } requests($receiver, '/ordered');
my @failures = grep { $_ eq 'o1' } @types;
is_deeply(\@types, [ @failures, map { "o$_" } 2 .. 20 ], 'in order');
stop_notifier($notifier);

# TLS is verified.
query("SELECT eventlog.unsubscribe(name) FROM eventlog.subscriptions");
my $tls = PostgreSQL::Test::Utils::tempdir();
foreach my $cert ([ 'good', 365, 'IP:127.0.0.1' ], [ 'other', 365, 'DNS:other.example' ], [ 'client', 365, 'DNS:client' ])
{
	my ($name, $days, $san) = @$cert;
	system_or_bail('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', $days, '-subj', "/CN=$name",
		'-addext', "subjectAltName=$san", '-keyout', "$tls/$name.key", '-out', "$tls/$name.crt");
}

# One that was good for a day in 2020.
system_or_bail('openssl', 'req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=expired',
	'-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', "$tls/expired.key", '-out', "$tls/expired.csr");
append_to_file("$tls/index", '');
append_to_file("$tls/ca.cnf", "[ca]\ndefault_ca = ca_default\n[ca_default]\ndatabase = $tls/index\nnew_certs_dir = $tls\n"
	  . "rand_serial = yes\ndefault_md = sha256\npolicy = any\ncopy_extensions = copy\n[any]\ncommonName = supplied\n");
system_or_bail('openssl', 'ca', '-batch', '-notext', '-config', "$tls/ca.cnf", '-selfsign', '-keyfile', "$tls/expired.key",
	'-in', "$tls/expired.csr", '-out', "$tls/expired.crt", '-startdate', '20200101000000Z', '-enddate', '20200102000000Z');
my $good = receiver("$tls/good.key", "$tls/good.crt");
my $other = receiver("$tls/other.key", "$tls/other.crt");
my $expired = receiver("$tls/expired.key", "$tls/expired.crt");
my $mutual = receiver("$tls/good.key", "$tls/good.crt", "$tls/client.crt");
$config = write_config({
	selfsigned => { url => "$good->{url}/", retry => \%quick },
	trusted => { url => "$good->{url}/trusted", tls_config => { ca_file => "$tls/good.crt" } },
	skipped => { url => "$good->{url}/skipped", tls_config => { insecure_skip_verify => JSON::PP::true } },
	misnamed => { url => "$other->{url}/", tls_config => { ca_file => "$tls/other.crt" }, retry => \%quick },
	renamed => { url => "$other->{url}/renamed", tls_config => { ca_file => "$tls/other.crt", server_name => 'other.example' } },
	expired => { url => "$expired->{url}/", tls_config => { ca_file => "$tls/expired.crt" }, retry => \%quick },
	anonymous => { url => "$mutual->{url}/", tls_config => { ca_file => "$tls/good.crt" }, retry => \%quick },
	known => { url => "$mutual->{url}/known", tls_config => { ca_file => "$tls/good.crt", cert_file => "$tls/client.crt", key_file => "$tls/client.key" } } });
$notifier = start_notifier($config, qw(selfsigned trusted skipped misnamed renamed expired anonymous known));
query("SELECT eventlog.emit('tls')");
await(sub { owed($_[0] // 'trusted') == 0 }, 'a certificate of a named authority is good');
is((requests($good, '/trusted'))[0]{version}, '2.0', 'a receiver that speaks HTTP/2 is sent that');
await(sub { owed('skipped') == 0 }, 'any is where it is not to be verified');
await(sub { owed('renamed') == 0 }, 'one of another name where that is expected');
await(sub { owed('known') == 0 }, 'a client certificate is shown');
await(sub { query("SELECT count(*) FROM eventlog.deliveries WHERE subscription IN ('selfsigned', 'misnamed', 'expired', 'anonymous') AND attempts > 0") == 4 },
	'the others are refused');
is(scalar(requests($good, '/')) + scalar(requests($other, '/')) + scalar(requests($expired, '/')) + scalar(requests($mutual, '/')), 0, 'and were sent nothing');
stop_notifier($notifier);

# SIGTERM finishes what is in flight.
query("SELECT eventlog.unsubscribe(name) FROM eventlog.subscriptions");
set_modes($receiver, '/slow' => 'drip');
$config = write_config({ slow => { url => "$url/slow", timeout => '2s' } });
$notifier = start_notifier($config, 'slow');
query("SELECT eventlog.emit('slow')");
await(sub { requests($receiver, '/slow') == 1 }, 'a request is in flight');
is(stop_notifier($notifier), 0, 'SIGTERM waits for it');
is(query("SELECT attempts FROM eventlog.deliveries"), 1, 'and what became of it is told');

# A reload does not wait for ever for what is in flight: it comes again.
query("SELECT eventlog.unsubscribe(name) FROM eventlog.subscriptions");
set_modes($receiver, '/stuck' => 'never');
$config = write_config({ stuck => { url => "$url/stuck", timeout => '10m' } });
$notifier = start_notifier($config, 'stuck');
query("SELECT eventlog.emit('stuck')");
await(sub { requests($receiver, '/stuck') == 1 }, 'a request is never answered');
write_config({ stuck => { url => "$url/unstuck" } }, file => $config);
kill 'HUP', $notifier->{pid};
await(sub { owed('stuck') == 0 }, 'SIGHUP: the new configuration delivers it');
is(scalar(requests($receiver, '/unstuck')), 1, 'to its new place');
is(stop_notifier($notifier), 0, 'the notifier has gone on');

done_testing();
