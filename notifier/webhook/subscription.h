/*
 * subscription.h
 *		The session and the subscription that the parts of a webhook work for.
 *
 * A webhook is made of parts: its claim, its poll, its acks, its retries and
 * its gate.  Each sends its own statements by this and, whenever something
 * about it has changed, calls subscription_changed(); the webhook then looks at
 * all of them.  No part calls it from within a function that the webhook calls.
 */
#ifndef NOTIFIER_SUBSCRIPTION_H
#define NOTIFIER_SUBSCRIPTION_H

#include <stdbool.h>

#include "net/session.h"

#define ERROR_DELAY		5000	/* ms after a statement that failed */

typedef struct Subscription
{
	const char *name;			/* its own and its webhook's */
	Session    *session;		/* the caller's */
	const char *log;			/* Oid of the log, the caller's */
	void		(*changed) (void *arg);
	void	   *arg;
} Subscription;

extern void subscription_changed(const Subscription *subscription);

/*
 * subscription_query: send a statement whose $1 is the subscription's name, $2 its
 * log, and $3, $4, … the n further parameters.  False when memory lacks.
 */
extern bool subscription_query(const Subscription *subscription,
							   const char *sql, int n,
							   const char *const *params,
							   SessionResult callback, void *arg);

/*
 * Problem: what is wrong with a part just now, told once and not each time that
 * it is found again.  Zeroed, all is well.
 */
typedef struct Problem
{
	char	   *text;			/* NULL: nothing is */
} Problem;

/*
 * problem_found: an error of the server; what: "could not …".
 * problem_over: it is gone.
 */
extern void problem_found(Problem *problem, const Subscription *subscription,
						  const char *what, const PGresult *result);
extern void problem_over(Problem *problem, const Subscription *subscription);
extern void problem_forget(Problem *problem);

/*
 * subscription_is_taken: is it the error that another session is the consumer?
 * subscription_is_gone: or that the subscription, its log or the whole extension
 * is not there any more?
 * subscription_is_about_data: or one that a single event may cause?
 */
extern bool subscription_is_taken(const PGresult *result);
extern bool subscription_is_gone(const PGresult *result);
extern bool subscription_is_about_data(const PGresult *result);

#endif							/* NOTIFIER_SUBSCRIPTION_H */
