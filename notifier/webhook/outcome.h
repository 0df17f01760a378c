/*
 * outcome.h
 *		What becomes of an event: told to the database, expected again, or put
 *		back.
 */
#ifndef NOTIFIER_OUTCOME_H
#define NOTIFIER_OUTCOME_H

#include "webhook/webhook_parts.h"

/*
 * settle_request: all events of a request.  result: NULL where it was broken off
 * with the webhook itself.
 */
extern void settle_request(Webhook *webhook, OwedEvent *events,
						   const HttpResult *result);

/*
 * settle_unsent: one that is unwanted is owed no more; the payload of one that
 * is unfit can perhaps be made later.
 */
extern void settle_unsent(Webhook *webhook, OwedEvent *event);

/*
 * settle_impossible: it can never be sent there, and why.
 */
extern void settle_impossible(Webhook *webhook, OwedEvent *event,
							  const char *problem);

#endif							/* NOTIFIER_OUTCOME_H */
