# pg_dump and pg_restore by a database's owner who is no superuser: what is
# subscribed and owed goes along, and new numbers go on from there.  What that
# role may do to the queue's tables lets it do nothing as another role.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir();
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
$node->safe_psql('postgres', <<'END');
CREATE ROLE "Db Owner" LOGIN;
CREATE ROLE stranger LOGIN;
CREATE ROLE gone;
CREATE DATABASE source OWNER "Db Owner";
CREATE DATABASE target OWNER "Db Owner";
END

# as: what a role gets in a database; dies when that fails.
sub as
{
	my ($role, $database, $sql) = @_;
	return $node->safe_psql($database, $sql, extra_params => [ '-U', $role ]);
}

# refused: the error that a role gets.
sub refused
{
	my ($role, $database, $sql) = @_;
	my ($status, undef, $stderr) = $node->psql($database, $sql, extra_params => [ '-U', $role ]);
	return $status == 0 ? 'not refused' : $stderr;
}

as('Db Owner', 'source', <<'END');
CREATE EXTENSION eventlog;
SELECT eventlog.create_log('public.events');
SELECT eventlog.subscribe('hook', '{error}');
SELECT eventlog.subscribe('all', event_type => 'a.');
SELECT eventlog.emit('a.' || g, 'error') FROM generate_series(1, 5) g;
CREATE TEMPORARY TABLE handed AS SELECT seq FROM eventlog.fetch('hook', 3);
SELECT eventlog.ack('hook', ARRAY[(SELECT min(seq) FROM handed)]);
SELECT eventlog.fail('hook', (SELECT max(seq) FROM handed), 'gone', NULL);
SELECT eventlog.release('hook');
END
# an owner who is gone: the subscription is in no dump
$node->safe_psql('source', <<'END');
GRANT SELECT ON events TO gone;
SET ROLE gone;
SELECT eventlog.subscribe('orphan');
RESET ROLE;
DROP OWNED BY gone;
DROP ROLE gone;
SELECT eventlog.emit('a.6', 'error');
END

my $state = <<'END';
SELECT name, owner, log, levels, event_type, paused, pending, retrying, dead,
  delivered, cancelled, last_error FROM eventlog.subscriptions WHERE name <> 'orphan' ORDER BY name;
SELECT subscription, seq, event_id, state, attempts, last_error
  FROM eventlog.deliveries WHERE subscription <> 'orphan' ORDER BY subscription, seq;
END
my $before = as('Db Owner', 'source', $state);
is(as('Db Owner', 'source', q{SELECT name, paused FROM eventlog.subscriptions WHERE name = 'orphan'}), 'orphan|t',
	'the owner of a log sees that a subscription of it has lost its owner');
like($before, qr/^hook\|"Db Owner"\|events\|\{error\}\|\|f\|4\|0\|1\|1\|0\|gone$/m, 'the owner sees it all');

$node->command_ok([ 'pg_dump', '-U', 'Db Owner', '-Fc', '-f', "$dir/dump", 'source' ],
	'the owner dumps the database');
$node->command_ok([ 'pg_restore', '-U', 'Db Owner', '-e', '-d', 'target', "$dir/dump" ],
	'and restores it into another one');
is(as('Db Owner', 'target', $state), $before, 'everything is as it was');
is($node->safe_psql('target', "SELECT count(*) FROM eventlog._subscription WHERE name = 'orphan'"), 0,
	'but the subscription whose owner is gone');
is($node->safe_psql('target', 'SELECT count(*) FROM eventlog._queue WHERE subscription NOT IN (SELECT id FROM eventlog._subscription)'),
	0, 'and what it was owed');

# Numbers go on.
is(as('Db Owner', 'target', <<'END'), "1\n7\nt\n\nt", 'new events and subscriptions go on from there');
SELECT count(eventlog.emit('a.new', 'error'));
SELECT count(*) FROM eventlog.fetch('all', 100);
SELECT max(seq) > (SELECT max(seq) FROM eventlog.deliveries WHERE subscription = 'hook' AND state = 'dead')
  FROM eventlog.deliveries WHERE state = 'pending';
SELECT eventlog.subscribe('next');
SELECT (SELECT id FROM eventlog._subscriptions() WHERE name = 'next') > max(id) FROM eventlog._subscriptions() WHERE name <> 'next';
END
is(as('Db Owner', 'target', 'SELECT count(*) = count(DISTINCT seq) FROM eventlog.deliveries'), 't', 'each number once');

# Who dumps what was restored gets the same again.
$node->command_ok([ 'pg_dump', '-U', 'Db Owner', '-f', "$dir/again.sql", 'target' ], 'the copy is dumped too');

# The tables are nobody else's.
like(refused('stranger', 'target', 'SELECT * FROM eventlog._queue'), qr/permission denied/, 'not a stranger\'s to read');
foreach my $statement ('DELETE FROM eventlog._queue', "UPDATE eventlog._subscription SET owner = 'postgres'",
	'TRUNCATE eventlog._queue', 'DROP TABLE eventlog._queue',
	'CREATE TRIGGER t AFTER INSERT ON eventlog._queue FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()')
{
	like(refused('Db Owner', 'target', $statement), qr/permission denied|must be owner/, "refused to the owner: $statement");
}

# A planted row gives no right: it is its owner's, and read as its owner.
$node->safe_psql('target', <<'END');
CREATE SCHEMA secret;
SELECT eventlog.create_log('secret.log');
SELECT eventlog.emit('a.secret', 'error', log => 'secret.log');
END
my $log = $node->safe_psql('target', "SELECT 'secret.log'::regclass::oid");
as('Db Owner', 'target', <<"END");
INSERT INTO eventlog._subscription (id, name, owner, log) VALUES (1000, 'planted', '"Db Owner"', $log);
INSERT INTO eventlog._subscription (id, name, owner, log) VALUES (1001, 'super', 'postgres', $log);
INSERT INTO eventlog._queue (subscription, seq, xid, event_id) VALUES (1000, 1, '3', '00000000-0000-7000-8000-000000000000');
INSERT INTO eventlog._queue (subscription, seq, xid, event_id) VALUES (1001, 1, '3', '00000000-0000-7000-8000-000000000000');
END
like(refused('Db Owner', 'target', "SELECT * FROM eventlog.fetch('planted', 10, log => $log)"), qr/permission denied for schema secret/,
	'a planted subscription is read with its owner\'s rights');
like(refused('Db Owner', 'target', "SELECT * FROM eventlog.replay('planted', log => $log)"), qr/permission denied for schema secret/,
	'and replayed so');
$node->safe_psql('target', 'GRANT USAGE ON SCHEMA secret TO "Db Owner"');
like(refused('Db Owner', 'target', "SELECT * FROM eventlog.fetch('planted', 10, log => $log)"), qr/permission denied for table log/,
	'also where it may name the log');
like(refused('Db Owner', 'target', "SELECT * FROM eventlog.fetch('super', 10, log => $log)"), qr/permission denied for subscription/,
	'one of another owner cannot be used');
is($node->safe_psql('target', "SELECT count(eventlog.emit('a.more', log => 'secret.log'))"), 1, 'the log\'s writers go on');

done_testing();
