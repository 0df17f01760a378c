/*
 * payload.h
 *		Formats of the body, its content type, and the URL.
 */
#ifndef NOTIFIER_PAYLOAD_H
#define NOTIFIER_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

/*
 * payload_content_type: the whole header.  batch: the webhook sends batches.
 */
extern const char *payload_content_type(PayloadFormat format, bool batch);

/*
 * payload_is_wrapped: do the texts of the events need something around them?
 */
extern bool payload_is_wrapped(PayloadFormat format, bool batch);

/*
 * payload_begin, payload_end: the text before and after those of the events,
 * which are separated by commas.
 */
extern const char *payload_begin(PayloadFormat format);
extern const char *payload_end(PayloadFormat format);

/*
 * payload_url: a webhook's URL with its placeholders replaced, URL-encoded.
 * Allocated; NULL: out of memory.
 */
extern char *payload_url(PayloadFormat format, const char *url,
						 const char *user_id);

/*
 * payload_user_fits: may this user stand in the URL?  Not if the name would
 * lead to another path, URL-encoded or not.
 */
extern bool payload_user_fits(const char *url, const char *user_id);

#endif							/* NOTIFIER_PAYLOAD_H */
