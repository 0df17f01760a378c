/*
 * http_multi.h
 *		libcurl's multi handle, whose sockets and timer are the loop's.
 */
#ifndef NOTIFIER_HTTP_MULTI_H
#define NOTIFIER_HTTP_MULTI_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * A transfer has ended; it is still with the multi handle.
 */
typedef void (*HttpMultiFinished) (CURL *easy, CURLcode code);

/*
 * http_multi_init: make what all transfers go by, if there is none yet.
 */
extern bool http_multi_init(HttpMultiFinished finished);
extern void http_multi_cleanup(void);

extern bool http_multi_add(CURL *easy);
extern void http_multi_remove(CURL *easy);

/*
 * http_multi_keep: so many more connections, or fewer, are kept for the next
 * request; by itself libcurl keeps a few times as many as are in use just now.
 */
extern void http_multi_keep(int n);

/*
 * http_multi_blind: loop_now() when a socket could last not be watched, so that
 * what happened on it was not seen; INT64_MIN: never.
 */
extern int64_t http_multi_blind(void);

#endif							/* NOTIFIER_HTTP_MULTI_H */
