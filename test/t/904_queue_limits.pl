# Events that cannot be rendered in databases of other encodings, and memory:
# fetch and replay keep one event at a time.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
# small, for it counts among a session's memory
$node->append_conf('postgresql.conf', 'shared_buffers = 1MB');
$node->start;

# One event in the middle has bytes that are no text in UTF8.
foreach my $case ([ 'SQL_ASCII', '\xff' ], [ 'WIN1252', '\x81' ])
{
	my ($encoding, $bytes) = @$case;
	my $database = lc $encoding;

	$node->safe_psql('postgres', "CREATE DATABASE $database ENCODING '$encoding' LOCALE 'C' TEMPLATE template0");
	$node->safe_psql($database, <<'END');
CREATE EXTENSION eventlog;
SELECT eventlog.create_log('events');
SELECT eventlog.subscribe('hook');
SELECT eventlog.emit('before');
END
	$node->safe_psql($database, "SELECT eventlog.emit('bad', message => E'$bytes')");
	$node->safe_psql($database, q{SELECT eventlog.emit('worse', details => jsonb_build_object('a', message)) FROM events WHERE message IS NOT NULL});
	$node->safe_psql($database, "SELECT eventlog.emit('after')");
	is($node->safe_psql($database, <<'END'), "before\nafter", "$encoding: the others come");
SET client_encoding = 'UTF8';
SELECT ((eventlog.event_json(event)::json) -> 'event') ->> 'type' FROM eventlog.fetch('hook', 10);
END
	is($node->safe_psql($database, "SELECT count(*) FROM eventlog.deliveries WHERE state = 'dead' AND last_error ~ 'byte sequence'"),
		2, "$encoding: the bad ones are dead, and say why");
}

# hwm: how much a session's memory grew by a statement, in MB.
sub growth
{
	my ($session, $sql) = @_;
	my $status = '/proc/' . $session->query_safe('SELECT pg_backend_pid()') . '/status';
	chomp $status;
	my $size = sub { (slurp_file($status) =~ /^VmHWM:\s+(\d+)/m)[0] / 1024 };
	my $before = $size->();
	$session->query_safe($sql);
	return $size->() - $before;
}

SKIP:
{
	skip 'no /proc', 3 unless -r '/proc/self/status';

	$node->safe_psql('postgres', <<'END');
CREATE EXTENSION eventlog;
SELECT eventlog.create_log('events');
SELECT eventlog.subscribe('big', event_type => 'big');
SELECT eventlog.subscribe('many', event_type => 'never');
INSERT INTO events (event_type, message)
SELECT 'big', (SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 8192) WHERE g > 0) FROM generate_series(1, 300) g;
INSERT INTO events (event_type) SELECT 'never' FROM generate_series(1, 60000);
DELETE FROM eventlog._queue WHERE subscription = (SELECT id FROM eventlog._subscription WHERE name = 'many');
END
	my $session = $node->background_psql('postgres');
	$session->query_safe("SET work_mem = '1MB'; SELECT count(*) FROM eventlog.fetch('many', 1)");
	cmp_ok(growth($session, "SELECT count(*) FROM eventlog.fetch('big', 1000)"), '<', 40, 'fetch of 75 MB');
	cmp_ok(growth($session, "SELECT eventlog.replay('many')"), '<', 15, 'replay of 60,000 events');
	is($session->query_safe("SELECT pending FROM eventlog.subscriptions WHERE name = 'many'"), '60000', 'all owed');
	$session->quit;
}

done_testing();
