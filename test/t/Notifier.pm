# What the notifier's tests share: a node with a log, receivers, notifiers, and
# waiting until something is so.
package Notifier;

use strict;
use warnings;

use Exporter 'import';
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

our @EXPORT = qw(new_node prepare query await receiver receiver_goes receiver_comes
  set_modes requests verify proxy certificate write_config start_notifier
  stop_notifier notifier_log owed last_error metrics metric balancer
  set_balancer daemon SECRET);

use constant SECRET => 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

my $dir;
my $node;
my %children;
our @program = ('eventlog-notifier');    # and what it is run by
our $sanitized = 0;    # with the compiler's sanitizers, but where it is preloaded
my $serial = 0;

END
{
	my $status = $?;
	kill 'KILL', keys %children;
	waitpid $_, 0 foreach keys %children;
	$? = $status;
}

# prepare: a directory for what follows, for tests that have nodes of their own.
sub prepare
{
	$dir = PostgreSQL::Test::Utils::tempdir();
}

# new_node: a server with the extension and a log `events`.
sub new_node
{
	prepare();
	$node = PostgreSQL::Test::Cluster->new('main');
	$node->init;
	$node->append_conf('postgresql.conf', 'max_prepared_transactions = 4');
	$node->start;
	query("CREATE EXTENSION eventlog; SELECT eventlog.create_log('events');");
	return $node;
}

sub query
{
	return $node->safe_psql('postgres', join(' ', @_));
}

# await: a test that passes as soon as the code gives true, within a minute or
# so many seconds.
sub await
{
	my ($code, $name, $seconds) = @_;

	for (1 .. 10 * ($seconds // 60))
	{
		return pass($name) if $code->();
		sleep 0.1;
	}
	return fail($name);
}

sub spawn
{
	my ($log, @command) = @_;
	my $pid = fork // die "could not fork: $!";

	if ($pid == 0)
	{
		open STDOUT, '>>', $log or die;
		open STDERR, '>&', \*STDOUT or die;
		exec @command or die "could not run $command[0]: $!";
	}
	$children{$pid} = 1;
	return $pid;
}

# await_port: the port that a program has written to a file.
sub await_port
{
	my ($file) = @_;

	for (1 .. 300)
	{
		last if -s $file;
		sleep 0.1;
	}
	my $port = slurp_file($file);
	chomp $port;
	return $port;
}

# receiver: start one; a hash of its url and its files.
sub receiver
{
	my (@tls) = @_;
	my $n = ++$serial;
	my %r = map { $_ => "$dir/$n.$_" } qw(port requests modes out);

	append_to_file($r{requests}, '');
	$r{command} = [ 'node', 'test/clients/receiver.js', @r{qw(port requests modes)}, @tls ];
	$r{pid} = spawn($r{out}, @{ $r{command} });
	$r{url} = (@tls ? 'https' : 'http') . '://127.0.0.1:' . await_port($r{port});
	return \%r;
}

# receiver_goes, receiver_comes: it ends, and listens again where it did.
sub receiver_goes
{
	my ($r) = @_;

	kill 'KILL', $r->{pid};
	waitpid $r->{pid}, 0;
	delete $children{ $r->{pid} };
}

sub receiver_comes
{
	my ($r) = @_;

	$r->{pid} = spawn($r->{out}, @{ $r->{command} });
}

# proxy: start one; a hash of its address and its log.
sub proxy
{
	my $n = ++$serial;
	my %proxy = map { $_ => "$dir/$n.$_" } qw(port log out);

	append_to_file($proxy{log}, '');
	spawn($proxy{out}, 'node', 'test/clients/proxy.js', @proxy{qw(port log)});
	$proxy{address} = '127.0.0.1:' . await_port($proxy{port});
	return \%proxy;
}

# balancer: start one before a port or a socket; a hash of its port and its mode.
sub balancer
{
	my ($target) = @_;
	my $n = ++$serial;
	my %balancer = map { $_ => "$dir/$n.$_" } qw(port mode out);

	append_to_file($balancer{mode}, 'pass');
	spawn($balancer{out}, 'node', 'test/clients/balancer.js', $balancer{port}, $target, $balancer{mode});
	$balancer{number} = await_port($balancer{port});
	return \%balancer;
}

sub set_balancer
{
	my ($balancer, $mode) = @_;

	append_to_file("$balancer->{mode}.new", $mode);
	rename "$balancer->{mode}.new", $balancer->{mode};
	sleep 0.3;
}

# daemon: run a program until the end; its process id.
sub daemon
{
	return spawn("$dir/" . ++$serial . '.daemon', @_);
}

# metric: the value of one, by its name and labels; undef: it is not there.
sub metric
{
	my ($port, $name) = @_;
	my ($value) = metrics($port) =~ /^\Q$name\E (\S+)$/m;

	return $value;
}

# certificate: one that signs itself, as DIRECTORY/NAME.key and .crt.
sub certificate
{
	my ($to, $name, $san) = @_;

	system_or_bail('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', 365, '-subj', "/CN=$name",
		'-addext', "subjectAltName=$san", '-keyout', "$to/$name.key", '-out', "$to/$name.crt");
}

# set_modes: what a receiver answers, by path.
sub set_modes
{
	my ($receiver, %modes) = @_;

	append_to_file("$receiver->{modes}.new",
		join('', map { "$_ $modes{$_}\n" } keys %modes));
	rename "$receiver->{modes}.new", $receiver->{modes};
}

# requests: what came, at one path if that is given.  (The receiver may be writing
# the last line just now.)
sub requests
{
	my ($receiver, $path) = @_;
	my @all = map { decode_json($_) } slurp_file($receiver->{requests}) =~ /^(.*)\n/mg;

	return grep { !defined $path || $_->{path} eq $path } @all;
}

# verify: what others understand of requests; with another secret, [format,
# secret].
sub verify
{
	my ($format, @requests) = @_;
	my $file = "$dir/" . ++$serial . '.verify';
	my $json = JSON::PP->new->ascii;

	append_to_file($file, join('', map { $json->encode($_) . "\n" } @requests));
	my ($kind, $secret) = ref $format ? @$format : ($format, SECRET);
	my $said = `node test/clients/verify.js $kind $secret < $file`;
	return [ split /\n/, $said ];
}

# write_config: a configuration with these webhooks, and what else it has.
sub write_config
{
	my ($webhooks, %more) = @_;
	my $file = $more{file} // "$dir/" . ++$serial . '.json';
	my $notification = $more{notification} // { enabled => JSON::PP::true };

	delete @more{qw(file notification)};
	unlink $file;
	my $mask = umask 0077;
	append_to_file(
		$file,
		encode_json(
			{
				$node ? (database => $node->connstr('postgres')) : (),
				maintain => '0',
				event_log => { notification => $notification },
				webhooks => $webhooks,
				%more
			}));
	umask $mask;
	return $file;
}

# start_notifier: with this configuration, or a list of its files; and wait until
# it consumes these subscriptions.
sub start_notifier
{
	my ($config, @subscriptions) = @_;
	my $log = "$dir/" . ++$serial . '.notifier';
	my %notifier = (log => $log);

	append_to_file($log, '');
	my @run = @program;
	$run[-1] = './notifier/eventlog-notifier-sanitized' if $sanitized && !$ENV{LD_PRELOAD};
	$notifier{pid} =
	  spawn($log, @run, map { ('--config', $_) } ref $config ? @$config : $config);
	foreach my $name (@subscriptions)
	{
		for (1 .. 300)
		{
			last
			  if query("SELECT bool_or(consumer IS NOT NULL) FROM eventlog.subscriptions"
				  . " WHERE name = '$name'") eq 't';
			sleep 0.1;
		}
	}
	return \%notifier;
}

# stop_notifier: by a signal; its exit status.
sub stop_notifier
{
	my ($notifier, $signal) = @_;

	kill $signal // 'TERM', $notifier->{pid};
	waitpid $notifier->{pid}, 0;
	my $status = $?;
	delete $children{ $notifier->{pid} };
	return $status;
}

# installed: the notifier's path, for those that want one.
sub installed
{
	my ($path) = grep { -x } map { "$_/eventlog-notifier" } split /:/, $ENV{PATH};

	return $path // die 'the notifier is not installed';
}

sub notifier_log
{
	return slurp_file($_[0]->{log});
}

# owed: how many deliveries there are, in a state if that is given.
sub owed
{
	my ($name, $state) = @_;

	return query("SELECT count(*) FROM eventlog.deliveries"
		  . " WHERE subscription = '$name'"
		  . ($state ? " AND state = '$state'" : ''));
}

# last_error: of a subscription's deliveries, after some attempts.
sub last_error
{
	my ($name, $attempts) = @_;

	return query("SELECT last_error FROM eventlog.deliveries WHERE subscription = '$name' AND attempts >= "
		  . ($attempts // 1) . ' LIMIT 1');
}

# metrics: what the notifier at that port tells, on this page or another.
sub metrics
{
	my ($port, $page) = @_;

	return scalar `curl -s -w '\\n%{http_code}' http://127.0.0.1:$port@{[ $page // '/metrics' ]}`;
}

1;
