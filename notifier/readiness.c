/*
 * readiness.c
 *		Whatever stands still, a person is to learn of it within half a minute: by
 *		a line of the log when that begins and when it ends, by /readyz, which has
 *		the reason, and by a metric.
 */
#include "readiness.h"

#include "database.h"
#include "gauges.h"
#include "log.h"
#include "loop.h"

#include <stdio.h>
#include <string.h>

#define BEAT	5000			/* ms between two looks */

static LoopTimer timer;
static bool told = false;		/* that something stands still */

/*
 * trouble_of: of one webhook; NULL: it has none.  To stand by is no trouble, if
 * it is for another notifier.
 */
static const char *
trouble_of(const WebhookStatus *status, const Gauge *gauge)
{
	if (status->trouble)
		return status->trouble;
	if (status->standby && gauge && gauge->foreign)
		return "another session is the consumer, and no notifier that lives";
	return NULL;
}

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
		trouble = trouble_of(&status, gauges_of(i));
		if (trouble)
			len += (size_t) snprintf(to + len, size - len, "webhook %s: %s\n",
									 status.config->name, trouble);
	}
}

static void
look(void *arg)
{
	char		trouble[512];

	readiness_list(arg, trouble, sizeof(trouble));
	trouble[strcspn(trouble, "\n")] = '\0';
	if (*trouble && !told)
		log_event(LOG_LEVEL_WARNING, "not ready", "reason", trouble, NULL);
	else if (*trouble == '\0' && told)
		log_event(LOG_LEVEL_INFO, "ready again", NULL);
	told = *trouble != '\0';
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
