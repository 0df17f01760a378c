# What a network and those in it can do: names that nobody looks up, receivers
# that say nothing or too much, proxies, certificates.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use IO::Socket::INET;
use JSON::PP;
use Notifier;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node();
my $receiver = receiver();
my $url = $receiver->{url};
my ($host) = $url =~ m{//(.*)};
my $true = JSON::PP::true;
my %quick = (initial_backoff => '10ms', max_backoff => '200ms', max_attempts => 0);
my %hasty = (timeout => '500ms', retry => \%quick);
my $dir = PostgreSQL::Test::Utils::tempdir();

sub forget
{
	query("SELECT eventlog.unsubscribe(name) FROM eventlog.subscriptions");
}

# A name that is looked up for an hour holds up nothing else.
system_or_bail(split(' ', $ENV{CC} // 'cc'), '-shared', '-fPIC', '-o', "$dir/faults.so", 'test/clients/faults.c', '-ldl');
my $config = write_config({
	slow => { url => 'http://slow.example/', %hasty },
	fine => { url => "$url/fine" } });
my $notifier;
{
	local $ENV{LD_PRELOAD} = "$dir/faults.so";
	$notifier = start_notifier($config, qw(slow fine));
}
query("SELECT eventlog.emit('dns')");
await(sub { notifier_log($notifier) =~ /msg="cannot send, waiting" webhook=slow .* error="timed out looking up the name"/ }, 'a name that is not found in time');
is(query("SELECT max(attempts) FROM eventlog.deliveries"), 0, 'costs no attempt');
query("SELECT eventlog.emit('dns')");
await(sub { owed('fine') == 0 }, 'nobody waits for it');
is(stop_notifier($notifier), 0, 'nor does SIGTERM');

# Where a transfer was when its time was over is told.
forget();
my $silent = IO::Socket::INET->new(Listen => 128, LocalAddr => '127.0.0.1') or die $!;
my $full = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die $!;
listen $full, 0 or die $!;
my @crowd = map { IO::Socket::INET->new(PeerAddr => $full->sockhost, PeerPort => $full->sockport, Blocking => 0) } 1 .. 3;
set_modes($receiver, '/drip' => 'drip');
$config = write_config({
	connecting => { url => 'http://127.0.0.1:' . $full->sockport, %hasty },
	negotiating => { url => 'https://127.0.0.1:' . $silent->sockport, %hasty },
	waiting => { url => 'http://127.0.0.1:' . $silent->sockport, %hasty },
	receiving => { url => "$url/drip", %hasty, timeout => '1500ms' } });
$notifier = start_notifier($config, qw(connecting negotiating waiting receiving));
query("SELECT eventlog.emit('phase')");
foreach my $case (
	[ connecting => 'connecting' ],
	[ negotiating => 'negotiating TLS' ],
	[ waiting => 'waiting for the answer' ],
	[ receiving => 'receiving the answer' ])
{
	my ($name, $phase) = @$case;
	await(sub { last_error($name) eq "timed out $phase" }, "a timeout $phase");
}
stop_notifier($notifier);
close $_ foreach @crowd, $full, $silent;

# Answers: not more than is needed is read of one, not more than 1 KiB of it
# kept, nothing that cannot be shown, and nothing that is secret.
forget();
set_modes($receiver, map { ("/$_" => $_) } qw(huge long headers halfway echo));
my %secrets = (secret => SECRET, retry => \%quick);
my $secret_url = $url =~ s{//}{//me:url-password@}r;
$config = write_config({
	huge => { url => "$url/huge" },
	headers => { url => "$url/headers" },
	long => { url => "$url/long", retry => \%quick },
	halfway => { url => "$url/halfway", retry => \%quick },
	bearer => { url => "$url/echo/", %secrets, authorization => { credentials => 'bearer-token' }, http_headers => { 'X-Key' => 'header-secret' } },
	basic => { url => "$url/echo?token=query-token&x=<userId>", %secrets, basic_auth => { username => 'me', password => 'basic-password' } },
	inurl => { url => "$secret_url/path-secret/<userId>", %secrets },
	refused => { url => 'http://me:url-password@127.0.0.1:1/path-secret?token=query-token', %secrets } });
set_modes($receiver, (map { ("/$_" => $_) } qw(huge long headers halfway)),
	map { ($_ => 'echo') } '/echo/', '/echo?token=query-token&x=u', '/path-secret/u');
my $said = `eventlog-notifier --check --config $config 2>&1`;
like($said, qr{\Aeventlog-notifier: the configuration and the database are all right\n\z}, '--check says that all is well, and no secret');
$notifier = start_notifier($config, qw(huge headers long halfway bearer basic inurl refused));
query("SELECT eventlog.emit('answer', user_id => 'u', message => 'payload')");
await(sub { owed('huge') == 0 && owed('headers') == 0 }, 'an answer without end is one');
foreach my $path ('/huge#sent', '/headers#sent')
{
	await(sub { requests($receiver, $path) == 1 }, "$path: broken off");
	cmp_ok((requests($receiver, $path))[0]{sent}, '<', 1 << 26, 'and for the most part not read');
}
await(sub { length(last_error('long')) == 1024 }, 'of a long one 1 KiB is kept');
like(last_error('long'), qr/^HTTP status 500: \?+$/, 'as text');
await(sub { last_error('halfway') =~ /reset by peer/ }, 'a connection that is reset in the midst of the answer');
my %blotted = (
	bearer => qr{^HTTP status 500: POST /echo/ .*"x-key":"\*+","authorization":"Bearer \*+"},
	basic => qr{^HTTP status 500: POST /echo\?token=\*+&x=u .*"authorization":"Basic \*+"},
	inurl => qr{^HTTP status 500: POST /\*+/u .*"authorization":"Basic \*+"},
	refused => qr{^Failed to connect});
foreach my $name (sort keys %blotted)
{
	await(sub { last_error($name) =~ $blotted{$name} }, "$name: the secrets are blotted out of an answer");
}
my $secret = qr/bearer-token|header-secret|basic-password|bWU6|url-password|query-token|path-secret|MfKQ9r8/;
unlike(query("SELECT string_agg(last_error, ' ') FROM eventlog.deliveries"), $secret, 'no secret is kept');
unlike(notifier_log($notifier), $secret, 'nor logged');
unlike(notifier_log($notifier), qr/payload|"message"/, 'nor a payload');
like(notifier_log($notifier), qr/^time=\S+ level=warning msg="delivery failed" webhook=bearer event=\S+ attempt=1 reason=5xx status=500$/m, 'but what happened is');
unlike(slurp_file("/proc/$notifier->{pid}/cmdline"), $secret, 'nor does it stand in the command line') if -r "/proc/$notifier->{pid}/cmdline";
stop_notifier($notifier);

# A user whose name is a path is not sent to another.
forget();
$config = write_config({ general => { url => "$url/users/<userId>/events", retry => \%quick } });
$notifier = start_notifier($config, 'general');
query("SELECT eventlog.emit('user', user_id => u) FROM unnest(ARRAY['..', 'a/../b', 'a' || chr(13) || chr(10) || 'X-Injected: yes']) u");
await(sub { owed('general', 'dead') == 2 && owed('general') == 2 }, 'a user ".." is nowhere to be sent to, nor is one that climbs when it is decoded');
is_deeply([ sort map { $_->{path} } grep { $_->{path} =~ m{^/users|^/events} } requests($receiver) ],
	[ '/users/a%0D%0AX-Injected%3A%20yes/events' ], 'others are, url-encoded');
is(scalar(grep { exists $_->{headers}{'x-injected'} } requests($receiver)), 0, 'and inject no header');
stop_notifier($notifier);

# A receiver that goes and comes again.
forget();
$config = write_config({ comes => { url => "$url/comes", retry => \%quick } });
$notifier = start_notifier($config, 'comes');
receiver_goes($receiver);
query("SELECT count(eventlog.emit('comes')) FROM generate_series(1, 50)");
await(sub { notifier_log($notifier) =~ /receiver keeps failing, sending it probes/ }, 'a receiver goes');
receiver_comes($receiver);
await(sub { owed('comes') == 0 }, 'and comes: all is delivered');
stop_notifier($notifier);

# By a proxy, or past it.
forget();
certificate($dir, 'good', 'IP:127.0.0.1');
certificate($dir, 'next', 'IP:127.0.0.1');
my $tls = receiver("$dir/good.key", "$dir/good.crt");
my $proxy = proxy();
my $by = "http://me:proxy-password\@$proxy->{address}";
append_to_file("$dir/proxy", "$by\n");
my %trust = (tls_config => { ca_file => "$dir/good.crt" });
$config = write_config({
	plain => { url => "$url/plain", proxy_url => $by },
	tunnel => { url => "$tls->{url}/tunnel", %trust, proxy_url_file => "$dir/proxy" },
	past => { url => "$url/past", proxy_url => $by, no_proxy => '127.0.0.1' },
	without => { url => "$url/without" } });
{
	local $ENV{http_proxy} = 'http://127.0.0.1:1';
	$notifier = start_notifier($config, qw(plain tunnel past without));
}
query("SELECT eventlog.emit('proxy')");
await(sub { owed($_) == 0 }, "$_: delivered") foreach qw(plain tunnel past without);
my ($tls_host) = $tls->{url} =~ m{//(.*)};
is_deeply([ sort split /\n/, slurp_file($proxy->{log}) ],
	[ "CONNECT $tls_host Basic bWU6cHJveHktcGFzc3dvcmQ=", "POST $url/plain Basic bWU6cHJveHktcGFzc3dvcmQ=" ],
	'by the proxy, those which are to go that way');
unlike(notifier_log($notifier), qr/proxy-password/, 'whose password is not logged');
stop_notifier($notifier);

# TLS: as new as is asked for; broken; what is wrong is told.
forget();
my $old;
{
	local $ENV{TLS_MAX} = 'TLSv1.2';
	$old = receiver("$dir/good.key", "$dir/good.crt");
}
$config = write_config({
	old => { url => "$old->{url}/old", %trust },
	tooold => { url => "$old->{url}/tooold", retry => \%quick, tls_config => { ca_file => "$dir/good.crt", min_version => 'TLS13' } },
	newest => { url => "$tls->{url}/newest", tls_config => { ca_file => "$dir/good.crt", min_version => 'TLS13' } },
	broken => { url => "https://$host/broken", retry => \%quick },
	stranger => { url => "$tls->{url}/stranger", retry => \%quick } });
$notifier = start_notifier($config, qw(old tooold newest broken stranger));
query("SELECT eventlog.emit('tls')");
await(sub { owed('old') == 0 && owed('newest') == 0 }, 'TLS 1.2 will do, and 1.3 where that is asked for');
await(sub { last_error('tooold') =~ /protocol version/ }, '1.2 will not, there');
await(sub { last_error('broken') =~ /wrong version number/ }, 'what is no TLS');
await(sub { last_error('stranger') =~ /self.signed certificate/ }, 'a certificate that nobody vouches for');
is(scalar(requests($old, '/tooold')) + scalar(requests($tls, '/stranger')), 0, 'they were sent nothing');
stop_notifier($notifier);

# Files that the configuration names are read again on a reload: keys to sign
# with, of which two are good while they are exchanged, tokens, certificates.
forget();
my $next_secret = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD';
append_to_file("$dir/whsec", SECRET . "\n");
append_to_file("$dir/token", "before\n");
append_to_file("$dir/ca.crt", slurp_file("$dir/next.crt"));
$config = write_config({
	signed => { url => "$url/signed", secret_file => "$dir/whsec", authorization => { credentials_file => "$dir/token" },
		http_headers => { 'X-Token' => { files => ["$dir/token"] } } },
	vouched => { url => "$tls->{url}/vouched", retry => \%quick, tls_config => { ca_file => "$dir/ca.crt" } } });
$notifier = start_notifier($config, qw(signed vouched));
query("SELECT eventlog.emit('first')");
await(sub { owed('signed') == 0 }, 'signed by one key');
await(sub { last_error('vouched') =~ /certificate/ }, 'and refused for a certificate of another authority');
sub rewrite { my ($file, $text) = @_; unlink $file; append_to_file($file, $text); }
rewrite("$dir/whsec", "$next_secret\n" . SECRET . "\n");
rewrite("$dir/token", "after\n");
rewrite("$dir/ca.crt", slurp_file("$dir/good.crt"));
kill 'HUP', $notifier->{pid};
await(sub { owed('vouched') == 0 }, 'SIGHUP: the authority is known');
query("SELECT eventlog.emit('second')");
await(sub { owed('signed') == 0 }, 'signed by two');
my ($first, $second) = requests($receiver, '/signed');
is_deeply(verify('standard', $first, $second), [ 'first info', 'second info' ], 'who has the former key verifies both');
is_deeply([ map { /INVALID/ ? 'INVALID' : $_ } @{ verify([ 'standard', $next_secret ], $first, $second) } ],
	[ 'INVALID', 'second info' ], 'who has the new key verifies the new one');
is_deeply([ map { @{ $_->{headers} }{qw(authorization x-token)} } $first, $second ],
	[ 'Bearer before', 'before', 'Bearer after', 'after' ], 'and tokens are new');

# Who is trusted no more is not sent to by a connection from before, either.
rewrite("$dir/ca.crt", slurp_file("$dir/next.crt"));
kill 'HUP', $notifier->{pid};
await(sub { (() = notifier_log($notifier) =~ /subscribed webhook=vouched/g) == 3 }, 'SIGHUP again');
query("SELECT eventlog.emit('third')");
await(sub { last_error('vouched') =~ /certificate/ }, 'the authority is unknown again');
is(stop_notifier($notifier), 0, 'done');

done_testing();
