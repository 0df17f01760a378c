/*
 * repair.c
 *		Repairing a damaged log by SQL.
 */
#include "log/log.h"

#include "access/relation.h"
#include "executor/spi.h"
#include "utils/builtins.h"

/*
 * can_be_repaired: can create_log repair it?
 *
 * A missing column may have been renamed, privileges are up to those who
 * granted them, and the owner must say which one of two triggers is to stay.
 */
static bool
can_be_repaired(const Damage *damage)
{
	return damage->part != PART_COLUMN && damage->part != PART_PARTITIONING &&
		damage->part != PART_OTHER_KEY && damage->part != PART_EXECUTE &&
		damage->part != PART_COLLATION && damage->part != PART_SECOND_TRIGGER;
}

/*
 * repair_find_obstacle: the first fatal damage that cannot be repaired; NULL
 * if there is none.
 */
const Damage *
repair_find_obstacle(List *found)
{
	ListCell   *cell;

	foreach(cell, found)
	{
		Damage	   *damage = lfirst(cell);

		if (damage_is_fatal(damage) && !can_be_repaired(damage))
			return damage;
	}
	return NULL;
}

/*
 * repair_is_needed: is there any damage that can be repaired?
 */
bool
repair_is_needed(List *found)
{
	ListCell   *cell;

	foreach(cell, found)
	{
		if (can_be_repaired(lfirst(cell)))
			return true;
	}
	return false;
}

/*
 * enable_trigger: enable a trigger of the log and its clones in partitions.
 */
static void
enable_trigger(const char *log, const char *name)
{
	if (name == NULL)
		return;					/* a second trigger was dropped concurrently */
	run_sql(psprintf("ALTER TABLE %s ENABLE TRIGGER %s", log,
					 quote_identifier(name)), SPI_OK_UTILITY);
}

/*
 * trigger_named: the name of the log's trigger with this function.
 */
static char *
trigger_named(Oid relid, const char *function_name)
{
	Oid			function = eventlog_trigger_function(function_name);
	Relation	rel = relation_open(relid, NoLock);
	char	   *name = NULL;

	for (int i = 0; rel->trigdesc && i < rel->trigdesc->numtriggers; i++)
	{
		if (rel->trigdesc->triggers[i].tgfoid == function)
			name = pstrdup(rel->trigdesc->triggers[i].tgname);
	}
	relation_close(rel, NoLock);
	return name;
}

/*
 * repair: repair one part.
 */
static void
repair(Oid relid, const char *log, const Damage *damage,
	   const LogSettings *settings)
{
	const EventColumnInfo *column = &event_columns[damage->column];

	switch (damage->part)
	{
		case PART_NOT_NULL:
			run_sql(psprintf("ALTER TABLE %s ALTER COLUMN %s SET NOT NULL",
							 log, column->name), SPI_OK_UTILITY);
			break;
		case PART_DEFAULT:
			run_sql(psprintf("ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s",
							 log, column->name, column->default_value),
					SPI_OK_UTILITY);
			break;
		case PART_SETTINGS:
			settings_write(log, settings);
			break;
		case PART_CHECK:
			if (damage->name)
				run_sql(psprintf("ALTER TABLE %s DROP CONSTRAINT %s", log,
								 quote_identifier(damage->name)),
						SPI_OK_UTILITY);
			log_add_check(log);
			break;
		case PART_LEVEL_CHECK:
			log_add_level_check(log);
			break;
		case PART_VALIDATION:
			run_sql(psprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", log,
							 quote_identifier(damage->name)), SPI_OK_UTILITY);
			break;
		case PART_FILL:
			if (damage->name)
				enable_trigger(log, damage->name);
			else
				log_add_fill_trigger(log);
			break;
		case PART_QUEUE:
			if (damage->name)
				enable_trigger(log, damage->name);
			else
				log_add_queue_trigger(log);
			break;
		case PART_PARTITION_TRIGGERS:
			enable_trigger(log, trigger_named(relid, "_fill"));
			enable_trigger(log, trigger_named(relid, "_owe"));
			break;
		case PART_PRIMARY_KEY:
			run_sql(psprintf("ALTER TABLE %s ADD PRIMARY KEY (occurred_at, id)",
							 log), SPI_OK_UTILITY);
			break;
		default:
			elog(ERROR, "cannot repair part %d of a log", damage->part);
	}
}

/*
 * repair_log: repair what can be repaired, with a NOTICE each, and warn about
 * the rest.  Within SPI, as the log's owner, with the log locked but not open.
 */
void
repair_log(Oid relid, List *found, const LogSettings *settings)
{
	char	   *log = qualified_name(relid);
	ListCell   *cell;

	foreach(cell, found)
	{
		Damage	   *damage = lfirst(cell);

		if (!can_be_repaired(damage))
		{
			ereport(WARNING,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("cannot repair log %s: %s", log, damage->text)));
			continue;
		}
		repair(relid, log, damage, settings);
		ereport(NOTICE,
				(errmsg("repaired log %s: %s", log, damage->text)));
	}
}
