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
 * place_next: a copy of a place, or the beginning, to go on from; it is the
 * current context's until it is taken.
 */
Place *
place_next(int subscription, const Place *from)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "eventlog place",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(context);
	Place	   *place = palloc0(sizeof(Place));

	place->context = context;
	place->subscription = subscription;
	if (from)
	{
		place->before = copy_snapshot(from->before);
		place->round = copy_snapshot(from->round);
		place->position = from->position;
		place->nretries = place->maxretries = from->nretries;
		if (from->nretries > 0)
		{
			place->retries = palloc(sizeof(Datum) * from->nretries);
			memcpy(place->retries, from->retries,
				   sizeof(Datum) * from->nretries);
		}
	}
	MemoryContextSwitchTo(outer);
	return place;
}

/*
 * place_remember_retry: it has been handed out.
 */
void
place_remember_retry(Place *place, int64 seq)
{
	if (place->nretries == place->maxretries)
	{
		int			max = Max(16, place->maxretries * 2);

		if (place->retries == NULL)
			place->retries = MemoryContextAlloc(place->context,
												sizeof(Datum) * max);
		else
			place->retries = repalloc(place->retries, sizeof(Datum) * max);
		place->maxretries = max;
	}
	place->retries[place->nretries++] = Int64GetDatum(seq);
}
