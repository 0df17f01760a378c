/*
 * delivery.h
 *		Sends one event or a batch in a request.
 */
#ifndef NOTIFIER_DELIVERY_H
#define NOTIFIER_DELIVERY_H

#include <stdbool.h>

#include "config/config.h"
#include "net/http.h"
#include "webhook/buffer.h"
#include "webhook/token.h"

/*
 * DeliveryDone: the request with these n events has ended.  result: NULL if it
 * was cancelled because its sender was destroyed.  The callee owns the events.
 */
typedef void (*DeliveryDone) (void *arg, FetchedEvent *events, int n,
							  const HttpResult *result);

typedef struct Sender
{
	const WebhookConfig *config;
	HttpClient *http;
	const Token *token;			/* NULL: none is needed */
	int			in_flight;		/* requests */
	DeliveryDone done;
	void	   *arg;
} Sender;

typedef enum DeliveryBegun
{
	DELIVERY_BEGUN,				/* done will be called later */
	DELIVERY_IMPOSSIBLE,		/* these events can never be sent, for the
								 * reason in *problem */
	DELIVERY_NOT_NOW			/* out of memory or the like */
} DeliveryBegun;

/*
 * deliver: send n events in one request; several events are a batch.
 */
extern DeliveryBegun deliver(Sender *sender, FetchedEvent *events, int n,
							 const char **problem);

/*
 * delivery_log_failure: log a failed request, without the answer, which could
 * quote the request. event: the first one.  A request that costs no attempt is
 * not logged here.
 */
extern void delivery_log_failure(const Sender *sender, const FetchedEvent *event,
								 const HttpResult *result);

#endif							/* NOTIFIER_DELIVERY_H */
