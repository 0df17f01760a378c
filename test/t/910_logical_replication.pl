# A log that is replicated to another server with an extension of its own: events
# arrive as they are, also those that upkeep moves, and no webhook is owed twice.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $publisher = PostgreSQL::Test::Cluster->new('publisher');
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$publisher->init(allows_streaming => 'logical');
$subscriber->init(allows_streaming => 'logical');
foreach my $node ($publisher, $subscriber)
{
	$node->start;
	$node->safe_psql('postgres', "CREATE EXTENSION eventlog; SELECT eventlog.create_log('events'); SELECT eventlog.subscribe('hook');");
}

# events: all that a log holds, its times to the microsecond.
sub events
{
	my ($node) = @_;

	return $node->safe_psql('postgres', "SET TimeZone = 'UTC'; SELECT e FROM events e ORDER BY occurred_at, id");
}

# arrive: the subscriber has got what the publisher has.
sub arrive
{
	my ($what) = @_;

	$publisher->wait_for_catchup('sub');
	return is(events($subscriber), events($publisher), $what);
}

# What is there before is copied, what comes later is streamed.
$publisher->safe_psql('postgres', '\i test/data/quickstart.sql');
$publisher->safe_psql('postgres', 'CREATE PUBLICATION pub FOR TABLE events WITH (publish_via_partition_root = true)');
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION sub CONNECTION '${\$publisher->connstr} dbname=postgres' PUBLICATION pub");
$subscriber->wait_for_subscription_sync;
arrive('what was there is copied');
$publisher->safe_psql('postgres', <<'END');
SELECT eventlog.emit('now', 'error', details => '{"a": [1, null]}', message => repeat('long ', 10000));
SELECT eventlog.emit('far', occurred_at => '2150-01-01Z');
INSERT INTO events (event_type, occurred_at) SELECT 'many', timestamptz '2001-02-03Z' + n * interval '1 hour' FROM generate_series(1, 500) n;
END
arrive('emitted and inserted');

# Upkeep moves events out of the default partition: to the subscriber's own.
# Logical decoding sees a DELETE and an INSERT of each, by its key.
$publisher->safe_psql('postgres', "SELECT pg_create_logical_replication_slot('moves', 'test_decoding')");
$publisher->safe_psql('postgres', 'CALL eventlog.maintain()');
is($publisher->safe_psql('postgres', 'SELECT count(*) FROM events_default'), 0, 'events are moved');
arrive('none is lost by that');
is($publisher->safe_psql('postgres', <<'END'), 'DELETE|509|509', 'deleted by their keys');
SELECT op, count(*), count(*) FILTER (WHERE data ~ 'DELETE: id\[uuid\]:\S+ occurred_at\[timestamp with time zone\]:\S+ \S+$')
  FROM pg_logical_slot_peek_changes('moves', NULL, NULL, 'include-xids', '0'), substring(data, '^table \S+ (\w+):') op
 WHERE data LIKE 'table public.events\_default:%' GROUP BY 1;
END
is($publisher->safe_psql('postgres', <<'END'), 'INSERT|500', 'inserted into their partitions');
SELECT op, count(*) FROM pg_logical_slot_get_changes('moves', NULL, NULL), substring(data, '^table \S+ (\w+):') op
 WHERE data ~ '^table public.events_p2001' GROUP BY 1;
END
$publisher->safe_psql('postgres', "SELECT pg_drop_replication_slot('moves')");
$subscriber->safe_psql('postgres', 'CALL eventlog.maintain()');
arrive('nor by upkeep there');

# Deletes arrive; a partition that is dropped stays over there, as with any
# partitioned table: the subscriber has a retention of its own.
$publisher->safe_psql('postgres', <<'END');
SELECT eventlog.delete(id) FROM events WHERE event_type = 'now';
SELECT eventlog.clear(event_type => 'many', before => '2001-02-05Z');
CALL eventlog.purge(event_type => 'many', before => '2001-02-07Z', batch_size => 10);
UPDATE events SET message = 'changed' WHERE event_type = 'far';
END
arrive('cleared, purged, updated');
$publisher->safe_psql('postgres', "CALL eventlog.purge(before => '2002-01-01Z')");
$publisher->wait_for_catchup('sub');
cmp_ok($subscriber->safe_psql('postgres', "SELECT count(*) FROM events WHERE event_type = 'many'"), '>', 0, 'dropped partitions stay');
$subscriber->safe_psql('postgres', "CALL eventlog.purge(before => '2002-01-01Z')");
arrive('until they are dropped there');

# Webhooks are owed once: where the event was written.
cmp_ok($publisher->safe_psql('postgres', "SELECT pending FROM eventlog.subscriptions"), '>', 0, 'owed where it was written');
is($subscriber->safe_psql('postgres', "SELECT pending FROM eventlog.subscriptions"), 0, 'and not where it arrived');
is($subscriber->safe_psql('postgres', "SELECT count(*) FROM eventlog.list(level => 'error') WHERE eventlog.id_time(id) <> occurred_at"), 0,
	'it reads as a log does');

done_testing();
