/*
 * owed.c
 *		Events that a webhook was handed out: in memory until they are settled.
 *
 * There are up to a few times as many as may be in flight, or as are worth a
 * statement, so that the receiver need not wait for the database, and no more,
 * so that memory is bounded by concurrency; and where events are big, by
 * MAX_BYTES.
 */
#include "webhook.h"

#include "payload.h"

#include <stdlib.h>
#include <string.h>

#define MAX_BYTES		((size_t) 8 * 1024 * 1024)	/* of events in memory */
#define FIRST_SIZE		(MAX_BYTES / 16)	/* of events not seen yet */

void
webhook_init_events(Webhook *webhook)
{
	webhook->last = &webhook->first;
	webhook->usual_size = FIRST_SIZE;
}

/*
 * webhook_drop_event: it is settled, or somebody else's again.
 */
void
webhook_drop_event(Webhook *webhook, OwedEvent *event)
{
	webhook->bytes -= event->size;
	if (event->attempts > 0)
		webhook->nretried--;
	free(event);
}

void
webhook_drop_waiting(Webhook *webhook)
{
	while (webhook->first)
	{
		OwedEvent  *event = webhook->first;

		webhook->first = event->next;
		webhook_drop_event(webhook, event);
	}
	webhook->last = &webhook->first;
	webhook->nwaiting = 0;
}

/*
 * webhook_take_event: a row of what was fetched, in one allocation.
 */
OwedEvent *
webhook_take_event(const PGresult *result, int row)
{
	static const int texts[] = {FETCH_SEQ, FETCH_ID, FETCH_USER_ID, FETCH_BODY};
	size_t		size = sizeof(OwedEvent);
	OwedEvent  *event;
	char	   *at;
	char	   *copies[4];

	for (int i = 0; i < 4; i++)
		size += (size_t) PQgetlength(result, row, texts[i]) + 1;
	event = calloc(1, size);
	if (event == NULL)
		return NULL;
	at = (char *) (event + 1);
	for (int i = 0; i < 4; i++)
	{
		copies[i] = at;
		strcpy(at, PQgetvalue(result, row, texts[i]));
		at += strlen(at) + 1;
	}
	event->seq = copies[0];
	event->id = copies[1];
	event->user_id = PQgetisnull(result, row, FETCH_USER_ID) ? NULL : copies[2];
	event->body = copies[3];
	event->size = size;
	event->attempts = atoi(PQgetvalue(result, row, FETCH_ATTEMPTS));
	event->created = loop_now() - atoll(PQgetvalue(result, row, FETCH_AGE));
	return event;
}

/*
 * webhook_put_event: behind the others; or before them, if order is to be kept
 * and it comes again.
 */
void
webhook_put_event(Webhook *webhook, OwedEvent *event)
{
	webhook->nwaiting++;
	webhook->bytes += event->size;
	if (event->size > webhook->usual_size)
		webhook->usual_size = event->size;
	if (event->attempts > 0)
	{
		webhook->nretried++;
		webhook->overdue = false;
		if (webhook->nretrying > 0)
			webhook->nretrying--;
	}
	if (webhook->config->ordered && event->attempts > 0)
	{
		event->next = webhook->first;
		webhook->first = event;
		if (webhook->last == &webhook->first)
			webhook->last = &event->next;
		return;
	}
	*webhook->last = event;
	webhook->last = &event->next;
}

/*
 * webhook_ahead: how many events to have at once: enough to be worth a
 * statement, when half of them are settled; batches are that with fewer
 * requests' worth.
 */
int
webhook_ahead(const Webhook *webhook)
{
	const WebhookConfig *config = webhook->config;
	int			n = config->max_concurrency * config->max_events *
	(config->max_events > 1 ? 2 : 4);

	return n > 2 * GATHERED ? n : 2 * GATHERED;
}

/*
 * webhook_fitting: of so many events, how many there is memory for; one at least
 * when there are none.
 */
int
webhook_fitting(const Webhook *webhook, int n)
{
	size_t		fit = webhook->bytes < MAX_BYTES ?
	(MAX_BYTES - webhook->bytes) / webhook->usual_size : 0;

	if (fit == 0 && webhook->bytes == 0)
		fit = 1;
	return (size_t) n < fit ? n : (int) fit;
}
