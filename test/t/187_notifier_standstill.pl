# What stands still is told, whatever the reason is, also where nobody scrapes:
# a consumer that is no notifier, an owner that is gone or another one, a log that
# is not there.  And levels are the same by any name as in the database.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use JSON::PP;
use Notifier;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

$Notifier::sanitized = 1;
my $node = new_node();
my $receiver = receiver();
my $url = $receiver->{url};
my $port = PostgreSQL::Test::Cluster::get_free_port();
my ($config, $notifier);

sub forget
{
	query("SELECT eventlog.unsubscribe(name, log) FROM eventlog.subscriptions WHERE log IS NOT NULL");
}

sub ready
{
	return metrics($port, '/readyz') =~ /\n200$/;
}

# Another session is the consumer, which is no notifier.
query("SELECT eventlog.subscribe('held')");
my $holder = $node->background_psql('postgres');
$holder->query_safe("SELECT count(*) FROM eventlog.fetch('held', 1)");
my %webhooks = (held => { url => "$url/held" }, other => { url => "$url/other" });
my $silent = start_notifier(write_config(\%webhooks), 'other');
await(sub { notifier_log($silent) =~ /level=warning msg="not ready" reason="webhook held: the consumer is not a running notifier"/ },
	'a stranger is the consumer: that is logged without a listener', 40);
is(stop_notifier($silent), 0, 'clean');
$notifier = start_notifier(write_config(\%webhooks, listen => "127.0.0.1:$port"), 'other');
await(sub { (metric($port, 'eventlog_webhook_ready{webhook="held"}') // 1) == 0 }, 'a metric tells it', 40);
is(metric($port, 'eventlog_webhook_ready{webhook="other"}'), 1, 'of that webhook alone');
is(metric($port, 'eventlog_notifier_ready'), 0, 'the notifier is not ready');
like(metrics($port, '/readyz'), qr/^webhook held: the consumer is not a running notifier\n.*503$/ms, 'nor by /readyz');
$holder->quit;
await(sub { ready() && metric($port, 'eventlog_webhook_ready{webhook="held"}') == 1 }, 'until it goes');
my $second = start_notifier(write_config(\%webhooks));
await(sub { notifier_log($second) =~ /msg="standing by, another session is the consumer" webhook=other/ }, 'a second notifier stands by');
await(sub { query("SELECT count(*) FROM pg_stat_activity WHERE application_name ~ '^eventlog-notifier ' AND query ~ 'ownerless' AND pid NOT IN (SELECT consumer FROM eventlog.subscriptions)") == 1
		|| query("SELECT count(DISTINCT consumer) FROM eventlog.subscriptions") == 2 }, 'and has looked at who the consumers are', 40);
unlike(notifier_log($second), qr/not ready/, 'which is no trouble');
stop_notifier($_) foreach $second, $notifier;

# A subscription that is given to another role, and back.
forget();
query("CREATE ROLE sender LOGIN; GRANT SELECT ON events TO sender; CREATE ROLE heir; GRANT SELECT ON events TO heir");
$config = write_config({ given => { url => "$url/given" } }, database => $node->connstr('postgres') . ' user=sender', listen => "127.0.0.1:$port");
$notifier = start_notifier($config, 'given');
await(\&ready, 'it is ready');
query("SELECT eventlog.alter_subscription('given', 'heir')");
await(sub { metrics($port, '/readyz') =~ /webhook given: could not \w+: permission denied for subscription "given".*\n503$/s }, 'a subscription that is given away: not ready, and why', 40);
like(notifier_log($notifier), qr/level=error msg="could not \w+" webhook=given sqlstate=42501 error="permission denied for subscription \\"given\\"" hint="Only members of the role that owns the subscription can use it\."/, 'which is logged');
query("SELECT eventlog.emit('given')");
query("SELECT eventlog.alter_subscription('given', 'sender')");
await(sub { requests($receiver, '/given') == 1 }, 'given back, it delivers');
await(\&ready, 'and is ready');
cmp_ok(scalar(() = notifier_log($notifier) =~ /level=error/g), '<=', 3, 'nothing was told again and again');
is(stop_notifier($notifier), 0, 'clean');

# The role that owned it is gone: then nothing comes, and there is no error.
query("SELECT eventlog.alter_subscription('given', 'heir'); DROP OWNED BY heir; DROP ROLE heir");
query("SELECT eventlog.emit('ownerless')");
$notifier = start_notifier(write_config({ given => { url => "$url/given" } }, listen => "127.0.0.1:$port"));
await(sub { metrics($port, '/readyz') =~ /webhook given: the role that owned the subscription is gone\n.*\n503$/s }, 'an owner that is gone: not ready, and why', 40)
  or diag(metrics($port, '/readyz'));
is(metric($port, 'eventlog_webhook_ready{webhook="given"}'), 0, 'which a metric tells');
await(sub { notifier_log($notifier) =~ /msg="not ready" reason="webhook given: the role that owned the subscription is gone"/ }, 'and the log', 40);
query("SELECT eventlog.alter_subscription('given', 'sender')");
await(sub { owed('given') == 0 }, 'when it has an owner, it delivers');
await(\&ready, 'and is ready');
is(stop_notifier($notifier), 0, 'clean');

# The log is gone, while nothing happens that could fail; and comes again.  So
# does the extension.
my %gone = (
	'the log' => [ 'DROP TABLE events', "SELECT eventlog.create_log('events')",
		qr/the log does not exist\n/, qr/level=warning msg="the log is gone"/ ],
	'the extension' => [ 'DROP EXTENSION eventlog CASCADE; DROP TABLE IF EXISTS events', "CREATE EXTENSION eventlog; SELECT eventlog.create_log('events')",
		qr/the extension eventlog is not in the database\n/, qr/level=warning msg="the extension is gone or another one now"/ ]);
foreach my $what (sort { $b cmp $a } keys %gone)
{
	my ($drop, $create, $reason, $logged) = @{ $gone{$what} };
	my $path = $what =~ s/the /\//r;

	forget();
	$notifier = start_notifier(write_config({ w => { url => "$url$path" } }, listen => "127.0.0.1:$port"), 'w');
	await(\&ready, "$what is there: ready");
	query($drop);
	await(sub { metrics($port, '/readyz') =~ /$reason.*\n503$/s }, "$what is gone: not ready, and why", 40);
	like(notifier_log($notifier), $logged, 'which is logged');
	is(metric($port, 'eventlog_database_up'), 0, 'and a metric');
	query($create);
	await(sub { query("SELECT count(*) FROM eventlog.subscriptions WHERE consumer IS NOT NULL") == 1 }, "$what is there again");
	query("SELECT eventlog.emit('again')");
	await(sub { requests($receiver, $path) == 1 }, 'and it delivers');
	await(\&ready, 'ready again');
	is(stop_notifier($notifier), 0, 'clean');
}

# The names of levels: whatever one side takes for one, the other does, too.
my $names = sub {
	my ($file, $from) = @_;
	my ($list) = slurp_file($file) =~ /\Q$from\E(.*?)\};/s;
	my %names = map { $_ => 1 } $list =~ /"(\w+)"/g;

	return (sort keys %names, qw(debug info warning error critical));
};
my @theirs = $names->('src/log/level.c', 'level_aliases[] = {');
my @ours = $names->('notifier/config/filter_config.c', 'aliases[] = {');
is_deeply(\@ours, \@theirs, 'both know the same names of levels');
cmp_ok(scalar(@ours), '>', 10, 'which are many');
forget();
%webhooks = map { ($_ => { url => "$url/level", level => [ uc $_ ] }) } @theirs;
$notifier = start_notifier(write_config(\%webhooks), @theirs);
foreach my $name (@theirs)
{
	my $id = query("SELECT eventlog.emit('level', level => '$name')");
	my $level = query("SELECT level FROM eventlog.get('$id')");

	is(query("SELECT levels FROM eventlog.subscriptions WHERE name = '$name'"), "{$level}", "$name is $level to both");
}
is(stop_notifier($notifier), 0, 'clean');

done_testing();
