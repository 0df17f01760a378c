/*
 * outcome.h
 *		Settles events: acknowledged, scheduled for a retry, given up, or put
 *		back into the buffer.
 */
#ifndef NOTIFIER_OUTCOME_H
#define NOTIFIER_OUTCOME_H

#include "webhook/webhook_parts.h"

/*
 * settle_request: settle all events of a request.  result: NULL if the request
 * was cancelled because the webhook is being destroyed.
 */
extern void settle_request(Webhook *webhook, FetchedEvent *events,
						   const HttpResult *result);

/*
 * settle_unsent: settle an event that is not to be sent: one that the webhook
 * filters out is acknowledged; one without a payload is retried, since its
 * payload may be made later.
 */
extern void settle_unsent(Webhook *webhook, FetchedEvent *event);

/*
 * settle_impossible: give up an event that can never be sent; problem: why.
 */
extern void settle_impossible(Webhook *webhook, FetchedEvent *event,
							  const char *problem);

#endif							/* NOTIFIER_OUTCOME_H */
