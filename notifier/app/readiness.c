/*
 * readiness.c
 *		Reports why the process is not ready.
 *
 * If deliveries stand still, operators learn it within half a minute: from the
 * log, when that begins and ends, from /readyz, which has the reason, and from
 * a metric.
 */
#include "app/readiness.h"

#include "base/logging.h"
#include "base/loop.h"
#include "net/database.h"
#include "net/session.h"
#include "webhook/statements.h"

#include <stdio.h>
#include <string.h>

#define INTERVAL	5000		/* ms between two checks */

static LoopTimer timer;
static char reported[512];		/* the reason in the log; "": ready */

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
 * obstacles_read: note in each webhook whether its subscription cannot be
 * consumed.  There are few rows, usually none.
 */
static void
obstacles_read(void *arg, PGresult *result)
{
	const Fleet *fleet = arg;

	if (result && !session_succeeded(result))
		session_report(LOG_LEVEL_DEBUG, "could not read the consumers",
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
 * read_obstacles: standing by is all right while the consumer is another
 * notifier, but not if it is any other session.
 */
static void
read_obstacles(void *fleet)
{
	const char *params[] = {database_log()};

	if (database_is_set_up() && session_silence(database_session()) == 0)
		(void) session_query(database_session(), statement_obstacles, 1, params,
							 obstacles_read, fleet);
}

static void
check(void *arg)
{
	char		trouble[sizeof(reported)];

	read_obstacles(arg);
	readiness_list(arg, trouble, sizeof(trouble));
	trouble[strcspn(trouble, "\n")] = '\0';
	if (*trouble && strcmp(trouble, reported) != 0)
		log_event(LOG_LEVEL_WARNING, "not ready", "reason", trouble, NULL);
	else if (*trouble == '\0' && *reported)
		log_event(LOG_LEVEL_INFO, "ready again", NULL);
	strcpy(reported, trouble);
	loop_timer_set(&timer, INTERVAL, check, arg);
}

void
readiness_begin(const Fleet *fleet)
{
	loop_timer_set(&timer, INTERVAL, check, (void *) fleet);
}

void
readiness_end(void)
{
	loop_timer_clear(&timer);
}
