/*
 * payload.h
 *		What a receiver gets: the bodies, their headers, and where they go.
 */
#ifndef NOTIFIER_PAYLOAD_H
#define NOTIFIER_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

/*
 * payload_content_type: the header, whole; batch: for more events than one.
 */
extern const char *payload_content_type(PayloadFormat format, bool batch);

/*
 * payload_is_wrapped: is a body made of several texts, or of one that is a part
 * of it?
 */
extern bool payload_is_wrapped(PayloadFormat format, bool batch);

/*
 * payload_begin, payload_end: what stands before and behind the texts of such
 * a body, which commas separate.
 */
extern const char *payload_begin(PayloadFormat format);
extern const char *payload_end(PayloadFormat format);

/*
 * payload_url: a webhook's url with its placeholders filled in, url-encoded.
 * Allocated; NULL when memory lacks.
 */
extern char *payload_url(PayloadFormat format, const char *url,
						 const char *user_id);

/*
 * payload_user_fits: may the url be filled in with this user?  Not with one whose
 * name would lead to another path, url-encoded or not.
 */
extern bool payload_user_fits(const char *url, const char *user_id);

#endif							/* NOTIFIER_PAYLOAD_H */
