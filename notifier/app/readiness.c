/*
 * readiness.c
 *		Whatever stands still, a person is to learn of it within half a minute: by
 *		a line of the log when that begins and when it ends, by /readyz, which has
 *		the reason, and by a metric.
 */
#include "app/readiness.h"

#include "base/logging.h"
#include "base/loop.h"
#include "net/database.h"
#include "net/session.h"
#include "webhook/statements.h"

#include <stdio.h>
#include <string.h>

#define BEAT	5000			/* ms between two looks */

static LoopTimer timer;
static char told[512];			/* the first thing that stands still */

void
readiness_list(const Fleet *fleet, char *to, size_t size)
{
	const char *trouble = database_trouble();
	size_t		len = 0;

	*to = '\0';
	if (trouble)
		len = (size_t) snprintf(to, size, "%s\n", trouble);
	for (size_t i = 0; i < fleet->n && len < size; i++)
	{
		WebhookStatus status;

		webhook_status(fleet->webhooks[i], &status);
		if (status.trouble)
			len += (size_t) snprintf(to + len, size - len, "webhook %s: %s\n",
									 status.config->name, status.trouble);
	}
}

/*
 * obstacles_seen: rows are few, as a rule none.
 */
static void
obstacles_seen(void *arg, PGresult *result)
{
	const Fleet *fleet = arg;

	if (result && !session_succeeded(result))
		session_report(LOG_LEVEL_DEBUG, "could not see who the consumers are",
					   NULL, NULL, result);
	if (result == NULL || !session_succeeded(result))
		return;
	for (size_t i = 0; i < fleet->n; i++)
	{
		Webhook    *webhook = fleet->webhooks[i];

		webhook->claim.foreign = webhook->claim.ownerless = false;
		for (int row = 0; row < PQntuples(result); row++)
		{
			if (strcmp(PQgetvalue(result, row, 0), fleet->names[i]) != 0)
				continue;
			webhook->claim.foreign = !webhook_is_consumer(webhook) &&
				*PQgetvalue(result, row, 1) == 't';
			webhook->claim.ownerless = *PQgetvalue(result, row, 2) == 't';
		}
	}
}

/*
 * look_for_obstacles: to stand by for another notifier is no trouble, for
 * anybody else it is.
 */
static void
look_for_obstacles(void *fleet)
{
	const char *params[] = {database_log()};

	if (database_is_set_up() && session_silence(database_session()) == 0)
		(void) session_query(database_session(), statement_obstacles, 1, params,
							 obstacles_seen, fleet);
}

static void
look(void *arg)
{
	char		trouble[sizeof(told)];

	look_for_obstacles(arg);
	readiness_list(arg, trouble, sizeof(trouble));
	trouble[strcspn(trouble, "\n")] = '\0';
	if (*trouble && strcmp(trouble, told) != 0)
		log_event(LOG_LEVEL_WARNING, "not ready", "reason", trouble, NULL);
	else if (*trouble == '\0' && *told)
		log_event(LOG_LEVEL_INFO, "ready again", NULL);
	strcpy(told, trouble);
	loop_timer_set(&timer, BEAT, look, arg);
}

void
readiness_begin(const Fleet *fleet)
{
	loop_timer_set(&timer, BEAT, look, (void *) fleet);
}

void
readiness_end(void)
{
	loop_timer_clear(&timer);
}
