/*
 * gate.c
 *		The breaker and its pauses.
 */
#include "gate.h"

#include "log.h"
#include "retry.h"

int
gate_limit(const Gate *gate)
{
	return breaker_limit(&gate->breaker, gate->config->max_concurrency);
}

bool
gate_is_shut(const Gate *gate)
{
	return gate->breaker.state == BREAKER_OPEN;
}

static void
pause_over(void *arg)
{
	Gate	   *gate = arg;

	breaker_paused(&gate->breaker);
	subscription_changed(gate->subscription);
}

/*
 * A receiver that is gone for good, or that says when to come again, is alive,
 * but one request at a time will do for it too.
 */
void
gate_answered(Gate *gate, const HttpResult *result)
{
	const RetryPolicy *policy = &gate->config->retry;
	int64_t		pause;

	if (result->outcome == HTTP_OK)
	{
		loop_timer_clear(&gate->timer);
		breaker_succeeded(&gate->breaker);
		return;
	}
	if (!breaker_failed(&gate->breaker))
		return;
	pause = breaker_pause(&gate->breaker, policy->initial_backoff,
						  policy->max_backoff, retry_random());
	if (pause < result->retry_after)
		pause = result->retry_after;
	log_event(LOG_LEVEL_WARNING, "receiver keeps failing, sending it probes",
			  "webhook", gate->config->name, NULL);
	loop_timer_set(&gate->timer, pause, pause_over, gate);
}

void
gate_destroy(Gate *gate)
{
	loop_timer_clear(&gate->timer);
}
