/*
 * payload.h
 *		What a receiver gets: the bodies, their headers, and where they go.
 */
#ifndef NOTIFIER_PAYLOAD_H
#define NOTIFIER_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

/*
 * The columns of the statement that fetches what is owed.
 */
enum
{
	FETCH_SEQ,
	FETCH_ATTEMPTS,
	FETCH_ID,					/* of the event, as UUID */
	FETCH_AGE,					/* of the event, in milliseconds */
	FETCH_USER_ID,
	FETCH_BODY,
	FETCH_NCOLUMNS
};

/*
 * payload_fetch_sql: that statement; $1 is the subscription, $2 how many at
 * most, $3 the age in seconds at which an event is given up, 0: none.
 *
 * PostgreSQL makes the JSON: so numbers of any size and text of any kind
 * arrive as they were emitted, and the notifier need not read them.
 */
extern const char *payload_fetch_sql(PayloadFormat format);

/*
 * payload_content_type: the header, whole; batch: for more events than one.
 */
extern const char *payload_content_type(PayloadFormat format, bool batch);

/*
 * payload_url: a webhook's url with its placeholders filled in, url-encoded.
 * Allocated; NULL when memory lacks.
 */
extern char *payload_url(const char *url, const char *user_id);

/*
 * payload_user_fits: may the url be filled in with this user?  One named "." or
 * ".." would lead to another path, url-encoded or not.
 */
extern bool payload_user_fits(const char *url, const char *user_id);

#endif							/* NOTIFIER_PAYLOAD_H */
