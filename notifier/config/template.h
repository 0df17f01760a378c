/*
 * template.h
 *		A request body that the operator writes: JSON with placeholders in its
 *		strings, into which the values of an event are filled.
 *
 * A placeholder is {{PATH}}, {{PATH|PATH}} (the first that is not empty) or
 * {{PATH:N}} (at most N characters).  A PATH is webhook, level, attempt,
 * event.COLUMN, event.details.KEY.KEY, secret.NAME or a text between single
 * quotes.  An absent value becomes an empty string.  A string that consists of
 * {{level}} or one placeholder of details is replaced by the value itself.
 *
 * Values are filled into the parsed JSON, which is then written as text, so no
 * value can break it.
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
 * template_render: make the body for an event, which is given as the text of a
 * JSON object {"attempt": …, "event": {COLUMN: …}}.  Allocated; NULL on
 * failure, with the reason in *problem, which is NULL if out of memory.
 */
extern char *template_render(const WebhookConfig *webhook, const char *event,
							 const char **problem);

#endif							/* NOTIFIER_TEMPLATE_H */
