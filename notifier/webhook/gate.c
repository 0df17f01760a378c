/*
 * gate.c
 *		Pauses: the breaker's, those that a receiver asks for, and those while
 *		nothing can be sent from here; and the rate.
 */
#include "webhook/gate.h"

#include "base/logging.h"
#include "base/retry.h"

#include <stdio.h>

#define WAIT_MAX	30000		/* ms, where nobody says for how long */

static void
time_is_over(void *arg)
{
	Gate	   *gate = arg;

	subscription_changed(gate->subscription);
}

/*
 * rate_allows: may a request be sent now?  If not, say so when it may.
 */
static bool
rate_allows(Gate *gate)
{
	int64_t		wait = rate_wait(&gate->rate, gate->config->rate_limit,
								 loop_now());

	if (wait > 0)
		loop_timer_set(&gate->rate_timer, wait, time_is_over, gate);
	return wait == 0;
}

bool
gate_is_shut(const Gate *gate)
{
	return gate->timer.set;
}

bool
gate_is_failing(const Gate *gate)
{
	return gate->breaker.state != BREAKER_CLOSED;
}

bool
gate_may_send(Gate *gate, int nflying)
{
	if (gate_is_shut(gate) || nflying >= gate->config->max_concurrency)
		return false;
	if (gate->breaker.state == BREAKER_HALF_OPEN && gate->probe)
		return false;
	return rate_allows(gate);
}

const char *
gate_trouble(const Gate *gate)
{
	if (gate->breaker.state != BREAKER_CLOSED)
		return "the receiver keeps failing";
	if (gate->wait_until > loop_now())
		return "waiting before the next request";
	return NULL;
}

void
gate_sent(Gate *gate, const void *request)
{
	rate_take(&gate->rate);
	if (gate->breaker.state == BREAKER_HALF_OPEN)
		gate->probe = request;
}

static void
pause_over(void *arg)
{
	Gate	   *gate = arg;

	breaker_paused(&gate->breaker);
	subscription_changed(gate->subscription);
}

/*
 * shut: for so many ms, or longer if it is already.
 */
static void
shut(Gate *gate, int64_t pause)
{
	if (!gate->timer.set || gate->timer.due < loop_now() + pause)
		loop_timer_set(&gate->timer, pause, pause_over, gate);
}

/*
 * receiver_lives: the breaker closes; a pause that was asked for goes on.
 */
static void
receiver_lives(Gate *gate)
{
	breaker_succeeded(&gate->breaker);
	loop_timer_clear(&gate->timer);
	if (gate->wait_until > loop_now())
		shut(gate, gate->wait_until - loop_now());
}

/*
 * wait_for: nothing can be sent for a while, which is no fault of an event or
 * of the receiver.  What was in flight with the first to say so says no more.
 */
static void
wait_for(Gate *gate, const HttpResult *result)
{
	bool		already = gate->wait_until > loop_now();
	int64_t		pause = result->retry_after;
	int64_t		max = gate->config->retry.max_backoff;
	char		seconds[32];

	if (!already)
		gate->nwaits++;
	else if (pause == 0)
		return;
	if (pause == 0)
		pause = retry_backoff(gate->config->retry.initial_backoff,
							  max < WAIT_MAX ? max : WAIT_MAX, gate->nwaits,
							  retry_random());
	if (gate->wait_until < loop_now() + pause)
		gate->wait_until = loop_now() + pause;
	shut(gate, pause);
	if (already || (gate->nwaits > 1 && result->retry_after == 0))
		return;					/* it has been told */
	snprintf(seconds, sizeof(seconds), "%.3f", (double) pause / 1000);
	log_event(LOG_LEVEL_WARNING, result->outcome == HTTP_LATER ?
			  "receiver asks for a pause" : "cannot send, waiting",
			  "webhook", gate->config->name,
			  "reason", http_reason_name(result->reason), "seconds", seconds,
			  "error", result->outcome == HTTP_LATER ? NULL : result->error,
			  NULL);
}

/*
 * receiver_failed: after some failures in a row, probes take turns with pauses.
 */
static void
receiver_failed(Gate *gate, bool probe)
{
	if (!breaker_failed(&gate->breaker, probe))
		return;
	if (gate->breaker.probes == 0)
		log_event(LOG_LEVEL_WARNING, "receiver keeps failing, sending it probes",
				  "webhook", gate->config->name, NULL);
	shut(gate, breaker_pause(&gate->breaker,
							 gate->config->retry.initial_backoff,
							 gate->config->retry.max_backoff,
							 retry_random()));
}

void
gate_answered(Gate *gate, const void *request, const HttpResult *result)
{
	bool		probe = gate->probe == request;

	if (probe)
		gate->probe = NULL;
	switch (result->outcome)
	{
		case HTTP_OK:
			gate->nwaits = 0;
			receiver_lives(gate);
			break;
		case HTTP_REFUSED:
		case HTTP_GONE:
			receiver_lives(gate);
			break;
		case HTTP_LATER:
		case HTTP_LOCAL_TROUBLE:
			wait_for(gate, result);
			break;
		case HTTP_FAILED:
		case HTTP_TIMEOUT:
			receiver_failed(gate, probe);
			break;
	}
}

/*
 * While the receiver fails, it is the breaker that spares it.  An event that is
 * the only one owed is its probe: so it does not wait for longer than a probe
 * may, unless its attempts are numbered.
 */
RetryPolicy
gate_policy(const Gate *gate)
{
	RetryPolicy policy = gate->config->retry;

	if (gate->breaker.state != BREAKER_CLOSED && policy.max_attempts == 0 &&
		policy.max_backoff > BREAKER_PAUSE)
		policy.max_backoff = BREAKER_PAUSE;
	return policy;
}

void
gate_destroy(Gate *gate)
{
	loop_timer_clear(&gate->timer);
	loop_timer_clear(&gate->rate_timer);
}
