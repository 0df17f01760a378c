/*
 * placeholder.c
 *		Parses placeholders, and looks up the words of their paths.
 */
#include "config/placeholder.h"

#include <stdlib.h>
#include <string.h>

#define MAX_CHARACTERS	1000000

bool
placeholder_parse(const char *text, Placeholder *found)
{
	const char *end = strstr(text, "}}");
	const char *colon;
	char	   *rest;

	if (end == NULL)
		return false;
	*found = (Placeholder)
	{
		.paths = text + 2,.len = (size_t) (end - text) - 2,
			.size = (size_t) (end - text) + 2
	};
	colon = memchr(found->paths, ':', found->len);
	if (colon == NULL)
		return true;
	found->len = (size_t) (colon - found->paths);
	found->max = strtol(colon + 1, &rest, 10);
	return rest == end && colon[1] >= '1' && colon[1] <= '9' &&
		found->max <= MAX_CHARACTERS;
}

bool
placeholder_next(const char **at, size_t *left, char separator,
				 const char **word, size_t *len)
{
	const char *end;

	if (*at == NULL)
		return false;
	*word = *at;
	end = memchr(*at, separator, *left);
	*len = end ? (size_t) (end - *at) : *left;
	*at = end ? end + 1 : NULL;
	*left -= end ? *len + 1 : *left;
	return true;
}

bool
placeholder_is(const char *word, size_t len, const char *other)
{
	return strlen(other) == len && memcmp(word, other, len) == 0;
}

json_t *
placeholder_find(json_t *value, const char *word, size_t len)
{
	char		key[256];
	char	   *end;
	unsigned long i;

	if (len >= sizeof(key))
		return NULL;
	memcpy(key, word, len);
	key[len] = '\0';
	if (!json_is_array(value))
		return json_object_get(value, key);
	i = strtoul(key, &end, 10);
	return *end == '\0' && len > 0 ? json_array_get(value, i) : NULL;
}
