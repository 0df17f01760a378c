/*
 * http_multi.h
 *		Connects libcurl's multi handle with the loop.
 */
#ifndef NOTIFIER_HTTP_MULTI_H
#define NOTIFIER_HTTP_MULTI_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * HttpMultiFinished: a transfer has ended; it is still in the multi handle.
 */
typedef void (*HttpMultiFinished) (CURL *easy, CURLcode code);

/*
 * http_multi_init: create the multi handle, unless there is one.
 */
extern bool http_multi_init(HttpMultiFinished finished);
extern void http_multi_cleanup(void);

extern bool http_multi_add(CURL *easy);
extern void http_multi_remove(CURL *easy);

/*
 * http_multi_keep: keep so many more connections, or fewer, for later
 * requests.  By default libcurl keeps a few times as many as are in use.
 */
extern void http_multi_keep(int n);

/*
 * http_multi_blind: loop_now() when a socket could last not be watched, so
 * that its events were missed; INT64_MIN: never.
 */
extern int64_t http_multi_blind(void);

#endif							/* NOTIFIER_HTTP_MULTI_H */
