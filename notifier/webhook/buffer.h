/*
 * buffer.h
 *		Events that a webhook was handed out: in memory until they are settled.
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

#define GATHERED		128		/* events that are worth a statement … */
#define GATHER_TIME		20		/* … or as many as come in so many ms */

/*
 * OwedEvent: an event that was fetched and is not settled.
 */
typedef struct OwedEvent
{
	struct OwedEvent *next;
	char	   *seq;			/* texts of one allocation */
	char	   *id;
	char	   *user_id;		/* NULL: none */
	char	   *body;			/* unfit: why there is none */
	bool		unfit;			/* its payload cannot be made */
	bool		unwanted;		/* by the webhook's own filter */
	int			attempts;		/* that failed */
	int64_t		created;		/* loop_now() when it was created */
	uint32_t	token;			/* the generation of that it was sent with */
	bool		renewed;		/* sent again with a new one */
	size_t		size;			/* in memory */
	uint32_t	generation;		/* the buffer's when it was fetched */
} OwedEvent;

typedef struct EventBuffer
{
	const WebhookConfig *config;	/* ordered: retries come first */
	OwedEvent  *first;			/* fetched, not sent yet */
	OwedEvent **last;
	int			nwaiting;		/* how many these are */
	int			nsent;			/* taken to be sent, and not settled */
	int			nretried;		/* of both, how many have failed before */
	uint32_t	generation;		/* how often it was cleared */
	uint64_t	retries_fetched;	/* how many such were ever added */
	BudgetShare share;			/* of memory, for both */
	size_t		usual_size;		/* of an event, rather too much than too
								 * little */
} EventBuffer;

extern void buffer_init(EventBuffer *buffer, const WebhookConfig *config,
						const Subscription *subscription);
extern void buffer_destroy(EventBuffer *buffer);

/*
 * buffer_add: a row of what statement_fetch() gives; or statement_fetch_bare,
 * and why.  False when memory lacks.
 */
extern bool buffer_add(EventBuffer *buffer, const PGresult *result, int row,
					   const char *unfit);

/*
 * buffer_take: the next ones to send, at most max, as a chain of n; one that is
 * unfit or unwanted alone.
 * buffer_put_back: they could not be sent, and are the next again, unless the
 * buffer was cleared meanwhile.
 */
extern OwedEvent *buffer_take(EventBuffer *buffer, int max, int *n);
extern void buffer_put_back(EventBuffer *buffer, OwedEvent *events, int n);

/*
 * buffer_is_current: was it fetched since the buffer was cleared?  If not,
 * whoever is the consumer now is handed it again.
 */
extern bool buffer_is_current(const EventBuffer *buffer,
							  const OwedEvent *event);

/*
 * buffer_settle: one that was taken is settled; it is freed.
 */
extern void buffer_settle(EventBuffer *buffer, OwedEvent *event);

/*
 * buffer_clear: forget those that wait.
 */
extern void buffer_clear(EventBuffer *buffer);

/*
 * buffer_room: how many events to fetch now; 0: wait until it is worth while.
 * So many were sent and are not acknowledged: they count as in flight, too.
 */
extern int	buffer_room(const EventBuffer *buffer, int nunacknowledged);

/*
 * buffer_reserve: memory for so many; how many bytes, or 0: none now, but the
 * webhook will be called when there is some.  buffer_fetched: they are here.
 */
extern size_t buffer_reserve(EventBuffer *buffer, int n);
extern void buffer_fetched(EventBuffer *buffer);

#endif							/* NOTIFIER_BUFFER_H */
