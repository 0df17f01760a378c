/*
 * poll.h
 *		Fetches pending events into the buffer, and waits for notifications
 *		when there are none.
 */
#ifndef NOTIFIER_POLL_H
#define NOTIFIER_POLL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "config/config.h"
#include "webhook/buffer.h"
#include "webhook/subscription.h"

typedef enum PollState
{
	POLL_OFF,					/* this session is not the consumer */
	POLL_READY,					/* there may be events to fetch */
	POLL_CAUGHT_UP,				/* the last fetch took all there were */
	POLL_ASLEEP					/* no events are pending; a notification will
								 * come */
} PollState;

typedef enum PollOutcome
{
	POLL_NOTHING,				/* nothing for the webhook to do */
	POLL_REFUSED,				/* another session is the consumer */
	POLL_GONE,					/* the subscription does not exist any more */
	POLL_NO_MEMORY				/* fetched events did not fit into memory */
} PollOutcome;

typedef struct Poll
{
	const Subscription *subscription;
	const WebhookConfig *config;
	EventBuffer *buffer;
	PollState	state;
	PollOutcome outcome;
	bool		fetching;		/* the statement is in progress */
	bool		listening;		/* likewise */
	int			asked;			/* what the last fetch asked for: events … */
	size_t		reserved;		/* … and bytes */
	int			one_by_one;		/* how many events to fetch one by one */
	bool		without_payload;	/* fetch the next one without payload … */
	char	   *payload_error;	/* … because of this error */
	int64_t		fetched;		/* loop_now() at the last fetch */
	int64_t		flow_delay;		/* ms until the next fetch while many events
								 * arrive; 0: at once */
	int			nempty;			/* polls in a row that found nothing */
	LoopTimer	timer;			/* until the next poll */
	Problem		problem;
} Poll;

/*
 * poll_begin: this session has become the consumer.
 * poll_end: it is not the consumer any more; clear the buffer.
 */
extern void poll_begin(Poll *poll);
extern void poll_end(Poll *poll);

/*
 * poll_now, poll_after: there may be pending events, now or after `delay` ms.
 */
extern void poll_now(Poll *poll);
extern void poll_after(Poll *poll, int64_t delay);

/*
 * poll_wake: a notification has arrived.
 */
extern void poll_wake(Poll *poll);

/*
 * poll_can_fetch, poll_fetch: fetch up to max events.
 */
extern bool poll_can_fetch(const Poll *poll);
extern void poll_fetch(Poll *poll, int max);

/*
 * poll_sleep: wait for a notification if no events are pending.
 */
extern void poll_sleep(Poll *poll);

/*
 * poll_is_idle: is no statement in progress?
 */
extern bool poll_is_idle(const Poll *poll);

/*
 * poll_outcome: the result since the last call.
 */
extern PollOutcome poll_outcome(Poll *poll);

#endif							/* NOTIFIER_POLL_H */
