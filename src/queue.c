/*
 * queue.c
 *		What is owed: for now, nothing is.
 */
#include "eventlog.h"

PG_FUNCTION_INFO_V1(eventlog_owe);

/*
 * eventlog._owe(): AFTER INSERT FOR EACH ROW
 */
Datum
eventlog_owe(PG_FUNCTION_ARGS)
{
	return PointerGetDatum(NULL);
}

void
queue_suspend(bool suspended)
{
}

void
queue_prune(Oid log)
{
}
