/*
 * buffer.h
 *		The events that a webhook has fetched, until they are settled.
 */
#ifndef NOTIFIER_BUFFER_H
#define NOTIFIER_BUFFER_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "webhook/budget.h"
#include "webhook/subscription.h"

#define GATHER_EVENTS	128		/* a statement waits for so many events … */
#define GATHER_TIME		20		/* … but not for longer, in ms */

/*
 * FetchedEvent: an event that was fetched and is not settled.
 */
typedef struct FetchedEvent
{
	struct FetchedEvent *next;
	char	   *seq;			/* the strings are in the same allocation */
	char	   *id;
	char	   *user_id;		/* NULL: none */
	char	   *body;			/* no_payload: the error */
	bool		no_payload;		/* the server could not make its payload */
	bool		filtered_out;	/* by the webhook's own filter */
	int			attempts;		/* failed attempts */
	int64_t		created;		/* loop_now() when it was created */
	uint32_t	token;			/* generation of the token it was sent with */
	bool		renewed;		/* sent again with a new token */
	size_t		size;			/* in memory */
	uint32_t	generation;		/* of the buffer when it was fetched */
} FetchedEvent;

typedef struct EventBuffer
{
	const WebhookConfig *config;	/* ordered: retries come first */
	FetchedEvent *first;		/* waiting to be sent */
	FetchedEvent **last;
	int			nwaiting;		/* number of these */
	int			nsent;			/* taken to be sent and not settled */
	int			nretried;		/* of both: those that failed before */
	uint32_t	generation;		/* how often the buffer was cleared */
	uint64_t	retries_fetched;	/* since the start: events added that
									 * failed before */
	BudgetShare share;			/* memory of both */
	size_t		usual_size;		/* estimate for an event, on the high side */
} EventBuffer;

extern void buffer_init(EventBuffer *buffer, const WebhookConfig *config,
						const Subscription *subscription);
extern void buffer_destroy(EventBuffer *buffer);

/*
 * buffer_add: add a row of statement_fetch(), or one of statement_fetch_bare
 * and the error why its payload is missing.  False: out of memory.
 */
extern bool buffer_add(EventBuffer *buffer, const PGresult *result, int row,
					   const char *payload_error);

/*
 * buffer_take: take the next events to send, at most max, as a chain of n.  An
 * event that is not to be sent, for no_payload or filtered_out, comes alone.
 * buffer_put_back: return a chain to the front, unless the buffer was cleared
 * meanwhile; then the events are freed.
 */
extern FetchedEvent *buffer_take(EventBuffer *buffer, int max, int *n);
extern void buffer_put_back(EventBuffer *buffer, FetchedEvent *events, int n);

/*
 * buffer_is_current: was the event fetched since the buffer was last cleared?
 * If not, the current consumer gets it again.
 */
extern bool buffer_is_current(const EventBuffer *buffer,
							  const FetchedEvent *event);

/*
 * buffer_settle: free an event that was taken.
 */
extern void buffer_settle(EventBuffer *buffer, FetchedEvent *event);

/*
 * buffer_clear: free the events that wait.
 */
extern void buffer_clear(EventBuffer *buffer);

/*
 * buffer_room: how many events to fetch now; 0: not enough to be worth a
 * statement. nunacknowledged: events sent and not acknowledged yet; too many
 * of them stop fetching.
 */
extern int	buffer_room(const EventBuffer *buffer, int nunacknowledged);

/*
 * buffer_reserve: reserve memory for n events; returns what budget_reserve()
 * does.  buffer_fetched: release it after the fetch.
 */
extern size_t buffer_reserve(EventBuffer *buffer, int n);
extern void buffer_fetched(EventBuffer *buffer);

#endif							/* NOTIFIER_BUFFER_H */
