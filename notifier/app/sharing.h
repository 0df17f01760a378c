/*
 * sharing.h
 *		Notifiers with the same webhooks share them.
 */
#ifndef NOTIFIER_SHARING_H
#define NOTIFIER_SHARING_H

#include "webhook/webhook.h"

#define SHARING_NAME_SIZE	64

/*
 * sharing_name: the application_name that all notifiers of these webhooks
 * have, in SHARING_NAME_SIZE bytes.
 */
extern void sharing_name(Webhook *const *webhooks, size_t n, char *to);

/*
 * sharing_balance: if this notifier consumes more than its share among
 * nnotifiers, let it leave the rest to the others.
 */
extern void sharing_balance(Webhook *const *webhooks, size_t n,
							int nnotifiers);

#endif							/* NOTIFIER_SHARING_H */
