# Whatever the arguments, no function and no procedure of the extension brings the
# server down, gives an internal error or leaves a session that does not work.
#
# Each one in schema eventlog is called, as a superuser and as the role that owns
# the log, with NULLs, extremes, odd arrays, wrong relations and wrong composites
# beside what is usual. (Faults in the server's log are looked for by test/tap.)
#
# Seeded; EVENTLOG_SEED repeats a run that failed, EVENTLOG_CALLS is how often
# each function is called by each role.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{EVENTLOG_SEED} // int(rand(1000000));
my $calls = $ENV{EVENTLOG_CALLS} // 50;
srand $seed;
note("seed $seed");

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\nlog_statement = none\nlog_error_verbosity = terse\nrestart_after_crash = on\nmax_locks_per_transaction = 256\nmax_prepared_transactions = 2");
$node->start;
$node->safe_psql('postgres', <<'END');
CREATE EXTENSION eventlog;
CREATE ROLE app LOGIN;
CREATE SCHEMA app AUTHORIZATION app;
ALTER DATABASE postgres SET eventlog.default_log = 'app.events';
ALTER DATABASE postgres SET timezone = 'UTC';
SET ROLE app;
SELECT eventlog.create_log('app.events', '1 day', premake => 1);
SELECT eventlog.create_log('app.other');
INSERT INTO app.events (event_type, level, resource_id, occurred_at)
  SELECT 'a.' || g % 5, (ARRAY['error', 'info', 'debug'])[1 + g % 3], 'r' || g % 4, '2022-08-24Z'::timestamptz + g * interval '1 hour'
    FROM generate_series(1, 200) g;
CALL eventlog.maintain();
SELECT eventlog.subscribe('hook');
SELECT eventlog.subscribe('errors', '{error}', 'a.');
SELECT eventlog.emit('a.' || g % 3, 'error') FROM generate_series(1, 100) g;
-- relations that are no logs, or odd ones
CREATE VIEW app.view AS SELECT * FROM app.events;
CREATE TABLE app.plain (id uuid, occurred_at timestamptz);
CREATE TABLE app.parted (id uuid, occurred_at timestamptz) PARTITION BY RANGE (occurred_at);
CREATE TABLE app.parted_default PARTITION OF app.parted DEFAULT;
CREATE SEQUENCE app.seq;
CREATE MATERIALIZED VIEW app.mat AS SELECT 1 AS one;
CREATE TYPE app.type AS (a int);
SELECT eventlog.create_log('app.renamed');
ALTER TABLE app.renamed RENAME message TO text;
SELECT eventlog.create_log('app.bare');
ALTER TABLE app.bare DROP COLUMN message;
DROP TABLE app.bare_default;
RESET ROLE;
CREATE EXTENSION IF NOT EXISTS postgres_fdw;
CREATE SERVER nowhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '/nonexistent');
CREATE USER MAPPING FOR PUBLIC SERVER nowhere;
CREATE FOREIGN TABLE app.far (id uuid, event_type text, level text, occurred_at timestamptz) SERVER nowhere;
ALTER FOREIGN TABLE app.far OWNER TO app;
END
$node->safe_psql('postgres', 'CREATE TABLE app.gone (a int)');
my $gone = $node->safe_psql('postgres', "SELECT 'app.gone'::regclass::oid");
$node->safe_psql('postgres', 'DROP TABLE app.gone');

# What an argument of each type may be: what is usual, and what is not.
my @relations = map { "'$_'::regclass" } qw(app.view app.plain app.parted app.parted_default app.seq app.mat app.type app.renamed app.bare
  app.far app.events_default app.events_pkey eventlog.logs eventlog._queue pg_class pg_toast.pg_toast_1255 pg_class_oid_index);
my @texts = ("''", "' '", "'%'", "'a..b'", "'A'", "E'\\x01'", "E'a\\nb'", "'é'", "'\"'", "''''", "'pg_temp.x'", "'pg_catalog.x'", "'a.b.c.d'",
	"'app.new'", "'app.view'", "'nowhere.x'", "repeat('a', 63)", "repeat('a', 64)", "repeat('a', 255)", "repeat('a', 256)", "repeat('a.', 5000)",
	"repeat('x', 3000000)", "repeat(E'\\x02', 1000000)");
my %usual = (
	'text' => [ "'a.1'", "'a.'", "'error'", "'info'", "'hook'", "'errors'", "'r1'", "'app.fresh'" ],
	'text[]' => [ "'{error}'", "'{resource_id}'", "'{}'" ],
	'integer' => [ 1, 2, 10 ],
	'bigint' => [ 1, 5, 50 ],
	'bigint[]' => [ "'{1,2,3}'", "(SELECT array_agg(g) FROM generate_series(1, 300) g)" ],
	'interval' => [ "'1 day'", "'7 days'", "'1 month'" ],
	'timestamp with time zone' => [ "'2022-08-25Z'", "'2022-08-27 12:00Z'", 'now()' ],
	'timestamp with time zone[]' => [ 'ARRAY[now()]', 'ARRAY[now(), NULL, now()]' ],
	'uuid' => [ '(SELECT id FROM app.events LIMIT 1)', "eventlog.new_id('2022-08-25Z')" ],
	'jsonb' => [ "'{\"a\": 1}'" ],
	'boolean' => [ 'true', 'false' ],
	'regclass' => [ "'app.events'", "'app.other'" ],
	'oid' => [ "'app.events'::regclass::oid", "'app.other'::regclass::oid" ],
	'regrole' => ["'app'"],
	'eventlog.event' => ['(SELECT e FROM eventlog.list() e LIMIT 1)'],
	'eventlog.level' => ["'error'"]);
my %usual_by_name = (
	'level' => [ "'error'", "'INFO'", "'debug'" ],
	'min_level' => [ "'warning'", "'debug'" ],
	'levels' => [ "'{error}'", "'{info,error}'" ],
	'name' => [ "'hook'", "'errors'", "'app.fresh'" ],
	'event_type' => [ "'a.1'", "'a.'", "'a'" ],
	'occurred_at' => [ 'now()', "'2022-08-25Z'" ]);
my %odd = (
	'text' => \@texts,
	'text[]' => [
		"'{NULL}'", "'{error,NULL}'", "'{{error,info},{debug,info}}'", "'[5:6]={error,info}'", "'{{{{a}}}}'", "'{\"\"}'", "'{nope}'", "'{id,occurred_at}'",
		"array_fill('error'::text, '{10000}')", "ARRAY[repeat('a', 1000000)]", "array_fill(NULL::text, '{3}', '{-1}')" ],
	'integer' => [ 0, -1, '2147483647', '(-2147483648)', 1000000 ],
	'bigint' => [ 0, -1, '9223372036854775807', '(-9223372036854775808)', '4294967296' ],
	'bigint[]' => [
		"'{}'", "'{NULL}'", "'{1,NULL,2}'", "'{{1,2},{3,4}}'", "'[-5:-4]={1,2}'", "'{{{1}}}'", "'{9223372036854775807,-9223372036854775808,0}'", "'{1,1,1}'",
		"array_fill(NULL::bigint, '{1000}')", "(SELECT array_agg(g % 7) FROM generate_series(1, 100000) g)" ],
	'interval' => [
		"'0'", "'-1 day'", "'178000000 years'", "'-178000000 years'", "'1 microsecond'", "'1 month 1 day'", "'999999999 days'", "'2147483647 months'",
		"'-2147483648 days'", "'1 day -86400 seconds'", "'36 hours'" ],
	'timestamp with time zone' => [
		"'infinity'", "'-infinity'", "'294276-12-31 23:59:59.999999Z'", "'4713-01-01Z BC'", "'1970-01-01Z'", "'1969-12-31 23:59:59.999999Z'",
		"'9999-12-31 23:59:59.999999Z'", "'10000-01-01Z'", "'2022-08-25Z'" ],
	'timestamp with time zone[]' => [ "'{}'", "'{NULL}'", "'{infinity,-infinity,now}'", "'{{now,now},{now,now}}'", "'[-5:-4]={now,now}'", "array_fill(now(), '{1000}')" ],
	'uuid' => [
		"'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'", 'gen_random_uuid()', "'ffffffff-ffff-7fff-bfff-ffffffffffff'",
		"'00000000-0000-7000-8000-000000000000'" ],
	'jsonb' => [ "'null'", "'[1, \"\\u0001\"]'", "jsonb_build_object('a', repeat('x', 1000000))", "(repeat('[', 2000) || repeat(']', 2000))::jsonb", "'1e400'" ],
	'boolean' => [],
	'regclass' => [ '0', $gone, '4294967295', @relations ],
	'oid' => [ '0', $gone, '4294967295', map { "$_\::oid" } @relations ],
	'regrole' => [ '0', '4294967295', "'postgres'" ],
	'eventlog.event' => [
		"ROW(NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL)::eventlog.event",
		"ROW(gen_random_uuid(),'a','info',NULL,NULL,NULL,NULL,'infinity',NULL,NULL,NULL,NULL,NULL,NULL,'-infinity')::eventlog.event",
		"ROW(NULL,repeat('a', 1000000),NULL,E'\\x01',NULL,NULL,NULL,'294276-01-01Z',repeat(E'\\x02', 100000),NULL,'[]',NULL,NULL,NULL,'4713-01-01Z BC')::eventlog.event" ],
	'eventlog.level' => []);

my @functions = map { [ split /\|/ ] } split /\n/, $node->safe_psql('postgres', <<'END');
SELECT p.oid::regproc, p.prokind, p.prorettype::regtype, p.proretset, p.pronargs - p.pronargdefaults,
       (SELECT string_agg(format('%s:%s', coalesce(nullif(p.proargnames[i], ''), '-'), format_type(p.proargtypes[i - 1], NULL)), ',' ORDER BY i)
          FROM generate_series(1, p.pronargs) i)
  FROM pg_proc p WHERE p.pronamespace = 'eventlog'::regnamespace ORDER BY p.oid::regprocedure::text COLLATE "C"
END

sub one_of
{
	return $_[ rand @_ ];
}

# a_value: for an argument of that name and type; mostly what is usual, so that calls get beyond the
# first check.
sub a_value
{
	my ($name, $type) = @_;
	my @odd = @{ $odd{$type} // [] };
	my $usual = $usual_by_name{$name} // $usual{$type};
	my $kind = rand;

	return "NULL::$type" if $kind < 0.07 || !$usual;
	return one_of(@odd) . "::$type" if $kind < 0.35 && @odd;
	return one_of(@$usual) . "::$type";
}

# a_call: one call of a function, as a statement.
sub a_call
{
	my ($name, $kind, $returns, $set, $required, $arguments) = @{ $_[0] };
	my @arguments = map { [ split /:/ ] } split /,/, $arguments // '';
	my @given;

	while (my ($i, $argument) = each @arguments)
	{
		my ($argument_name, $type) = @$argument;

		next if $i >= $required && rand() < 0.6;
		push @given, ($argument_name eq '-' ? '' : "$argument_name => ") . a_value($argument_name, $type);
	}
	my $call = "$name(" . join(', ', @given) . ')';
	return "CALL $call" if $kind eq 'p';
	return "SELECT $call" unless $set eq 't';
	return one_of("SELECT count(*) FROM $call", "SELECT $call LIMIT 2", "SELECT count(x) FROM generate_series(1, 2), $call WITH ORDINALITY x",
		"SELECT * FROM (SELECT $call) x LIMIT 1");
}

# statement: a call as it stands in a session: rolled back mostly, so that what
# there is stays.
sub statement
{
	my ($function) = @_;
	my $call = a_call($function);

	# what procedures do by themselves, and what would grow without end
	return "$call;\n" if $function->[1] eq 'p';
	return "BEGIN; $call;\nROLLBACK;\n" if $function->[0] =~ /create_log|alter_log/ || rand() < 0.6;
	return "BEGIN; SAVEPOINT s; $call;\nROLLBACK TO s; SELECT 1;\nCOMMIT;\n" if rand() < 0.3;
	return "$call;\n";
}

# run: these statements in one session; what it said, and whether it could still
# be used at the end.
sub run
{
	my ($role, @statements) = @_;
	my $script = join('', "SET client_min_messages = error; SET statement_timeout = '3s'; SET ROLE $role;\n", @statements,
		"ROLLBACK;\nRESET ROLE;\nSELECT 'still ' || 'alive', count(*) FROM pg_class WHERE relname = 'pg_class';\n");
	my $output = '';

	IPC::Run::run([ 'psql', '-XqAt', '-v', 'VERBOSITY=verbose', '-v', 'ON_ERROR_STOP=0', '-e', '-d', $node->connstr('postgres') ],
		'<', \$script, '>', \$output, '2>&1', IPC::Run::timeout(600));
	return $output;
}

my %skipped = map { $_ => 1 } qw(internal);
my @callable = grep { !grep { $skipped{$_} } map { (split /:/)[1] } split /,/, $_->[5] // '' } @functions;
cmp_ok(scalar @callable, '>', 20, 'there are functions');
my %unknown = map { $_ => 1 } grep { !$usual{$_} } map { (split /:/)[1] } map { split /,/, $_->[5] // '' } @callable;
is(join(' ', sort keys %unknown), '', 'the type of each argument is known here');

foreach my $role ('postgres', 'app')
{
	foreach my $function (@callable)
	{
		my $output = run($role, map { statement($function) } 1 .. ($function->[5] ? $calls : 1));

		like($output, qr/^still alive\|1$/m, "$role: a session survives $function->[0]");
		unlike($output, qr/ERROR:  XX\w{3}:/, 'without an internal error')
		  or diag("seed $seed:\n" . join("\n", $output =~ /((?:.*\n){0,3}.*ERROR:  XX\w{3}:.*\n.*)/g));
		note("$function->[0]: seed $seed: a call took longer than 3 s:\n", substr($1, 0, 1000))
		  while $output =~ /((?:.*\n){2}).*canceling statement due to statement timeout/g;
		$node->poll_query_until('postgres', 'SELECT true') if $output !~ /still alive/;
	}

	# and all of them in one session, one after the other
	my $output = run($role, map { statement(one_of(@callable)) } 1 .. 10 * $calls);
	like($output, qr/^still alive\|1$/m, "$role: a session survives calls of all kinds");
	unlike($output, qr/ERROR:  XX\w{3}:/, 'without an internal error')
	  or diag("seed $seed:\n" . join("\n", $output =~ /((?:.*\n){0,3}.*ERROR:  XX\w{3}:.*\n.*)/g));
}

# Trigger functions as triggers of other tables, at all times.
foreach my $function (map { $_->[0] } grep { $_->[2] eq 'trigger' } @functions)
{
	my @statements;

	foreach my $table ('app.plain', 'app.parted', 'app.parted_default', 'app.view')
	{
		foreach my $time ('BEFORE', 'AFTER', 'INSTEAD OF')
		{
			foreach my $event ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
			{
				foreach my $each ('FOR EACH ROW', 'FOR EACH STATEMENT', 'REFERENCING NEW TABLE AS new_events FOR EACH STATEMENT')
				{
					my ($referencing, $level) = $each =~ /^(REFERENCING.*AS \w+ |)(.*)/;

					push @statements, "BEGIN; CREATE TRIGGER t $time $event ON $table $referencing$level EXECUTE FUNCTION $function("
					  . one_of('', "'1 day'", "'1 day', '0', '4', ''", "'a', 'b', 'c', 'd', 'e', 'f'") . ");\n"
					  . "INSERT INTO $table (id, occurred_at) VALUES (gen_random_uuid(), now()), (NULL, '2022-08-24Z');\n"
					  . "UPDATE $table SET id = NULL;\nDELETE FROM $table;\nTRUNCATE $table;\n"
					  . "SELECT count(*) FROM eventlog.logs;\nROLLBACK;\n";
				}
			}
		}
	}
	my $output = run('app', @statements);
	like($output, qr/^still alive\|1$/m, "$function survives being a trigger of any kind");
	unlike($output, qr/ERROR:  XX\w{3}:/, 'without an internal error')
	  or diag(join("\n", $output =~ /((?:.*\n){0,3}.*ERROR:  XX\w{3}:.*\n.*)/g));
}

done_testing();
