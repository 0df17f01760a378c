/*
 * claim.c
 *		A subscription made, claimed, and left to another session.
 *
 * To be the consumer a session has to claim the subscription, which is an error
 * in the server's log where another has it.  So it tries only if those who are
 * consumers have changed since it last failed.  Of many that stand by, one looks
 * for all.
 */
#include "webhook/claim.h"

#include "base/logging.h"
#include "webhook/statements.h"

#include <stdlib.h>
#include <string.h>

#define STANDBY_DELAY	2000	/* ms between two tries to become the consumer */

#define SEEN_FOR		1000	/* ms for which a look will do for others */

/*
 * What was seen last, by any claim of the session; NULL: nothing yet.
 */
static char *seen = NULL;
static int64_t seen_at = 0;

static void try(void *arg);
static void subscribe(void *arg);

ClaimOutcome
claim_outcome(Claim *claim)
{
	ClaimOutcome outcome = claim->outcome;

	claim->outcome = CLAIM_NOTHING;
	return outcome;
}

static void
finish(Claim *claim, ClaimOutcome outcome)
{
	claim->outcome = outcome;
	subscription_changed(claim->subscription);
}

/*
 * has_failed: log an error; what failed is tried again.
 */
static bool
has_failed(Claim *claim, const char *what, const PGresult *result,
		   LoopTimerCallback again)
{
	if (session_succeeded(result))
		return false;
	problem_found(&claim->problem, claim->subscription, what, result);
	if (again != subscribe && subscription_is_gone(result))
		again = subscribe;
	loop_timer_set(&claim->timer, ERROR_DELAY, again, claim);
	return true;
}

static void
forget_consumers(Claim *claim)
{
	free(claim->consumers);
	claim->consumers = NULL;
}

/*
 * claimed: by listen, which no other session may call now; fetch disarms the
 * bell again.
 */
static void
claimed(void *arg, PGresult *result)
{
	Claim	   *claim = arg;

	claim->asking = false;
	if (result == NULL)
		return;					/* claim_reset() sees to it */
	if (subscription_is_taken(result))
	{
		problem_over(&claim->problem, claim->subscription);
		loop_timer_set(&claim->timer, STANDBY_DELAY, try, claim);
		finish(claim, CLAIM_REFUSED);
		return;
	}
	forget_consumers(claim);
	if (has_failed(claim, "could not be the consumer", result, try))
		return;
	problem_over(&claim->problem, claim->subscription);
	finish(claim, CLAIM_WON);
}

/*
 * consumers_seen: claim the subscription, unless another has it and all are
 * still there.
 */
static void
consumers_seen(void *arg, PGresult *result)
{
	Claim	   *claim = arg;
	const char *consumers;

	claim->asking = false;
	if (result == NULL ||
		has_failed(claim, "could not see who the consumers are", result, try))
		return;
	consumers = PQgetvalue(result, 0, 0);
	free(seen);
	seen = strdup(consumers);
	seen_at = loop_now();
	if (claim->consumers && strcmp(claim->consumers, consumers) == 0)
	{
		loop_timer_set(&claim->timer, STANDBY_DELAY, try, claim);
		return;
	}
	forget_consumers(claim);
	claim->consumers = strdup(consumers);
	claim->asking = subscription_query(claim->subscription, statement_listen,
									   0, NULL, claimed, claim);
}

/*
 * is_hopeless: are the consumers known to be those with whom it failed?
 */
static bool
is_hopeless(const Claim *claim)
{
	return claim->consumers && seen && loop_now() - seen_at < SEEN_FOR &&
		strcmp(claim->consumers, seen) == 0;
}

static void
try(void *arg)
{
	Claim	   *claim = arg;

	if (claim->asking)
		return;
	if (is_hopeless(claim))
		loop_timer_set(&claim->timer, STANDBY_DELAY, try, claim);
	else
		claim->asking = subscription_query(claim->subscription,
										   statement_consumers, 0, NULL,
										   consumers_seen, claim);
}

void
claim_try_in(Claim *claim, int64_t delay)
{
	loop_timer_clear(&claim->timer);
	if (delay == 0)
		try(claim);
	else
		loop_timer_set(&claim->timer, delay, try, claim);
}

static void
told(void *arg, PGresult *result)
{
	Claim	   *claim = arg;

	if (result && !session_succeeded(result))
		session_report(LOG_LEVEL_WARNING, "a statement failed",
					   "webhook", claim->subscription->name, result);
}

void
claim_release(Claim *claim)
{
	(void) subscription_query(claim->subscription, statement_release, 0, NULL,
							  told, claim);
}

void
claim_pause(Claim *claim)
{
	(void) subscription_query(claim->subscription, statement_pause, 0, NULL,
							  told, claim);
}

void
claim_stop(Claim *claim)
{
	loop_timer_clear(&claim->timer);
}

static void
subscribed(void *arg, PGresult *result)
{
	Claim	   *claim = arg;

	claim->asking = false;
	if (result == NULL ||
		has_failed(claim, "could not subscribe", result, subscribe))
		return;
	claim->subscribed = loop_now();
	finish(claim, CLAIM_SUBSCRIBED);
}

static void
subscribe(void *arg)
{
	Claim	   *claim = arg;
	const char *params[] = {
		claim->config->levels, claim->config->event_type
	};

	claim->asking = subscription_query(claim->subscription,
									   statement_subscribe, 2, params,
									   subscribed, claim);
}

void
claim_subscribe(Claim *claim)
{
	bool		again = claim->subscribed > 0 &&
		loop_now() - claim->subscribed < ERROR_DELAY;

	if (again)
		loop_timer_set(&claim->timer, ERROR_DELAY, subscribe, claim);
	else
		subscribe(claim);
}

const char *
claim_obstacle(const Claim *claim)
{
	if (claim->ownerless)
		return "the role that owned the subscription is gone";
	if (claim->foreign)
		return "another session is the consumer, and no notifier that lives";
	return NULL;
}

void
claim_reset(Claim *claim)
{
	claim->foreign = claim->ownerless = false;
	loop_timer_clear(&claim->timer);
	forget_consumers(claim);
	free(seen);
	seen = NULL;
	claim->outcome = CLAIM_NOTHING;
	claim->asking = false;
	claim->subscribed = 0;
	problem_forget(&claim->problem);
}
