# Webhooks of a log over two workers: one notifier beside each worker, the same
# configuration but for the database. And whatever is done to a subscription on
# the coordinator is done on the workers.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin, "$FindBin::Bin/../t";
use JSON::PP;
use Nodes;
use Notifier;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

require_citus();

prepare();
my ($coordinator, @workers) = start_nodes();

sub ask { return $coordinator->safe_psql('postgres', $_[0]) }

ask(<<'END');
SELECT eventlog.create_log('events', '1 day');
SET citus.shard_count = 8;
SELECT create_distributed_table('events', 'occurred_at');
CALL eventlog.maintain();
CREATE ROLE agent LOGIN; CREATE ROLE other LOGIN;
GRANT SELECT ON events TO agent, other;
END

# Two notifiers, which subscribe on their worker; the coordinator adds up.
my $receiver = receiver();
my @notifiers;
sub notifiers
{
	@notifiers = map {
		start_notifier(write_config({ hook => { url => "$receiver->{url}/hook", secret => SECRET } }, database => $_->connstr('postgres')))
	} @workers;
	foreach my $worker (@workers)
	{
		await(sub { $worker->safe_psql('postgres', "SELECT count(*) FROM eventlog.subscriptions WHERE consumer IS NOT NULL") == 1 },
			'a notifier consumes on ' . $worker->name);
	}
}
ask("SELECT eventlog.subscribe('hook')");
notifiers();
ask("SELECT eventlog.emit('single', occurred_at => now() - interval '$_ minutes')") foreach 1 .. 40;
await(sub { ask("SELECT pending + retrying FROM eventlog.subscriptions") == 0 }, 'all is delivered');
my @arrived = map { decode_json($_->{body})->{data}{event_type} } requests($receiver, '/hook');
is(scalar(@arrived), 40, 'each event once');
is_deeply(verify('standard', requests($receiver, '/hook')), [ ('single info') x 40 ], 'signed');
is(ask("SELECT delivered FROM eventlog.subscriptions"), 40, 'which the coordinator adds up');
is(ask("SELECT count(*) FROM run_command_on_workers(\$\$SELECT delivered > 0 FROM eventlog.subscriptions\$\$) WHERE result = 't'"), 2, 'of both workers');

# What cannot be delivered is dead on its worker, and owed again from the coordinator.
is(stop_notifier($_), 0, 'a notifier stops') foreach @notifiers;
ask("SELECT eventlog.emit('dead', occurred_at => now() - interval '$_ minutes')") foreach 1 .. 20;
$_->safe_psql('postgres', "SELECT eventlog.fail('hook', seq, 'no', NULL) FROM eventlog.fetch('hook', 100)") foreach @workers;
is(ask("SELECT dead FROM eventlog.subscriptions"), 20, 'dead on the workers');
is(ask("SELECT eventlog.retry('hook')"), 20, 'retry on the coordinator');
is(ask("SELECT dead, pending + retrying FROM eventlog.subscriptions"), '0|20', 'owes them again');
notifiers();
await(sub { requests($receiver, '/hook') == 60 }, 'and they are delivered');
is(stop_notifier($_), 0, 'a notifier stops') foreach @notifiers;

# Another owner, whose rights count on the workers, too.
ask("SELECT eventlog.alter_subscription('hook', 'agent')");
is(ask("SELECT string_agg(DISTINCT result, ',') FROM run_command_on_workers(\$\$SELECT owner FROM eventlog.subscriptions\$\$)"), 'agent', 'the workers follow a change of owner');
ask("REVOKE SELECT ON events FROM agent");
ask("SELECT eventlog.emit('unseen', occurred_at => now() - interval '$_ minutes')") foreach 1 .. 10;
foreach my $worker (@workers)
{
	my ($ret, $out, $err) = $worker->psql('postgres', "SET ROLE agent; SELECT count(*) FROM eventlog.fetch('hook', 100)");

	like($out . $err, qr/permission denied|^0$/, 'which may not read them there, either');
}
ask("GRANT SELECT ON events TO agent");

# Row-level security of the shards.
ask(<<'END');
SELECT eventlog.replay('hook', 'single');
ALTER TABLE events ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON events FOR SELECT TO agent USING (event_type <> 'single');
END
is(ask("SET ROLE agent; SELECT eventlog.count('single'), eventlog.count('dead'), (SELECT count(*) FROM eventlog.list('single'))"), '0|20|0', 'a policy hides rows of the shards');
is(ask("SET ROLE other; SELECT eventlog.count()"), 0, 'and all of them from whom it does not name');
is(ask('SELECT eventlog.count() > 0'), 't', 'but nothing from the owner');
my @seen = map { $_->safe_psql('postgres', "SET ROLE agent; SELECT count(*) FROM eventlog.fetch('hook', 1000) f WHERE (event).event_type = 'single'") } @workers;
is("@seen", '0 0', 'and what is hidden is not handed out');

# Gone on the coordinator, gone on the workers.
ask("SELECT eventlog.unsubscribe('hook')");
is(ask("SELECT sum(result::int) FROM run_command_on_workers(\$\$SELECT count(*) FROM eventlog._queue\$\$)"), 0, 'unsubscribe drops what is owed on the workers');
is(ask("SELECT sum(result::int) FROM run_command_on_workers(\$\$SELECT count(*) FROM eventlog.subscriptions\$\$)"), 0, 'and the subscription');

done_testing();
