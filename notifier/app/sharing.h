/*
 * sharing.h
 *		Several notifiers with the same webhooks share them out.
 */
#ifndef NOTIFIER_SHARING_H
#define NOTIFIER_SHARING_H

#include "webhook/webhook.h"

#define SHARING_NAME_SIZE	64

/*
 * sharing_name: of a session, the same for all notifiers of these webhooks, in
 * SHARING_NAME_SIZE bytes.
 */
extern void sharing_name(Webhook *const *webhooks, size_t n, char *to);

/*
 * sharing_balance: of so many notifiers each has its share; who has more leaves
 * the rest to the others.
 */
extern void sharing_balance(Webhook *const *webhooks, size_t n,
							int nnotifiers);

#endif							/* NOTIFIER_SHARING_H */
