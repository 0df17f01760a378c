# ALTER EXTENSION … UPDATE from the release before: the catalog is the same as
# that of a new CREATE EXTENSION; logs, subscriptions and what is owed stay.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use Catalog;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;

$node->safe_psql('postgres', 'CREATE DATABASE old; CREATE DATABASE new; CREATE ROLE reader;');
$node->safe_psql('new', 'CREATE EXTENSION eventlog');
$node->safe_psql('old', <<'END');
CREATE EXTENSION eventlog VERSION '0.2.0';
-- A log as release 0.2.0 made it.
CREATE TABLE events (
  id uuid NOT NULL, event_type text COLLATE "C" NOT NULL,
  level text COLLATE "C" NOT NULL DEFAULT 'info',
  resource_id text COLLATE "C", resource_type text COLLATE "C",
  source_service text COLLATE "C", source_host text COLLATE "C",
  occurred_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  message text, category text COLLATE "C", details jsonb,
  user_id text COLLATE "C", base_url text, request_id text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT eventlog_level_check CHECK (level = ANY (ARRAY['debug', 'info', 'warning', 'error', 'critical'])),
  PRIMARY KEY (occurred_at, id)) PARTITION BY RANGE (occurred_at);
CREATE INDEX events_class_idx ON events (event_type, level, source_service, resource_type, occurred_at, id);
CREATE TABLE events_default PARTITION OF events DEFAULT;
ALTER TABLE events ADD CONSTRAINT eventlog_check CHECK (eventlog._check(id, occurred_at, event_type, resource_id,
  resource_type, source_service, source_host, category, user_id, request_id));
CREATE TRIGGER eventlog_fill BEFORE INSERT OR UPDATE ON events FOR EACH ROW EXECUTE FUNCTION eventlog._fill();
CREATE TRIGGER eventlog_queue AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION eventlog._owe();
CREATE TRIGGER eventlog_settings BEFORE TRUNCATE ON events FOR EACH STATEMENT
  EXECUTE FUNCTION eventlog._settings('0 months 7 days 0 microseconds', '0 months 90 days 0 microseconds', '4');
CREATE VIEW watch AS SELECT log, problems FROM eventlog.logs;
INSERT INTO events (event_type, level, details) VALUES ('before', 'error', '{"a": 1}');
-- Two subscriptions, one of a name that is too long now; one delivery waits
-- and one is dead.
INSERT INTO eventlog._subscription (name, owner, log, levels, event_type) VALUES
  ('hook', 'postgres'::regrole, 'events'::regclass, '{error}', 'be'), (repeat('x', 100), 'postgres'::regrole, 'events'::regclass, NULL, NULL);
INSERT INTO eventlog._tally (subscription, delivered) SELECT id, 7 FROM eventlog._subscription;
INSERT INTO eventlog._queue (subscription, seq, xid, event_id, attempts, next_attempt_at, failed_at, last_error)
  SELECT s.id, nextval('eventlog._queue_seq'), pg_current_xact_id(), e.id, a, CASE a WHEN 3 THEN 'infinity'::timestamptz END, CASE a WHEN 3 THEN now() END, CASE a WHEN 3 THEN 'gone' END
    FROM eventlog._subscription s, events e, (VALUES (0), (3)) v(a) WHERE s.name = 'hook';
END
isnt(catalog($node, 'old'), catalog($node, 'new'), 'the release before was another one');

$node->safe_psql('old', 'ALTER EXTENSION eventlog UPDATE');
is(catalog($node, 'old'), catalog($node, 'new'), 'updated, it is as if created');

my $list = q{SELECT event_type, level, details, details IS NOT NULL FROM eventlog.list()};
is($node->safe_psql('old', $list), 'before|error|{"a": 1}|t', 'the event is there');
is($node->safe_psql('old', q{SELECT name, levels, event_type, pending, dead, delivered FROM eventlog.subscriptions ORDER BY name}),
	"hook|{error}|be|1|1|7\nxxxxxxxxxxxx-2|||0|0|7", 'so are the subscriptions, a long name cut, and the counts');
is($node->safe_psql('old', q{SELECT subscription, state, attempts, last_error FROM eventlog.deliveries ORDER BY seq}),
	"hook|pending|0|\nhook|dead|3|gone", 'and what is owed');

like($node->safe_psql('old', 'SELECT problems FROM watch'), qr/older version/,
	'a view on the logs stays, and tells that the CHECK is an older one');
is($node->safe_psql('old', q{SELECT eventlog.create_log('events'); CALL eventlog.maintain(); SELECT problems FROM eventlog.logs}) =~ s/.*\n//sr,
	'{}', 'create_log and maintain mend that');
is($node->safe_psql('old', q{SELECT partition_interval, retention FROM eventlog.logs}), '7 days|90 days', 'the settings are kept');

is($node->safe_psql('old', <<'END') =~ s/.*\n//sr, 'before before-late', 'what was owed before comes before what is owed after');
SELECT eventlog.emit('before-late', 'err');
SELECT string_agg((event).event_type, ' ' ORDER BY seq) FROM eventlog.fetch('hook', 10)
END
is($node->safe_psql('old', q{SELECT eventlog.retry('hook')}), 1, 'a dead delivery can be retried');
my ($ret, $out, $err) = $node->psql('old', q{SELECT eventlog.emit('a', message => repeat('m', 1048577))});
like($err, qr/message is too long/, 'the new limits hold');

done_testing();
