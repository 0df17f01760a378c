# What the extension consists of in a database, for tests that compare.
package Catalog;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT = qw(catalog);

# catalog: all that the extension consists of, in words.
sub catalog
{
	my ($node, $database) = @_;

	return $node->safe_psql($database, <<'END');
SELECT pg_describe_object(classid, objid, objsubid) FROM pg_depend
 WHERE refclassid = 'pg_extension'::regclass AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'eventlog') AND deptype = 'e'
 ORDER BY 1;
SELECT CASE WHEN prosqlbody IS NULL THEN pg_get_functiondef(oid) ELSE proname || pg_get_function_sqlbody(oid) END,
       proacl, obj_description(oid, 'pg_proc'), proowner::regrole
  FROM pg_proc WHERE pronamespace = 'eventlog'::regnamespace ORDER BY oid::regprocedure::text;
SELECT oid::regclass, relkind, CASE WHEN relkind IN ('r', 'v', 'S') THEN COALESCE(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)) END, reloptions, obj_description(oid, 'pg_class'), CASE relkind WHEN 'v' THEN pg_get_viewdef(oid) WHEN 'i' THEN pg_get_indexdef(oid) END
  FROM pg_class WHERE relnamespace = 'eventlog'::regnamespace ORDER BY oid::regclass::text;
SELECT attrelid::regclass, attnum, attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attacl, col_description(attrelid, attnum), attcollation::regcollation
  FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE relnamespace = 'eventlog'::regnamespace ORDER BY attrelid::regclass::text, 2;
SELECT seqrelid::regclass, seqtypid::regtype, seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle
  FROM pg_sequence JOIN pg_class c ON c.oid = seqrelid WHERE relnamespace = 'eventlog'::regnamespace ORDER BY seqrelid::regclass::text;
SELECT tgrelid::regclass, tgname, tgenabled, pg_get_triggerdef(t.oid)
  FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE relnamespace = 'eventlog'::regnamespace ORDER BY tgrelid::regclass::text, 2;
SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'eventlog'::regnamespace ORDER BY conrelid::regclass::text, 2;
SELECT typname, typacl, obj_description(oid, 'pg_type'), (SELECT array_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid)
  FROM pg_type t WHERE typnamespace = 'eventlog'::regnamespace ORDER BY 1;
SELECT nspacl, obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = 'eventlog';
SELECT array_agg(c::regclass ORDER BY c::regclass::text), extversion, extnamespace::regnamespace
  FROM pg_extension, unnest(extconfig) c WHERE extname = 'eventlog' GROUP BY 2, 3;
SELECT evtname, evtevent, evtfoid::regproc, evtenabled, evttags FROM pg_event_trigger ORDER BY 1;
END
}

1;
