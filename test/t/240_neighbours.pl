# The extension beside other libraries in one backend: one that takes half of the
# slots for relation cache callbacks, one whose functions have the same names.

use strict;
use warnings;

use File::Copy;
use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $pg_config = $ENV{PG_CONFIG} // 'pg_config';
my $dir = PostgreSQL::Test::Utils::tempdir();

# Built where one may write, with nothing of a make around this.
copy($_, $dir) or die "could not copy $_: $!" foreach glob("$FindBin::Bin/../modules/neighbours/*");
delete @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL)};
command_ok([ 'make', '-s', '-C', $dir, "PG_CONFIG=$pg_config", 'with_llvm=no', 'all' ], 'the other libraries are built');

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
$node->safe_psql('postgres', "CREATE EXTENSION eventlog; SELECT eventlog.create_log('events', '1 day'); SELECT eventlog.subscribe('hook')");

# each room of the extension once
my $work = <<'END';
SELECT eventlog.emit('a.c', 'error', occurred_at => now() - interval '3 days');
INSERT INTO events (event_type, level) VALUES ('b', 'warning');
CALL eventlog.maintain();
SELECT event_type, level FROM eventlog.list('a');
SELECT level, events FROM eventlog.types('a.c');
SELECT eventlog.count('b', 'warning');
SELECT level FROM events WHERE event_type = 'a.c';
SELECT sum(eventlog.ack('hook', ARRAY[seq])) FROM eventlog.fetch('hook', 10);
SELECT count(*) FROM eventlog.clear('a');
CALL eventlog.purge('b');
SELECT problems FROM eventlog.logs;
END

foreach my $module ('five_slots', 'common_names')
{
	my ($status, $output, $errors) = $node->psql('postgres', "LOAD '$dir/$module'; SET client_min_messages = error; $work");

	is($status, 0, "beside $module all works") or diag($errors);
	is($output =~ s/^[0-9a-f-]{36}\n//r, "a.c|error\nerror|1\n1\nerror\n2\n1\n1\n{}", 'and gives what it gives alone');
}

# What another library could take for its own, or have taken for ours.
my $lib = `$pg_config --pkglibdir`;
chomp $lib;
my ($symbols, $errors) = run_command([ 'nm', '-D', '--defined-only', "$lib/eventlog.so" ]);
my @names = map { /(\S+)$/ } split /\n/, $symbols;
cmp_ok(scalar @names, '>', 20, 'there are symbols');
is_deeply([ grep { !/^(?:eventlog_\w+|pg_finfo_eventlog_\w+|Pg_magic_func|_PG_init)$/ } @names ], [], 'each of which SQL calls, or has a prefix');

done_testing();
