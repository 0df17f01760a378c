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
 * What SQL calls is exported, and nothing else is: libraries are loaded
 * RTLD_GLOBAL, so an exported name of ours could be taken for another
 * library's, or the other way round.  PostgreSQL 16 builds extensions with
 * hidden visibility by itself.  To be included before fmgr.h.
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
#include "varatt.h"
#define compat_name_list(string) stringToQualifiedNameList(string, NULL)
#define compat_relation_owned(relid, role) \
	object_ownercheck(RelationRelationId, relid, role)
#define compat_insert_index_tuples(result, slot, estate) \
	ExecInsertIndexTuples(result, slot, estate, false, false, NULL, NIL, false)
#define compat_relfilenode(rel) ((rel)->rd_locator.relNumber)
#define compat_schema_aclcheck(schema, role, mode) \
	object_aclcheck(NamespaceRelationId, schema, role, mode)
#define compat_require_can_become(member, role) check_can_set_role(member, role)
#else
#define compat_relfilenode(rel) ((rel)->rd_node.relNode)
#define compat_insert_index_tuples(result, slot, estate) \
	ExecInsertIndexTuples(result, slot, estate, false, false, NULL, NIL)
#define compat_name_list(string) stringToQualifiedNameList(string)
#define compat_relation_owned(relid, role) pg_class_ownercheck(relid, role)
#define compat_schema_aclcheck(schema, role, mode) \
	pg_namespace_aclcheck(schema, role, mode)
#define compat_require_can_become(member, role) \
	check_is_member_of_role(member, role)
#endif

/* a descent for reading; the snapshot was for an option that is gone */
#if PG_VERSION_NUM >= 170000
#define compat_bt_search(index, key, buffer) \
	_bt_search(index, NULL, key, buffer, BT_READ)
#elif PG_VERSION_NUM >= 160000
#define compat_bt_search(index, key, buffer) \
	_bt_search(index, NULL, key, buffer, BT_READ, NULL)
#else
#define compat_bt_search(index, key, buffer) \
	_bt_search(index, key, buffer, BT_READ, NULL)
#endif

#if PG_VERSION_NUM >= 170000
#define compat_lock_held_by_me(tag, mode) LockHeldByMe(tag, mode, false)
#else
#define compat_lock_held_by_me(tag, mode) LockHeldByMe(tag, mode)
#endif

#endif							/* EVENTLOG_COMPAT_H */
