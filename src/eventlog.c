/*
 * eventlog.c
 *		The module itself: its settings, lookups of its own objects, and
 *		caches of what is known about relations.
 *
 * The extension needs no preloading: everything here is per backend and is set
 * up when the library is first used.
 */
#include "eventlog.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

PG_MODULE_MAGIC;

#define OWN_SCHEMA	"eventlog"	/* and the extension's name */

char	   *eventlog_default_log = NULL;
int			eventlog_dead_retention = 30 * SECS_PER_DAY;
int			eventlog_max_subscriptions = 100;
int			eventlog_step_timeout = 60000;
int			eventlog_scan_method = SCAN_AUTO;

static const struct config_enum_entry scan_methods[] = {
	{"auto", SCAN_AUTO, false},
	{"time", SCAN_TIME, false},
	{"lists", SCAN_LISTS, false},
	{"probe", SCAN_PROBE, false},
	{"sql", SCAN_SQL, false},
	{NULL, 0, false}
};

extern PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	DefineCustomStringVariable("eventlog.default_log",
							   "The log that functions use when none is named.",
							   "It is found by search_path unless it names a schema.",
							   &eventlog_default_log,
							   "events",
							   PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("eventlog.dead_retention",
							"How long a dead delivery is kept before maintain removes it.",
							NULL,
							&eventlog_dead_retention,
							30 * SECS_PER_DAY, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("eventlog.step_timeout",
							"How long one step of maintain or purge may take.",
							"It limits code of the log's owner that runs in a step. 0 means no limit.",
							&eventlog_step_timeout,
							60000, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("eventlog.max_subscriptions",
							"How many subscriptions a log may have.",
							"Of a log that has more, only the first ones by name get events.",
							&eventlog_max_subscriptions,
							100, 0, 10000,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("eventlog.scan_method",
							 "Selects how events are read, for tests and comparisons.",
							 "auto chooses; the other values force one way where it is possible.",
							 &eventlog_scan_method,
							 SCAN_AUTO, scan_methods,
							 PGC_USERSET, GUC_NOT_IN_SAMPLE,
							 NULL, NULL, NULL);
	MarkGUCPrefixReserved("eventlog");
}

/*
 * The extension's schema and whether it still has its original name.  Valid
 * until anything in pg_namespace changes.
 */
static Oid	own_schema = InvalidOid;	/* InvalidOid: not looked up yet */
static bool own_schema_is_named;

static void
forget_own_schema(Datum arg, int cacheid, uint32 hashvalue)
{
	own_schema = InvalidOid;
}

/*
 * lookup_own_schema: find the schema that is a member of the extension.
 *
 * The name does not identify it: the schema may have been renamed, and anybody
 * who may create schemas can then create another one with the old name.
 */
static Oid
lookup_own_schema(void)
{
	Oid			extension = get_extension_oid(OWN_SCHEMA, true);
	Oid			found = InvalidOid;
	Relation	rel;
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	if (!OidIsValid(extension))
		return InvalidOid;
	rel = table_open(DependRelationId, AccessShareLock);
	ScanKeyInit(&keys[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(ExtensionRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(extension));
	scan = systable_beginscan(rel, DependReferenceIndexId, true, NULL, 2, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend form = (Form_pg_depend) GETSTRUCT(tuple);

		if (form->classid == NamespaceRelationId &&
			form->deptype == DEPENDENCY_EXTENSION)
			found = form->objid;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/*
 * find_own_schema: the same from a cache; InvalidOid while the extension is
 * being created or dropped, or after it was dropped.
 */
static Oid
find_own_schema(void)
{
	static bool registered = false;
	Oid			found;
	char	   *name;

	if (OidIsValid(own_schema))
		return own_schema;
	if (!registered)
	{
		CacheRegisterSyscacheCallback(NAMESPACEOID, forget_own_schema,
									  (Datum) 0);
		registered = true;
	}
	found = lookup_own_schema();
	name = OidIsValid(found) ? get_namespace_name(found) : NULL;
	if (name == NULL)
		return InvalidOid;
	own_schema_is_named = strcmp(name, OWN_SCHEMA) == 0;
	pfree(name);
	own_schema = found;
	return found;
}

/*
 * eventlog_schema_oid: the schema of the extension's objects.
 */
Oid
eventlog_schema_oid(void)
{
	Oid			schema = find_own_schema();

	if (!OidIsValid(schema))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_SCHEMA),
				 errmsg("the schema of extension \"eventlog\" does not exist")));
	return schema;
}

/*
 * eventlog_require_name: raise an error if the extension's schema was renamed.
 *
 * To be called before running any statement that contains the schema's name:
 * another schema may have that name.
 */
void
eventlog_require_name(void)
{
	Oid			schema = eventlog_schema_oid();

	if (!own_schema_is_named)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the schema of extension \"eventlog\" has been renamed to \"%s\"",
						get_namespace_name(schema)),
				 errhint("Rename it back with ALTER SCHEMA %s RENAME TO eventlog.",
						 quote_identifier(get_namespace_name(schema)))));
}

/*
 * eventlog_relation_oid: one of the extension's own relations; InvalidOid
 * while the extension is being dropped, or after.
 */
Oid
eventlog_relation_oid(const char *name)
{
	Oid			schema = find_own_schema();

	return OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
}

/*
 * eventlog_function_oid: one of the extension's own functions; InvalidOid if
 * there is none with these argument types.
 */
Oid
eventlog_function_oid(const char *name, int nargs, const Oid *types)
{
	Oid			schema = find_own_schema();
	oidvector  *arguments = buildoidvector(types, nargs);
	Oid			function;

	if (!OidIsValid(schema))
		return InvalidOid;
	function = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
							   CStringGetDatum(name),
							   PointerGetDatum(arguments),
							   ObjectIdGetDatum(schema));
	pfree(arguments);
	return function;
}

/*
 * eventlog_trigger_function: the same for a function without arguments.
 */
Oid
eventlog_trigger_function(const char *name)
{
	return eventlog_function_oid(name, 0, NULL);
}

/*
 * eventlog_type_oid: one of the extension's own types.
 */
Oid
eventlog_type_oid(const char *name)
{
	Oid			type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
									   CStringGetDatum(name),
									   ObjectIdGetDatum(eventlog_schema_oid()));

	if (!OidIsValid(type))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("type eventlog.%s does not exist", name)));
	return type;
}

/*
 * Who is notified of changed relations.  PostgreSQL has room for ten relcache
 * callbacks per backend, shared by all extensions, so this one registers only
 * one.
 */
#define MAX_RELATION_CACHES		6
#define MAX_RELATION_CALLBACKS	4

static HTAB *relation_caches[MAX_RELATION_CACHES];
static int	nrelation_caches = 0;
static void (*relation_callbacks[MAX_RELATION_CALLBACKS]) (Oid relid);
static int	nrelation_callbacks = 0;

static void
forget_in_cache(HTAB *cache, Oid relid)
{
	HASH_SEQ_STATUS status;
	Oid		   *key;

	if (OidIsValid(relid))
	{
		(void) hash_search(cache, &relid, HASH_REMOVE, NULL);
		return;
	}
	hash_seq_init(&status, cache);
	while ((key = hash_seq_search(&status)) != NULL)
		(void) hash_search(cache, key, HASH_REMOVE, NULL);
}

/*
 * relation_changed: relcache callback; InvalidOid means all relations.
 */
static void
relation_changed(Datum arg, Oid relid)
{
	for (int i = 0; i < nrelation_caches; i++)
		forget_in_cache(relation_caches[i], relid);
	for (int i = 0; i < nrelation_callbacks; i++)
		relation_callbacks[i] (relid);
}

static void
register_relation_changed(void)
{
	if (nrelation_caches == 0 && nrelation_callbacks == 0)
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
}

/*
 * add_relation_callback: have a function called whenever the relation cache
 * reports a changed relation; InvalidOid means any relation.  The function
 * must not access catalogs.
 */
void
add_relation_callback(void (*forget) (Oid relid))
{
	if (nrelation_callbacks == MAX_RELATION_CALLBACKS)
		elog(ERROR, "too many callbacks for changed relations");
	register_relation_changed();
	relation_callbacks[nrelation_callbacks++] = forget;
}

/*
 * create_relation_cache: create a hash table, for the life of the backend, of
 * facts about relations.
 *
 * An entry begins with the OID of its relation.  It is removed when the
 * relation cache reports a change of that relation.
 */
HTAB *
create_relation_cache(const char *name, Size entrysize)
{
	HASHCTL		ctl = {0};
	HTAB	   *cache;

	if (nrelation_caches == MAX_RELATION_CACHES)
		elog(ERROR, "too many caches of relations");
	ctl.keysize = sizeof(Oid);
	ctl.entrysize = entrysize;
	cache = hash_create(name, 64, &ctl, HASH_ELEM | HASH_BLOBS);
	register_relation_changed();
	relation_caches[nrelation_caches++] = cache;
	return cache;
}

/*
 * shown_value: the beginning of a value that may be of any length, for an
 * error message.
 */
char *
shown_value(const text *value)
{
	int			len = VARSIZE_ANY_EXHDR(value);

	if (len <= SHOWN_BYTES)
		return text_to_cstring(value);
	return psprintf("%.*s...", pg_mbcliplen(VARDATA_ANY(value), len, SHOWN_BYTES),
					VARDATA_ANY(value));
}
