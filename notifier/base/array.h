/*
 * array.h
 *		Builds array literals of SQL.
 */
#ifndef NOTIFIER_ARRAY_H
#define NOTIFIER_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * ArrayLiteral: all zeros is an empty one.
 */
typedef struct ArrayLiteral
{
	char	   *text;			/* without the closing brace */
	size_t		len;
	size_t		size;
} ArrayLiteral;

/*
 * array_add: add an element; NULL adds a NULL.  False: out of memory, and the
 * array is unchanged.
 */
extern bool array_add(ArrayLiteral *array, const char *element);

/*
 * array_take: returns the literal, which the caller frees, and empties the
 * array.
 * NULL: out of memory, or the array is empty.
 */
extern char *array_take(ArrayLiteral *array);

extern void array_forget(ArrayLiteral *array);

#endif							/* NOTIFIER_ARRAY_H */
