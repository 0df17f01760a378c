# Code of a log's owner runs inside the extension's functions, and calls them: row
# level policies, triggers, CHECK functions, index expressions, column defaults.
# The server survives, there are no internal errors, and no event is handed out
# twice.
#
# Each function that runs such code is called ("outer") with each that this code
# may call ("inner"), once with the inner one's errors raised and once caught.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\nlog_statement = none\nlog_error_verbosity = terse\nrestart_after_crash = on");
$node->start;

# The hook calls what the setting reentry.inner says, once in a transaction, or
# within another call of itself never. A caught error is told.
$node->safe_psql('postgres', <<'END');
CREATE EXTENSION eventlog;
CREATE ROLE app LOGIN;
ALTER DATABASE postgres SET timezone = 'UTC';
ALTER DATABASE postgres SET eventlog.default_log = 'app.l';
CREATE SCHEMA app AUTHORIZATION app;
SET ROLE app;
CREATE TABLE app.handed (seq bigint);
CREATE FUNCTION app.hook(text) RETURNS boolean LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF coalesce(current_setting('reentry.hook', true), '') <> $1 OR coalesce(current_setting('reentry.inside', true), '') <> '' THEN
    RETURN true;
  END IF;
  PERFORM set_config('reentry.inside', 'yes', false);
  IF current_setting('reentry.caught') = 'no' THEN
    EXECUTE current_setting('reentry.inner');
  ELSE
    BEGIN
      EXECUTE current_setting('reentry.inner');
    EXCEPTION WHEN OTHERS THEN
      RAISE LOG 'caught %: %', SQLSTATE, SQLERRM;
      RAISE WARNING 'caught %: %', SQLSTATE, SQLERRM;
    END;
  END IF;
  IF current_setting('reentry.again') = 'yes' THEN
    PERFORM set_config('reentry.inside', '', false);
  END IF;
  RETURN true;
END $$;
CREATE FUNCTION app.immutable_hook(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN app.hook($1); END $$;
CREATE FUNCTION app.trigger_hook() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM app.hook(TG_ARGV[0]); RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END; END $$;
CREATE FUNCTION app.default_hook(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM app.hook($1); RETURN 'x'; END $$;
RESET ROLE;
-- the log, made anew, with what calls the hook
CREATE PROCEDURE public.reset() LANGUAGE plpgsql AS $$
BEGIN
  SET LOCAL client_min_messages = error;
  DELETE FROM eventlog._subscription;
  DROP TABLE IF EXISTS app.l, app.l2, app.other;
  TRUNCATE app.handed;
  SET LOCAL ROLE app;
  PERFORM eventlog.create_log('app.other', premake => 0);
  PERFORM eventlog.create_log('app.l', '1 day', premake => 0, indexes => '{resource_id}');
  PERFORM eventlog.subscribe('s', log => 'app.l');
  PERFORM eventlog.subscribe('t', log => 'app.l');
  PERFORM eventlog.subscribe('o', log => 'app.other');
  INSERT INTO app.l (event_type, level, resource_id, occurred_at)
    SELECT 'a.' || g % 3, 'error', 'r' || g % 2, '2022-08-24Z'::timestamptz + g * interval '1 hour' FROM generate_series(1, 30) g;
  INSERT INTO app.other (event_type) VALUES ('x');
  CREATE POLICY p ON app.l USING (app.hook('policy')) WITH CHECK (app.hook('check_policy'));
  ALTER TABLE app.l ENABLE ROW LEVEL SECURITY;
  ALTER TABLE app.l FORCE ROW LEVEL SECURITY;
  CREATE TRIGGER b BEFORE INSERT ON app.l FOR EACH ROW EXECUTE FUNCTION app.trigger_hook('before');
  CREATE TRIGGER a AFTER INSERT ON app.l FOR EACH ROW EXECUTE FUNCTION app.trigger_hook('after');
  CREATE TRIGGER bs BEFORE INSERT ON app.l FOR EACH STATEMENT EXECUTE FUNCTION app.trigger_hook('before_statement');
  CREATE TRIGGER "as" AFTER INSERT ON app.l FOR EACH STATEMENT EXECUTE FUNCTION app.trigger_hook('after_statement');
  CREATE TRIGGER bd BEFORE DELETE ON app.l FOR EACH ROW EXECUTE FUNCTION app.trigger_hook('before_delete');
  CREATE TRIGGER ad AFTER DELETE ON app.l FOR EACH ROW EXECUTE FUNCTION app.trigger_hook('after_delete');
  CREATE TRIGGER ds AFTER DELETE ON app.l FOR EACH STATEMENT EXECUTE FUNCTION app.trigger_hook('after_delete_statement');
  CREATE CONSTRAINT TRIGGER cd AFTER INSERT ON app.l DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.trigger_hook('deferred');
  ALTER TABLE app.l ADD CHECK (app.immutable_hook('check'));
  CREATE INDEX ON app.l ((app.immutable_hook('index')));
  ALTER TABLE app.l ALTER category SET DEFAULT app.default_hook('default');
END $$;
CALL public.reset();
END

my %outer = (
	'emit' => "SELECT eventlog.emit('a.new', 'error', occurred_at => '2022-08-24 05:00Z')",
	'emit an id' => "SELECT eventlog.emit('a.new', id => eventlog.new_id('2022-08-24 05:00Z', 'seed'))",
	'INSERT' => "INSERT INTO app.l (event_type, level) VALUES ('a.1', 'error'), ('a.2', 'info')",
	'list' => "SELECT count(*) FROM eventlog.list('a.1')",
	'list by SQL' => "SET LOCAL eventlog.scan_method = sql; SELECT count(*) FROM eventlog.list(page_size => 3)",
	'get' => "SELECT count(*) FROM (SELECT id FROM app.l LIMIT 1) i, eventlog.get(i.id)",
	'count' => "SELECT eventlog.count('a.1')",
	'types' => "SELECT count(*) FROM eventlog.types()",
	'histogram' => "SELECT count(*) FROM eventlog.histogram('1 day')",
	'fetch' => "INSERT INTO app.handed SELECT seq FROM eventlog.fetch('s', 4)",
	'fetch of what was fetched' => "SELECT count(*) FROM eventlog.fetch('s', 2); SELECT eventlog.fail('s', min(seq), 'x', now()) FROM eventlog.deliveries; "
	  . "INSERT INTO app.handed SELECT seq FROM eventlog.fetch('s', 4)",
	'ack in fetch' => "SELECT eventlog.ack('s', ARRAY[seq]) FROM eventlog.fetch('s', 5)",
	'delete' => "SELECT count(*) FROM (SELECT id FROM app.l LIMIT 1) i, eventlog.delete(i.id)",
	'clear' => "SELECT count(*) FROM eventlog.clear('a.1')",
	'clear a window' => "SELECT count(*) FROM eventlog.clear(before => '2022-08-24 12:00Z')",
	'replay' => "SELECT eventlog.replay('s', 'a.1')",
	'alter_log' => "SELECT eventlog.alter_log('app.l', retention => '1 year', premake => 2)",
	'create_log' => "SELECT eventlog.create_log('app.l')",
	'COMMIT' => "SELECT eventlog.emit('a.new', 'error'); SET CONSTRAINTS ALL IMMEDIATE");

my %procedures = (
	'maintain' => 'CALL eventlog.maintain()',
	'purge' => "CALL eventlog.purge('a.1', batch_size => 3)",
	'purge a day' => "CALL eventlog.purge(before => '2022-08-25Z')");

my @inner = (
	"SELECT eventlog.emit('a.inner', 'error', occurred_at => '2022-08-24 06:00Z')",
	"SELECT eventlog.emit('x.inner', log => 'app.other')",
	"INSERT INTO app.l (event_type, level) SELECT 'a.inner', 'error' FROM generate_series(1, 3)",
	"SELECT count(*) FROM eventlog.list('a.1')",
	"SELECT count(*) FROM eventlog.list(page_size => NULL, log => 'app.other')",
	"SELECT count(*) FROM app.l, eventlog.get(id)",
	"SELECT eventlog.count('a.2')",
	"SELECT count(*) FROM eventlog.types()",
	"SELECT count(*) FROM eventlog.histogram('1 hour')",
	"SELECT count(*) FROM eventlog.logs",
	"SELECT count(*) FROM eventlog.subscriptions",
	"INSERT INTO app.handed SELECT seq FROM eventlog.fetch('s', 2)",
	"SELECT count(*) FROM eventlog.fetch('t', 2)",
	"SELECT count(*) FROM eventlog.fetch('o', 2)",
	"SELECT eventlog.ack('s', ARRAY[1, 2, 3, 4]), eventlog.ack('s', (SELECT array_agg(seq) FROM eventlog.deliveries))",
	"SELECT eventlog.fail('s', (SELECT min(seq) FROM eventlog.deliveries WHERE subscription = 's'), 'x', now())",
	"SELECT eventlog.fail('s', (SELECT max(seq) FROM eventlog.deliveries WHERE subscription = 's'), 'x', NULL)",
	"SELECT eventlog.release('s')",
	"SELECT eventlog.release('t'), eventlog.release('o')",
	"SELECT eventlog.listen('s')",
	"SELECT eventlog.pause('s')",
	"SELECT eventlog.retry('s')",
	"SELECT eventlog.replay('s', 'a.2')",
	"SELECT eventlog.subscribe('new')",
	"SELECT eventlog.subscribe('s', '{info}')",
	"SELECT eventlog.unsubscribe('s')",
	"SELECT eventlog.unsubscribe('s'), eventlog.subscribe('s')",
	"SELECT count(*) FROM (SELECT id FROM app.l LIMIT 2) i, eventlog.delete(i.id)",
	"SELECT count(*) FROM eventlog.clear('a')",
	"SELECT count(*) FROM eventlog.clear(everything => true)",
	"SELECT eventlog.alter_log('app.l', '1 month', premake => 3)",
	"SELECT eventlog.create_log('app.l')",
	"SELECT eventlog.create_log('app.l2')",
	"CALL eventlog.maintain()",
	"CALL eventlog.purge('a')",
	"ALTER TABLE app.l RENAME TO l2",
	"ALTER TABLE app.l RENAME TO l2; SELECT eventlog.emit('a.renamed', log => 'app.l2')",
	"ALTER TABLE app.l SET SCHEMA public",
	"ALTER TABLE app.l RENAME message TO other",
	"ALTER TABLE app.l NO FORCE ROW LEVEL SECURITY",
	"GRANT SELECT ON app.l TO PUBLIC; SELECT eventlog.emit('a.granted')",
	"TRUNCATE app.l",
	"DROP TABLE app.l");

my @hooks = qw(policy check_policy before after before_statement after_statement before_delete after_delete after_delete_statement deferred check index default);

# run: a script in one session; what it said.
sub run
{
	my ($script) = @_;
	my $output = '';

	$script = "SET statement_timeout = '20s';\nSET client_min_messages = warning;\n$script\nRESET ROLE;\nSELECT 'still ' || 'alive';\n";
	IPC::Run::run([ 'psql', '-XqAt', '-v', 'VERBOSITY=verbose', '-v', 'ON_ERROR_STOP=0', '-e', '-d', $node->connstr('postgres') ],
		'<', \$script, '>', \$output, '2>&1', IPC::Run::timeout(600));
	return $output;
}

# survives: check what such a script said.
sub survives
{
	my ($output, $name) = @_;
	my $survived = $output =~ /^still alive$/m;
	my @internal = $output =~ /((?:.*\n){0,6}.*(?:ERROR:  |caught )XX\w{3}:.*\n.*)/g;
	my @twice = $output =~ /((?:.*\n){0,8}.*handed out twice: [1-9].*)/g;

	ok($survived && !@internal && !@twice, $name)
	  or diag($survived ? '' : substr($output, -700), map { substr($_, -1200) . "\n" } @internal, @twice);
	unless ($survived)
	{
		$node->poll_query_until('postgres', 'SELECT true');
		$node->safe_psql('postgres', 'CALL public.reset()');
	}
}

# with_inner: what sets the hook for one inner call
sub with_inner
{
	my ($hook, $inner, $caught, $again) = @_;

	return "SELECT set_config('reentry.hook', '$hook', false), set_config('reentry.inner', \$i\$$inner\$i\$, false), "
	  . "set_config('reentry.caught', '$caught', false), set_config('reentry.again', '$again', false), set_config('reentry.inside', '', false) \\g /dev/null\n";
}

# hooks_of: which hooks a call runs through, found out by an inner call that is
# told.
sub hooks_of
{
	my ($call) = @_;
	my @found;

	foreach my $hook (@hooks)
	{
		my $output = run("SET ROLE app;\n" . with_inner($hook, q{DO $$ BEGIN RAISE WARNING 'the hook was run'; END $$}, 'no', 'no')
			  . "$call;\nROLLBACK;\n");
		push @found, $hook if $output =~ /WARNING: .*the hook was run/;
	}
	return @found;
}

my $let_go = "SELECT eventlog.release(name) FROM eventlog.subscriptions WHERE consumer = pg_backend_pid() \\g /dev/null\n";
my %seen;
foreach my $name (sort keys %outer)
{
	foreach my $hook (hooks_of("BEGIN; $outer{$name}; SET CONSTRAINTS ALL IMMEDIATE"))
	{
		my $script = "SET ROLE app;\n";

		$seen{$hook}++;
		foreach my $inner (@inner)
		{
			foreach my $way ([ 'no', 'no' ], [ 'yes', 'yes' ])
			{
				# a nested fetch is the one that may hand out what another has
				my $twice = $inner =~ /app\.handed/
				  ? "SELECT 'handed out twice: ' || count(*) FROM (SELECT seq FROM app.handed GROUP BY seq HAVING count(*) > 1) x;\n"
				  : '';

				$script .= with_inner($hook, $inner, @$way) . "BEGIN; $outer{$name};\n${twice}ROLLBACK;\n$let_go";
			}
		}
		survives(run($script), "$name, with code of the owner's in a hook of kind $hook");
	}
}
is(join(' ', sort keys %seen), join(' ', sort @hooks), 'each kind of hook was run');

# What commits as it goes changes the log, which is then made anew. So here each
# inner call is made in one hook only, each time in the next one.
foreach my $name (sort keys %procedures)
{
	my $reset = "RESET ROLE;\nSELECT set_config('reentry.hook', '', false) \\g /dev/null\nDROP TABLE IF EXISTS public.l;\nCALL public.reset();\n";
	my @found = hooks_of("RESET ROLE; CALL public.reset(); SET ROLE app; $procedures{$name}");
	my $script = '';
	my $i = 0;

	foreach my $inner (@inner)
	{
		last unless @found;
		$script .= "${reset}SET ROLE app;\n" . with_inner($found[ $i++ % @found ], $inner, 'no', 'yes') . "$procedures{$name};\n$let_go";
	}
	survives(run("$script$reset"), "$name, with code of the owner's in hooks of kinds " . (join(', ', @found) || '(none)'));
}

done_testing();
