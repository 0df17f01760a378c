/*
 * url_config.h
 *		Checks of the URLs in a configuration.
 */
#ifndef NOTIFIER_URL_CONFIG_H
#define NOTIFIER_URL_CONFIG_H

#include <stdbool.h>

/*
 * url_problem: return what is wrong with a webhook's url; NULL if nothing is.
 * batched: its requests carry several events.
 */
extern const char *url_problem(const char *url, bool batched);

/*
 * url_escape: percent-encode a text.  Allocated; NULL: out of memory.
 */
extern char *url_escape(const char *text);

/*
 * url_is_host: can the name be the host of a URL?
 */
extern bool url_is_host(const char *name);

/*
 * url_is_proxy: can libcurl use this URL as a proxy's?  Without a scheme it is
 * http.
 */
extern bool url_is_proxy(const char *url);

#endif							/* NOTIFIER_URL_CONFIG_H */
