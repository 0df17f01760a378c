/*
 * webhook.c
 *		The database's side of a webhook: what is owed is fetched ahead, what
 *		is settled is told in batches, and where nothing is owed it sleeps.
 *
 * Events are fetched up to a few times what may be in flight, so that the
 * receiver need not wait for the database, and no more, so that memory is
 * bounded by concurrency.  There is one statement of a kind under way at a
 * time; while it is, settled events gather, so that under load one ack tells of
 * many.
 *
 * When a fetch gives less than was asked for, listen arms the bell.  Where a
 * writer is just committing it cannot; then it looks again shortly.  A slow poll
 * is the last resort.
 */
#include "webhook.h"

#include "log.h"
#include "payload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STANDBY_DELAY	2000	/* ms between two tries to become the consumer */
#define YIELD_DELAY		6000	/* ms in which another can take what was yielded */
#define ERROR_DELAY		5000	/* ms after a statement that failed */
#define SLOW_POLL		30000	/* ms, when all else fails */
#define RETRY_POLL		1000	/* ms between looks for retries */
#define QUICK_LOOKS		20		/* 1 ms apart; then 2, 4 ... */
#define LOOK_DELAY_MAX	50		/* ms */
#define MAX_ACK_BYTES	65536

#define SQLSTATE_IN_USE	"55006"

static void look(void *arg);

Webhook *
webhook_create(const WebhookConfig *config)
{
	Webhook    *webhook = calloc(1, sizeof(Webhook));

	if (webhook == NULL || (webhook->http = http_client_create(config)) == NULL)
	{
		log_event(LOG_LEVEL_ERROR, "out of memory", NULL);
		free(webhook);
		return NULL;
	}
	webhook->config = config;
	webhook->last = &webhook->first;
	return webhook;
}

static void
drop_waiting(Webhook *webhook)
{
	free_events(webhook->first);
	webhook->first = NULL;
	webhook->last = &webhook->first;
	webhook->nwaiting = 0;
}

void
webhook_destroy(Webhook *webhook)
{
	if (webhook == NULL)
		return;
	loop_timer_clear(&webhook->look_timer);
	loop_timer_clear(&webhook->retry_timer);
	loop_timer_clear(&webhook->breaker_timer);
	http_client_destroy(webhook->http);
	drop_waiting(webhook);
	free(webhook->acks);
	free(webhook);
}

/*
 * log_result: a statement that failed.
 */
static void
log_result(const Webhook *webhook, const char *what, const PGresult *result)
{
	session_report(LOG_LEVEL_ERROR, what, "webhook", webhook->config->name,
				   result);
}

static bool
succeeded(const PGresult *result)
{
	return PQresultStatus(result) == PGRES_TUPLES_OK ||
		PQresultStatus(result) == PGRES_COMMAND_OK;
}

/*
 * query: a statement on the webhook's session, its name being $1.
 */
static bool
query(Webhook *webhook, const char *sql, const char *second, const char *third,
	  const char *fourth, SessionResult callback)
{
	const char *params[] = {webhook->config->name, second, third, fourth};
	int			n = fourth ? 4 : third ? 3 : second ? 2 : 1;

	return session_query(webhook->session, sql, n, params, callback, webhook);
}

/*
 * told: a statement whose result does not matter, unless it failed.
 */
static void
told(void *arg, PGresult *result)
{
	if (result && !succeeded(result))
		log_result(arg, "a statement failed", result);
}

/*
 * look_in: look again in a while.
 */
static void
look_in(Webhook *webhook, int64_t delay)
{
	loop_timer_set(&webhook->look_timer, delay, look, webhook);
}

static void
look(void *arg)
{
	Webhook    *webhook = arg;

	if (webhook->state == WEBHOOK_DOWN)
		return;
	webhook->state = WEBHOOK_LOOKING;
	webhook->caught_up = false;
	webhook_pump(webhook);
}

static void
look_for_retries(void *arg)
{
	look(arg);
}

/*
 * expect_retry: look again when the next of those that failed is due.
 */
static void
expect_retry(Webhook *webhook, int64_t delay)
{
	if (!webhook->retry_timer.set ||
		webhook->retry_timer.due > loop_now() + delay)
		loop_timer_set(&webhook->retry_timer, delay, look_for_retries, webhook);
}

/*
 * take_event: a row of what was fetched, in one allocation.
 */
static OwedEvent *
take_event(const PGresult *result, int row)
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
	event->attempts = atoi(PQgetvalue(result, row, FETCH_ATTEMPTS));
	event->created = loop_now() - atoll(PQgetvalue(result, row, FETCH_AGE));
	return event;
}

/*
 * put_event: behind the others; or before them, if order is to be kept and it
 * comes again.
 */
static void
put_event(Webhook *webhook, OwedEvent *event)
{
	webhook->nwaiting++;
	if (event->attempts > 0 && webhook->nretrying > 0)
		webhook->nretrying--;
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
 * give_up_session: what cannot be kept goes back by way of a new session's fetch.
 */
static void
give_up_session(Webhook *webhook)
{
	log_event(LOG_LEVEL_ERROR, "out of memory, releasing the subscription",
			  "webhook", webhook->config->name, NULL);
	drop_waiting(webhook);
	(void) query(webhook, "SELECT eventlog.release($1)", NULL, NULL, NULL,
				 told);
}

/*
 * ahead: how many events to have at once: batches make a statement worth its
 * while with fewer requests' worth.
 */
static int
ahead(const Webhook *webhook)
{
	const WebhookConfig *config = webhook->config;

	return config->max_concurrency * config->max_events *
		(config->max_events > 1 ? 2 : 4);
}

static void
fetched(void *arg, PGresult *result)
{
	Webhook    *webhook = arg;
	int			n;

	webhook->fetching = false;
	if (result == NULL)
		return;					/* webhook_lost() sees to it */
	if (!succeeded(result))
	{
		const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
		bool		in_use = state && strcmp(state, SQLSTATE_IN_USE) == 0;

		if (!in_use)
			log_result(webhook, "could not fetch", result);
		else if (webhook->state != WEBHOOK_STANDBY)
			log_event(LOG_LEVEL_INFO, "standing by, another session is the consumer",
					  "webhook", webhook->config->name, NULL);
		webhook->state = WEBHOOK_STANDBY;
		look_in(webhook, in_use ? STANDBY_DELAY : ERROR_DELAY);
		return;
	}
	n = PQntuples(result);
	for (int i = 0; i < n; i++)
	{
		OwedEvent  *event = take_event(result, i);

		if (event == NULL)
		{
			give_up_session(webhook);
			break;
		}
		put_event(webhook, event);
	}
	webhook->caught_up = n < webhook->asked;
	if (n > 0)
		webhook->nlooks = 0;
	webhook_pump(webhook);
}

/*
 * look_delay: how long to wait before the next look, after so many in a row
 * that found nothing.
 *
 * A writer is committing, which takes about as long as its WAL takes to be
 * flushed: so at first as often as the clock allows.  A commit that waits for a
 * standby can take long.
 */
static int64_t
look_delay(int nlooks)
{
	int			doublings = nlooks - QUICK_LOOKS;

	if (doublings < 0)
		return 1;
	return doublings < 5 ? 2 << doublings : LOOK_DELAY_MAX;
}

static void
listened(void *arg, PGresult *result)
{
	Webhook    *webhook = arg;

	webhook->listening = false;
	if (result == NULL)
		return;
	if (!succeeded(result))
	{
		log_result(webhook, "could not listen", result);
		look_in(webhook, ERROR_DELAY);
		return;
	}
	if (*PQgetvalue(result, 0, 0) == 't')
	{
		webhook->state = WEBHOOK_ASLEEP;
		webhook->nlooks = 0;
		look_in(webhook, SLOW_POLL);
		return;
	}
	look_in(webhook, look_delay(webhook->nlooks++));
}

static void
acked(void *arg, PGresult *result)
{
	Webhook    *webhook = arg;

	webhook->acking = false;
	if (result == NULL)
		return;
	if (!succeeded(result))
		log_result(webhook, "could not acknowledge", result);
	webhook_pump(webhook);
}

static void
fail_told(void *arg, PGresult *result)
{
	Webhook    *webhook = arg;

	webhook->failing--;
	if (result == NULL)
		return;
	if (!succeeded(result))
		log_result(webhook, "could not tell of a failure", result);
	webhook_pump(webhook);
}

/*
 * begin_ack: tell what is settled.
 */
static void
begin_ack(Webhook *webhook)
{
	char	   *array;

	if (webhook->acking || webhook->acks_len == 0)
		return;
	array = malloc(webhook->acks_len + 3);
	if (array == NULL)
		return;					/* the next one tries again */
	/* the last comma is left out */
	sprintf(array, "{%.*s}", (int) webhook->acks_len - 1, webhook->acks);
	if (query(webhook, "SELECT eventlog.ack($1, $2::pg_catalog.int8[])", array,
			  NULL, NULL, acked))
	{
		webhook->acking = true;
		webhook->acks_len = 0;
	}
	free(array);
}

/*
 * begin_deliveries: as many as may be in flight.
 */
static void
begin_deliveries(Webhook *webhook)
{
	const WebhookConfig *config = webhook->config;

	/* in order: what failed comes again before anything else is sent */
	if (config->ordered && webhook->nretrying > 0)
		return;
	while (webhook->first && webhook->nflying <
		   breaker_limit(&webhook->breaker, config->max_concurrency))
	{
		OwedEvent  *events = webhook->first;
		OwedEvent  *last = events;
		int			n = 1;

		while (n < config->max_events && last->next)
		{
			last = last->next;
			n++;
		}
		webhook->first = last->next;
		if (webhook->first == NULL)
			webhook->last = &webhook->first;
		last->next = NULL;
		webhook->nwaiting -= n;
		if (deliver(webhook, events, n))
			continue;

		/* back to where they were, for another time */
		last->next = webhook->first;
		webhook->first = events;
		if (last->next == NULL)
			webhook->last = &last->next;
		webhook->nwaiting += n;
		look_in(webhook, ERROR_DELAY);
		break;
	}
}

/*
 * begin_fetch: see that there is always something to send.
 */
static void
begin_fetch(Webhook *webhook)
{
	int			room = ahead(webhook) - webhook->nwaiting -
	webhook->nflying_events;
	char		max[16];
	char		age[32];

	if (webhook->fetching || webhook->listening || webhook->caught_up ||
		webhook->state != WEBHOOK_LOOKING || webhook->failing > 0)
		return;
	if (webhook->config->ordered && webhook->nretrying > 0)
	{
		/* in order: only what failed is wanted, when its time has come */
		if (webhook->retry_timer.set)
			return;
		room = 1;
	}
	else if (room < ahead(webhook) / 2)
		return;					/* wait until it is worth while */
	webhook->asked = room;
	snprintf(max, sizeof(max), "%d", room);
	snprintf(age, sizeof(age), "%lld",
			 (long long) webhook->config->retry.max_age / 1000);
	webhook->fetching = query(webhook,
							  payload_fetch_sql(webhook->config->format), max,
							  age, NULL, fetched);
}

/*
 * begin_listen: go to sleep, if nothing is owed.
 */
static void
begin_listen(Webhook *webhook)
{
	if (!webhook->caught_up || webhook->listening || webhook->fetching ||
		webhook->look_timer.set || webhook->state != WEBHOOK_LOOKING)
		return;
	webhook->listening = query(webhook, "SELECT eventlog.listen($1)", NULL,
							   NULL, NULL, listened);
}

/*
 * is_settled: has all that was begun come to its end?
 */
static bool
is_settled(const Webhook *webhook)
{
	return webhook->nflying == 0 && !webhook->fetching &&
		!webhook->listening && !webhook->acking && webhook->failing == 0 &&
		webhook->acks_len == 0;
}

/*
 * end_yield: what was fetched and not sent goes back.
 */
static void
end_yield(Webhook *webhook)
{
	webhook->yielding = false;
	drop_waiting(webhook);
	loop_timer_clear(&webhook->retry_timer);
	webhook->nretrying = 0;
	(void) query(webhook, "SELECT eventlog.release($1)", NULL, NULL, NULL,
				 told);
	webhook->state = WEBHOOK_STANDBY;
	look_in(webhook, YIELD_DELAY);
	log_event(LOG_LEVEL_INFO, "leaving the subscription to another notifier",
			  "webhook", webhook->config->name, NULL);
}

void
webhook_yield(Webhook *webhook)
{
	webhook->yielding = true;
	webhook_pump(webhook);
}

bool
webhook_is_consumer(const Webhook *webhook)
{
	return webhook->state == WEBHOOK_LOOKING ||
		webhook->state == WEBHOOK_ASLEEP;
}

void
webhook_pump(Webhook *webhook)
{
	bool		idle = webhook->stopping || webhook->yielding;

	if (webhook->state == WEBHOOK_DOWN)
		return;
	if (!idle)
		begin_deliveries(webhook);
	begin_ack(webhook);
	if (webhook->yielding && !webhook->stopping && is_settled(webhook))
		end_yield(webhook);
	if (idle)
		return;
	begin_fetch(webhook);
	if (webhook->nretrying > 0 && !webhook->retry_timer.set)
		expect_retry(webhook, RETRY_POLL);
	begin_listen(webhook);
}

static void
begin_looking(Webhook *webhook)
{
	log_event(LOG_LEVEL_INFO, "subscribed", "webhook", webhook->config->name,
			  NULL);
	webhook->state = WEBHOOK_LOOKING;
	webhook_pump(webhook);
}

/*
 * retries_counted: what failed in a session before comes first, where order is
 * to be kept.
 */
static void
retries_counted(void *arg, PGresult *result)
{
	Webhook    *webhook = arg;

	if (result == NULL)
		return;
	if (!succeeded(result))
	{
		log_result(webhook, "could not count what is to be retried", result);
		return;					/* the next session tries again */
	}
	webhook->nretrying = atoi(PQgetvalue(result, 0, 0));
	begin_looking(webhook);
}

static void
subscribed(void *arg, PGresult *result)
{
	Webhook    *webhook = arg;

	if (result == NULL)
		return;
	if (!succeeded(result))
	{
		log_result(webhook, "could not subscribe", result);
		return;					/* the next session tries again */
	}
	if (webhook->config->ordered)
		(void) query(webhook, "SELECT pg_catalog.count(*) FROM eventlog.deliveries"
					 " WHERE subscription OPERATOR(pg_catalog.=) $1"
					 " AND state OPERATOR(pg_catalog.=) 'retrying'", NULL, NULL,
					 NULL, retries_counted);
	else
		begin_looking(webhook);
}

void
webhook_start(Webhook *webhook, Session *session, const char *log)
{
	const WebhookConfig *config = webhook->config;
	const char *params[] = {
		config->name, config->levels, config->event_type, log
	};

	webhook->session = session;
	webhook->caught_up = false;
	(void) session_query(session,
						 "SELECT eventlog.subscribe($1, $2::pg_catalog.text[],"
						 " $3, $4::pg_catalog.oid)", 4, params, subscribed,
						 webhook);
}

void
webhook_lost(Webhook *webhook)
{
	drop_waiting(webhook);
	loop_timer_clear(&webhook->look_timer);
	loop_timer_clear(&webhook->retry_timer);
	webhook->state = WEBHOOK_DOWN;
	webhook->yielding = false;
	webhook->fetching = webhook->listening = webhook->acking = false;
	webhook->failing = 0;
	webhook->acks_len = 0;
	webhook->nretrying = 0;
	webhook->nlooks = 0;
}

void
webhook_wake(Webhook *webhook)
{
	if (webhook->state == WEBHOOK_ASLEEP ||
		(webhook->state == WEBHOOK_LOOKING && webhook->caught_up))
	{
		loop_timer_clear(&webhook->look_timer);
		look(webhook);
	}
}

bool
webhook_is_quiet(const Webhook *webhook)
{
	if (webhook->nflying > 0)
		return false;
	if (webhook->state == WEBHOOK_DOWN)
		return true;
	return is_settled(webhook) &&
		(webhook->stopping ||
		 (webhook->nwaiting == 0 &&
		  (webhook->caught_up || webhook->state == WEBHOOK_STANDBY)));
}

/*
 * webhook_delivered: it is told with the next ack.
 */
void
webhook_delivered(Webhook *webhook, OwedEvent *event)
{
	size_t		len = strlen(event->seq);

	webhook->counts.delivered++;
	if (webhook->state != WEBHOOK_DOWN &&
		webhook->acks_len + len + 1 > webhook->acks_size)
	{
		size_t		size = webhook->acks_size + MAX_ACK_BYTES / 16;
		char	   *grown = realloc(webhook->acks, size);

		if (grown)
		{
			webhook->acks = grown;
			webhook->acks_size = size;
		}
		else
			log_event(LOG_LEVEL_ERROR, "out of memory, an event will be sent twice",
					  "webhook", webhook->config->name, "event", event->id,
					  NULL);
	}
	if (webhook->state != WEBHOOK_DOWN &&
		webhook->acks_len + len + 1 <= webhook->acks_size)
	{
		memcpy(webhook->acks + webhook->acks_len, event->seq, len);
		webhook->acks[webhook->acks_len + len] = ',';
		webhook->acks_len += len + 1;
	}
	free(event);
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
		webhook->counts.dead++;
		log_event(LOG_LEVEL_ERROR, "delivery given up",
				  "webhook", webhook->config->name, "event", event->id, NULL);
	}
	if (webhook->state != WEBHOOK_DOWN)
	{
		bool		told;

		snprintf(seconds, sizeof(seconds), "%.3f", (double) delay / 1000);
		told = query(webhook,
					 delay < 0 ?
					 "SELECT eventlog.fail($1, $2, $3, NULL)" :
					 "SELECT eventlog.fail($1, $2, $3,"
					 " pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+)"
					 " pg_catalog.make_interval(secs => $4))",
					 event->seq, error, delay < 0 ? NULL : seconds, fail_told);
		if (told)
			webhook->failing++;
		if (delay >= 0)
		{
			webhook->nretrying++;
			expect_retry(webhook, delay);
		}
	}
	free(event);
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
	drop_waiting(webhook);
	webhook->caught_up = false;
	(void) query(webhook, "SELECT eventlog.pause($1)", NULL, NULL, NULL, told);
	(void) query(webhook, "SELECT eventlog.release($1)", NULL, NULL, NULL,
				 told);
}
