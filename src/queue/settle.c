/*
 * settle.c
 *		Deliveries that were acknowledged, failed or cancelled.
 */
#include "queue/queue.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define MAX_ERROR_BYTES	1024

PG_FUNCTION_INFO_V1(eventlog_ack);
PG_FUNCTION_INFO_V1(eventlog_fail);
PG_FUNCTION_INFO_V1(eventlog_fail_batch);

/*
 * forget_retries: these retries are settled; forget them in the session that
 * was handed them.
 */
static void
forget_retries(int subscription, const Datum *seqs, const bool *nulls, int n)
{
	Consumer   *consumer = consumer_find(subscription);
	FetchPosition *position;

	if (consumer == NULL || consumer->position->nretries == 0)
		return;
	position = position_copy(consumer->subscription, consumer->position);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < position->nretries; j++)
		{
			if (!nulls[i] && position->retries[j] == seqs[i])
			{
				position->retries[j] = position->retries[--position->nretries];
				break;
			}
		}
	}
	consumer_set_position(consumer, position);
}

#define UPDATE_STATISTICS \
	"UPDATE eventlog._tally SET" \
	" delivered = delivered OPERATOR(pg_catalog.+) $2," \
	" cancelled = cancelled OPERATOR(pg_catalog.+) $3," \
	" last_delivered_at = CASE WHEN $2 OPERATOR(pg_catalog.>) 0" \
	" THEN pg_catalog.clock_timestamp() ELSE last_delivered_at END," \
	" last_error = COALESCE($4, last_error)," \
	" last_error_at = CASE WHEN $4 IS NULL THEN last_error_at" \
	" ELSE pg_catalog.clock_timestamp() END" \
	" WHERE subscription OPERATOR(pg_catalog.=) $1"

/*
 * queue_add_statistics: add to the statistics of a subscription.  Within SPI.
 *
 * The row is updated often.  If an old transaction prevents its dead versions
 * from being removed, finding it by its key would visit all of them.  So a
 * consumer first tries the ctid where it was last.
 */
void
queue_add_statistics(int subscription, int64 delivered, int64 cancelled,
					 const text *error)
{
	Consumer   *consumer = consumer_find(subscription);
	static SPIPlanPtr by_place = NULL;
	static SPIPlanPtr by_key = NULL;
	static const Oid types[] = {INT4OID, INT8OID, INT8OID, TEXTOID, TIDOID};
	Datum		values[5];
	char		nulls[] = "     ";
	bool		isnull;

	values[0] = Int32GetDatum(subscription);
	values[1] = Int64GetDatum(delivered);
	values[2] = Int64GetDatum(cancelled);
	values[3] = PointerGetDatum(error);
	if (error == NULL)
		nulls[3] = 'n';
	if (consumer && ItemPointerIsValid(&consumer->statistics))
	{
		values[4] = PointerGetDatum(&consumer->statistics);
		if (run_owned(&by_place,
					  UPDATE_STATISTICS " AND ctid OPERATOR(pg_catalog.=) $5"
					  " RETURNING ctid", 5, types, values, nulls) == 0)
			ItemPointerSetInvalid(&consumer->statistics);
	}
	if (consumer == NULL || !ItemPointerIsValid(&consumer->statistics))
	{
		if (run_owned(&by_key, UPDATE_STATISTICS " RETURNING ctid", 4, types,
					  values, nulls) == 0)
			return;				/* unsubscribed concurrently */
	}
	if (consumer)
		consumer->statistics = *(ItemPointer)
			DatumGetPointer(SPI_getbinval(SPI_tuptable->vals[0],
										  SPI_tuptable->tupdesc, 1, &isnull));
	SPI_freetuptable(SPI_tuptable);
}

/*
 * delete_deliveries: remove deliveries from the queue; returns how many.
 * Within SPI.
 */
static int64
delete_deliveries(int subscription, Datum seqs)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, INT8ARRAYOID};
	Datum		values[2];

	values[0] = Int32GetDatum(subscription);
	values[1] = seqs;
	return run_owned(&plan,
					 "DELETE FROM eventlog._queue"
					 " WHERE subscription OPERATOR(pg_catalog.=) $1"
					 " AND seq OPERATOR(pg_catalog.=) ANY ($2)",
					 2, types, values, NULL);
}

/*
 * queue_cancel: remove deliveries that will not be made; returns how many.
 * Within SPI.
 */
int64
queue_cancel(int subscription, Datum *seqs, int n)
{
	int64		cancelled = 0;

	if (n > 0)
		cancelled = delete_deliveries(subscription,
									  int8_array(seqs, n));
	if (cancelled > 0)
		queue_add_statistics(subscription, 0, cancelled, NULL);
	return cancelled;
}

/*
 * fail_delivery: a delivery failed, and will be tried again at that time
 * (infinity: never); returns how many rows changed.  Within SPI.
 */
static int64
fail_delivery(int subscription, int64 seq, text *error,
			  TimestampTz next_attempt_at)
{
	static SPIPlanPtr plan = NULL;
	static const Oid types[] = {INT4OID, INT8OID, TEXTOID, TIMESTAMPTZOID};
	Datum		values[4];

	values[0] = Int32GetDatum(subscription);
	values[1] = Int64GetDatum(seq);
	values[2] = PointerGetDatum(error);
	values[3] = TimestampTzGetDatum(next_attempt_at);
	return run_owned(&plan,
					 "UPDATE eventlog._queue SET"
					 " attempts = LEAST(attempts, 2147483646) OPERATOR(pg_catalog.+) 1,"
					 " next_attempt_at = $4, last_error = $3,"
					 " failed_at = pg_catalog.clock_timestamp()"
					 " WHERE subscription OPERATOR(pg_catalog.=) $1"
					 " AND seq OPERATOR(pg_catalog.=) $2",
					 4, types, values, NULL);
}

/*
 * queue_fail: the same, and note it as the last error.
 */
int64
queue_fail(int subscription, int64 seq, text *error,
		   TimestampTz next_attempt_at)
{
	int64		n = fail_delivery(subscription, seq, error, next_attempt_at);

	if (n > 0)
		queue_add_statistics(subscription, 0, 0, error);
	return n;
}

/*
 * queue_error_text: an error message, cut to the length that is kept.
 */
text *
queue_error_text(const char *error, int len)
{
	if (len > MAX_ERROR_BYTES)
		len = pg_mbcliplen(error, len, MAX_ERROR_BYTES);
	return cstring_to_text_with_len(error, len);
}

static text *
error_text(Datum error, bool isnull)
{
	text	   *given;

	if (isnull)
		return cstring_to_text("");
	given = DatumGetTextPP(error);
	return queue_error_text(VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given));
}

/*
 * eventlog.ack(name text, seqs bigint[], log regclass) returns bigint
 */
Datum
eventlog_ack(PG_FUNCTION_ARGS)
{
	Subscription *subscription = subscription_require(fcinfo, 0, 2);
	Datum	   *seqs;
	bool	   *nulls;
	int			nseqs;
	int64		n;

	consumer_require_idle(subscription);
	if (PG_ARGISNULL(1))
		PG_RETURN_INT64(0);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), INT8OID, 8, FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &seqs, &nulls, &nseqs);
	sql_connect();
	n = delete_deliveries(subscription->id, PG_GETARG_DATUM(1));
	if (n > 0)
		queue_add_statistics(subscription->id, n, 0, NULL);
	SPI_finish();
	forget_retries(subscription->id, seqs, nulls, nseqs);
	PG_RETURN_INT64(n);
}

/*
 * eventlog.fail(name text, seq bigint, error text,
 * next_attempt_at timestamptz, log regclass) returns bigint
 */
Datum
eventlog_fail(PG_FUNCTION_ARGS)
{
	Subscription *subscription = subscription_require(fcinfo, 0, 4);
	Datum		seq = PG_GETARG_DATUM(1);
	bool		isnull = false;
	int64		n;

	consumer_require_idle(subscription);
	if (PG_ARGISNULL(1))
		PG_RETURN_INT64(0);
	sql_connect();
	n = queue_fail(subscription->id, DatumGetInt64(seq),
				   error_text(PG_GETARG_DATUM(2), PG_ARGISNULL(2)),
				   PG_ARGISNULL(3) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(3));
	SPI_finish();
	forget_retries(subscription->id, &seq, &isnull, 1);
	PG_RETURN_INT64(n);
}

/*
 * FailBatch: the arrays in the arguments of fail_batch.
 */
typedef struct FailBatch
{
	int			n;
	Datum	   *seqs;
	bool	   *no_seq;
	Datum	   *errors;
	bool	   *no_error;
	Datum	   *times;
	bool	   *no_time;
} FailBatch;

static void
batch_from_args(FunctionCallInfo fcinfo, FailBatch *batch)
{
	int			nerrors;
	int			ntimes;

	for (int i = 1; i <= 3; i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("the arrays of seqs, errors and times must not be null"),
					 errhint("Elements can be NULL: without an error an empty one is stored, and without a time the delivery is dead.")));
	}
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), INT8OID, 8, FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &batch->seqs, &batch->no_seq, &batch->n);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), TEXTOID, -1, false,
					  TYPALIGN_INT, &batch->errors, &batch->no_error, &nerrors);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(3), TIMESTAMPTZOID, 8,
					  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &batch->times,
					  &batch->no_time, &ntimes);
	if (nerrors != batch->n || ntimes != batch->n)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("the arrays of seqs, errors and times must have the same length: %d, %d and %d",
						batch->n, nerrors, ntimes)));
}

/*
 * eventlog.fail_batch(name text, seqs bigint[], errors text[],
 * next_attempt_at timestamptz[], log regclass) returns bigint
 */
Datum
eventlog_fail_batch(PG_FUNCTION_ARGS)
{
	Subscription *subscription = subscription_require(fcinfo, 0, 4);
	FailBatch	batch;
	text	   *last = NULL;
	int64		n = 0;

	consumer_require_idle(subscription);
	batch_from_args(fcinfo, &batch);
	sql_connect();
	for (int i = 0; i < batch.n; i++)
	{
		text	   *error;
		int64		changed;

		CHECK_FOR_INTERRUPTS();
		if (batch.no_seq[i])
			continue;
		error = error_text(batch.errors[i], batch.no_error[i]);
		changed =
			fail_delivery(subscription->id, DatumGetInt64(batch.seqs[i]),
						  error,
						  batch.no_time[i] ? DT_NOEND :
						  DatumGetTimestampTz(batch.times[i]));
		n += changed;
		if (changed > 0)
			last = error;
	}
	if (last)
		queue_add_statistics(subscription->id, 0, 0, last);
	SPI_finish();
	forget_retries(subscription->id, batch.seqs, batch.no_seq, batch.n);
	PG_RETURN_INT64(n);
}
