/*
 * parts.c
 *		The constraints and triggers that make a table a log, created by
 *		SQL.
 */
#include "log/log.h"

#include "executor/spi.h"

/*
 * log_add_check: add the constraint that the id and the time of an event
 * belong together.
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
 * log_add_level_check: add the constraint on the level, which does not need
 * the extension.  The list of levels is one constant, which is faster to read
 * than an array of five.
 */
void
log_add_level_check(const char *log)
{
	run_sql(psprintf("ALTER TABLE %s ADD CONSTRAINT " LEVEL_CHECK
					 " CHECK (level OPERATOR(pg_catalog.=) ANY ("
					 "'{debug,info,warning,error,critical}'::pg_catalog.text[]))", log),
			SPI_OK_UTILITY);
}

/*
 * log_add_fill_trigger, log_add_queue_trigger: add the triggers that fill in
 * and enqueue each row, in all partitions.
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
