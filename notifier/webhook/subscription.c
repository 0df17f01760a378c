/*
 * subscription.c
 *		Statements about one subscription, and their errors.
 */
#include "webhook/subscription.h"

#include "base/logging.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PARAMS		8

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
	const char *all[MAX_PARAMS] = {subscription->name, subscription->log};

	for (int i = 0; i < n && i + 2 < MAX_PARAMS; i++)
		all[i + 2] = params[i];
	return session_query(subscription->session, sql, n + 2, all, callback, arg);
}

/*
 * describe: the text of a problem; NULL: out of memory.
 */
static char *
describe(const char *what, const PGresult *result)
{
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	char	   *text;

	return asprintf(&text, "%s: %s", what,
					message ? message : "unknown error") < 0 ? NULL : text;
}

void
problem_found(Problem *problem, const Subscription *subscription,
			  const char *what, const PGresult *result)
{
	char	   *text = describe(what, result);
	bool		known = text && problem->text && strcmp(text, problem->text) == 0;

	session_report(known ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, what,
				   "webhook", subscription->name, result);
	free(problem->text);
	problem->text = text ? text : strdup(what);
}

void
problem_over(Problem *problem, const Subscription *subscription)
{
	if (problem->text == NULL)
		return;
	log_event(LOG_LEVEL_INFO, "a problem is over",
			  "webhook", subscription->name, "problem", problem->text, NULL);
	problem_forget(problem);
}

void
problem_forget(Problem *problem)
{
	free(problem->text);
	problem->text = NULL;
}

/*
 * has_state: does the SQLSTATE begin with one of these?  NULL ends the list.
 */
static bool
has_state(const PGresult *result, const char *const *states)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	for (; state && *states; states++)
	{
		if (strncmp(state, *states, strlen(*states)) == 0)
			return true;
	}
	return false;
}

bool
subscription_is_taken(const PGresult *result)
{
	static const char *const states[] = {"55006", NULL};

	return has_state(result, states);
}

bool
subscription_is_gone(const PGresult *result)
{
	/* undefined object, table, function or schema */
	static const char *const states[] = {
		"42704", "42P01", "42883", "3F000", NULL
	};

	return has_state(result, states);
}

bool
subscription_is_about_data(const PGresult *result)
{
	/* data, limits, memory, corruption, exceptions that functions raise */
	static const char *const states[] = {
		"22", "23", "54", "53200", "XX", "P0", "0A", NULL
	};

	return has_state(result, states);
}
