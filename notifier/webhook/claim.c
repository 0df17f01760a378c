/*
 * claim.c
 *		Creating, claiming and releasing the subscription.
 *
 * Claiming a subscription that another session consumes is an error, which the
 * server logs.  So a session that stands by reads who the consumers are, and
 * claims only if they have changed since it was refused.  All webhooks of a
 * process share what one of them has read.
 */
#include "webhook/claim.h"

#include "base/logging.h"
#include "webhook/statements.h"

#include <stdlib.h>
#include <string.h>

#define STANDBY_DELAY	2000	/* ms between two tries to become the consumer */
#define SHARED_FOR		1000	/* ms for which others use what was read */

/*
 * The hash of all consumers as any webhook of the process last read it; NULL:
 * not read yet.
 */
static char *last_consumers = NULL;
static int64_t last_read_at = 0;

static void try_claim(void *arg);
static void subscribe(void *arg);

ClaimOutcome
claim_outcome(Claim *claim)
{
	ClaimOutcome outcome = claim->outcome;

	claim->outcome = CLAIM_NOTHING;
	return outcome;
}

static void
set_outcome(Claim *claim, ClaimOutcome outcome)
{
	claim->outcome = outcome;
	subscription_changed(claim->subscription);
}

/*
 * check_failure: if the statement failed, log that and schedule it again.
 */
static bool
check_failure(Claim *claim, const char *what, const PGresult *result,
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
 * claimed: the callback of listen, which makes this session the consumer.
 */
static void
claimed(void *arg, PGresult *result)
{
	Claim	   *claim = arg;

	claim->asking = false;
	if (result == NULL)
		return;					/* claim_reset() cleans up */
	if (subscription_is_taken(result))
	{
		problem_over(&claim->problem, claim->subscription);
		loop_timer_set(&claim->timer, STANDBY_DELAY, try_claim, claim);
		set_outcome(claim, CLAIM_REFUSED);
		return;
	}
	forget_consumers(claim);
	if (check_failure(claim, "could not become the consumer", result, try_claim))
		return;
	problem_over(&claim->problem, claim->subscription);
	set_outcome(claim, CLAIM_WON);
}

/*
 * consumers_read: claim the subscription, unless the consumers are those of
 * the last refusal.
 */
static void
consumers_read(void *arg, PGresult *result)
{
	Claim	   *claim = arg;
	const char *consumers;

	claim->asking = false;
	if (result == NULL ||
		check_failure(claim, "could not read the consumers", result, try_claim))
		return;
	consumers = PQgetvalue(result, 0, 0);
	free(last_consumers);
	last_consumers = strdup(consumers);
	last_read_at = loop_now();
	if (claim->consumers && strcmp(claim->consumers, consumers) == 0)
	{
		loop_timer_set(&claim->timer, STANDBY_DELAY, try_claim, claim);
		return;
	}
	forget_consumers(claim);
	claim->consumers = strdup(consumers);
	claim->asking = subscription_query(claim->subscription, statement_listen,
									   0, NULL, claimed, claim);
}

/*
 * is_known_taken: have the consumers, as last read, not changed since the
 * refusal?
 */
static bool
is_known_taken(const Claim *claim)
{
	return claim->consumers && last_consumers && loop_now() - last_read_at < SHARED_FOR &&
		strcmp(claim->consumers, last_consumers) == 0;
}

static void
try_claim(void *arg)
{
	Claim	   *claim = arg;

	if (claim->asking)
		return;
	if (is_known_taken(claim))
		loop_timer_set(&claim->timer, STANDBY_DELAY, try_claim, claim);
	else
		claim->asking = subscription_query(claim->subscription,
										   statement_consumers, 0, NULL,
										   consumers_read, claim);
}

void
claim_try_after(Claim *claim, int64_t delay)
{
	loop_timer_clear(&claim->timer);
	if (delay == 0)
		try_claim(claim);
	else
		loop_timer_set(&claim->timer, delay, try_claim, claim);
}

static void
statement_done(void *arg, PGresult *result)
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
							  statement_done, claim);
}

void
claim_pause(Claim *claim)
{
	(void) subscription_query(claim->subscription, statement_pause, 0, NULL,
							  statement_done, claim);
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
		check_failure(claim, "could not subscribe", result, subscribe))
		return;
	claim->subscribed = loop_now();
	set_outcome(claim, CLAIM_SUBSCRIBED);
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
		return "the consumer is not a running notifier";
	return NULL;
}

void
claim_reset(Claim *claim)
{
	claim->foreign = claim->ownerless = false;
	loop_timer_clear(&claim->timer);
	forget_consumers(claim);
	free(last_consumers);
	last_consumers = NULL;
	claim->outcome = CLAIM_NOTHING;
	claim->asking = false;
	claim->subscribed = 0;
	problem_forget(&claim->problem);
}
