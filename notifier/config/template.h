/*
 * template.h
 *		Bodies by a template: JSON in whose strings placeholders stand for
 *		values of an event.
 *
 * A placeholder is {{PATH}}, {{PATH|PATH}} (the first that is not empty) or
 * {{PATH:N}} (at most N characters).  A PATH is webhook, level, attempt,
 * event.COLUMN, event.details.KEY.KEY, secret.NAME or a text in single quotes.
 * An absent value is an empty string.  A string that is {{level}} or one
 * placeholder of details, and nothing else, becomes the value itself.
 *
 * The template is parsed, values are filled in, and the result is serialized,
 * so no value can break the JSON.
 */
#ifndef NOTIFIER_TEMPLATE_H
#define NOTIFIER_TEMPLATE_H

#include <jansson.h>

#include "config/jsonreader.h"
#include "config/webhook_config.h"

/*
 * template_read: read "body" or "body_file", "levels" and "secrets".
 */
extern void template_read(Reader *reader, json_t *object,
						  WebhookConfig *webhook);

/*
 * template_render: the body for an event, which is the text of a JSON object
 * {"attempt": …, "event": {COLUMN: …}}.  Allocated.  NULL if it cannot be
 * made; then *problem is the reason, or NULL if memory ran out.
 */
extern char *template_render(const WebhookConfig *webhook, const char *event,
							 const char **problem);

#endif							/* NOTIFIER_TEMPLATE_H */
