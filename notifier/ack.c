/*
 * ack.c
 *		What became of events, told to the database: what was delivered in
 *		batches, what failed at once.
 *
 * While many events come, acks gather for some ms, so that one tells of many.
 */
#include "webhook.h"

#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACK_BYTES		4096	/* by which their text grows */

/*
 * add_ack: one seq, or some with commas between, to what is to be told.
 */
static void
add_ack(Webhook *webhook, const char *seqs, size_t len)
{
	if (webhook->acks_len + len + 1 > webhook->acks_size)
	{
		size_t		size = webhook->acks_len + len + 1 + ACK_BYTES;
		char	   *grown = realloc(webhook->acks, size);

		if (grown == NULL)
		{
			log_event(LOG_LEVEL_ERROR, "out of memory, events will be sent twice",
					  "webhook", webhook->config->name, NULL);
			return;
		}
		webhook->acks = grown;
		webhook->acks_size = size;
	}
	memcpy(webhook->acks + webhook->acks_len, seqs, len);
	webhook->acks[webhook->acks_len + len] = ',';
	webhook->acks_len += len + 1;
}

static void
pump(void *arg)
{
	webhook_pump(arg);
}

static void
acked(void *arg, PGresult *result)
{
	Webhook    *webhook = arg;

	webhook->acking = false;
	if (result == NULL)
		return;
	if (!session_succeeded(result))
	{
		/* the braces are left out */
		webhook_log_result(webhook, "could not acknowledge", result);
		add_ack(webhook, webhook->told + 1, strlen(webhook->told) - 2);
		loop_timer_set(&webhook->ack_timer, ERROR_DELAY, pump, webhook);
	}
	free(webhook->told);
	webhook->told = NULL;
	webhook_pump(webhook);
}

static void
fail_told(void *arg, PGresult *result)
{
	Webhook    *webhook = arg;

	webhook->failing--;
	if (result == NULL)
		return;
	if (!session_succeeded(result))
	{
		/* it is owed, but this session will not be handed it again */
		webhook_log_result(webhook, "could not tell of a failure", result);
		webhook->yielding = true;
	}
	webhook_pump(webhook);
}

/*
 * webhook_ack: tell what is settled, when it is worth a statement or nothing
 * else is to come soon.
 */
void
webhook_ack(Webhook *webhook)
{
	if (webhook->acking || webhook->acks_len == 0 || webhook->ack_timer.set ||
		(webhook->gather_timer.set && webhook->nacks < GATHERED &&
		 webhook->nflying > 0))
		return;
	loop_timer_clear(&webhook->gather_timer);
	webhook->told = malloc(webhook->acks_len + 3);
	if (webhook->told == NULL)
		return;					/* the next one tries again */
	/* the last comma is left out */
	sprintf(webhook->told, "{%.*s}", (int) webhook->acks_len - 1, webhook->acks);
	webhook->acking = webhook_query(webhook,
									"SELECT eventlog.ack($1, $2::pg_catalog.int8[])",
									webhook->told, NULL, NULL, acked);
	if (webhook->acking)
	{
		webhook->acks_len = 0;
		webhook->nacks = 0;
	}
	else
	{
		free(webhook->told);
		webhook->told = NULL;
	}
}

/*
 * webhook_delivered: it is told with the next ack.
 */
void
webhook_delivered(Webhook *webhook, OwedEvent *event)
{
	webhook->counts.delivered++;
	if (webhook->state != WEBHOOK_DOWN)
	{
		add_ack(webhook, event->seq, strlen(event->seq));
		if (webhook->nacks++ == 0)
			loop_timer_set(&webhook->gather_timer, GATHER_TIME, pump, webhook);
	}
	webhook_drop_event(webhook, event);
}

/*
 * webhook_failed: it is told at once; delay -1: it is given up.
 */
void
webhook_failed(Webhook *webhook, OwedEvent *event, const char *error,
			   int64_t delay)
{
	char		seconds[32];

	if (delay < 0)
	{
		webhook->counts.given_up++;
		log_event(LOG_LEVEL_ERROR, "delivery given up",
				  "webhook", webhook->config->name, "event", event->id, NULL);
	}
	if (webhook->state != WEBHOOK_DOWN)
	{
		bool		told;

		snprintf(seconds, sizeof(seconds), "%.3f", (double) delay / 1000);
		told = webhook_query(webhook,
							 delay < 0 ?
							 "SELECT eventlog.fail($1, $2, $3, NULL)" :
							 "SELECT eventlog.fail($1, $2, $3,"
							 " pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+)"
							 " pg_catalog.make_interval(secs => $4))",
							 event->seq, error, delay < 0 ? NULL : seconds,
							 fail_told);
		if (told)
			webhook->failing++;
		if (delay >= 0)
		{
			webhook->nretrying++;
			webhook_expect_retry(webhook, delay);
		}
	}
	webhook_drop_event(webhook, event);
}

/*
 * webhook_pause: the receiver is gone: what is owed waits until somebody calls
 * eventlog.resume.  What was fetched goes back.
 */
void
webhook_pause(Webhook *webhook)
{
	log_event(LOG_LEVEL_ERROR, "receiver is gone (410), subscription paused",
			  "webhook", webhook->config->name, NULL);
	if (webhook->state == WEBHOOK_DOWN)
		return;
	(void) webhook_query(webhook, "SELECT eventlog.pause($1)", NULL, NULL, NULL,
						 webhook_told);
	webhook_release(webhook);
	webhook_stand_by(webhook, 0);
}
