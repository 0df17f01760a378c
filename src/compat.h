/*
 * compat.h
 *		The differences between PostgreSQL's major versions, and nothing else.
 */
#ifndef EVENTLOG_COMPAT_H
#define EVENTLOG_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "eventlog needs PostgreSQL 15 or newer"
#endif

/*
 * Only what SQL calls is exported.  Libraries are loaded RTLD_GLOBAL, so an
 * exported name could be resolved to another library's symbol, or the other
 * way round.  PostgreSQL 16 builds extensions with hidden visibility by
 * itself.  Must be included before fmgr.h.
 */
#if PG_VERSION_NUM < 160000
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))
#endif
#include "fmgr.h"
#if PG_VERSION_NUM < 160000
#undef PG_FUNCTION_INFO_V1
#define PG_FUNCTION_INFO_V1(funcname) \
extern PGDLLEXPORT Datum funcname(PG_FUNCTION_ARGS); \
extern PGDLLEXPORT const Pg_finfo_record *CppConcat(pg_finfo_, funcname) (void); \
const Pg_finfo_record * \
CppConcat(pg_finfo_, funcname) (void) \
{ \
	static const Pg_finfo_record my_finfo = {1}; \
	return &my_finfo; \
} \
extern int	no_such_variable
#endif

#if PG_VERSION_NUM >= 160000
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "varatt.h"
#define compat_name_list(string) stringToQualifiedNameList(string, NULL)
#define compat_function_aclcheck(function, role) \
	object_aclcheck(ProcedureRelationId, function, role, ACL_EXECUTE)
#define compat_schema_aclcheck(schema, role, mode) \
	object_aclcheck(NamespaceRelationId, schema, role, mode)
#define compat_require_set_role(member, role) check_can_set_role(member, role)
#else
#define compat_name_list(string) stringToQualifiedNameList(string)
#define compat_function_aclcheck(function, role) \
	pg_proc_aclcheck(function, role, ACL_EXECUTE)
#define compat_schema_aclcheck(schema, role, mode) \
	pg_namespace_aclcheck(schema, role, mode)
#define compat_require_set_role(member, role) \
	check_is_member_of_role(member, role)
#endif

/*
 * compat_relation_owned - is it the role's?  An Oid without a relation is an
 * error for callers to see, which PostgreSQL 18 takes for one of its own.
 */
#if PG_VERSION_NUM >= 160000
#include "utils/syscache.h"
static inline bool
compat_relation_owned(Oid relid, Oid role)
{
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	return object_ownercheck(RelationRelationId, relid, role);
}
#else
#define compat_relation_owned(relid, role) pg_class_ownercheck(relid, role)
#endif

/* a new row's index entries */
#if PG_VERSION_NUM >= 190000
#define compat_insert_index_tuples(result, slot, estate) \
	ExecInsertIndexTuples(result, estate, 0, slot, NIL, NULL)
#elif PG_VERSION_NUM >= 160000
#define compat_insert_index_tuples(result, slot, estate) \
	ExecInsertIndexTuples(result, slot, estate, false, false, NULL, NIL, false)
#else
#define compat_insert_index_tuples(result, slot, estate) \
	ExecInsertIndexTuples(result, slot, estate, false, false, NULL, NIL)
#endif

/* a scan of a table, and rows of it by their pointers */
#if PG_VERSION_NUM >= 190000
#define compat_table_beginscan(rel, snapshot) \
	table_beginscan(rel, snapshot, 0, NULL, SO_NONE)
#define compat_index_fetch_begin(rel) table_index_fetch_begin(rel, SO_NONE)
#else
#define compat_table_beginscan(rel, snapshot) \
	table_beginscan(rel, snapshot, 0, NULL)
#define compat_index_fetch_begin(rel) table_index_fetch_begin(rel)
#endif

/* an index scan without order-by keys */
#if PG_VERSION_NUM >= 190000
#define compat_index_beginscan(rel, index, snapshot, nkeys) \
	index_beginscan(rel, index, snapshot, NULL, nkeys, 0, SO_NONE)
#elif PG_VERSION_NUM >= 180000
#define compat_index_beginscan(rel, index, snapshot, nkeys) \
	index_beginscan(rel, index, snapshot, NULL, nkeys, 0)
#else
#define compat_index_beginscan(rel, index, snapshot, nkeys) \
	index_beginscan(rel, index, snapshot, nkeys, 0)
#endif

/* a CHECK constraint that is NOT ENFORCED */
#if PG_VERSION_NUM >= 180000
#define compat_check_enforced(check) ((check)->ccenforced)
#else
#define compat_check_enforced(check) true
#endif

#if PG_VERSION_NUM >= 180000
#define compat_index_beginscan_bitmap(index, snapshot, nkeys) \
	index_beginscan_bitmap(index, snapshot, NULL, nkeys)
#else
#define compat_index_beginscan_bitmap(index, snapshot, nkeys) \
	index_beginscan_bitmap(index, snapshot, nkeys)
#endif

/* the pages of a bitmap, in order: declare, begin, next page, end */
#if PG_VERSION_NUM >= 180000
#define compat_bitmap_iterator(name) \
	TBMIterator name; TBMIterateResult name##_page
#define compat_begin_bitmap(bitmap, name) \
	((name) = tbm_begin_iterate(bitmap, NULL, InvalidDsaPointer))
#define compat_next_bitmap_page(name, block) \
	(tbm_iterate(&(name), &name##_page) ? \
	 (*(block) = name##_page.blockno, true) : false)
#define compat_end_bitmap(name) tbm_end_iterate(&(name))
#else
#define compat_bitmap_iterator(name) \
	TBMIterator *name; TBMIterateResult *name##_page
#define compat_begin_bitmap(bitmap, name) ((name) = tbm_begin_iterate(bitmap))
#define compat_next_bitmap_page(name, block) \
	((name##_page = tbm_iterate(name)) != NULL ? \
	 (*(block) = name##_page->blockno, true) : false)
#define compat_end_bitmap(name) tbm_end_iterate(name)
#endif

/*
 * may DELETEs be published with these row filters and column lists?
 */
#if PG_VERSION_NUM >= 180000
#define compat_valid_for_delete(pubdesc) \
	((pubdesc)->rf_valid_for_delete && (pubdesc)->cols_valid_for_delete && \
	 (pubdesc)->gencols_valid_for_delete)
#else
#define compat_valid_for_delete(pubdesc) \
	((pubdesc)->rf_valid_for_delete && (pubdesc)->cols_valid_for_delete)
#endif

#if PG_VERSION_NUM >= 170000
#define compat_lock_held_by_me(tag, mode) LockHeldByMe(tag, mode, false)
#else
#define compat_lock_held_by_me(tag, mode) LockHeldByMe(tag, mode)
#endif

#endif							/* EVENTLOG_COMPAT_H */
