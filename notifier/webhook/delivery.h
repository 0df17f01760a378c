/*
 * delivery.h
 *		One request: made of one event or a batch, and sent.
 */
#ifndef NOTIFIER_DELIVERY_H
#define NOTIFIER_DELIVERY_H

#include <stdbool.h>

#include "config/config.h"
#include "net/http.h"
#include "webhook/buffer.h"
#include "webhook/token.h"

/*
 * DeliveryDone: what became of n events.  result: NULL where the request was
 * broken off because its sender was destroyed.  The events are the callee's
 * again.
 */
typedef void (*DeliveryDone) (void *arg, OwedEvent *events, int n,
							  const HttpResult *result);

typedef struct Sender
{
	const WebhookConfig *config;
	HttpClient *http;
	const Token *token;			/* NULL: none is needed */
	int			nflying;		/* requests */
	DeliveryDone done;
	void	   *arg;
} Sender;

typedef enum DeliveryBegun
{
	DELIVERY_BEGUN,				/* done will be called, and not from within */
	DELIVERY_IMPOSSIBLE,		/* these events can never be sent there, for
								 * the reason in *problem */
	DELIVERY_NOT_NOW			/* memory or the like lacks here */
} DeliveryBegun;

/*
 * deliver: send n events, of which more than one are a batch, in one request.
 */
extern DeliveryBegun deliver(Sender *sender, OwedEvent *events, int n,
							 const char **problem);

/*
 * delivery_log_failure: without what was answered, which may quote what was
 * sent.  event: the first of the request.  Of a request that costs no attempt
 * nothing is said here.
 */
extern void delivery_log_failure(const Sender *sender, const OwedEvent *event,
								 const HttpResult *result);

#endif							/* NOTIFIER_DELIVERY_H */
