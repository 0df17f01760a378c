/*
 * claim.h
 *		Who is the consumer of a subscription.
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
	CLAIM_SUBSCRIBED,			/* there is a subscription to be claimed */
	CLAIM_WON,					/* this session is the consumer */
	CLAIM_REFUSED				/* another one is */
} ClaimOutcome;

typedef struct Claim
{
	const Subscription *subscription;
	const WebhookConfig *config;
	ClaimOutcome outcome;
	bool		asking;			/* a statement under way */
	Problem		problem;
	bool		foreign;		/* its consumer is no notifier that lives */
	bool		ownerless;		/* whom it belongs to is gone: nothing comes */
	int64_t		subscribed;		/* loop_now() when it last was; 0: never */
	char	   *consumers;		/* a hash of all there were when another had
								 * this one */
	LoopTimer	timer;			/* until it is tried again */
} Claim;

/*
 * claim_subscribe: make or change the subscription, until that succeeds; again
 * and again at most every few seconds.
 */
extern void claim_subscribe(Claim *claim);

/*
 * claim_try_in: in so many ms try to be the consumer, until that succeeds.
 */
extern void claim_try_in(Claim *claim, int64_t delay);

/*
 * claim_release: be the consumer no more.
 */
extern void claim_release(Claim *claim);

/*
 * claim_pause: nobody is to be handed anything.
 */
extern void claim_pause(Claim *claim);

/*
 * claim_stop: do not try any more.
 */
extern void claim_stop(Claim *claim);

/*
 * claim_outcome: what came of it since this was asked last.
 */
extern ClaimOutcome claim_outcome(Claim *claim);

/*
 * claim_obstacle: what keeps anybody from consuming, for people; NULL: nothing.
 */
extern const char *claim_obstacle(const Claim *claim);

extern void claim_reset(Claim *claim);

#endif							/* NOTIFIER_CLAIM_H */
