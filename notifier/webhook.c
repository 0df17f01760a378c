/*
 * webhook.c
 *		The database's side of a webhook: what is owed is fetched ahead, what
 *		is settled is told in batches, and where nothing is owed it sleeps.
 *
 * Events are fetched up to a few times what may be in flight, so that the
 * receiver need not wait for the database, and no more, so that memory is
 * bounded by concurrency; and where events are big, by MAX_BYTES.  There is one
 * statement of a kind under way at a time.  A statement costs as much as several
 * events: so while many come they gather for some ms, both those to fetch and
 * those to tell of, and writers have the processors.
 *
 * To be the consumer a session has to claim the subscription, which is an error
 * in the server's log where another has it.  So it tries only if those who are
 * consumers have changed since it last failed.
 *
 * Of what failed it is known when it comes again, so that nothing is asked
 * until then.  But others may have changed it meanwhile: retried, deleted or
 * cancelled it.  Where it does not come, what is still to be retried is counted.
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
#define YIELD_DELAY		6000	/* ms in which another can take what was
								 * yielded */
#define ERROR_DELAY		5000	/* ms after a statement that failed */
#define COUNT_INTERVAL	10000	/* ms between two counts of retries, unless
								 * all others wait for them */
#define SLOW_POLL		30000	/* ms, when all else fails */
#define RETRY_POLL		1000	/* ms between looks for retries */
#define GATHERED		128		/* events that are worth a statement … */
#define GATHER_TIME		20		/* … or as many as come in so many ms */
#define FLOWING			8		/* events at once, one each ms: more come */
#define QUICK_LOOKS		20		/* 1 ms apart; then 2, 4 ... */
#define LOOK_DELAY_MAX	50		/* ms */
#define ACK_BYTES		4096	/* by which their text grows */
#define MAX_BYTES		((size_t) 8 * 1024 * 1024)	/* of events in memory */
#define FIRST_SIZE		(MAX_BYTES / 16)	/* of events not seen yet */

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

static void look(void *arg);
static void begin_claim(Webhook *webhook);
static void begin_count(Webhook *webhook);
static void begin_subscribe(void *arg);

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
	webhook->usual_size = FIRST_SIZE;
	return webhook;
}

/*
 * drop_event: it is settled, or somebody else's again.
 */
static void
drop_event(Webhook *webhook, OwedEvent *event)
{
	webhook->bytes -= event->size;
	if (event->attempts > 0)
		webhook->nretried--;
	free(event);
}

static void
drop_waiting(Webhook *webhook)
{
	while (webhook->first)
	{
		OwedEvent  *event = webhook->first;

		webhook->first = event->next;
		drop_event(webhook, event);
	}
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
	loop_timer_clear(&webhook->ack_timer);
	loop_timer_clear(&webhook->gather_timer);
	loop_timer_clear(&webhook->breaker_timer);
	http_client_destroy(webhook->http);
	drop_waiting(webhook);
	free(webhook->consumers);
	free(webhook->told);
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
 * is_in_use: has another session the subscription?
 */
static bool
is_in_use(const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return state && strcmp(state, SQLSTATE_IN_USE) == 0;
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

	/* no later look is needed: this one leads to sleep, or to another */
	loop_timer_clear(&webhook->look_timer);
	if (webhook->state == WEBHOOK_STANDBY)
		begin_claim(webhook);
	if (!webhook_is_consumer(webhook))
		return;
	webhook->state = WEBHOOK_LOOKING;
	webhook->caught_up = false;
	webhook_pump(webhook);
}

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
			begin_count(webhook);
	}
	else
		look(webhook);
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
	event->size = size;
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
 * ahead: how many events to have at once: enough to be worth a statement, when
 * half of them are settled; batches are that with fewer requests' worth.
 */
static int
ahead(const Webhook *webhook)
{
	const WebhookConfig *config = webhook->config;

	int			n = config->max_concurrency * config->max_events *
	(config->max_events > 1 ? 2 : 4);

	return n > 2 * GATHERED ? n : 2 * GATHERED;
}

/*
 * stand_by: until this session may be the consumer, which it is not now: what
 * it was handed out is anybody's.
 */
static void
stand_by(Webhook *webhook, int64_t delay)
{
	drop_waiting(webhook);
	loop_timer_clear(&webhook->retry_timer);
	webhook->nretrying = 0;
	webhook->overdue = false;
	webhook->state = WEBHOOK_STANDBY;
	look_in(webhook, delay);
}

/*
 * give_up_session: what cannot be kept goes back by way of a new session's fetch.
 */
static void
give_up_session(Webhook *webhook)
{
	log_event(LOG_LEVEL_ERROR, "out of memory, releasing the subscription",
			  "webhook", webhook->config->name, NULL);
	(void) query(webhook, "SELECT eventlog.release($1)", NULL, NULL, NULL,
				 told);
	stand_by(webhook, ERROR_DELAY);
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
	if (!succeeded(result))
	{
		log_result(webhook, "could not count what is to be retried", result);
		if (webhook->state == WEBHOOK_STANDBY)
			look_in(webhook, ERROR_DELAY);
		else
			expect_retry(webhook, ERROR_DELAY);
		return;
	}
	webhook->nretrying = atoi(PQgetvalue(result, 0, 0)) - webhook->nretried;
	later = atoi(PQgetvalue(result, 0, 1));
	if (webhook->nretrying < 0)
		webhook->nretrying = 0;
	due = webhook->nretrying > later;
	if (due && webhook->overdue)
		expect_retry(webhook, SLOW_POLL);
	else if (webhook->nretrying > 0 && !due)
		expect_retry(webhook, atoll(PQgetvalue(result, 0, 2)) + 1);
	if (webhook->state == WEBHOOK_STANDBY || (due && !webhook->overdue))
	{
		loop_timer_clear(&webhook->look_timer);
		webhook->state = WEBHOOK_LOOKING;
		webhook->caught_up = false;
	}
	webhook->overdue = due;
	webhook_pump(webhook);
}

static void
begin_count(Webhook *webhook)
{
	webhook->counted = loop_now();
	webhook->counting = query(webhook, RETRIES_SQL, NULL, NULL, NULL,
							  retries_counted);
}

/*
 * seek_retries: some failed, and it is not known when they are due.
 */
static void
seek_retries(Webhook *webhook)
{
	if (webhook->nretrying == 0 || webhook->retry_timer.set ||
		webhook->counting || !webhook_is_consumer(webhook))
		return;
	if (loop_now() - webhook->counted <
		(webhook->config->ordered ? RETRY_POLL : COUNT_INTERVAL))
		expect_retry(webhook, RETRY_POLL);
	else
		begin_count(webhook);
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
	if (is_in_use(result))
	{
		log_event(LOG_LEVEL_INFO, "standing by, another session is the consumer",
				  "webhook", webhook->config->name, NULL);
		stand_by(webhook, STANDBY_DELAY);
		return;
	}
	free(webhook->consumers);
	webhook->consumers = NULL;
	webhook->unable = !succeeded(result);
	if (!webhook->unable)
		begin_count(webhook);
	else
	{
		log_result(webhook, "could not be the consumer", result);
		look_in(webhook, ERROR_DELAY);
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
	webhook->unable = !succeeded(result);
	if (webhook->unable)
	{
		log_result(webhook, "could not see who the consumers are", result);
		look_in(webhook, ERROR_DELAY);
		return;
	}
	consumers = PQgetvalue(result, 0, 0);
	if (webhook->consumers && strcmp(webhook->consumers, consumers) == 0)
	{
		look_in(webhook, STANDBY_DELAY);
		return;
	}
	free(webhook->consumers);
	webhook->consumers = strdup(consumers);
	webhook->claiming = query(webhook, "SELECT eventlog.listen($1)", NULL,
							  NULL, NULL, claimed);
}

static void
begin_claim(Webhook *webhook)
{
	if (!webhook->claiming && !webhook->counting && !webhook->stopping)
		webhook->claiming = query(webhook, CONSUMERS_SQL, NULL, NULL, NULL,
								  consumers_seen);
}

/*
 * note_flow: while many events come, how long the next ones shall gather.
 */
static void
note_flow(Webhook *webhook, int n)
{
	int64_t		elapsed = loop_now() - webhook->fetched;

	webhook->fetched = loop_now();
	webhook->flow_delay = 0;
	if (n >= FLOWING && n > elapsed)
		webhook->flow_delay = GATHERED * elapsed / n;
	if (webhook->flow_delay > GATHER_TIME)
		webhook->flow_delay = GATHER_TIME;
}

static void
fetched(void *arg, PGresult *result)
{
	Webhook    *webhook = arg;
	int			n;

	webhook->fetching = false;
	if (result == NULL)
		return;					/* webhook_lost() sees to it */
	if (is_in_use(result))
	{
		stand_by(webhook, STANDBY_DELAY);
		return;
	}
	webhook->unable = !succeeded(result);
	if (webhook->unable)
	{
		/* what was handed out before is still ours */
		log_result(webhook, "could not fetch", result);
		webhook->caught_up = true;
		look_in(webhook, ERROR_DELAY);
		webhook_pump(webhook);
		return;
	}
	if (!webhook_is_consumer(webhook))
		return;					/* it was released meanwhile */
	n = PQntuples(result);
	if (n > 0)
		webhook->usual_size /= 2;
	for (int i = 0; i < n; i++)
	{
		OwedEvent  *event = take_event(result, i);

		if (event == NULL)
		{
			give_up_session(webhook);
			return;
		}
		put_event(webhook, event);
	}
	webhook->caught_up = n < webhook->asked;
	note_flow(webhook, n);
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
	if (result == NULL || !webhook_is_consumer(webhook))
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
	if (!succeeded(result))
	{
		/* the braces are left out */
		log_result(webhook, "could not acknowledge", result);
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
	if (!succeeded(result))
	{
		/* it is owed, but this session will not be handed it again */
		log_result(webhook, "could not tell of a failure", result);
		webhook->yielding = true;
	}
	webhook_pump(webhook);
}

/*
 * begin_ack: tell what is settled, when it is worth a statement or nothing else
 * is to come soon.
 */
static void
begin_ack(Webhook *webhook)
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
	webhook->acking = query(webhook, "SELECT eventlog.ack($1, $2::pg_catalog.int8[])",
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
 * fitting: of so many events, how many there is memory for; one at least when
 * there are none.
 */
static int
fitting(const Webhook *webhook, int n)
{
	size_t		fit = webhook->bytes < MAX_BYTES ?
	(MAX_BYTES - webhook->bytes) / webhook->usual_size : 0;

	if (fit == 0 && webhook->bytes == 0)
		fit = 1;
	return (size_t) n < fit ? n : (int) fit;
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
		if (webhook->retry_timer.set || webhook->counting)
			return;
		room = 1;
	}
	else if (room < ahead(webhook) / 2 ||
			 (room = fitting(webhook, room)) == 0)
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
 *
 * While many events come, a writer is committing at any time, and it could not:
 * so it looks again when there is enough to be worth a statement.
 */
static void
begin_listen(Webhook *webhook)
{
	if (!webhook->caught_up || webhook->listening || webhook->fetching ||
		webhook->look_timer.set || webhook->state != WEBHOOK_LOOKING)
		return;
	if (webhook->flow_delay > 0)
	{
		look_in(webhook, webhook->flow_delay);
		webhook->flow_delay = 0;
		return;
	}
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
		!webhook->claiming && !webhook->counting && !webhook->listening &&
		!webhook->acking && webhook->failing == 0 && webhook->acks_len == 0;
}

/*
 * end_yield: what was fetched and not sent goes back.
 */
static void
end_yield(Webhook *webhook)
{
	webhook->yielding = false;
	(void) query(webhook, "SELECT eventlog.release($1)", NULL, NULL, NULL,
				 told);
	stand_by(webhook, YIELD_DELAY);
}

void
webhook_yield(Webhook *webhook)
{
	log_event(LOG_LEVEL_INFO, "leaving the subscription to another notifier",
			  "webhook", webhook->config->name, NULL);
	webhook->yielding = true;
	webhook_pump(webhook);
}

bool
webhook_is_consumer(const Webhook *webhook)
{
	return webhook->state == WEBHOOK_LOOKING ||
		webhook->state == WEBHOOK_ASLEEP;
}

bool
webhook_is_ready(const Webhook *webhook)
{
	return webhook->state != WEBHOOK_DOWN && !webhook->unable;
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
	seek_retries(webhook);
	begin_listen(webhook);
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
		loop_timer_set(&webhook->look_timer, ERROR_DELAY, begin_subscribe,
					   webhook);
		return;
	}
	log_event(LOG_LEVEL_INFO, "subscribed", "webhook", webhook->config->name,
			  NULL);
	webhook->state = WEBHOOK_STANDBY;
	begin_claim(webhook);
}

static void
begin_subscribe(void *arg)
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

void
webhook_start(Webhook *webhook, Session *session, const char *log)
{
	webhook->session = session;
	webhook->log = log;
	webhook->caught_up = false;
	begin_subscribe(webhook);
}

void
webhook_lost(Webhook *webhook)
{
	drop_waiting(webhook);
	loop_timer_clear(&webhook->look_timer);
	loop_timer_clear(&webhook->retry_timer);
	loop_timer_clear(&webhook->ack_timer);
	loop_timer_clear(&webhook->gather_timer);
	free(webhook->told);
	free(webhook->consumers);
	webhook->told = webhook->consumers = NULL;
	webhook->state = WEBHOOK_DOWN;
	webhook->yielding = webhook->overdue = webhook->unable = false;
	webhook->claiming = webhook->counting = false;
	webhook->fetching = webhook->listening = webhook->acking = false;
	webhook->failing = 0;
	webhook->acks_len = 0;
	webhook->nacks = 0;
	webhook->nretrying = 0;
	webhook->nlooks = 0;
}

void
webhook_wake(Webhook *webhook)
{
	if (webhook->state == WEBHOOK_ASLEEP ||
		(webhook->state == WEBHOOK_LOOKING && webhook->caught_up))
	{
		look(webhook);
	}
}

bool
webhook_is_quiet(const Webhook *webhook)
{
	/* nothing can be sent now: the receiver, or what is to come first, fails */
	bool		held_up = webhook->breaker.state == BREAKER_OPEN ||
	(webhook->config->ordered && webhook->nretrying > 0 &&
	 webhook->retry_timer.set);

	if (webhook->nflying > 0)
		return false;
	if (webhook->state == WEBHOOK_DOWN)
		return true;
	return is_settled(webhook) &&
		(webhook->stopping || held_up ||
		 (webhook->nwaiting == 0 &&
		  (webhook->caught_up || webhook->state == WEBHOOK_STANDBY)));
}

bool
webhook_has_failed(const Webhook *webhook)
{
	const WebhookCounts *counts = &webhook->counts;

	return webhook->unable ||
		counts->failed_timeout + counts->failed_connect + counts->failed_tls +
		counts->failed_network + counts->failed_status + counts->dead > 0;
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
	drop_event(webhook, event);
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
	drop_event(webhook, event);
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
	(void) query(webhook, "SELECT eventlog.pause($1)", NULL, NULL, NULL, told);
	(void) query(webhook, "SELECT eventlog.release($1)", NULL, NULL, NULL,
				 told);
	stand_by(webhook, 0);
}
