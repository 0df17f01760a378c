/*
 * buffer.c
 *		A queue of events whose memory is bounded.
 */
#include "webhook/buffer.h"

#include "base/loop.h"
#include "webhook/statements.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE		1024	/* assumed bytes of an event at the start */

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
 * forget: free an event and its memory budget.
 */
static void
forget(EventBuffer *buffer, FetchedEvent *event)
{
	budget_free(&buffer->share, event->size);
	if (event->attempts > 0)
		buffer->nretried--;
	free(event);
}

void
buffer_settle(EventBuffer *buffer, FetchedEvent *event)
{
	buffer->nsent--;
	forget(buffer, event);
}

bool
buffer_is_current(const EventBuffer *buffer, const FetchedEvent *event)
{
	return event->generation == buffer->generation;
}

void
buffer_clear(EventBuffer *buffer)
{
	buffer->generation++;
	while (buffer->first)
	{
		FetchedEvent *event = buffer->first;

		buffer->first = event->next;
		forget(buffer, event);
	}
	buffer->last = &buffer->first;
	buffer->nwaiting = 0;
}

/*
 * make_event: copy a fetched row into one allocation.
 */
static FetchedEvent *
make_event(const PGresult *result, int row, const char *payload_error)
{
	const char *const texts[] = {
		PQgetvalue(result, row, FETCH_SEQ),
		PQgetvalue(result, row, FETCH_ID),
		PQgetvalue(result, row, FETCH_USER_ID),
		payload_error ? payload_error : PQgetvalue(result, row, FETCH_BODY)
	};
	size_t		size = sizeof(FetchedEvent);
	FetchedEvent *event;
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
	event->no_payload = payload_error != NULL;
	event->filtered_out = *PQgetvalue(result, row, FETCH_WANTED) == 'f';
	event->size = size;
	event->attempts = atoi(PQgetvalue(result, row, FETCH_ATTEMPTS));
	event->created = loop_now() - atoll(PQgetvalue(result, row, FETCH_AGE));
	return event;
}

/*
 * prepend, append: add a chain of n events in front, or one event at the end.
 */
static void
prepend(EventBuffer *buffer, FetchedEvent *first, FetchedEvent *last, int n)
{
	last->next = buffer->first;
	buffer->first = first;
	if (buffer->last == &buffer->first)
		buffer->last = &last->next;
	buffer->nwaiting += n;
}

static void
append(EventBuffer *buffer, FetchedEvent *event)
{
	*buffer->last = event;
	buffer->last = &event->next;
	buffer->nwaiting++;
}

bool
buffer_add(EventBuffer *buffer, const PGresult *result, int row,
		   const char *payload_error)
{
	FetchedEvent *event = make_event(result, row, payload_error);

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
is_sendable(const FetchedEvent *event)
{
	return !event->no_payload && !event->filtered_out;
}

FetchedEvent *
buffer_take(EventBuffer *buffer, int max, int *n)
{
	FetchedEvent *events = buffer->first;
	FetchedEvent *last = events;

	*n = 0;
	if (events == NULL)
		return NULL;
	for (*n = 1; *n < max && last->next && is_sendable(events) &&
		 is_sendable(last->next); (*n)++)
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
buffer_put_back(EventBuffer *buffer, FetchedEvent *events, int n)
{
	FetchedEvent *last = events;

	if (!buffer_is_current(buffer, events))
	{
		while (events)
		{
			FetchedEvent *event = events;

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
 * ahead: how many events to hold at once: so many that a fetch is worth a
 * statement when half of them are settled.
 */
static int
ahead(const WebhookConfig *config)
{
	int			n = config->max_concurrency * config->max_events *
		(config->max_events > 1 ? 2 : 4);

	return n > 2 * GATHER_EVENTS ? n : 2 * GATHER_EVENTS;
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
