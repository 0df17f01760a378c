/*
 * common_names.c
 *		A library whose functions have names that come to anybody's mind.
 *
 * Libraries are loaded RTLD_GLOBAL, and so these are called in place of another
 * library's functions of the same names, where that one lets them be.
 */
#include "postgres.h"

#include "fmgr.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

#define STRANGER(name) \
	extern PGDLLEXPORT int name(void); \
	int \
	name(void) \
	{ \
		elog(PANIC, "%s of another library was called", #name); \
		return 0; \
	}

STRANGER(all_logs)
STRANGER(append_event_select)
STRANGER(attempt)
STRANGER(become)
STRANGER(become_again)
STRANGER(count_rows)
STRANGER(create_partition)
STRANGER(event_columns)
STRANGER(filter_from_args)
STRANGER(filter_to_sql)
STRANGER(find_column)
STRANGER(grid_cell)
STRANGER(id_get_time)
STRANGER(id_make)
STRANGER(level_find)
STRANGER(level_require)
STRANGER(list_partitions)
STRANGER(log_close)
STRANGER(log_open)
STRANGER(log_resolve)
STRANGER(map_event_columns)
STRANGER(qualified_name)
STRANGER(queue_prune)
STRANGER(queue_suspend)
STRANGER(relation_cache)
STRANGER(relation_is_log)
STRANGER(require_event_time)
STRANGER(run_sql)
STRANGER(set_locally)
STRANGER(sql_into_result)

void
_PG_init(void)
{
}
