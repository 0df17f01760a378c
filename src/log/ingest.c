/*
 * ingest.c
 *		eventlog.ingest: writes events of other systems.
 *
 * eventlog._foreign_events() translates a document into rows of arguments of
 * eventlog.emit, which writes the events as the caller.
 */
#include "log/log.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(eventlog_ingest);

#define MAX_EVENTS	10000		/* of one call */

/*
 * the last arguments of eventlog.emit
 */
enum
{
	EMIT_OCCURRED_AT = 12, EMIT_ID, EMIT_LOG, EMIT_NARGS
};

/*
 * columns of eventlog._foreign_events: where in the document the event is,
 * what its id is made of, and the arguments of emit but the log
 */
enum
{
	FOREIGN_AT = 1, FOREIGN_SEED, FOREIGN_FIRST_ARG
};

static void
add_context(void *arg)
{
	const char *at = arg;

	if (at[0] != '\0')
		errcontext("event \"%s\" of the document", at);
}

/*
 * emit_row: emit the event of a row, which has an id, or a seed for one, or
 * neither.  A seed needs a time, since otherwise each call would make another
 * id.
 */
static Datum
emit_row(HeapTuple row, TupleDesc desc, Oid log, bool *isnull)
{
	LOCAL_FCINFO(call, EMIT_NARGS);
	ErrorContextCallback context = {
		.callback = add_context,.previous = error_context_stack
	};
	Datum		seed;
	bool		no_seed;
	pg_uuid_t	id;
	Datum		result;

	InitFunctionCallInfoData(*call, NULL, EMIT_NARGS, InvalidOid, NULL, NULL);
	for (int i = 0; i < EMIT_LOG; i++)
		call->args[i].value = SPI_getbinval(row, desc, FOREIGN_FIRST_ARG + i,
											&call->args[i].isnull);
	call->args[EMIT_LOG].value = ObjectIdGetDatum(log);
	call->args[EMIT_LOG].isnull = false;
	seed = SPI_getbinval(row, desc, FOREIGN_SEED, &no_seed);
	if (call->args[EMIT_ID].isnull && !no_seed &&
		!call->args[EMIT_OCCURRED_AT].isnull)
	{
		id_create(&id, DatumGetTimestampTz(call->args[EMIT_OCCURRED_AT].value),
				  DatumGetTextPP(seed));
		call->args[EMIT_ID].value = UUIDPGetDatum(&id);
		call->args[EMIT_ID].isnull = false;
	}
	context.arg = SPI_getvalue(row, desc, FOREIGN_AT);
	error_context_stack = &context;
	result = eventlog_emit(call);
	error_context_stack = context.previous;
	*isnull = call->isnull;
	return result;
}

/*
 * read_document: translate a document; the rows are in the result of SPI.
 */
static void
read_document(Datum document)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {JSONBOID};

	if (SPI_execute_plan(kept_plan(&plan, "SELECT * FROM eventlog._foreign_events($1)",
								   lengthof(types), types),
						 &document, NULL, false, MAX_EVENTS + 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read a document");
	if (SPI_processed > MAX_EVENTS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the document has more than %d events", MAX_EVENTS),
				 errhint("Ingest it in several parts.")));
}

/*
 * eventlog.ingest(event jsonb, log regclass) returns setof uuid
 */
Datum
eventlog_ingest(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			log;
	SPITupleTable *rows;
	uint64		n;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("event must not be null")));
	eventlog_require_name();
	log = log_resolve(fcinfo, 1);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	sql_connect();
	read_document(PG_GETARG_DATUM(0));
	rows = SPI_tuptable;
	n = SPI_processed;
	for (uint64 i = 0; i < n; i++)
	{
		bool		isnull;
		Datum		id;

		CHECK_FOR_INTERRUPTS();
		id = emit_row(rows->vals[i], rows->tupdesc, log, &isnull);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &id, &isnull);
	}
	SPI_finish();
	return (Datum) 0;
}
