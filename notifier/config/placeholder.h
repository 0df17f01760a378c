/*
 * placeholder.h
 *		Placeholders: {{PATH|PATH:N}}.
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
	const char *paths;			/* separated by |; not terminated */
	size_t		len;			/* of paths */
	long		max;			/* characters; 0: any number */
	size_t		size;			/* of the placeholder, with its braces */
} Placeholder;

/*
 * placeholder_parse: parse the placeholder at the beginning of a text, which
 * begins with {{.  False if there is no }}, or no valid number behind the
 * colon.
 */
extern bool placeholder_parse(const char *text, Placeholder *found);

/*
 * placeholder_next: cut the next word, up to a separator, off *at, which has
 * *left bytes.  *at becomes NULL after the last word; false if it was NULL.
 */
extern bool placeholder_next(const char **at, size_t *left, char separator,
							 const char **word, size_t *len);
extern bool placeholder_is(const char *word, size_t len, const char *other);

/*
 * placeholder_find: return the member of an object or the element of an array
 * that a word names, a borrowed reference; NULL if there is none.
 */
extern json_t *placeholder_find(json_t *value, const char *word, size_t len);

#endif							/* NOTIFIER_PLACEHOLDER_H */
