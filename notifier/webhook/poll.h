/*
 * poll.h
 *		What is owed: fetched into a buffer, and waited for where there is
 *		nothing.
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
	POLL_LOOKING,				/* there may be something to fetch */
	POLL_CAUGHT_UP,				/* the last fetch left nothing */
	POLL_ASLEEP					/* nothing is owed, and the bell will ring */
} PollState;

typedef enum PollOutcome
{
	POLL_NOTHING,				/* nothing that the poll does not see to */
	POLL_REFUSED,				/* another session is the consumer */
	POLL_GONE,					/* there is no subscription any more */
	POLL_NO_MEMORY				/* what was fetched could not be kept */
} PollOutcome;

typedef struct Poll
{
	const Subscription *subscription;
	const WebhookConfig *config;
	EventBuffer *buffer;
	PollState	state;
	PollOutcome outcome;
	bool		fetching;		/* statements under way */
	bool		listening;
	int			asked;			/* of the last fetch: events … */
	size_t		reserved;		/* … and bytes */
	int			singly;			/* how many are to be fetched one by one */
	bool		bare;			/* the next one without its payload … */
	char	   *unfit;			/* … which cannot be made: this is why */
	int64_t		fetched;		/* loop_now() when it came */
	int64_t		flow_delay;		/* ms until the next, while many events come;
								 * 0: as soon as there is something */
	int			nlooks;			/* in a row that found nothing */
	LoopTimer	timer;			/* until the next look */
	Problem		problem;
} Poll;

/*
 * poll_begin: this session is the consumer now.  poll_end: it is not, and what
 * it was handed out and has not sent is anybody's.
 */
extern void poll_begin(Poll *poll);
extern void poll_end(Poll *poll);

/*
 * poll_look: there may be something owed, now, or in so many ms.
 */
extern void poll_look(Poll *poll);
extern void poll_look_in(Poll *poll, int64_t delay);

/*
 * poll_wake: the bell has rung.
 */
extern void poll_wake(Poll *poll);

/*
 * poll_can_fetch, poll_fetch: up to so many events.
 */
extern bool poll_can_fetch(const Poll *poll);
extern void poll_fetch(Poll *poll, int max);

/*
 * poll_sleep: go to sleep if nothing is owed.
 */
extern void poll_sleep(Poll *poll);

/*
 * poll_is_idle: is no statement under way?
 */
extern bool poll_is_idle(const Poll *poll);

/*
 * poll_outcome: what came of it since this was asked last.
 */
extern PollOutcome poll_outcome(Poll *poll);

#endif							/* NOTIFIER_POLL_H */
