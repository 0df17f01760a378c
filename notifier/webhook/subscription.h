/*
 * subscription.h
 *		The session and the subscription that the parts of a webhook share.
 *
 * The parts of a webhook (claim, poll, acks, retries, gate) send their
 * statements by subscription_query().  Whenever something has changed, a part
 * calls subscription_changed(), and the webhook checks all of them.  No part
 * calls it from within a function that the webhook calls.
 */
#ifndef NOTIFIER_SUBSCRIPTION_H
#define NOTIFIER_SUBSCRIPTION_H

#include <stdbool.h>

#include "net/session.h"

#define ERROR_DELAY		5000	/* ms after a statement that failed */

typedef struct Subscription
{
	const char *name;			/* of the subscription and the webhook */
	Session    *session;		/* owned by the caller */
	const char *log;			/* Oid of the log, owned by the caller */
	void		(*changed) (void *arg);
	void	   *arg;
} Subscription;

extern void subscription_changed(const Subscription *subscription);

/*
 * subscription_query: send a statement whose $1 is the subscription's name, $2
 * its log, and $3, $4, … the n parameters.  False: out of memory.
 */
extern bool subscription_query(const Subscription *subscription,
							   const char *sql, int n,
							   const char *const *params,
							   SessionResult callback, void *arg);

/*
 * Problem: the current error of a part, which is logged once and not each time
 * that it recurs.  All zeros: no error.
 */
typedef struct Problem
{
	char	   *text;			/* NULL: no error */
} Problem;

/*
 * problem_found: a statement failed; what: "could not …".
 * problem_over: the same statement succeeded.
 * problem_forget: nobody is interested any more.
 */
extern void problem_found(Problem *problem, const Subscription *subscription,
						  const char *what, const PGresult *result);
extern void problem_over(Problem *problem, const Subscription *subscription);
extern void problem_forget(Problem *problem);

/*
 * Kinds of errors:
 * subscription_is_taken: another session is the consumer;
 * subscription_is_gone: the subscription, its log or the extension was
 * dropped;
 * subscription_is_about_data: a single event may be the cause.
 */
extern bool subscription_is_taken(const PGresult *result);
extern bool subscription_is_gone(const PGresult *result);
extern bool subscription_is_about_data(const PGresult *result);

#endif							/* NOTIFIER_SUBSCRIPTION_H */
