/*
 * url_path.h
 *		Paths of URLs that lead elsewhere than they seem to.
 */
#ifndef NOTIFIER_URL_PATH_H
#define NOTIFIER_URL_PATH_H

#include <stdbool.h>

/*
 * url_path_climbs: is there, in the path of a url whose <userId> is this one, a
 * segment that consists of dots alone, for any receiver that decodes it?  True
 * also where memory lacks.
 */
extern bool url_path_climbs(const char *url, const char *user_id);

#endif							/* NOTIFIER_URL_PATH_H */
