/*
 * position.c
 *		How far a session has come in the queue of a subscription.
 */
#include "queue/queue.h"

#include "utils/memutils.h"

/*
 * copy_snapshot: copy a pg_snapshot into the current memory context; 0 if
 * there is none.
 */
static Datum
copy_snapshot(Datum snapshot)
{
	if (DatumGetPointer(snapshot) == NULL)
		return (Datum) 0;
	return PointerGetDatum(PG_DETOAST_DATUM_COPY(snapshot));
}

/*
 * position_copy: copy a position, or make one for the beginning if it is NULL.
 * It belongs to the current memory context until consumer_set_position().
 */
FetchPosition *
position_copy(int subscription, const FetchPosition *from)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "eventlog place",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(context);
	FetchPosition *position = palloc0(sizeof(FetchPosition));

	position->context = context;
	position->subscription = subscription;
	if (from)
	{
		position->previous = copy_snapshot(from->previous);
		position->current = copy_snapshot(from->current);
		position->seq = from->seq;
		position->nretries = position->maxretries = from->nretries;
		if (from->nretries > 0)
		{
			position->retries = palloc(sizeof(Datum) * from->nretries);
			memcpy(position->retries, from->retries,
				   sizeof(Datum) * from->nretries);
		}
	}
	MemoryContextSwitchTo(outer);
	return position;
}

/*
 * position_add_retry: remember a retry that was handed out.
 */
void
position_add_retry(FetchPosition *position, int64 seq)
{
	if (position->nretries == position->maxretries)
	{
		int			max = Max(16, position->maxretries * 2);

		if (position->retries == NULL)
			position->retries = MemoryContextAlloc(position->context,
												   sizeof(Datum) * max);
		else
			position->retries =
				repalloc(position->retries, sizeof(Datum) * max);
		position->maxretries = max;
	}
	position->retries[position->nretries++] = Int64GetDatum(seq);
}
