/*
 * fleet.c
 *		All webhooks of a configuration, and what happens to them at a
 *		reload.
 *
 * A reload replaces the webhooks whose configuration has changed, after their
 * requests in flight have ended.  The others keep their connections, counters
 * and requests.
 */
#include "app/fleet.h"

#include <stdlib.h>
#include <string.h>

/*
 * find: the webhook with this configuration; NULL: none.
 */
static Webhook *
find(const Fleet *fleet, const WebhookConfig *config)
{
	for (size_t i = 0; fleet && i < fleet->n; i++)
	{
		if (fleet->webhooks[i] && fleet->webhooks[i]->config == config)
			return fleet->webhooks[i];
	}
	return NULL;
}

bool
fleet_make(Fleet *fleet, const Config *config, const Fleet *old)
{
	*fleet = (Fleet)
	{
		.webhooks = calloc(config->nwebhooks + 1, sizeof(Webhook *)),
			.names = calloc(config->nwebhooks + 1, sizeof(char *)),
			.generation = old ? old->generation + 1 : 1
	};
	if (fleet->webhooks == NULL || fleet->names == NULL)
		return false;
	for (size_t i = 0; i < config->nwebhooks; i++)
	{
		const WebhookConfig *of = config->webhooks[i];
		Webhook    *webhook = find(old, of);

		if (!of->active)
			continue;
		if (webhook == NULL && (webhook = webhook_create(of)) == NULL)
			return false;
		fleet->names[fleet->n] = of->name;
		fleet->webhooks[fleet->n++] = webhook;
	}
	return true;
}

void
fleet_start(const Fleet *fleet, Session *session, const char *log,
			const Fleet *old)
{
	for (size_t i = 0; i < fleet->n; i++)
	{
		if (find(old, fleet->webhooks[i]->config) == NULL)
			webhook_start(fleet->webhooks[i], session, log);
	}
}

void
fleet_lost(const Fleet *fleet)
{
	for (size_t i = 0; i < fleet->n; i++)
		webhook_lost(fleet->webhooks[i]);
}

void
fleet_wake(const Fleet *fleet, const char *name)
{
	for (size_t i = 0; i < fleet->n; i++)
	{
		if (*name == '\0' || strcmp(fleet->names[i], name) == 0)
			webhook_wake(fleet->webhooks[i]);
	}
}

/*
 * stays: does the next configuration have the webhook unchanged?
 */
static bool
stays(const Webhook *webhook, const Config *next)
{
	WebhookConfig **config = next ?
		config_find_active(next, webhook->config->name) : NULL;

	return config && webhook_config_equal(*config, webhook->config);
}

void
fleet_drain(const Fleet *fleet, const Config *next)
{
	for (size_t i = 0; i < fleet->n; i++)
		fleet->webhooks[i]->stopping = !stays(fleet->webhooks[i], next);
}

bool
fleet_is_drained(const Fleet *fleet)
{
	for (size_t i = 0; i < fleet->n; i++)
	{
		if (fleet->webhooks[i]->stopping &&
			!webhook_is_quiet(fleet->webhooks[i]))
			return false;
	}
	return true;
}

bool
fleet_is_quiet(const Fleet *fleet)
{
	for (size_t i = 0; i < fleet->n; i++)
	{
		if (!webhook_is_quiet(fleet->webhooks[i]))
			return false;
	}
	return true;
}

/*
 * let_go: destroy a webhook and release its subscription.
 */
static void
let_go(Webhook *webhook, Session *session, bool set_up)
{
	if (set_up)
		claim_release(&webhook->claim);
	session_forget(session, webhook, sizeof(*webhook));
	webhook_destroy(webhook);
}

void
fleet_take_over(Fleet *fleet, Config *config, Config *next, Session *session,
				bool set_up)
{
	for (size_t i = 0; i < fleet->n; i++)
	{
		Webhook    *webhook = fleet->webhooks[i];
		WebhookConfig **theirs;
		WebhookConfig **ours;
		WebhookConfig *same;

		if (!stays(webhook, next))
		{
			let_go(webhook, session, set_up);
			fleet->webhooks[i] = NULL;
			continue;
		}
		theirs = config_find_active(next, webhook->config->name);
		ours = config_find_active(config, webhook->config->name);
		same = *ours;
		*ours = *theirs;
		*theirs = same;
		webhook->stopping = false;
	}
}

void
fleet_free(Fleet *fleet)
{
	free(fleet->webhooks);
	free(fleet->names);
	*fleet = (Fleet)
	{
		.generation = fleet->generation
	};
}

void
fleet_destroy(Fleet *fleet)
{
	for (size_t i = 0; i < fleet->n; i++)
		webhook_destroy(fleet->webhooks[i]);
	fleet_free(fleet);
}
