# For people: contrib/psql/eventlog.psql in a real psql, contrib/roles.sql, and
# an import that breaks off and is run again.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
query("CREATE EXTENSION eventlog; SELECT eventlog.create_log('events');
       SELECT eventlog.emit('system.test', 'error', source_service => 'catalog', details => '{\"a\": 1}')
         FROM generate_series(1, 5);
       SELECT eventlog.emit('user.login');");

sub query
{
	return $node->safe_psql('postgres', $_[0]);
}

# psql: what a psql with the front says to these lines of input.
sub psql
{
	my ($input, %environment) = @_;
	my ($stdout, $stderr) = ('', '');

	local @ENV{ keys %environment } = values %environment;
	IPC::Run::run(
		[ 'psql', '-X', '-q', '-d', $node->connstr('postgres') ],
		'<', \"\\i contrib/psql/eventlog.psql\n$input", '>', \$stdout, '2>', \$stderr)
	  or die $stderr;
	unlike($stderr, qr/ERROR|error:|invalid/, 'psql has nothing to complain of');
	return $stdout;
}

my $page = psql(":events\n");
like($page, qr/^┌─/m, 'a page is in a box');
like($page, qr/ id .* event_type .* level .* resource_id .* resource_type .* source_service .* source_host .* occurred_at /,
	'of eight columns');
unlike($page, qr/shown, more/, 'and is all there is');
is(() = $page =~ /system\.test|user\.login/g, 6, 'with six events');

my $first = psql(":events\n:more\n", EVENTLOG_PAGE_SIZE => 4, EVENTLOG_MIN_LEVEL => 'warning');
like($first, qr/first 4 shown, more with :more/, 'the environment gives the size of a page');
is(() = $first =~ /system\.test/g, 5, 'and the level, and :more goes on');
like(psql("\\set type user.\n:events\n"), qr/user\.login/, 'a filter is a variable');
like(psql(":types\n"), qr/system\.test .* error .* 5/, ':types counts');
my $id = query('SELECT id FROM eventlog.list(level => \'error\', page_size => 1)');
like(psql("\\set id $id\n:event\n"), qr/"a": 1/, ':event shows the details');

like(psql(":clear\nno\n"), qr/Delete 6 events\?.*nothing deleted/s, ':clear asks');
is(query('SELECT eventlog.count()'), 6, 'and takes no for an answer');
psql("\\set level info\n:clear\nyes\n");
is(query('SELECT eventlog.count()'), 5, 'it deletes what is chosen');

#
# Roles
#

command_ok([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-v', 'prefix=app', '-f', 'contrib/roles.sql' ],
	'the roles are made');
command_ok([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-v', 'prefix=app', '-f', 'contrib/roles.sql' ],
	'and again');

my %statement = (
	emit => "SELECT eventlog.emit('a')",
	insert => "INSERT INTO events (event_type) VALUES ('a')",
	returning => "INSERT INTO events (event_type) VALUES ('a') RETURNING id",
	list => 'SELECT FROM eventlog.list()',
	subscribe => "SELECT eventlog.subscribe('s')",
	clear => "SELECT eventlog.clear('nothing')",
	purge => "CALL eventlog.purge('nothing')",
	alter => "SELECT eventlog.alter_log('events', premake => 4)",
	logs => 'SELECT FROM eventlog.logs');
my %may = (
	writer => [qw(emit insert logs)],
	reader => [qw(list subscribe logs)],
	operator => [qw(list subscribe clear purge logs)],
	notifier => [qw(list subscribe logs)],
	monitor => [qw(logs)]);
foreach my $kind (sort keys %may)
{
	foreach my $what (sort keys %statement)
	{
		my $expected = grep { $_ eq $what } @{ $may{$kind} };
		my ($stdout, $stderr);
		my $status = $node->psql('postgres', "SET ROLE app_$kind; $statement{$what}",
			stdout => \$stdout, stderr => \$stderr, on_error_stop => 1);

		is($status == 0 ? 'may' : 'may not', $expected ? 'may' : 'may not', "$kind: $what");
		like($stderr, qr/permission denied|must be/, 'and is told why not') unless $expected;
	}
	query("SELECT eventlog.unsubscribe('s')") if query('SELECT count(*) FROM eventlog.subscriptions') > 0;
}

#
# An import of 60 days, broken off by a bad record, and run again
#

query("CREATE TABLE old AS
       SELECT i, timestamptz '2026-01-01 00:00Z' + i * interval '259.2 s' AS at, 'job.done' AS type
         FROM generate_series(0, 19999) i;
       UPDATE old SET type = 'Not A Type' WHERE i = 15000;
       SELECT eventlog.create_log('imported', partition_interval => '7 days', since => (SELECT min(at) FROM old));");
my $import = "SELECT format('INSERT INTO imported (id, occurred_at, event_type)
                      SELECT eventlog.new_id(at, ''old '' || i), at, type FROM old
                       WHERE at >= %L AND at < %L ORDER BY at ON CONFLICT DO NOTHING', week, week + interval '7 days')
                FROM generate_series((SELECT min(at) FROM old), (SELECT max(at) FROM old), interval '7 days') week\n\\gexec\n";
my ($stdout, $stderr);
isnt($node->psql('postgres', $import, stdout => \$stdout, stderr => \$stderr, on_error_stop => 1), 0, 'an import breaks off');
like($stderr, qr/Not A Type/, 'and the error has the value');
my $done = query('SELECT count(*) FROM imported');
cmp_ok($done, '>', 0, 'some weeks are there');
cmp_ok($done, '<', 20000, 'not all');
query("UPDATE old SET type = 'job.done' WHERE i = 15000");
query($import);
is(query('SELECT count(*) FROM imported'), 20000, 'run again, it imports the rest, and nothing twice');
is(query(q{SELECT count(*) FROM (SELECT tableoid FROM imported GROUP BY tableoid
             HAVING max(occurred_at) - min(occurred_at) > interval '7 days') too_wide}), 0, 'no partition is wider than asked');
cmp_ok(query('SELECT count(DISTINCT tableoid) FROM imported'), '<=', 10, 'and there are no more of them than weeks');
is(query('SELECT count(*) FROM imported_default'), 0, 'and none by default');

$node->stop;
done_testing();
