/*
 * placeholder.h
 *		How {{PATH|PATH:N}} is read.
 */
#ifndef NOTIFIER_PLACEHOLDER_H
#define NOTIFIER_PLACEHOLDER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Placeholder: what stands between {{ and }}.
 */
typedef struct Placeholder
{
	const char *paths;			/* separated by | */
	size_t		len;
	long		max;			/* characters; 0: any number */
	size_t		size;			/* of the whole, with its braces */
} Placeholder;

/*
 * placeholder_parse: the one at the beginning of a text that begins with {{;
 * false if it does not end, or ends in something that is no number.
 */
extern bool placeholder_parse(const char *text, Placeholder *found);

/*
 * placeholder_next: cut the next word, up to a character, off *at, which has
 * *left bytes and becomes NULL at its end; false if it is NULL already.
 */
extern bool placeholder_next(const char **at, size_t *left, char until,
							 const char **word, size_t *len);
extern bool placeholder_is(const char *word, size_t len, const char *other);

/*
 * placeholder_find: the member of an object or the element of an array that a
 * word names; NULL: there is none.
 */
extern json_t *placeholder_find(json_t *value, const char *word, size_t len);

#endif							/* NOTIFIER_PLACEHOLDER_H */
