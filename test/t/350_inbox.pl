# Inboxes: rsyslog itself writes into one, others' very statements into the rest;
# whose rights count, and what becomes of an inbox with its log.

use strict;
use warnings;

use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "timezone = 'UTC'\ndatestyle = 'ISO'");
$node->start;
my $dir = PostgreSQL::Test::Utils::tempdir();

sub query
{
	return $node->safe_psql('postgres', join(' ', @_));
}

# events: these columns of what is in the log, by type and message, and none after.
sub events
{
	return query("WITH gone AS (DELETE FROM events RETURNING *) SELECT $_[0] FROM gone ORDER BY event_type, message;");
}

query(<<'END');
CREATE EXTENSION eventlog;
SELECT eventlog.create_log('events');
SELECT eventlog.create_inbox('systemevents', 'events', 'rsyslog');
CREATE SCHEMA inbox;
SELECT eventlog.create_inbox('inbox.fluentbit', 'events', 'fluentbit');
SELECT eventlog.create_inbox('vector', shape => 'vector');
CREATE SCHEMA app;
SELECT eventlog.create_inbox('app.messages', shape => 'syslog-ng');
CREATE ROLE shipper LOGIN; CREATE ROLE curious LOGIN;
GRANT INSERT ON systemevents, events, inbox.fluentbit, vector, app.messages TO shipper;
GRANT USAGE ON SCHEMA app TO shipper; GRANT USAGE, CREATE ON SCHEMA inbox TO shipper;
GRANT INSERT ON systemevents TO curious;
END

# rsyslog, with the table and the template that ompgsql has by itself. All eight
# severities arrive, and "err" is one of them.
my $port = PostgreSQL::Test::Cluster::get_free_port();
append_to_file("$dir/rsyslog.conf", <<END);
global(workDirectory="$dir")
module(load="imptcp")
module(load="ompgsql")
input(type="imptcp" address="127.0.0.1" port="$port")
action(type="ompgsql" server="@{[ $node->host ]}" serverport="@{[ $node->port ]}" db="postgres" user="shipper" pass="x")
END
my $rsyslog = IPC::Run::start([ 'rsyslogd', '-n', '-i', "$dir/rsyslog.pid", '-f', "$dir/rsyslog.conf" ], '>', \my $said, '2>&1');
my $socket;
for (1 .. 300)
{
	last if ($socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port));
	$rsyslog->pump_nb;
	select undef, undef, undef, 0.1;
}
ok($socket, 'rsyslog listens') or diag $said;
print $socket "<" . (8 + $_) . ">Aug 24 22:48:45 web1 sshd[123]: it's severity $_ \\ \"quoted\"\n" foreach 0 .. 7;
print $socket "<13>Aug 24 22:48:46 web2 /usr/bin/My App: a tag that is no name\n";
close $socket;
ok($node->poll_query_until('postgres', 'SELECT count(*) = 9 FROM events'), 'rsyslog writes into the inbox') or diag $said;
$rsyslog->signal('TERM');
$rsyslog->finish;
is(query("SELECT string_agg(level, ' ' ORDER BY message) FROM events WHERE event_type = 'syslog.sshd'"),
	'critical critical critical error warning info info debug', 'each severity is a level');
is(query("SELECT message, source_service, source_host, details->>'pid', details->>'facility' FROM events WHERE level = 'error'"),
	q(it's severity 3 \ "quoted"|sshd|web1|123|1), 'with its message, program, host and facility');
is(query("SELECT DISTINCT to_char(occurred_at, 'MM-DD HH24:MI:SS') FROM events WHERE event_type = 'syslog.sshd'"), '08-24 22:48:45', 'and time');
is(query("SELECT event_type FROM events WHERE source_host = 'web2'"), 'syslog.usr.bin.my', 'a tag becomes a type');
events('1');

# Fluent Bit's pgsql output: what it runs at its start, for which PostgreSQL wants CREATE
# on the schema although the relation is there, and for a batch.
query("SET ROLE shipper; SET search_path = inbox; CREATE TABLE IF NOT EXISTS fluentbit (tag varchar, time timestamp, data jsonb);");
query(<<'END');
SET ROLE shipper;
SET search_path = inbox;
INSERT INTO fluentbit SELECT 'kube.var.log', to_timestamp(CAST(value->>'date' as NUMERIC)), * FROM json_array_elements('[
  {"date": 1661381325.25, "log": "it''s", "level": "error", "kubernetes": {"host": "n1", "container_name": "web"}, "x": 1},
  {"date": 1661381325.5, "level": "loud"}, {"date": 1661381326, "message": "plain"}]');
END
is(events("event_type, level, message, source_service, source_host, to_char(occurred_at, 'YYYY-MM-DD HH24:MI:SS.MS'), details"),
	join("\n", q(kube.var.log|error|it's|web|n1|2022-08-24 22:48:45.250|{"x": 1, "level": "error", "kubernetes": {"host": "n1", "container_name": "web"}}),
		'kube.var.log|info|plain|||2022-08-24 22:48:46.000|', 'kube.var.log|info||||2022-08-24 22:48:45.500|{"level": "loud"}'),
	'Fluent Bit, also with a level that is none');

# Vector's postgres sink, NULLs and all: events as they come, or made into columns.
query(q(SET ROLE shipper; INSERT INTO vector SELECT * FROM jsonb_populate_recordset(NULL::vector, '[
  {"message": "raw", "timestamp": "2022-08-24T22:48:45.123456Z", "host": "h1", "source_type": "file", "severity": "WARN", "unknown": 1},
  {"event_type": "app.started", "level": "err", "source_service": "catalog", "details": {"a": 1}}]')));
is(events("event_type, level, message, source_service, source_host, details"),
	qq(app.started|error||catalog||{"a": 1}\nfile|warning|raw||h1|), 'Vector');

# syslog-ng's SQL destination: how it looks for the table, and a row.
query("GRANT SELECT ON app.messages TO shipper; SET ROLE shipper; SELECT * FROM app.messages WHERE 0=1");
query(q(SET ROLE shipper; INSERT INTO app.messages (datetime, host, facility, priority, program, pid, msg) VALUES ('2022-08-24T22:48:45+00:00', 'web3', 'auth', 'err', 'su', '77', 'failed'), ('2022-08-24T22:48:46+00:00', 'web3', 'daemon', 'info', 'cron', '', 'no pid')));
query(q(SET ROLE shipper; INSERT INTO app.messages (msg) VALUES ('bare')));
is(events("event_type, level, message, source_host, details"), qq(syslog.cron|info|no pid|web3|{"facility": "daemon"}\nsyslog.message|info|bare||\nsyslog.su|error|failed|web3|{"pid": "77", "facility": "auth"}), 'syslog-ng');

# Rights: those of whoever inserts.
my (undef, undef, $err) = $node->psql('postgres', "SET ROLE curious; INSERT INTO systemevents (message) VALUES ('x')");
like($err, qr/permission denied for table events/, 'an inbox gives nobody the right to write to the log');
(undef, undef, $err) = $node->psql('postgres', "SET ROLE curious; INSERT INTO vector (message) VALUES ('x')");
like($err, qr/permission denied for view vector/, 'nor to the inbox');
is(query("SELECT count(*) FROM vector"), 0, 'and nothing can be read from it');
foreach my $hostile ("'; DROP TABLE events; --", '{"event_type": "x"}', "\x01\x02", 'x' x 300)
{
	my $text = $hostile =~ s/'/''/gr;

	query("SET ROLE shipper; INSERT INTO systemevents (message, syslogtag, fromhost, priority) VALUES ('$text', '$text', '$text', 99);");
}
is(query("SELECT count(*) FROM events WHERE event_type ~ '^[a-z0-9_.-]+\$' AND length(source_host) <= 255"), 4, 'a hostile row is an event like another');
events('1');

# With its log.
(undef, undef, $err) = $node->psql('postgres', 'DROP TABLE events');
like($err, qr/view systemevents depends on table events/, 'a log that has an inbox is not dropped unawares');
query("ALTER TABLE events RENAME TO renamed; INSERT INTO systemevents (message) VALUES ('after a rename'); ALTER TABLE renamed RENAME TO events");
is(events('message'), 'after a rename', 'a log may be renamed');
(undef, undef, $err) = $node->psql('postgres', "SELECT eventlog.create_inbox('x', 'events', 'logstash')");
like($err, qr/unknown shape of an inbox: "logstash".*HINT:  Shapes are fluentbit, vector, rsyslog and syslog-ng/s, 'an unknown shape');
(undef, undef, $err) = $node->psql('postgres', "SELECT eventlog.create_inbox('x', 'events')");
like($err, qr/unknown shape of an inbox: ""/, 'or none');
(undef, undef, $err) = $node->psql('postgres', "CREATE TABLE t (a int); SELECT eventlog.create_inbox('x', 't', 'vector')");
like($err, qr/"t" is not a log/, 'a table that is no log');
command_ok([ 'pg_dump', '-f', "$dir/dump", $node->connstr('postgres') ], 'dumped');
query('CREATE DATABASE other');
command_ok([ 'psql', '-qX', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('other'), '-f', "$dir/dump" ], 'and restored');
$node->safe_psql('other', "INSERT INTO systemevents (message) VALUES ('restored')");
is($node->safe_psql('other', 'SELECT message FROM events'), 'restored', 'an inbox works on');

$node->stop;
done_testing();
