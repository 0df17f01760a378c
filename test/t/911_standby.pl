# A streaming replica answers like its primary, and takes over what is owed when
# it is promoted.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->start;
$primary->safe_psql('postgres', "CREATE EXTENSION eventlog; SELECT eventlog.create_log('events', indexes => '{source_host}');");
$primary->safe_psql('postgres', '\i test/data/quickstart.sql');
$primary->safe_psql('postgres', "CALL eventlog.maintain(); VACUUM events; SELECT eventlog.subscribe('hook');");
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

# The same answers, also in a session that has learnt what the log has not, when
# what it has not had arrives.
my @questions = map { "SELECT * FROM eventlog.list($_)" } ('', "level => 'error'", "'system.', page_size => 7", "level => 'critical'",
	"source_host => 'nowhere'", 'page => 2, page_size => 5');
push @questions, "SELECT eventlog.count(level => 'critical')", 'SELECT * FROM eventlog.types()';
my $session = $standby->background_psql('postgres');
foreach my $round (1 .. 3)
{
	$primary->wait_for_catchup($standby);
	foreach my $question (@questions)
	{
		is($session->query($question), $primary->safe_psql('postgres', $question), "round $round: $question");
	}
	$primary->safe_psql('postgres', "SELECT eventlog.emit('new.$round', 'critical')");
}

# It does not write.
foreach my $write ("SELECT eventlog.emit('x')", "SELECT eventlog.clear('new')", 'CALL eventlog.maintain()', "SELECT eventlog.fetch('hook', 1)",
	"CALL eventlog.purge('new')")
{
	my ($status, $out, $error) = $standby->psql('postgres', $write);

	like($error, qr/read-only transaction|during recovery/, "not on a standby: $write");
}

# An unlogged partition is PostgreSQL's own error; the rest of the log is read.
$primary->safe_psql('postgres', "SELECT eventlog.create_log('half', premake => 0)");
$primary->safe_psql('postgres', 'ALTER TABLE half_default SET UNLOGGED');
$primary->safe_psql('postgres', "SELECT eventlog.emit('half', log => 'half')");
$primary->wait_for_catchup($standby);
foreach my $read ("SELECT eventlog.list(log => 'half')", "SELECT eventlog.count(log => 'half')", "SELECT eventlog.types('half', log => 'half')",
	"SELECT eventlog.get(eventlog.new_id('2000-01-01Z'), log => 'half')")
{
	my ($status, $out, $error) = $standby->psql('postgres', $read);

	like($error, qr/cannot access temporary or unlogged relations during recovery/, "an unlogged partition: $read");
}
is($standby->safe_psql('postgres', "SELECT problems FROM eventlog.logs WHERE log = 'half'::regclass"), '{}', 'the view tells of it all the same');
is($standby->safe_psql('postgres', "SELECT count(*) FROM eventlog.get((SELECT id FROM events LIMIT 1))"), 1, 'and another log is read');

# What was owed is owed after a failover; what was acknowledged is not.
$primary->safe_psql('postgres', "SELECT eventlog.fetch('hook', 1)");
my $first = $primary->safe_psql('postgres', "SELECT (event).event_type FROM eventlog.fetch('hook', 1)");
is($first, 'new.1', 'owed in order');
$primary->safe_psql('postgres', "SELECT eventlog.ack('hook', array_agg(seq)) FROM eventlog.fetch('hook', 1)");
$primary->wait_for_catchup($standby);
$primary->stop('immediate');
$session->quit;
$standby->promote;
my $consumer = $standby->background_psql('postgres');
is($consumer->query("SELECT string_agg((event).event_type, ' ') FROM eventlog.fetch('hook', 10)"), 'new.2 new.3', 'handed out by the new primary');
$standby->safe_psql('postgres', "SELECT eventlog.emit('after')");
is($consumer->query("SELECT (event).event_type FROM eventlog.fetch('hook', 10)"), 'after', 'and what comes later');
is($consumer->query("SELECT eventlog.ack('hook', array_agg(seq)) FROM eventlog.deliveries"), 3, 'acknowledged there');
$consumer->quit;
is($standby->safe_psql('postgres', 'SELECT pending FROM eventlog.subscriptions'), 0, 'nothing is left');

done_testing();
