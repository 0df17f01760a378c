/*
 * template.h
 *		A body of the operator's own: JSON in whose strings the values of an event
 *		are filled in.
 *
 * A placeholder is {{PATH}}, {{PATH|PATH}} (the first that is not empty) or
 * {{PATH:N}} (at most N characters).  A PATH is webhook, level, attempt,
 * event.COLUMN, event.details.KEY.KEY, secret.NAME or a text between single
 * quotes.  What is absent is an empty string.  A string that is {{level}} or one
 * placeholder of details, and nothing else, becomes the value itself.
 *
 * Values are filled in where the JSON has been parsed, and it is written anew
 * after that, so no value can break it.
 */
#ifndef NOTIFIER_TEMPLATE_H
#define NOTIFIER_TEMPLATE_H

#include <jansson.h>

#include "config/jsonreader.h"
#include "config/webhook_config.h"

/*
 * template_read: "body" or "body_file", "levels" and "secrets".
 */
extern void template_read(Reader *reader, json_t *object,
						  WebhookConfig *webhook);

/*
 * template_render: the body for an event, which is the text of a JSON object
 * {"attempt": …, "event": {COLUMN: …}}.  Allocated; NULL, and why in *problem, if
 * it cannot be made; *problem is NULL where memory lacks.
 */
extern char *template_render(const WebhookConfig *webhook, const char *event,
							 const char **problem);

#endif							/* NOTIFIER_TEMPLATE_H */
