/*
 * drop.c
 *		Dropping or detaching a partition, and the locks for that.
 */
#include "upkeep/upkeep.h"

#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/*
 * drop_lock_referrers: lock the referring tables, after those of the log.
 */
void
drop_lock_referrers(List *keys, LOCKMODE mode)
{
	ListCell   *cell;

	foreach(cell, keys)
	{
		const ForeignKey *key = lfirst(cell);

		upkeep_lock(key->referrer, mode);
	}
}

/*
 * drop_lock_partition: take the locks for drop_partition(), in order; the log
 * is already locked.  Returns the foreign keys that refer to the partition.
 */
List *
drop_lock_partition(const PartitionList *list, const Partition *item)
{
	List	   *keys;

	if (OidIsValid(list->default_oid))
		upkeep_lock(list->default_oid, AccessExclusiveLock);
	upkeep_lock(item->oid, AccessExclusiveLock);
	keys = foreign_key_list(item->oid);
	drop_lock_referrers(keys, AccessExclusiveLock);
	return keys;
}

/*
 * drop_partition: drop a partition of a log that is locked; an error if a row
 * refers to one of its events.  Within a step.
 */
void
drop_partition(Oid log, const PartitionList *list, const Partition *item)
{
	List	   *keys = drop_lock_partition(list, item);
	char	   *name = qualified_name(item->oid);

	if (keys != NIL)
		run_sql(psprintf("ALTER TABLE %s DETACH PARTITION %s",
						 qualified_name(log), name), SPI_OK_UTILITY);
	run_sql(psprintf("DROP %sTABLE %s",
					 get_rel_relkind(item->oid) == RELKIND_FOREIGN_TABLE ?
					 "FOREIGN " : "", name), SPI_OK_UTILITY);
}

/*
 * detach_partition: make a partition of a log that is locked a table of its own,
 * and move it into a schema, unless its name is empty.  Within a step.
 */
void
detach_partition(Oid log, const PartitionList *list, const Partition *item,
				 const char *schema)
{
	char	   *name = qualified_name(item->oid);

	(void) drop_lock_partition(list, item);
	run_sql(psprintf("ALTER TABLE %s DETACH PARTITION %s", qualified_name(log),
					 name), SPI_OK_UTILITY);
	if (schema[0] != '\0')
		run_sql(psprintf("ALTER TABLE %s SET SCHEMA %s", name,
						 quote_identifier(schema)), SPI_OK_UTILITY);
}
