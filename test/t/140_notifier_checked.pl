# The notifier watched: by the compiler's sanitizers, and by valgrind.  Each
# looks on while it delivers, fails, loads its configuration again, loses its
# server, and stops; what either finds makes the exit status differ from 0.

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
my %quick = (initial_backoff => '10ms', max_backoff => '100ms', max_attempts => 0);
my %webhooks = (
	fine => { url => "$url/fine", secret => SECRET },
	ordered => { url => "$url/ordered", ordered => JSON::PP::true, authorization => { credentials => 'sesame' } },
	batches => { url => "$url/batches", format => 'cloudevents', batch => { max_events => 5 },
		basic_auth => { username => 'me', password => 'sesame' } },
	general => { url => "$url/<notification_type>/<userId>", format => 'anchore', http_headers => { 'X-Mine' => 'yes' } },
	failing => { url => "$url/failing", retry => \%quick },
	garbage => { url => "$url/garbage", retry => \%quick },
	reset => { url => "$url/reset", retry => \%quick },
	never => { url => "$url/never", timeout => '300ms', retry => \%quick },
	refused => { url => 'http://127.0.0.1:1/', retry => \%quick },
	stuck => { url => "$url/stuck", timeout => '10m', secret => SECRET });
my @good = qw(fine ordered batches general stuck);
my @bad = qw(failing garbage reset never refused);

sub told
{
	return query("SELECT count(*) FROM eventlog.deliveries WHERE attempts > 0 AND subscription = ANY ('{"
		  . join(',', @bad) . "}')");
}

# story: a day in the life of the notifier that a command runs.
sub story
{
	my ($name, @command) = @_;

	@Notifier::program = @command;
	query("SELECT eventlog.unsubscribe(name) FROM eventlog.subscriptions");
	set_modes($receiver, '/failing' => '500', '/garbage' => 'garbage', '/reset' => 'reset', '/never' => 'never');
	my $probe = receiver();
	my ($port) = $probe->{url} =~ /:(\d+)$/;
	kill 'TERM', $probe->{pid};
	waitpid $probe->{pid}, 0;
	my $config = write_config(\%webhooks, listen => "127.0.0.1:$port", maintain => '1s');
	my $notifier = start_notifier($config, keys %webhooks);
	query("SELECT count(eventlog.emit('story', details => jsonb_build_object('g', g))) FROM generate_series(1, 20) g");
	foreach my $webhook (@good)
	{
		await(sub { owed($webhook) == 0 }, "$name: $webhook is delivered");
	}
	await(sub { told() >= @bad }, "$name: the others are tried");
	like(`curl -s http://127.0.0.1:$port/metrics`, qr/^eventlog_notifications_total\{webhook="fine"\} 20$/m, "$name: metrics are served");

	append_to_file($config, 'junk');
	kill 'HUP', $notifier->{pid};
	await(sub { notifier_log($notifier) =~ /keeping the old configuration/ }, "$name: a wrong configuration is refused");
	write_config(\%webhooks, file => $config, listen => "127.0.0.1:$port", maintain => '1s');
	kill 'HUP', $notifier->{pid};
	await(sub { notifier_log($notifier) =~ /reloading the configuration/ }, "$name: a right one is loaded");

	$node->restart;
	query("SELECT eventlog.emit('again')");
	foreach my $webhook (@good)
	{
		await(sub { owed($webhook) == 0 }, "$name: $webhook goes on with the server");
	}
	set_modes($receiver);
	foreach my $webhook (qw(failing garbage reset never))
	{
		await(sub { owed($webhook) == 0 }, "$name: $webhook recovers");
	}

	# what is in flight when it is told twice to stop is broken off, and freed
	my $before = requests($receiver, '/stuck');
	set_modes($receiver, '/stuck' => 'never');
	query("SELECT eventlog.emit('stuck')");
	await(sub { requests($receiver, '/stuck') > $before }, "$name: a request is never answered");
	kill 'TERM', $notifier->{pid};
	await(sub { notifier_log($notifier) =~ /msg=stopping/ }, "$name: it stops, and waits for it");
	is(stop_notifier($notifier), 0, "$name: it ends as if nobody had watched")
	  or diag(notifier_log($notifier));
	unlike(notifier_log($notifier), qr/sesame/, "$name: no secret is told");
}

# "make -C notifier eventlog-notifier-sanitized" makes this one.
{
	local $ENV{ASAN_OPTIONS} = 'detect_stack_use_after_return=1:strict_string_checks=1';
	local $ENV{UBSAN_OPTIONS} = 'print_stacktrace=1';
	story('sanitizers', './notifier/eventlog-notifier-sanitized');
}
story('valgrind', 'valgrind', '--quiet', '--error-exitcode=9', '--leak-check=full',
	'--errors-for-leak-kinds=definite', Notifier::installed());

done_testing();
