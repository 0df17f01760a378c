/*
 * url_config.h
 *		What may stand in the configuration as a URL.
 */
#ifndef NOTIFIER_URL_CONFIG_H
#define NOTIFIER_URL_CONFIG_H

#include <stdbool.h>

/*
 * url_problem: what is wrong with a webhook's url; NULL: nothing.  batched: its
 * requests carry several events.
 */
extern const char *url_problem(const char *url, bool batched);

/*
 * url_is_host: may it stand in a URL as the host?
 */
extern bool url_is_host(const char *name);

/*
 * url_is_proxy: a URL that libcurl takes for a proxy's; without a scheme,
 * http's.
 */
extern bool url_is_proxy(const char *url);

#endif							/* NOTIFIER_URL_CONFIG_H */
