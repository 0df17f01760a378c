# ALTER EXTENSION … UPDATE from the first release: the catalog is the same as
# that of a new CREATE EXTENSION, and logs, subscriptions and what is owed stay.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;

# catalog: all that the extension consists of, in words.
sub catalog
{
	my ($database) = @_;

	return $node->safe_psql($database, <<'END');
SELECT pg_describe_object(classid, objid, objsubid) FROM pg_depend
 WHERE refclassid = 'pg_extension'::regclass AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'eventlog') AND deptype = 'e'
 ORDER BY 1;
SELECT CASE WHEN prosqlbody IS NULL THEN pg_get_functiondef(oid) ELSE proname || pg_get_function_sqlbody(oid) END,
       proacl, obj_description(oid, 'pg_proc'), proowner::regrole
  FROM pg_proc WHERE pronamespace = 'eventlog'::regnamespace ORDER BY oid::regprocedure::text;
SELECT oid::regclass, relkind, relacl, reloptions, obj_description(oid, 'pg_class'), CASE relkind WHEN 'v' THEN pg_get_viewdef(oid) WHEN 'i' THEN pg_get_indexdef(oid) END
  FROM pg_class WHERE relnamespace = 'eventlog'::regnamespace ORDER BY 1::text;
SELECT attrelid::regclass, attnum, attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attacl, col_description(attrelid, attnum), attcollation::regcollation
  FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE relnamespace = 'eventlog'::regnamespace ORDER BY 1::text, 2;
SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'eventlog'::regnamespace ORDER BY 1::text, 2;
SELECT typname, typacl, obj_description(oid, 'pg_type'), (SELECT array_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid)
  FROM pg_type t WHERE typnamespace = 'eventlog'::regnamespace ORDER BY 1;
SELECT nspacl, obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = 'eventlog';
SELECT array_agg(c::regclass ORDER BY c::regclass::text), extversion, extnamespace::regnamespace
  FROM pg_extension, unnest(extconfig) c WHERE extname = 'eventlog' GROUP BY 2, 3;
SELECT evtname, evtevent, evtfoid::regproc, evtenabled, evttags FROM pg_event_trigger ORDER BY 1;
END
}

$node->safe_psql('postgres', 'CREATE DATABASE old; CREATE DATABASE new;');
$node->safe_psql('new', 'CREATE EXTENSION eventlog');
$node->safe_psql('old', <<'END');
CREATE EXTENSION eventlog VERSION '0.1.0';
SELECT eventlog.create_log('events');
SELECT eventlog.subscribe('hook');
SELECT eventlog.emit('before', 'error', details => '{"a": 1}');
END
isnt(catalog('old'), catalog('new'), 'the first release was another one');
my $json = $node->safe_psql('old', 'SELECT eventlog.to_json(e) FROM eventlog.list() e');
$node->safe_psql('old', 'ALTER EXTENSION eventlog UPDATE');
is(catalog('old'), catalog('new'), 'updated, it is as if created');
is($node->safe_psql('old', 'SELECT eventlog.to_json(e) FROM eventlog.list() e'), $json, 'an event is the same JSON');
is($node->safe_psql('old', "SELECT eventlog.emit('after'); CALL eventlog.maintain(); SELECT string_agg((event).event_type, ' ') FROM eventlog.fetch('hook', 10)")
	=~ s/.*\n//sr, 'before after', 'what was owed before comes before what is owed after');

done_testing();
