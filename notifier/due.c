/*
 * due.c
 *		When what has failed comes again.
 *
 * Of what failed it is known when that is, so that nothing is asked until then.
 * But others may have changed it meanwhile: retried, deleted or cancelled it.
 * Where it does not come, what is still to be retried is counted.
 */
#include "webhook.h"

#include <stdlib.h>

#define COUNT_INTERVAL	10000	/* ms between two counts of retries, unless
								 * all others wait for them */
#define RETRY_POLL		1000	/* ms between looks for retries */

/* what is to be retried, how much of it later, and in how many ms the first */
#define RETRIES_SQL \
	"SELECT pg_catalog.count(*)," \
	" pg_catalog.count(*) FILTER (WHERE d.next_attempt_at" \
	" OPERATOR(pg_catalog.>) pg_catalog.statement_timestamp())," \
	" (EXTRACT(epoch FROM pg_catalog.min(d.next_attempt_at)" \
	" FILTER (WHERE d.next_attempt_at" \
	" OPERATOR(pg_catalog.>) pg_catalog.statement_timestamp())" \
	" OPERATOR(pg_catalog.-) pg_catalog.statement_timestamp())" \
	" OPERATOR(pg_catalog.*) 1000)::pg_catalog.int8" \
	" FROM eventlog.deliveries d" \
	" WHERE d.subscription OPERATOR(pg_catalog.=) $1" \
	" AND d.state OPERATOR(pg_catalog.=) 'retrying'"

/*
 * look_for_retries: it is time.  By the database's clock it may not quite be,
 * and a fetch would bring what comes behind it; so where order is to be kept,
 * see first.
 */
static void
look_for_retries(void *arg)
{
	Webhook    *webhook = arg;

	if (webhook->config->ordered && webhook->nretrying > 0 &&
		webhook_is_consumer(webhook))
	{
		if (!webhook->counting)
			webhook_count_retries(webhook);
	}
	else
		webhook_look(webhook);
}

/*
 * webhook_expect_retry: look again when the next of those that failed is due.
 */
void
webhook_expect_retry(Webhook *webhook, int64_t delay)
{
	if (!webhook->retry_timer.set ||
		webhook->retry_timer.due > loop_now() + delay)
		loop_timer_set(&webhook->retry_timer, delay, look_for_retries, webhook);
}

/*
 * retries_counted: what failed in a session before comes first, where order is
 * to be kept.  What is due and does not come is paused, or the like: there is
 * no hurry then.
 */
static void
retries_counted(void *arg, PGresult *result)
{
	Webhook    *webhook = arg;
	int			later;
	bool		due;

	webhook->counting = false;
	if (result == NULL)
		return;
	if (!session_succeeded(result))
	{
		webhook_log_result(webhook, "could not count what is to be retried",
						   result);
		if (webhook->state == WEBHOOK_STANDBY)
			webhook_look_in(webhook, ERROR_DELAY);
		else
			webhook_expect_retry(webhook, ERROR_DELAY);
		return;
	}
	webhook->nretrying = atoi(PQgetvalue(result, 0, 0)) - webhook->nretried;
	later = atoi(PQgetvalue(result, 0, 1));
	if (webhook->nretrying < 0)
		webhook->nretrying = 0;
	due = webhook->nretrying > later;
	if (due && webhook->overdue)
		webhook_expect_retry(webhook, SLOW_POLL);
	else if (webhook->nretrying > 0 && !due)
		webhook_expect_retry(webhook, atoll(PQgetvalue(result, 0, 2)) + 1);
	if (webhook->state == WEBHOOK_STANDBY || (due && !webhook->overdue))
	{
		loop_timer_clear(&webhook->look_timer);
		webhook->state = WEBHOOK_LOOKING;
		webhook->caught_up = false;
	}
	webhook->overdue = due;
	webhook_pump(webhook);
}

void
webhook_count_retries(Webhook *webhook)
{
	webhook->counted = loop_now();
	webhook->counting = webhook_query(webhook, RETRIES_SQL, NULL, NULL, NULL,
									  retries_counted);
}

/*
 * webhook_seek_retries: some failed, and it is not known when they are due.
 */
void
webhook_seek_retries(Webhook *webhook)
{
	if (webhook->nretrying == 0 || webhook->retry_timer.set ||
		webhook->counting || !webhook_is_consumer(webhook))
		return;
	if (loop_now() - webhook->counted <
		(webhook->config->ordered ? RETRY_POLL : COUNT_INTERVAL))
		webhook_expect_retry(webhook, RETRY_POLL);
	else
		webhook_count_retries(webhook);
}
