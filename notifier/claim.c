/*
 * claim.c
 *		Who is the consumer: a webhook's subscription made, claimed, and left to
 *		another.
 *
 * To be the consumer a session has to claim the subscription, which is an error
 * in the server's log where another has it.  So it tries only if those who are
 * consumers have changed since it last failed.
 */
#include "webhook.h"

#include "log.h"

#include <stdlib.h>
#include <string.h>

#define YIELD_DELAY		6000	/* ms in which another can take what was
								 * yielded */

#define SQLSTATE_IN_USE	"55006"

/* who the consumers of this database's subscriptions are, as in the view */
#define CONSUMERS_SQL \
	"SELECT COALESCE(pg_catalog.string_agg(" \
	"pg_catalog.concat(l.objid, ' ', l.pid), ',' ORDER BY l.objid, l.pid), '')" \
	" FROM pg_catalog.pg_locks l" \
	" WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory'" \
	" AND l.classid OPERATOR(pg_catalog.=) 1702259815::pg_catalog.oid" \
	" AND l.objsubid OPERATOR(pg_catalog.=) 3" \
	" AND l.database OPERATOR(pg_catalog.=) (SELECT d.oid" \
	" FROM pg_catalog.pg_database d WHERE d.datname" \
	" OPERATOR(pg_catalog.=) pg_catalog.current_database())" \
	" AND l.granted AND $1::pg_catalog.text IS NOT NULL"

bool
webhook_in_use(const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return state && strcmp(state, SQLSTATE_IN_USE) == 0;
}

/*
 * webhook_stand_by: until this session may be the consumer, which it is not now:
 * what it was handed out is anybody's.
 */
void
webhook_stand_by(Webhook *webhook, int64_t delay)
{
	webhook_drop_waiting(webhook);
	loop_timer_clear(&webhook->retry_timer);
	webhook->nretrying = 0;
	webhook->overdue = false;
	webhook->state = WEBHOOK_STANDBY;
	webhook_look_in(webhook, delay);
}

/*
 * claimed: by listen, which no other session may call now; fetch disarms the
 * bell again.
 */
static void
claimed(void *arg, PGresult *result)
{
	Webhook    *webhook = arg;

	webhook->claiming = false;
	if (result == NULL)
		return;					/* webhook_lost() sees to it */
	if (webhook_in_use(result))
	{
		log_event(LOG_LEVEL_INFO, "standing by, another session is the consumer",
				  "webhook", webhook->config->name, NULL);
		webhook_stand_by(webhook, STANDBY_DELAY);
		return;
	}
	free(webhook->consumers);
	webhook->consumers = NULL;
	webhook->unable = !session_succeeded(result);
	if (!webhook->unable)
		webhook_count_retries(webhook);
	else
	{
		webhook_log_result(webhook, "could not be the consumer", result);
		webhook_look_in(webhook, ERROR_DELAY);
	}
}

/*
 * consumers_seen: claim the subscription, unless another has it and all are
 * still there.
 */
static void
consumers_seen(void *arg, PGresult *result)
{
	Webhook    *webhook = arg;
	const char *consumers;

	webhook->claiming = false;
	if (result == NULL)
		return;
	webhook->unable = !session_succeeded(result);
	if (webhook->unable)
	{
		webhook_log_result(webhook, "could not see who the consumers are",
						   result);
		webhook_look_in(webhook, ERROR_DELAY);
		return;
	}
	consumers = PQgetvalue(result, 0, 0);
	if (webhook->consumers && strcmp(webhook->consumers, consumers) == 0)
	{
		webhook_look_in(webhook, STANDBY_DELAY);
		return;
	}
	free(webhook->consumers);
	webhook->consumers = strdup(consumers);
	webhook->claiming = webhook_query(webhook, "SELECT eventlog.listen($1)",
									  NULL, NULL, NULL, claimed);
}

void
webhook_claim(Webhook *webhook)
{
	if (!webhook->claiming && !webhook->counting && !webhook->stopping)
		webhook->claiming = webhook_query(webhook, CONSUMERS_SQL, NULL, NULL,
										  NULL, consumers_seen);
}

/*
 * webhook_end_yield: what was fetched and not sent goes back.
 */
void
webhook_end_yield(Webhook *webhook)
{
	webhook->yielding = false;
	webhook_release(webhook);
	webhook_stand_by(webhook, YIELD_DELAY);
}

static void
subscribed(void *arg, PGresult *result)
{
	Webhook    *webhook = arg;

	if (result == NULL)
		return;
	if (!session_succeeded(result))
	{
		webhook_log_result(webhook, "could not subscribe", result);
		loop_timer_set(&webhook->look_timer, ERROR_DELAY, webhook_subscribe,
					   webhook);
		return;
	}
	log_event(LOG_LEVEL_INFO, "subscribed", "webhook", webhook->config->name,
			  NULL);
	webhook->state = WEBHOOK_STANDBY;
	webhook_claim(webhook);
}

void
webhook_subscribe(void *arg)
{
	Webhook    *webhook = arg;
	const WebhookConfig *config = webhook->config;
	const char *params[] = {
		config->name, config->levels, config->event_type, webhook->log
	};

	(void) session_query(webhook->session,
						 "SELECT eventlog.subscribe($1, $2::pg_catalog.text[],"
						 " $3, $4::pg_catalog.oid)", 4, params, subscribed,
						 webhook);
}
