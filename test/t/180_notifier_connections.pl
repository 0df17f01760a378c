# Connections to receivers: those whose other side is gone, those that end when
# the receiver wants it, and those to hosts that nobody vouches for.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use IO::Socket::INET;
use JSON::PP;
use Notifier;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

$Notifier::sanitized = 1;
my $node = new_node();
my $dir = PostgreSQL::Test::Utils::tempdir();
my %quick = (initial_backoff => '10ms', max_backoff => '200ms', max_attempts => 0);
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $false = JSON::PP::false;

sub forget
{
	query("SELECT eventlog.unsubscribe(name) FROM eventlog.subscriptions");
}

# A connection of HTTP/2 whose other side has vanished is not used again.
certificate($dir, 'good', 'IP:127.0.0.1');
certificate($dir, 'next', 'IP:127.0.0.1');
my $receiver = receiver("$dir/good.key", "$dir/good.crt");
my ($behind) = $receiver->{url} =~ /:(\d+)$/;
my $balancer = balancer($behind);
my %trust = (tls_config => { ca_file => "$dir/good.crt" });
my $config = write_config({ gone => { url => "https://127.0.0.1:$balancer->{number}/gone", %trust, timeout => '2s', retry => \%quick } },
	listen => "127.0.0.1:$port");
my $notifier = start_notifier($config, 'gone');
query("SELECT eventlog.emit('before')");
await(sub { owed('gone') == 0 }, 'delivered');
is((requests($receiver, '/gone'))[0]{version}, '2.0', 'by HTTP/2');
set_balancer($balancer, 'freeze');
query("SELECT count(eventlog.emit('after')) FROM generate_series(1, 3)");
set_balancer($balancer, 'pass');
await(sub { owed('gone') == 0 }, 'the other side vanishes: a new connection is made');
cmp_ok(metric($port, 'eventlog_notification_requests_failed_total{webhook="gone",reason="timeout"}'), '<=', 3,
	'after one timeout, of what was in flight');
is(metric($port, 'eventlog_notifications_total{webhook="gone"}'), 4, 'all are delivered');
is(stop_notifier($notifier), 0, 'clean');

# HTTP/2 can be turned off.
forget();
$config = write_config({ one => { url => "$receiver->{url}/one", %trust, enable_http2 => $false } });
$notifier = start_notifier($config, 'one');
query("SELECT eventlog.emit('one')");
await(sub { owed('one') == 0 }, 'without HTTP/2 it delivers');
is((requests($receiver, '/one'))[0]{version}, '1.1', 'by HTTP/1.1');
is(stop_notifier($notifier), 0, 'clean');

# Nor is a connection of HTTP/1.1 used again whose other side has vanished, of
# either kind: it takes what is sent and says nothing, or it has ended and nobody
# has said so.
my $plain = receiver();
my $middle = balancer($plain->{url} =~ /:(\d+)$/);
foreach my $mode (qw(freeze half))
{
	forget();
	$config = write_config({ $mode => { url => "http://127.0.0.1:$middle->{number}/$mode", timeout => '2s', retry => \%quick } },
		listen => "127.0.0.1:$port");
	$notifier = start_notifier($config, $mode);
	query("SELECT eventlog.emit('before')");
	await(sub { owed($mode) == 0 }, "$mode: delivered by HTTP/1.1");
	set_balancer($middle, $mode);
	query("SELECT count(eventlog.emit('after')) FROM generate_series(1, 3)");
	await(sub { metric($port, qq(eventlog_notification_requests_failed_total{webhook="$mode",reason="timeout"})) >= 1 }, "$mode: what is in flight then times out");
	set_balancer($middle, 'pass');
	await(sub { owed($mode) == 0 }, "$mode: the next ones go by a new connection");
	cmp_ok(metric($port, qq(eventlog_notification_requests_failed_total{webhook="$mode",reason="timeout"})), '<=', 6,
		"$mode: no more than were in flight fail") if $mode eq 'freeze';
	is(stop_notifier($notifier), 0, 'clean');
}

# A receiver that ends its connections after some requests costs no attempt.
forget();
my $tls_port = PostgreSQL::Test::Cluster::get_free_port();
append_to_file("$dir/nginx.conf", <<"END");
daemon off;
worker_processes 1;
pid $dir/nginx.pid;
error_log $dir/nginx.log;
events { worker_connections 512; }
http {
	access_log off;
	client_body_temp_path $dir/nginx.body;
	proxy_temp_path $dir/nginx.proxy;
	fastcgi_temp_path $dir/nginx.fastcgi;
	uwsgi_temp_path $dir/nginx.uwsgi;
	scgi_temp_path $dir/nginx.scgi;
	keepalive_requests 50;
	server {
		listen 127.0.0.1:$tls_port ssl http2;
		ssl_certificate $dir/good.crt;
		ssl_certificate_key $dir/good.key;
		location / { return 204; }
	}
}
END
daemon('nginx', '-p', $dir, '-e', "$dir/nginx.log", '-c', "$dir/nginx.conf");
await(sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $tls_port) }, 'nginx listens');
my %webhooks = map { ("h$_" => { url => "https://127.0.0.1:$tls_port/", %trust, enable_http2 => $_ == 2 ? JSON::PP::true : $false,
			retry => { %quick, max_attempts => 1 } }) } 1, 2;
$config = write_config(\%webhooks, listen => "127.0.0.1:$port");
$notifier = start_notifier($config, keys %webhooks);
query("SELECT count(eventlog.emit('many')) FROM generate_series(1, 3000)");
foreach my $name (sort keys %webhooks)
{
	await(sub { owed($name, 'pending') + owed($name, 'retrying') == 0 }, "$name: all are sent");
	is(owed($name, 'dead'), 0, "$name: and none failed");
	is(metric($port, "eventlog_notification_requests_total{webhook=\"$name\",code=\"none\"}"), 0, "$name: nor went a request unanswered");
}
is(stop_notifier($notifier), 0, 'clean');

# Who names an authority trusts no other, that of the system either.
forget();
my $pinned = receiver("$dir/good.key", "$dir/good.crt");
mkdir "$dir/system";
my $hash = `openssl x509 -noout -hash -in $dir/good.crt`;
chomp $hash;
append_to_file("$dir/system/$hash.0", slurp_file("$dir/good.crt"));
append_to_file("$dir/system/ca-certificates.crt", slurp_file("$dir/next.crt"));
system_or_bail(split(' ', $ENV{CC} // 'cc'), '-shared', '-fPIC', '-o', "$dir/faults.so", 'test/clients/faults.c', '-ldl');
$config = write_config({
	system => { url => "$pinned->{url}/system" },
	pinned => { url => "$pinned->{url}/pinned", tls_config => { ca_file => "$dir/next.crt" }, retry => \%quick } });
{
	local @ENV{qw(LD_PRELOAD SYSTEM_CERTIFICATES)} = ("$dir/faults.so", "$dir/system");
	$notifier = start_notifier($config, qw(system pinned));
}
query("SELECT eventlog.emit('tls')");
await(sub { owed('system') == 0 }, "a certificate that the system's authorities vouch for is good");
await(sub { last_error('pinned') =~ /certificate/ }, 'but not where another authority is named');
is(scalar(requests($pinned, '/pinned')), 0, 'nothing was sent there');
is(stop_notifier($notifier), 0, 'clean');

done_testing();
