/*
 * url_path.c
 *		Finds paths that climb out of their directory.
 *
 * Receivers, and proxies before them, decode a path before they split it.
 * Some decode it twice, some take a backslash for a slash, and some cut
 * parameters off a segment.  So "..%2Fadmin" leads to the parent directory.
 * No encoding on our side prevents that, so such a path is not requested.
 */
#include "config/url_path.h"

#include <stdlib.h>
#include <string.h>

#define USER_ID			"<userId>"

/*
 * has_dots: does any segment consist of dots, apart from its parameters?
 */
static bool
has_dots(const char *path)
{
	while (*path)
	{
		size_t		len = strcspn(path, "/\\");
		size_t		dots = strspn(path, ".");

		if (dots > 0 && (dots == len || path[dots] == ';'))
			return true;
		path += len;
		path += *path != '\0';
	}
	return false;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/*
 * decode: undo percent-encoding in place; true if there was any.  A decoded
 * NUL ends the text, as it does for some receivers.
 */
static bool
decode(char *text)
{
	char	   *to = text;
	bool		any = false;

	for (const char *from = text; *from; from++)
	{
		if (*from == '%' && hex_digit(from[1]) >= 0 && hex_digit(from[2]) >= 0)
		{
			*to++ = (char) (hex_digit(from[1]) * 16 + hex_digit(from[2]));
			from += 2;
			any = true;
		}
		else
			*to++ = *from;
	}
	*to = '\0';
	return any;
}

/*
 * fill_in: fill a user into the path of a url; allocated, NULL if out of
 * memory.
 */
static char *
fill_in(const char *path, size_t len, const char *user_id)
{
	size_t		user_len = strlen(user_id);
	char	   *filled = malloc(len * (user_len / strlen(USER_ID) + 2) + 1);
	char	   *to = filled;
	const char *end = path + len;

	while (filled && path < end)
	{
		if ((size_t) (end - path) >= strlen(USER_ID) &&
			strncmp(path, USER_ID, strlen(USER_ID)) == 0)
		{
			memcpy(to, user_id, user_len);
			to += user_len;
			path += strlen(USER_ID);
		}
		else
			*to++ = *path++;
	}
	if (filled)
		*to = '\0';
	return filled;
}

bool
url_path_climbs(const char *url, const char *user_id)
{
	const char *host = strstr(url, "://");
	const char *path = host ? strchr(host + 3, '/') : NULL;
	char	   *filled;
	bool		climbs;

	if (path == NULL || (strchr(url, '?') && strchr(url, '?') < path))
		return false;
	filled = fill_in(path, strcspn(path, "?#"), user_id);
	if (filled == NULL)
		return true;
	climbs = has_dots(filled);
	/* each round shortens the text, so this ends */
	while (!climbs && decode(filled))
		climbs = has_dots(filled);
	free(filled);
	return climbs;
}
