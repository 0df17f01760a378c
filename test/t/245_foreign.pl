# A log one of whose partitions is a log on another server, here the same one by
# postgres_fdw: what is shipped, who owes what, and what retention does.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "log_statement = all\nfsync = off");
$node->start;
my $host = $node->host;
my $port = $node->port;
$node->safe_psql('postgres', <<'END');
CREATE DATABASE archive;
END
$node->safe_psql('archive', <<'END');
CREATE EXTENSION eventlog;
SELECT eventlog.create_log('events', '10 days', premake => 0);
INSERT INTO events (event_type, level, resource_id, occurred_at)
  SELECT 'far.' || g % 5, CASE WHEN g % 7 = 0 THEN 'error' ELSE 'info' END, 'r' || g % 3, '2022-08-01Z'::timestamptz + g * interval '1 hour'
    FROM generate_series(0, 499) g;
CALL eventlog.maintain('events');
SELECT eventlog.subscribe('hook');
ANALYZE events;
END
$node->safe_psql('postgres', <<"END");
CREATE EXTENSION eventlog;
CREATE EXTENSION postgres_fdw;
CREATE SERVER archive FOREIGN DATA WRAPPER postgres_fdw
  OPTIONS (host '$host', port '$port', dbname 'archive', extensions 'eventlog', use_remote_estimate 'true');
CREATE USER MAPPING FOR CURRENT_USER SERVER archive;
SELECT eventlog.create_log('events', '10 days', premake => 0);
INSERT INTO events (event_type, level, resource_id, occurred_at)
  SELECT 'near.' || g % 5, 'info', 'r' || g % 3, '2022-09-01Z'::timestamptz + g * interval '1 hour' FROM generate_series(0, 499) g;
CALL eventlog.maintain('events');
ALTER TABLE events DROP CONSTRAINT events_pkey;
DO \$\$ DECLARE p regclass; BEGIN
  FOR p IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'events'::regclass LOOP
    EXECUTE format('ALTER TABLE %s ADD PRIMARY KEY (occurred_at, id)', p);
  END LOOP; END \$\$;
CREATE FOREIGN TABLE events_far PARTITION OF events FOR VALUES FROM ('2022-07-01Z') TO ('2022-08-22Z')
  SERVER archive OPTIONS (table_name 'events');
SELECT eventlog.subscribe('hook');
END

# shipped: what a statement here has the other server do.
sub shipped
{
	my ($sql) = @_;
	my $offset = -s $node->logfile;
	my $result = $node->safe_psql('postgres', $sql);
	my $log = substr(slurp_file($node->logfile), $offset);

	return ($result, $log =~ /postgres_fdw LOG:  .*DECLARE c\d+ CURSOR FOR\s+(.*)/g);
}

my ($result, @statements) = shipped("SELECT count(*) FROM eventlog.list('far.1', level => 'error', page_size => 5)");
is($result, 5, 'a page of the foreign partition');
is(scalar @statements, 1, 'is one statement there');
like($statements[0], qr/starts_with|\^@/, 'with its filter');
like($statements[0], qr/ORDER BY occurred_at DESC.*LIMIT 5/, 'its order and its limit');
($result, @statements) = shipped("SELECT count(*) FROM eventlog.list(page_size => 100)");
is("$result " . @statements, '100 0', 'a page that is full before needs none');
($result, @statements) = shipped("SELECT eventlog.count('near', since => '2022-08-22Z')");
is("$result " . @statements, '500 0', 'a window that leaves the partition out needs none');
($result, @statements) = shipped("SELECT eventlog.count()");
is("$result @statements", '1000 ' . join(' ', @statements), 'what is counted is all of it');
like("@statements", qr/count\(\*\)/, 'counted there');
($result, @statements) = shipped("SELECT sum(events), count(*) FROM eventlog.types('far')");
is($result, '500|10', 'types');
like("@statements", qr/count\(\*\).*GROUP BY/, 'are counted there, too');
($result, @statements) = shipped("SELECT event_type FROM eventlog.get((SELECT id FROM events WHERE event_type = 'far.0' ORDER BY occurred_at LIMIT 1))");
is($result, 'far.0', 'get finds the event there');

# Webhooks: once, by the server that stores the event.
$node->safe_psql('postgres', "INSERT INTO events (event_type, occurred_at) VALUES ('far.new', '2022-08-02Z'), ('near.new', '2022-09-02Z')");
is($node->safe_psql('postgres', "SELECT (event).event_type FROM eventlog.fetch('hook', 10)"), 'near.new', 'what is stored here is owed here');
is($node->safe_psql('archive', "SELECT (event).event_type FROM eventlog.fetch('hook', 10)"), 'far.new', 'and what is stored there is owed there');

# Retention here lets go of the partition, and deletes nothing there.
$node->safe_psql('postgres', "SELECT eventlog.alter_log('events', retention => '1 year')");
$node->safe_psql('postgres', "CALL eventlog.maintain('events')");
is($node->safe_psql('postgres', "SELECT to_regclass('events_far') IS NULL"), 't', 'an expired foreign partition is dropped');
is($node->safe_psql('archive', 'SELECT eventlog.count()'), 501, 'and its events stay where they are');

done_testing();
