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

our @EXPORT = qw(new_node query await receiver set_modes requests verify
  write_config start_notifier stop_notifier notifier_log owed SECRET);

use constant SECRET => 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

my $dir;
my $node;
my %children;
our @program = ('eventlog-notifier');    # and what it is run by
my $serial = 0;

END
{
	my $status = $?;
	kill 'KILL', keys %children;
	waitpid $_, 0 foreach keys %children;
	$? = $status;
}

# new_node: a server with the extension and a log `events`.
sub new_node
{
	$dir = PostgreSQL::Test::Utils::tempdir();
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

# await: a test that passes as soon as the code gives true, within a minute.
sub await
{
	my ($code, $name) = @_;

	for (1 .. 600)
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

# receiver: start one; a hash of its url and its files.
sub receiver
{
	my (@tls) = @_;
	my $n = ++$serial;
	my %r = map { $_ => "$dir/$n.$_" } qw(port requests modes out);

	append_to_file($r{requests}, '');
	$r{pid} = spawn($r{out}, 'node', 'test/clients/receiver.js', $r{port},
		$r{requests}, $r{modes}, @tls);
	for (1 .. 300)
	{
		last if -s $r{port};
		sleep 0.1;
	}
	my $port = slurp_file($r{port});
	chomp $port;
	$r{url} = (@tls ? 'https' : 'http') . "://127.0.0.1:$port";
	return \%r;
}

# set_modes: what a receiver answers, by path.
sub set_modes
{
	my ($receiver, %modes) = @_;

	append_to_file("$receiver->{modes}.new",
		join('', map { "$_ $modes{$_}\n" } keys %modes));
	rename "$receiver->{modes}.new", $receiver->{modes};
}

# requests: what came, at one path if that is given.
sub requests
{
	my ($receiver, $path) = @_;
	my @all = map { decode_json($_) } split /\n/,
	  slurp_file($receiver->{requests});

	return grep { !defined $path || $_->{path} eq $path } @all;
}

# verify: what others understand of requests.
sub verify
{
	my ($format, @requests) = @_;
	my $file = "$dir/" . ++$serial . '.verify';
	my $json = JSON::PP->new->ascii;

	append_to_file($file, join('', map { $json->encode($_) . "\n" } @requests));
	my $said = `node test/clients/verify.js $format ${\SECRET} < $file`;
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
	append_to_file(
		$file,
		encode_json(
			{
				database => $node->connstr('postgres'),
				maintain => '0',
				event_log => { notification => $notification },
				webhooks => $webhooks,
				%more
			}));
	return $file;
}

# start_notifier: and wait until it consumes these subscriptions.
sub start_notifier
{
	my ($config, @subscriptions) = @_;
	my $log = "$dir/" . ++$serial . '.notifier';
	my %notifier = (log => $log);

	append_to_file($log, '');
	$notifier{pid} =
	  spawn($log, @program, '--config', $config);
	foreach my $name (@subscriptions)
	{
		for (1 .. 300)
		{
			last
			  if query("SELECT consumer IS NOT NULL FROM eventlog.subscriptions"
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

1;
