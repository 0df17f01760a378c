/*
 * gate.c
 *		The breaker and its pauses.
 */
#include "gate.h"

#include "log.h"
#include "retry.h"

bool
gate_may_send(const Gate *gate, int nflying)
{
	if (nflying >= gate->config->max_concurrency)
		return false;
	switch (gate->breaker.state)
	{
		case BREAKER_OPEN:
			return false;
		case BREAKER_HALF_OPEN:
			return gate->probe == NULL;
		case BREAKER_CLOSED:
			break;
	}
	return true;
}

bool
gate_is_shut(const Gate *gate)
{
	return gate->breaker.state == BREAKER_OPEN;
}

void
gate_sent(Gate *gate, const void *request)
{
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
 * is_alive: does it say that the receiver is?
 */
static bool
is_alive(const HttpResult *result)
{
	return result->outcome == HTTP_OK;
}

void
gate_answered(Gate *gate, const void *request, const HttpResult *result)
{
	bool		probe = gate->probe == request;
	int64_t		pause;

	if (probe)
		gate->probe = NULL;
	if (is_alive(result))
	{
		loop_timer_clear(&gate->timer);
		breaker_succeeded(&gate->breaker);
		return;
	}
	if (!breaker_failed(&gate->breaker, probe))
		return;
	pause = breaker_pause(&gate->breaker, gate->config->retry.initial_backoff,
						  retry_random());
	if (pause < result->retry_after)
		pause = result->retry_after;
	log_event(LOG_LEVEL_WARNING, "receiver keeps failing, sending it probes",
			  "webhook", gate->config->name, NULL);
	loop_timer_set(&gate->timer, pause, pause_over, gate);
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
}
