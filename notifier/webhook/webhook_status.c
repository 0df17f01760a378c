/*
 * webhook_status.c
 *		Functions that report on a webhook and change nothing.
 */
#include "webhook/webhook.h"

bool
webhook_is_consumer(const Webhook *webhook)
{
	return webhook->state == WEBHOOK_CONSUMER ||
		webhook->state == WEBHOOK_LEAVING;
}

bool
webhook_is_leaving(const Webhook *webhook)
{
	return webhook->state == WEBHOOK_LEAVING;
}

bool
webhook_is_blocked(const Webhook *webhook)
{
	return webhook->config->ordered && retries_waiting(&webhook->retries) > 0;
}

bool
webhook_is_settled(const Webhook *webhook)
{
	return webhook->sender.in_flight == 0 && !webhook->claim.asking &&
		poll_is_idle(&webhook->poll) && !webhook->retries.counting &&
		acks_pending(&webhook->acks) == 0;
}

/*
 * problem_of: the problem with one of its statements; NULL: none.
 */
static const char *
problem_of(const Webhook *webhook)
{
	const Problem *const problems[] = {
		&webhook->claim.problem, &webhook->poll.problem,
		&webhook->acks.problem, &webhook->retries.problem
	};

	for (size_t i = 0; i < sizeof(problems) / sizeof(problems[0]); i++)
	{
		if (problems[i]->text)
			return problems[i]->text;
	}
	return NULL;
}

bool
webhook_is_quiet(const Webhook *webhook)
{
	/* nothing can be sent now, as the receiver or the first event fails */
	bool		waits = gate_is_closed(&webhook->gate) ||
		token_trouble(&webhook->token) ||
		(webhook_is_blocked(webhook) && webhook->retries.timer.set);

	if (webhook->sender.in_flight > 0)
		return false;
	if (webhook->state == WEBHOOK_DOWN)
		return true;
	return webhook_is_settled(webhook) &&
		(webhook->stopping || waits || webhook->state == WEBHOOK_STANDBY ||
		 (webhook->buffer.nwaiting == 0 &&
		  webhook->poll.state != POLL_READY));
}

bool
webhook_has_failed(const Webhook *webhook)
{
	return problem_of(webhook) || counts_failures(&webhook->counts) > 0 ||
		webhook->token.failed > 0;
}

void
webhook_status(const Webhook *webhook, WebhookStatus *status)
{
	const LoopTimer *wait = &webhook->gate.timer;

	*status = (WebhookStatus)
	{
		.config = webhook->config,
			.counts = &webhook->counts,
			.in_flight = webhook->sender.in_flight,
			.waiting = webhook->buffer.nwaiting,
			.breaker = webhook->gate.breaker.state,
			.token_failures = webhook->token.failed,
			.consumer = webhook_is_consumer(webhook)
	};
	if (wait->set && wait->due > loop_now())
		status->pause_left = (double) (wait->due - loop_now()) / 1000;
	if (claim_obstacle(&webhook->claim))
		status->trouble = claim_obstacle(&webhook->claim);
	else if (problem_of(webhook))
		status->trouble = problem_of(webhook);
	else if (webhook->state == WEBHOOK_DOWN)
		status->trouble = "not subscribed";
	else if (token_trouble(&webhook->token))
		status->trouble = token_trouble(&webhook->token);
	else
		status->trouble = gate_trouble(&webhook->gate);
}
