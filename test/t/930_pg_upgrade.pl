# pg_upgrade of a cluster with logs, subscriptions and owed deliveries: after it
# everything is as it was and goes on from there.
#
# From an older major version where one with the extension is found: in the
# installation that the environment names by oldinstall, as PostgreSQL's own
# test does, or in /usr/lib/postgresql/*.  Else from this version: pg_upgrade
# does the same then.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use Catalog;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# major: the major version of an installation, 0 if it is not a whole one.
sub major
{
	my ($install) = @_;

	return 0 unless -x "$install/bin/postgres" && -x "$install/bin/pg_config";
	return `'$install/bin/pg_config' --version` =~ / (\d+)/ ? $1 : 0;
}

# has_extension: is the extension installed there too?
sub has_extension
{
	my ($install) = @_;
	my ($lib, $share) = split /\n/, `'$install/bin/pg_config' --pkglibdir --sharedir`;

	return -f "$lib/eventlog.so" && -f "$share/extension/eventlog.control";
}

# old_install: where to upgrade from; undef: from this version.
sub old_install
{
	my ($this) = `pg_config --version` =~ / (\d+)/;
	my $named = $ENV{oldinstall};
	my @older;

	if (defined $named)
	{
		die "oldinstall: no PostgreSQL with the extension in $named\n" unless major($named) && has_extension($named);
		return $named;
	}
	@older = sort { major($a) <=> major($b) } grep { major($_) >= 15 && major($_) < $this && has_extension($_) } glob '/usr/lib/postgresql/*';
	return $older[0];
}

my $install = old_install();
my $old = PostgreSQL::Test::Cluster->new('old', defined $install ? (install_path => $install) : ());
my $new = PostgreSQL::Test::Cluster->new('new');

# With checksums, which became initdb's default in PostgreSQL 18: both must
# agree.
$_->init(extra => ['--data-checksums']) foreach $old, $new;
$old->start;

# Oids and transaction numbers run ahead of a new cluster's, as they do on a
# server that has lived: subscriptions hold the one, what is owed the other.
$old->safe_psql('postgres', <<'END');
CREATE ROLE gone;
CREATE ROLE app;
CREATE ROLE auditor;
DROP ROLE gone;
CREATE EXTENSION eventlog;
SELECT eventlog.create_log('gone');
DROP TABLE gone;
DO $$ BEGIN FOR i IN 1..20000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$;
END

# Two logs, one of another role and schema, with events that nobody made room
# for, and an index of the user's; what is owed in every state.
$old->safe_psql('postgres', <<'END');
SELECT eventlog.create_log('events', partition_interval => '1 day', retention => '100 years', premake => 2, indexes => '{source_host}');
CREATE INDEX ON events (user_id, occurred_at, id);
GRANT SELECT ON events TO auditor;
CREATE SCHEMA app AUTHORIZATION app;
SELECT eventlog.subscribe('pager', levels => '{error}', log => 'events');
SELECT eventlog.subscribe('archive', log => 'events');
SELECT eventlog.subscribe('paused', event_type => 'system.', log => 'events');
SELECT eventlog.pause('paused');
SET ROLE app;
SELECT eventlog.create_log('app.log', retention => '1 year');
SELECT eventlog.subscribe('own', log => 'app.log');
SELECT eventlog.emit('app.started', details => '{"pid": 1}', log => 'app.log');
END
$old->safe_psql('postgres', '\i test/data/quickstart.sql');
$old->safe_psql('postgres', <<'END');
CALL eventlog.maintain('events');
SELECT eventlog.emit('system.now', 'error');
SELECT eventlog.emit('system.early', user_id => 'admin', occurred_at => '2001-02-03 04:05:06.789012Z');
SELECT eventlog.emit('system.late', 'error', user_id => 'admin', occurred_at => '2051-02-03 04:05:06.789012Z');
CREATE TEMPORARY TABLE handed AS SELECT row_number() OVER (ORDER BY seq) AS n, seq FROM eventlog.fetch('pager', 100);
SELECT eventlog.ack('pager', (SELECT array_agg(seq) FROM handed WHERE n <= 2));
SELECT eventlog.fail('pager', seq, 'gone', NULL) FROM handed WHERE n = 3;
SELECT eventlog.fail('pager', seq, 'busy', '2100-01-01Z') FROM handed WHERE n = 4;
END

# state: all that a user can see of logs and webhooks.
sub state
{
	my ($node) = @_;

	return $node->safe_psql('postgres', <<'END');
SET TIME ZONE 'UTC';
SELECT tableoid::regclass, *, eventlog.id_time(id) = occurred_at FROM events ORDER BY occurred_at, id;
SELECT tableoid::regclass, * FROM app.log;
SELECT * FROM eventlog.list(page_size => NULL);
SELECT * FROM eventlog.list(user_id => 'admin', page_size => NULL);
SELECT * FROM eventlog.list(source_host => 'anchore-quickstart', level => 'error', page_size => NULL);
SELECT * FROM eventlog.types();
SELECT log, partition_interval, retention, premake, partitions, oldest, newest, problems FROM eventlog.logs ORDER BY log::text;
SELECT oid::regclass, relkind, relowner::regrole, has_table_privilege('auditor', oid, 'SELECT'), has_table_privilege('auditor', oid, 'INSERT')
  FROM pg_class WHERE oid IN (SELECT relid FROM eventlog.logs, pg_partition_tree(log)) ORDER BY oid::regclass::text;
SELECT pg_get_indexdef(indexrelid), indisvalid FROM pg_index WHERE indrelid IN (SELECT relid FROM eventlog.logs, pg_partition_tree(log)) ORDER BY 1;
SELECT name, owner, log, levels, event_type, paused, consumer, pending, retrying, dead, delivered, last_delivered_at, last_error, last_error_at
  FROM eventlog.subscriptions ORDER BY name;
SELECT subscription, seq, event_id, state, attempts, next_attempt_at, last_error FROM eventlog.deliveries ORDER BY subscription, seq;
END
}

# owed: the numbers of what is pending.
sub owed
{
	my ($node, $name) = @_;

	return $node->safe_psql('postgres', "SELECT seq FROM eventlog.deliveries WHERE subscription = '$name' AND state = 'pending' ORDER BY seq");
}

my $before = state($old);
my %owed = map { $_ => owed($old, $_) } qw(pager archive paused own);
my $last = $old->safe_psql('postgres', 'SELECT max(seq) FROM eventlog.deliveries');
my $version = $old->safe_psql('postgres', "SELECT extversion FROM pg_extension WHERE extname = 'eventlog'");
my $from = "PostgreSQL $old->{_pg_version} with eventlog $version";
is($old->safe_psql('postgres', "SELECT count(*) FROM events_default"), 2, 'two events are in the default partition');
$old->stop;

# pg_upgrade leaves its script where it is run
my $top = $FindBin::Bin . '/../..';
chdir ${PostgreSQL::Test::Utils::tmp_check} or die "could not change directory: $!\n";
command_ok([
		'pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $old->config_data('--bindir'),
		'-B', $new->config_data('--bindir'), '-s', $new->host, '-p', $old->port, '-P', $new->port
	],
	"pg_upgrade from $from");
chdir $top or die "could not change directory: $!\n";
$new->start;

is(state($new), $before, 'everything is as it was');
is($new->safe_psql('postgres', 'SELECT count(*) FROM eventlog._queue WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())'),
	0, 'what is owed is not of transactions to come');
$new->safe_psql('postgres', 'ALTER EXTENSION eventlog UPDATE');
$new->safe_psql('postgres', 'CREATE DATABASE fresh');
$new->safe_psql('fresh', 'CREATE EXTENSION eventlog');
is(catalog($new, 'postgres'), catalog($new, 'fresh'), 'the extension is as if created');

# What was owed is handed out once, in order, and then what is owed from now on.
my $consumer = $new->background_psql('postgres');
my %log = (pager => 'events', archive => 'events', own => 'app.log');
foreach my $name (qw(pager archive own))
{
	is($consumer->query("SELECT seq FROM eventlog.fetch('$name', 1000, log => '$log{$name}')"), $owed{$name}, "$name: each owed event is handed out once");
	is($consumer->query("SELECT seq FROM eventlog.fetch('$name', 1000, log => '$log{$name}')"), '', "$name: and not again");
}
is($consumer->query("SELECT count(*) FROM eventlog.fetch('paused', 1000)"), 0, 'paused: nothing is handed out');
$new->safe_psql('postgres', "SELECT eventlog.emit('system.after', 'error'); SET ROLE app; SELECT eventlog.emit('app.after', log => 'app.log');");
foreach my $name (qw(pager archive own))
{
	my $type = $name eq 'own' ? 'app.after' : 'system.after';
	my $of_all = $owed{$name} =~ tr/\n// + 2;

	is($consumer->query("SELECT (event).event_type, seq > $last, attempts FROM eventlog.fetch('$name', 1000, log => '$log{$name}')"),
		"$type|t|0", "$name: what is new is owed, and nothing else");
	is($consumer->query("SELECT eventlog.ack('$name', array_agg(seq), '$log{$name}') FROM eventlog.deliveries WHERE subscription = '$name' AND state = 'pending'"),
		$of_all, "$name: all are acknowledged");
}
$consumer->query("SELECT eventlog.resume('paused')");
is($consumer->query("SELECT count(*) FROM eventlog.fetch('paused', 1000)"), $owed{paused} =~ tr/\n// + 2, 'paused: all is handed out when resumed');
is($consumer->query("SELECT eventlog.retry('pager')"), 1, 'pager: what was dead is revived');
is($consumer->query("SELECT attempts FROM eventlog.fetch('pager', 1000)"), 0, 'and handed out');
$consumer->quit;
my ($status, $out, $error) = $new->psql('postgres', "GRANT USAGE ON SCHEMA app TO auditor; SET ROLE auditor; SELECT eventlog.fetch('own', 1, log => 'app.log')");
like($error, qr/permission denied for subscription "own"/, 'a subscription is still the role\'s that made it');
$new->safe_psql('postgres', "SELECT eventlog.subscribe('another', log => 'events')");
is($new->safe_psql('postgres', 'SELECT count(DISTINCT id), count(*) FROM eventlog._subscription'), '5|5', 'a new subscription has a number of its own');

# Logs are logs: upkeep, constraints, triggers, the functions.
my $events = $new->safe_psql('postgres', 'SELECT eventlog.list(page_size => NULL)');
my $partitions = $new->safe_psql('postgres', "SELECT partitions FROM eventlog.logs WHERE log = 'events'::regclass");
($status, $out, $error) = $new->psql('postgres', "CALL eventlog.maintain()");
is($status, 0, 'upkeep goes on');
is($new->safe_psql('postgres', 'SELECT count(*) FROM events_default'), 0, 'the default partition is emptied');
is($new->safe_psql('postgres', "SELECT partitions >= $partitions + 2, problems FROM eventlog.logs WHERE log = 'events'::regclass"),
	't|{}', 'into partitions that it made');
is($new->safe_psql('postgres', 'SELECT eventlog.list(page_size => NULL)'), $events, 'and lists the same');
is($new->safe_psql('postgres', "INSERT INTO events (event_type, level, occurred_at) VALUES ('a.b', 'ERROR', '2051-02-03Z') RETURNING level, eventlog.id_time(id) = occurred_at"),
	'error|t', 'an insert is filled in');
($status, $out, $error) = $new->psql('postgres', "INSERT INTO events (event_type, id, occurred_at) VALUES ('a.b', eventlog.new_id('2051-02-03Z'), '2051-02-04Z')");
like($error, qr/does not match occurred_at/, 'an id of another time is refused');
is($new->safe_psql('postgres', "SELECT eventlog.delete(id) = id FROM eventlog.list('a.b')"), 't', 'an event is deleted');
is($new->safe_psql('postgres', "SELECT eventlog.create_log('more'); SELECT eventlog.emit('more', log => 'more') IS NOT NULL; SELECT event_type FROM eventlog.list(log => 'more')"),
	"more\nt\nmore", 'another log is made');
my $dir = PostgreSQL::Test::Utils::tempdir();
$new->command_ok([ 'pg_dump', '-f', "$dir/dump.sql", 'postgres' ], 'a dump is made');
$new->safe_psql('postgres', 'CREATE DATABASE restored');
$new->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/dump.sql", 'restored' ], 'and restored');

done_testing();
