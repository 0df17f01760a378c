# ALTER EXTENSION … UPDATE from the first release: the catalog is the same as
# that of a new CREATE EXTENSION, and logs, subscriptions and what is owed stay.

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

$node->safe_psql('postgres', 'CREATE DATABASE old; CREATE DATABASE new;');
$node->safe_psql('new', 'CREATE EXTENSION eventlog');
$node->safe_psql('old', <<'END');
CREATE EXTENSION eventlog VERSION '0.2.0';
SELECT eventlog.create_log('events');
SELECT eventlog.subscribe('hook');
SELECT eventlog.emit('before', 'error', details => '{"a": 1}');
END
isnt(catalog($node, 'old'), catalog($node, 'new'), 'the first release was another one');
my $json = $node->safe_psql('old', 'SELECT eventlog.to_json(e) FROM eventlog.list() e');
$node->safe_psql('old', 'ALTER EXTENSION eventlog UPDATE');
is(catalog($node, 'old'), catalog($node, 'new'), 'updated, it is as if created');
is($node->safe_psql('old', 'SELECT eventlog.to_json(e) FROM eventlog.list() e'), $json, 'an event is the same JSON');
is($node->safe_psql('old', "SELECT eventlog.emit('after'); CALL eventlog.maintain(); SELECT string_agg((event).event_type, ' ') FROM eventlog.fetch('hook', 10)")
	=~ s/.*\n//sr, 'before after', 'what was owed before comes before what is owed after');

done_testing();
