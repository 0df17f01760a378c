/*
 * array.h
 *		Arrays for SQL, put together as text.
 */
#ifndef NOTIFIER_ARRAY_H
#define NOTIFIER_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * ArrayLiteral: zeroed, it is empty.
 */
typedef struct ArrayLiteral
{
	char	   *text;			/* without the brace at its end */
	size_t		len;
	size_t		size;
} ArrayLiteral;

/*
 * array_add: one element; NULL: a NULL.  False when memory lacks, and then the
 * array is as it was.
 */
extern bool array_add(ArrayLiteral *array, const char *element);

/*
 * array_take: the whole literal, which is the caller's; the array is empty then.
 * NULL when memory lacks, or when it is empty.
 */
extern char *array_take(ArrayLiteral *array);

extern void array_forget(ArrayLiteral *array);

#endif							/* NOTIFIER_ARRAY_H */
