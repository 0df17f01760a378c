/*
 * subscription.c
 *		Statements about one subscription.
 */
#include "subscription.h"

#include "log.h"

#include <string.h>

#define MAX_PARAMS		8

#define SQLSTATE_IN_USE	"55006"

void
subscription_changed(const Subscription *subscription)
{
	subscription->changed(subscription->arg);
}

bool
subscription_query(const Subscription *subscription, const char *sql, int n,
				   const char *const *params, SessionResult callback,
				   void *arg)
{
	const char *all[MAX_PARAMS] = {subscription->name};

	for (int i = 0; i < n && i + 1 < MAX_PARAMS; i++)
		all[i + 1] = params[i];
	return session_query(subscription->session, sql, n + 1, all, callback, arg);
}

void
subscription_error(const Subscription *subscription, const char *what,
				   const PGresult *result)
{
	session_report(LOG_LEVEL_ERROR, what, "webhook", subscription->name, result);
}

bool
subscription_is_taken(const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return state && strcmp(state, SQLSTATE_IN_USE) == 0;
}
