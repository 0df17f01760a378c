/*
 * outcome.c
 *		The only place that decides what happens to an event.
 */
#include "webhook/outcome.h"

#include "base/logging.h"
#include "base/retry.h"

#include <stdio.h>

/*
 * settle: an event was delivered (error is NULL), or is retried after `delay`
 * ms, or is given up (delay -1).  Without a session nothing is reported, and
 * the event will be fetched again.
 */
static void
settle(Webhook *webhook, FetchedEvent *event, const char *error, int64_t delay)
{
	if (error == NULL)
		webhook->counts.delivered++;
	else if (delay < 0)
	{
		webhook->counts.dead++;
		log_event(LOG_LEVEL_ERROR, "delivery given up",
				  "webhook", webhook->config->name, "event", event->id, NULL);
	}
	if (event->attempts > 0)
		retries_settled(&webhook->retries);
	if (webhook->state != WEBHOOK_DOWN && error == NULL)
		acks_delivered(&webhook->acks, event->seq);
	else if (webhook->state != WEBHOOK_DOWN)
	{
		acks_failed(&webhook->acks, event->seq, error, delay);
		if (delay >= 0)
			retries_expect(&webhook->retries, delay);
	}
	buffer_settle(&webhook->buffer, event);
}

/*
 * is_too_old: has the event reached the age at which it is given up?
 */
static bool
is_too_old(const Webhook *webhook, const FetchedEvent *event)
{
	int64_t		max_age = webhook->config->retry.max_age;

	return max_age > 0 && loop_now() - event->created > max_age;
}

/*
 * settle_failure: the request with this event failed.
 */
static void
settle_failure(Webhook *webhook, FetchedEvent *event, const HttpResult *result)
{
	RetryPolicy policy = gate_policy(&webhook->gate);

	settle(webhook, event, result->error, result->outcome == HTTP_GONE ? 0 :
		   retry_delay(&policy, event->attempts + 1,
					   loop_now() - event->created, result->retry_after,
					   retry_random()));
}

/*
 * put_back: return events to the buffer in their order, to be sent later
 * without the loss of an attempt, because neither they nor the receiver
 * failed.
 */
static void
put_back(Webhook *webhook, FetchedEvent *events, const HttpResult *result)
{
	FetchedEvent *first = NULL;
	FetchedEvent **last = &first;
	int			n = 0;

	while (events)
	{
		FetchedEvent *event = events;

		events = event->next;
		event->next = NULL;
		if (is_too_old(webhook, event))
		{
			settle(webhook, event, result->error, -1);
			continue;
		}
		*last = event;
		last = &event->next;
		n++;
	}
	if (first)
		buffer_put_back(&webhook->buffer, first, n);
}

void
settle_unsent(Webhook *webhook, FetchedEvent *event)
{
	char		error[HTTP_ERROR_SIZE];

	if (event->filtered_out)
	{
		acks_delivered(&webhook->acks, event->seq);
		buffer_settle(&webhook->buffer, event);
		return;
	}
	snprintf(error, sizeof(error), "could not make its payload: %s",
			 event->body);
	log_event(LOG_LEVEL_ERROR, "could not make the payload of an event",
			  "webhook", webhook->config->name, "event", event->id,
			  "error", event->body, NULL);
	settle(webhook, event, error,
		   retry_delay(&webhook->config->retry, event->attempts + 1,
					   loop_now() - event->created, 0, retry_random()));
}

void
settle_impossible(Webhook *webhook, FetchedEvent *event, const char *problem)
{
	settle(webhook, event, problem, -1);
}

void
settle_request(Webhook *webhook, FetchedEvent *events, const HttpResult *result)
{
	if (result && (result->outcome == HTTP_LATER ||
				   result->outcome == HTTP_LOCAL_TROUBLE))
	{
		put_back(webhook, events, result);
		return;
	}
	while (events)
	{
		FetchedEvent *event = events;

		events = event->next;
		event->next = NULL;
		if (result == NULL)
			buffer_settle(&webhook->buffer, event);
		else if (result->outcome == HTTP_OK)
			settle(webhook, event, NULL, 0);
		else
			settle_failure(webhook, event, result);
	}
}
