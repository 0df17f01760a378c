/*
 * compat.h
 *		The differences between PostgreSQL's major versions, and nothing else.
 */
#ifndef EVENTLOG_COMPAT_H
#define EVENTLOG_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "eventlog needs PostgreSQL 15 or newer"
#endif

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#define compat_name_list(string) stringToQualifiedNameList(string, NULL)
#define compat_relation_owned(relid, role) \
	object_ownercheck(RelationRelationId, relid, role)
#define compat_insert_index_tuples(result, slot, estate) \
	ExecInsertIndexTuples(result, slot, estate, false, false, NULL, NIL, false)
#else
#define compat_insert_index_tuples(result, slot, estate) \
	ExecInsertIndexTuples(result, slot, estate, false, false, NULL, NIL)
#define compat_name_list(string) stringToQualifiedNameList(string)
#define compat_relation_owned(relid, role) pg_class_ownercheck(relid, role)
#endif

#endif							/* EVENTLOG_COMPAT_H */
