/*
 * buffer.c
 *		A queue of events, whose memory is bounded.
 */
#include "webhook/buffer.h"

#include "base/loop.h"
#include "webhook/statements.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE		1024	/* bytes of an event, before one was seen */

void
buffer_init(EventBuffer *buffer, const WebhookConfig *config,
			const Subscription *subscription)
{
	buffer->share.subscription = subscription;
	buffer->last = &buffer->first;
	buffer->usual_size = FIRST_SIZE;
	buffer->config = config;
}

/*
 * forget: it is settled, or somebody else's again.
 */
static void
forget(EventBuffer *buffer, OwedEvent *event)
{
	budget_free(&buffer->share, event->size);
	if (event->attempts > 0)
		buffer->nretried--;
	free(event);
}

void
buffer_settle(EventBuffer *buffer, OwedEvent *event)
{
	buffer->nsent--;
	forget(buffer, event);
}

bool
buffer_is_current(const EventBuffer *buffer, const OwedEvent *event)
{
	return event->generation == buffer->generation;
}

void
buffer_clear(EventBuffer *buffer)
{
	buffer->generation++;
	while (buffer->first)
	{
		OwedEvent  *event = buffer->first;

		buffer->first = event->next;
		forget(buffer, event);
	}
	buffer->last = &buffer->first;
	buffer->nwaiting = 0;
}

/*
 * make_event: a row of what was fetched, in one allocation.
 */
static OwedEvent *
make_event(const PGresult *result, int row, const char *unfit)
{
	const char *const texts[] = {
		PQgetvalue(result, row, FETCH_SEQ),
		PQgetvalue(result, row, FETCH_ID),
		PQgetvalue(result, row, FETCH_USER_ID),
		unfit ? unfit : PQgetvalue(result, row, FETCH_BODY)
	};
	size_t		size = sizeof(OwedEvent);
	OwedEvent  *event;
	char	   *at;
	char	   *copies[4];

	for (int i = 0; i < 4; i++)
		size += strlen(texts[i]) + 1;
	event = calloc(1, size);
	if (event == NULL)
		return NULL;
	at = (char *) (event + 1);
	for (int i = 0; i < 4; i++)
	{
		copies[i] = at;
		strcpy(at, texts[i]);
		at += strlen(at) + 1;
	}
	event->seq = copies[0];
	event->id = copies[1];
	event->user_id = PQgetisnull(result, row, FETCH_USER_ID) ? NULL : copies[2];
	event->body = copies[3];
	event->unfit = unfit != NULL;
	event->unwanted = *PQgetvalue(result, row, FETCH_WANTED) == 'f';
	event->size = size;
	event->attempts = atoi(PQgetvalue(result, row, FETCH_ATTEMPTS));
	event->created = loop_now() - atoll(PQgetvalue(result, row, FETCH_AGE));
	return event;
}

/*
 * prepend, append: a chain of n, whose last is given.
 */
static void
prepend(EventBuffer *buffer, OwedEvent *first, OwedEvent *last, int n)
{
	last->next = buffer->first;
	buffer->first = first;
	if (buffer->last == &buffer->first)
		buffer->last = &last->next;
	buffer->nwaiting += n;
}

static void
append(EventBuffer *buffer, OwedEvent *event)
{
	*buffer->last = event;
	buffer->last = &event->next;
	buffer->nwaiting++;
}

bool
buffer_add(EventBuffer *buffer, const PGresult *result, int row,
		   const char *unfit)
{
	OwedEvent  *event = make_event(result, row, unfit);

	if (event == NULL)
		return false;
	event->generation = buffer->generation;
	budget_use(&buffer->share, event->size);
	if (row == 0)
		buffer->usual_size /= 2;
	if (event->size > buffer->usual_size)
		buffer->usual_size = event->size;
	if (event->attempts > 0)
	{
		buffer->nretried++;
		buffer->retries_fetched++;
	}
	if (buffer->config->ordered && event->attempts > 0)
		prepend(buffer, event, event, 1);
	else
		append(buffer, event);
	return true;
}

static bool
is_sent(const OwedEvent *event)
{
	return !event->unfit && !event->unwanted;
}

OwedEvent *
buffer_take(EventBuffer *buffer, int max, int *n)
{
	OwedEvent  *events = buffer->first;
	OwedEvent  *last = events;

	*n = 0;
	if (events == NULL)
		return NULL;
	for (*n = 1; *n < max && last->next && is_sent(events) &&
		 is_sent(last->next); (*n)++)
		last = last->next;
	buffer->first = last->next;
	if (buffer->first == NULL)
		buffer->last = &buffer->first;
	last->next = NULL;
	buffer->nwaiting -= *n;
	buffer->nsent += *n;
	return events;
}

void
buffer_put_back(EventBuffer *buffer, OwedEvent *events, int n)
{
	OwedEvent  *last = events;

	if (!buffer_is_current(buffer, events))
	{
		while (events)
		{
			OwedEvent  *event = events;

			events = event->next;
			buffer_settle(buffer, event);
		}
		return;
	}
	while (last->next)
		last = last->next;
	buffer->nsent -= n;
	prepend(buffer, events, last, n);
}

/*
 * ahead: how many events to have at once: enough to be worth a statement, when
 * half of them are settled; batches are that with fewer requests' worth.
 */
static int
ahead(const WebhookConfig *config)
{
	int			n = config->max_concurrency * config->max_events *
		(config->max_events > 1 ? 2 : 4);

	return n > 2 * GATHERED ? n : 2 * GATHERED;
}

int
buffer_room(const EventBuffer *buffer, int nunacknowledged)
{
	int			n = ahead(buffer->config);
	int			room = n - buffer->nwaiting - buffer->nsent;

	return room < n / 2 || nunacknowledged > 2 * n ? 0 : room;
}

size_t
buffer_reserve(EventBuffer *buffer, int n)
{
	return budget_reserve(&buffer->share, (size_t) n * buffer->usual_size);
}

void
buffer_fetched(EventBuffer *buffer)
{
	budget_fetched(&buffer->share);
}

void
buffer_destroy(EventBuffer *buffer)
{
	buffer_clear(buffer);
	budget_leave(&buffer->share);
}
