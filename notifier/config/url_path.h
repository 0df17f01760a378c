/*
 * url_path.h
 *		Finds paths of URLs that climb out of their directory.
 */
#ifndef NOTIFIER_URL_PATH_H
#define NOTIFIER_URL_PATH_H

#include <stdbool.h>

/*
 * url_path_climbs: fill user_id in for <userId>; may a receiver that decodes
 * the path then see a segment that consists of dots?  True also if out of
 * memory.
 */
extern bool url_path_climbs(const char *url, const char *user_id);

#endif							/* NOTIFIER_URL_PATH_H */
