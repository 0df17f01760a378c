/*
 * url_config.h
 *		Checks URLs in the configuration.
 */
#ifndef NOTIFIER_URL_CONFIG_H
#define NOTIFIER_URL_CONFIG_H

#include <stdbool.h>

/*
 * url_problem: what is wrong with the URL of a webhook; NULL: nothing.
 * batched: its requests contain several events.
 */
extern const char *url_problem(const char *url, bool batched);

/*
 * url_is_host: can this be the host of a URL?
 */
extern bool url_is_host(const char *name);

/*
 * url_is_proxy: does libcurl accept this URL as a proxy?  Without a scheme it
 * is http.
 */
extern bool url_is_proxy(const char *url);

#endif							/* NOTIFIER_URL_CONFIG_H */
