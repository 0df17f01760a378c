/*
 * parts.c
 *		The parts that make a table a log, made by SQL: constraints and triggers.
 */
#include "log/log.h"

#include "executor/spi.h"

/*
 * log_add_check: the constraint that a row is an event.  Its name sorts before
 * the level's, so that its better errors come first.
 */
void
log_add_check(const char *log)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "ALTER TABLE %s ADD CONSTRAINT " EVENT_CHECK " CHECK"
					 " (eventlog._check(", log);
	for (int i = 0; i < CHECK_NCOLUMNS; i++)
		appendStringInfo(&sql, "%s%s", i > 0 ? ", " : "",
						 event_columns[check_columns[i]].name);
	appendStringInfoString(&sql, "))");
	run_sql(sql.data, SPI_OK_UTILITY);
}

/*
 * log_add_level_check: the constraint on the level, which needs nothing of the
 * extension.
 */
void
log_add_level_check(const char *log)
{
	run_sql(psprintf("ALTER TABLE %s ADD CONSTRAINT " LEVEL_CHECK
					 " CHECK (level OPERATOR(pg_catalog.=) ANY (ARRAY["
					 "'debug', 'info', 'warning', 'error', 'critical']))", log),
			SPI_OK_UTILITY);
}

/*
 * log_add_fill_trigger, log_add_queue_trigger: fill in, and owe, row by row,
 * in every partition.
 */
void
log_add_fill_trigger(const char *log)
{
	run_sql(psprintf("CREATE TRIGGER eventlog_fill"
					 " BEFORE INSERT OR UPDATE ON %s FOR EACH ROW"
					 " EXECUTE FUNCTION eventlog._fill()", log),
			SPI_OK_UTILITY);
}

void
log_add_queue_trigger(const char *log)
{
	run_sql(psprintf("CREATE TRIGGER eventlog_queue"
					 " AFTER INSERT ON %s FOR EACH ROW"
					 " EXECUTE FUNCTION eventlog._owe()", log),
			SPI_OK_UTILITY);
}
