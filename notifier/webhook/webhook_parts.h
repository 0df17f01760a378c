/*
 * webhook_parts.h
 *		The parts of a webhook.
 */
#ifndef NOTIFIER_WEBHOOK_PARTS_H
#define NOTIFIER_WEBHOOK_PARTS_H

#include <stdbool.h>

#include "config/config.h"
#include "net/session.h"
#include "webhook/acks.h"
#include "webhook/buffer.h"
#include "webhook/claim.h"
#include "webhook/counts.h"
#include "webhook/delivery.h"
#include "webhook/gate.h"
#include "webhook/poll.h"
#include "webhook/retries.h"
#include "webhook/subscription.h"
#include "webhook/token.h"

typedef enum WebhookState
{
	WEBHOOK_DOWN,				/* no session, or not subscribed */
	WEBHOOK_STANDBY,			/* another session is or may be the consumer */
	WEBHOOK_CONSUMER,			/* this session is */
	WEBHOOK_LEAVING				/* it is, until requests in flight are settled */
} WebhookState;

typedef struct Webhook
{
	const WebhookConfig *config;
	Subscription subscription;
	WebhookState state;
	bool		stopping;		/* start nothing new */
	Claim		claim;
	Poll		poll;
	EventBuffer buffer;
	Gate		gate;
	Sender		sender;
	Token		token;
	Acks		acks;
	Retries		retries;
	WebhookCounts counts;
} Webhook;

#endif							/* NOTIFIER_WEBHOOK_PARTS_H */
