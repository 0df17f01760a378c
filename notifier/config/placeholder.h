/*
 * placeholder.h
 *		Parses placeholders, {{PATH|PATH:N}}.
 */
#ifndef NOTIFIER_PLACEHOLDER_H
#define NOTIFIER_PLACEHOLDER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Placeholder: the text between {{ and }}.
 */
typedef struct Placeholder
{
	const char *paths;			/* separated by | */
	size_t		len;
	long		max;			/* characters; 0: no limit */
	size_t		size;			/* in bytes, with the braces */
} Placeholder;

/*
 * placeholder_parse: parse the placeholder at the beginning of a text, which
 * begins with {{.  False: it has no end, or N is not a number.
 */
extern bool placeholder_parse(const char *text, Placeholder *found);

/*
 * placeholder_next: cut the next word, up to the character `until`, off *at,
 * which has *left bytes and becomes NULL at the end.  False: *at is NULL.
 */
extern bool placeholder_next(const char **at, size_t *left, char until,
							 const char **word, size_t *len);
extern bool placeholder_is(const char *word, size_t len, const char *other);

/*
 * placeholder_find: the member of an object, or the element of an array, that
 * a word names; NULL: there is none.
 */
extern json_t *placeholder_find(json_t *value, const char *word, size_t len);

#endif							/* NOTIFIER_PLACEHOLDER_H */
