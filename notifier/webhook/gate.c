/*
 * gate.c
 *		Pauses, and the rate limit.  There is a pause while the breaker is
 *		open, when a receiver asks for one, and while this host cannot send.
 */
#include "webhook/gate.h"

#include "base/logging.h"
#include "base/retry.h"

#include <stdio.h>

#define WAIT_MAX	30000		/* longest pause that no receiver asked for,
								 * in ms */

static void
timer_expired(void *arg)
{
	Gate	   *gate = arg;

	subscription_changed(gate->subscription);
}

/*
 * rate_allows: does the rate limit allow a request now?  If not, set the
 * timer.
 */
static bool
rate_allows(Gate *gate)
{
	int64_t		wait = rate_wait(&gate->rate, gate->config->rate_limit,
								 loop_now());

	if (wait > 0)
		loop_timer_set(&gate->rate_timer, wait, timer_expired, gate);
	return wait == 0;
}

bool
gate_is_closed(const Gate *gate)
{
	return gate->timer.set;
}

bool
gate_is_failing(const Gate *gate)
{
	return gate->breaker.state != BREAKER_CLOSED;
}

bool
gate_may_send(Gate *gate, int in_flight)
{
	if (gate_is_closed(gate) || in_flight >= gate->config->max_concurrency)
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
 * close_gate: pause for so many ms, or until the end of the current pause if
 * that is later.
 */
static void
close_gate(Gate *gate, int64_t pause)
{
	if (!gate->timer.set || gate->timer.due < loop_now() + pause)
		loop_timer_set(&gate->timer, pause, pause_over, gate);
}

/*
 * receiver_answered: close the breaker; other pauses go on.
 */
static void
receiver_answered(Gate *gate)
{
	breaker_succeeded(&gate->breaker);
	loop_timer_clear(&gate->timer);
	if (gate->wait_until > loop_now())
		close_gate(gate, gate->wait_until - loop_now());
}

/*
 * begin_wait: begin a pause for which neither an event nor the receiver's
 * health is the reason.  Only the first of the requests in flight begins it.
 */
static void
begin_wait(Gate *gate, const HttpResult *result)
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
	close_gate(gate, pause);
	if (already || (gate->nwaits > 1 && result->retry_after == 0))
		return;					/* it was logged already */
	snprintf(seconds, sizeof(seconds), "%.3f", (double) pause / 1000);
	log_event(LOG_LEVEL_WARNING, result->outcome == HTTP_LATER ?
			  "receiver asks for a pause" : "cannot send, waiting",
			  "webhook", gate->config->name,
			  "reason", http_reason_name(result->reason), "seconds", seconds,
			  "error", result->outcome == HTTP_LATER ? NULL : result->error,
			  NULL);
}

/*
 * receiver_failed: let the breaker open after some failures in a row.
 */
static void
receiver_failed(Gate *gate, bool probe)
{
	if (!breaker_failed(&gate->breaker, probe))
		return;
	if (gate->breaker.probes == 0)
		log_event(LOG_LEVEL_WARNING, "receiver keeps failing, sending it probes",
				  "webhook", gate->config->name, NULL);
	close_gate(gate, breaker_pause(&gate->breaker,
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
			receiver_answered(gate);
			break;
		case HTTP_REFUSED:
		case HTTP_GONE:
			receiver_answered(gate);
			break;
		case HTTP_LATER:
		case HTTP_LOCAL_TROUBLE:
			begin_wait(gate, result);
			break;
		case HTTP_FAILED:
		case HTTP_TIMEOUT:
			receiver_failed(gate, probe);
			break;
	}
}

/*
 * While the receiver fails, the breaker limits the requests.  If only one
 * event is pending, that event is the probe.  So its backoff must not be
 * longer than the pause between probes, unless the number of attempts is
 * limited.
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
