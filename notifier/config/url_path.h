/*
 * url_path.h
 *		Finds URL paths that lead elsewhere than they seem to.
 */
#ifndef NOTIFIER_URL_PATH_H
#define NOTIFIER_URL_PATH_H

#include <stdbool.h>

/*
 * url_path_climbs: does the path of a URL, with this user in place of
 * <userId>, have a segment of dots alone for any receiver that decodes it?
 * True also if memory ran out.
 */
extern bool url_path_climbs(const char *url, const char *user_id);

#endif							/* NOTIFIER_URL_PATH_H */
