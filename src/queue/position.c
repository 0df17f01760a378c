/*
 * position.c
 *		How far a session has come in what is owed to a subscription.
 */
#include "queue/queue.h"

#include "utils/memutils.h"

/*
 * copy_snapshot: a pg_snapshot into the current context; 0 if there is none.
 */
static Datum
copy_snapshot(Datum snapshot)
{
	if (DatumGetPointer(snapshot) == NULL)
		return (Datum) 0;
	return PointerGetDatum(PG_DETOAST_DATUM_COPY(snapshot));
}

/*
 * position_copy: a copy of a position, or the beginning, to go on from; it is
 * the current context's until it is taken.
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
 * position_add_retry: it has been handed out.
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
