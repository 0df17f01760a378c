# A coordinator and two workers, on one machine, for tests with Citus.
package Nodes;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(require_citus start_nodes start_node);

my $pg_config = $ENV{PG_CONFIG} // 'pg_config';

# require_citus: skip the whole program where PostgreSQL has no Citus.
sub require_citus
{
	my $lib = `$pg_config --pkglibdir`;

	chomp $lib;
	plan skip_all => "the PostgreSQL of $pg_config has no Citus" unless -e "$lib/citus.so";
}

# start_node: a server with Citus and eventlog.
sub start_node
{
	my ($name) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(allows_streaming => 'logical');
	$node->append_conf('postgresql.conf', <<'END');
listen_addresses = '127.0.0.1'
shared_preload_libraries = 'citus'
citus.node_conninfo = 'sslmode=disable'
citus.enable_unsafe_triggers = on
max_prepared_transactions = 100
max_locks_per_transaction = 1024
fsync = off
# Citus's own warnings are told as internal errors
log_min_messages = error
END
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION citus; CREATE EXTENSION eventlog');
	return $node;
}

# start_nodes: the coordinator and its workers.
sub start_nodes
{
	my ($coordinator, @workers) = map { start_node($_) } 'coordinator', 'worker1', 'worker2';

	$coordinator->safe_psql('postgres', "SELECT citus_set_coordinator_host('127.0.0.1', " . $coordinator->port . ")");
	$coordinator->safe_psql('postgres', "SELECT citus_add_node('127.0.0.1', " . $_->port . ")") foreach @workers;
	return ($coordinator, @workers);
}

1;
