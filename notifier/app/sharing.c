/*
 * sharing.c
 *		Notifiers with the same webhooks share them.
 *
 * They find each other by their application_name, which has a hash of the
 * names of their webhooks.
 */
#include "app/sharing.h"

#include <stdint.h>
#include <stdio.h>

/*
 * sharing_name: by FNV-1a.
 */
void
sharing_name(Webhook *const *webhooks, size_t n, char *to)
{
	uint32_t	hash = 2166136261u;

	for (size_t i = 0; i < n; i++)
	{
		/* with the NUL at the end, which separates the names */
		for (const char *at = webhooks[i]->config->name;; at++)
		{
			hash = (hash ^ (unsigned char) *at) * 16777619u;
			if (*at == '\0')
				break;
		}
	}
	snprintf(to, SHARING_NAME_SIZE, "eventlog-notifier %08x", (unsigned) hash);
}

void
sharing_balance(Webhook *const *webhooks, size_t n, int nnotifiers)
{
	size_t		held = 0;
	size_t		share;

	if (nnotifiers < 2)
		return;
	share = (n + (size_t) nnotifiers - 1) / (size_t) nnotifiers;
	for (size_t i = 0; i < n; i++)
		held += webhook_is_consumer(webhooks[i]) &&
			!webhook_is_leaving(webhooks[i]);
	for (size_t i = n; i > 0 && held > share; i--)
	{
		Webhook    *webhook = webhooks[i - 1];

		if (!webhook_is_consumer(webhook) || webhook_is_leaving(webhook))
			continue;
		webhook_yield(webhook);
		held--;
	}
}
