/*
 * claim.h
 *		Creates the subscription, and makes this session its consumer.
 */
#ifndef NOTIFIER_CLAIM_H
#define NOTIFIER_CLAIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "config/config.h"
#include "webhook/subscription.h"

typedef enum ClaimOutcome
{
	CLAIM_NOTHING,				/* nothing new */
	CLAIM_SUBSCRIBED,			/* the subscription exists */
	CLAIM_WON,					/* this session is the consumer */
	CLAIM_REFUSED				/* another session is */
} ClaimOutcome;

typedef struct Claim
{
	const Subscription *subscription;
	const WebhookConfig *config;
	ClaimOutcome outcome;
	bool		asking;			/* a statement is in progress */
	Problem		problem;
	bool		foreign;		/* its consumer is no running notifier */
	bool		ownerless;		/* its owner was dropped: no events come */
	int64_t		subscribed;		/* loop_now() when we last subscribed; 0:
								 * never */
	char	   *consumers;		/* hash of all consumers when we were refused */
	LoopTimer	timer;			/* until the next try */
} Claim;

/*
 * claim_subscribe: create or change the subscription, and retry every few
 * seconds until that succeeds.
 */
extern void claim_subscribe(Claim *claim);

/*
 * claim_try_after: after `delay` ms, try to become the consumer until that
 * succeeds.
 */
extern void claim_try_after(Claim *claim, int64_t delay);

/*
 * claim_release: stop being the consumer.
 */
extern void claim_release(Claim *claim);

/*
 * claim_pause: pause the subscription for all consumers.
 */
extern void claim_pause(Claim *claim);

/*
 * claim_stop: stop trying.
 */
extern void claim_stop(Claim *claim);

/*
 * claim_outcome: the result since the last call.
 */
extern ClaimOutcome claim_outcome(Claim *claim);

/*
 * claim_obstacle: why nobody can consume, as a text for people; NULL: somebody
 * can.
 */
extern const char *claim_obstacle(const Claim *claim);

extern void claim_reset(Claim *claim);

#endif							/* NOTIFIER_CLAIM_H */
