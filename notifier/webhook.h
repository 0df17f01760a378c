/*
 * webhook.h
 *		A webhook: its subscription consumed, its events on their way.
 *
 * webhook.c fetches and sleeps; claim.c sees who is the consumer, due.c when
 * what failed comes again; owed.c keeps the events, delivery.c sends them, and
 * ack.c tells the database what became of them.
 */
#ifndef NOTIFIER_WEBHOOK_H
#define NOTIFIER_WEBHOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "breaker.h"
#include "config.h"
#include "counts.h"
#include "http.h"
#include "loop.h"
#include "session.h"

/*
 * OwedEvent: an event that was fetched and is not settled.
 */
typedef struct OwedEvent
{
	struct OwedEvent *next;
	char	   *seq;			/* texts of one allocation */
	char	   *id;
	char	   *user_id;		/* NULL: none */
	char	   *body;
	int			attempts;		/* that failed */
	int64_t		created;		/* loop_now() when it was created */
	size_t		size;			/* in memory */
} OwedEvent;

typedef enum WebhookState
{
	WEBHOOK_DOWN,				/* no session, or not subscribed */
	WEBHOOK_STANDBY,			/* another session is or may be the consumer */
	WEBHOOK_LOOKING,			/* there may be something owed */
	WEBHOOK_ASLEEP				/* nothing is, and the bell will ring */
} WebhookState;

typedef struct Webhook
{
	const WebhookConfig *config;
	const char *log;			/* Oid of the log, the caller's */
	Session    *session;
	HttpClient *http;
	WebhookState state;
	bool		stopping;		/* nothing new is begun */
	bool		yielding;		/* nor is it, until another may be the
								 * consumer */
	bool		claiming;		/* statements under way */
	bool		counting;
	bool		fetching;
	bool		listening;
	bool		acking;
	int			failing;
	int			asked;			/* of the last fetch */
	bool		caught_up;		/* it left nothing */
	int64_t		fetched;		/* loop_now() when it came */
	int64_t		flow_delay;		/* ms until the next, while many events come;
								 * 0: as soon as there is something */
	bool		unable;			/* the last claim or fetch failed */
	OwedEvent  *first;			/* fetched, not sent yet */
	OwedEvent **last;
	int			nwaiting;
	int			nflying;		/* requests */
	int			nflying_events;
	size_t		bytes;			/* of events that wait or fly */
	size_t		usual_size;		/* of an event, rather too much than too
								 * little */
	char	   *acks;			/* settled: seq,seq,… */
	int			nacks;			/* how many were settled since the last ack */
	size_t		acks_len;
	size_t		acks_size;
	char	   *told;			/* the array that is acknowledged now */
	int			nretrying;		/* failed, and not fetched again yet */
	int			nretried;		/* fetched again, and not settled */
	int64_t		counted;		/* loop_now() when retries were counted last */
	bool		overdue;		/* some were due then, and have not come since */
	char	   *consumers;		/* all there were when another had this one */
	int			nlooks;			/* in a row that found nothing */
	LoopTimer	look_timer;
	LoopTimer	retry_timer;
	LoopTimer	ack_timer;		/* until what could not be told is told again */
	LoopTimer	gather_timer;	/* until settled events are told of anyhow */
	Breaker		breaker;
	LoopTimer	breaker_timer;
	WebhookCounts counts;
	double		owed;			/* when that was last asked for the metrics */
	double		oldest_age;		/* s */
} Webhook;

extern Webhook *webhook_create(const WebhookConfig *config);
extern void webhook_destroy(Webhook *webhook);

/*
 * webhook_start: the session is ready: subscribe, and consume.  log: regclass
 * of the log.
 */
extern void webhook_start(Webhook *webhook, Session *session, const char *log);

/*
 * webhook_lost: the session is lost, and with it what was fetched.
 */
extern void webhook_lost(Webhook *webhook);

/*
 * webhook_wake: the bell has rung.
 */
extern void webhook_wake(Webhook *webhook);

/*
 * webhook_yield: let another notifier have the subscription, as soon as what is
 * in flight is settled.
 */
extern void webhook_yield(Webhook *webhook);

extern bool webhook_is_consumer(const Webhook *webhook);

/*
 * webhook_is_ready: is it the consumer, or does another session keep it from
 * being that?
 */
extern bool webhook_is_ready(const Webhook *webhook);

/*
 * webhook_pump: begin whatever can be begun now.
 */
extern void webhook_pump(Webhook *webhook);

/*
 * webhook_is_quiet: is nothing under way?  (With stopping: has it stopped?)
 */
extern bool webhook_is_quiet(const Webhook *webhook);

/*
 * webhook_has_failed: has anything not been delivered?
 */
extern bool webhook_has_failed(const Webhook *webhook);

/*
 * WebhookStatus: what the metrics and /readyz tell of a webhook.
 */
typedef struct WebhookStatus
{
	const WebhookConfig *config;
	const WebhookCounts *counts;
	int			in_flight;		/* requests */
	int			waiting;		/* events fetched and not sent yet */
	int			breaker;		/* BreakerState */
	double		pause_left;		/* s until the next request may begin; 0: now */
	bool		consumer;
	bool		standby;		/* another session is the consumer */
	const char *trouble;		/* what stands still, for people; NULL: all is
								 * well */
} WebhookStatus;

extern void webhook_status(const Webhook *webhook, WebhookStatus *status);

/*
 * What the files about a webhook share.
 */
#define ERROR_DELAY		5000	/* ms after a statement that failed */
#define STANDBY_DELAY	2000	/* ms between two tries to become the consumer */
#define SLOW_POLL		30000	/* ms, when all else fails */
#define GATHERED		128		/* events that are worth a statement … */
#define GATHER_TIME		20		/* … or as many as come in so many ms */

/*
 * webhook_query: a statement on the webhook's session, its name being $1.
 * webhook_told: for one whose result does not matter, unless it failed.
 */
extern bool webhook_query(Webhook *webhook, const char *sql,
						  const char *second, const char *third,
						  const char *fourth, SessionResult callback);
extern void webhook_told(void *arg, PGresult *result);
extern void webhook_log_result(const Webhook *webhook, const char *what,
							   const PGresult *result);
extern void webhook_release(Webhook *webhook);

/*
 * webhook_look: look for what is owed, now, or in some ms.
 */
extern void webhook_look(void *webhook);
extern void webhook_look_in(Webhook *webhook, int64_t delay);

/* claim.c */
extern void webhook_subscribe(void *webhook);
extern void webhook_claim(Webhook *webhook);
extern bool webhook_in_use(const PGresult *result);
extern void webhook_stand_by(Webhook *webhook, int64_t delay);
extern void webhook_end_yield(Webhook *webhook);

/* due.c */
extern void webhook_expect_retry(Webhook *webhook, int64_t delay);
extern void webhook_count_retries(Webhook *webhook);
extern void webhook_seek_retries(Webhook *webhook);

/* owed.c */
extern void webhook_init_events(Webhook *webhook);
extern OwedEvent *webhook_take_event(const PGresult *result, int row);
extern void webhook_put_event(Webhook *webhook, OwedEvent *event);
extern void webhook_drop_event(Webhook *webhook, OwedEvent *event);
extern void webhook_drop_waiting(Webhook *webhook);
extern int	webhook_ahead(const Webhook *webhook);
extern int	webhook_fitting(const Webhook *webhook, int n);

/* ack.c */
extern void webhook_ack(Webhook *webhook);
extern void webhook_delivered(Webhook *webhook, OwedEvent *event);
extern void webhook_failed(Webhook *webhook, OwedEvent *event,
						   const char *error, int64_t delay);
extern void webhook_pause(Webhook *webhook);

/*
 * delivery.c: deliver: send the events, of which at most max_events are
 * chained, in one request, or settle what can never be sent; false when it
 * could not begin.
 */
extern bool deliver(Webhook *webhook, OwedEvent *events, int n);

#endif							/* NOTIFIER_WEBHOOK_H */
