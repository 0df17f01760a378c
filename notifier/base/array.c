/*
 * array.c
 *		Builds array literals of SQL.
 */
#include "base/array.h"

#include <stdlib.h>
#include <string.h>

#define GROWS_BY		1024

/*
 * room_for: make room for so many more bytes.
 */
static bool
room_for(ArrayLiteral *array, size_t more)
{
	size_t		size = array->len + more + GROWS_BY + array->size / 2;
	char	   *grown;

	if (array->len + more <= array->size)
		return true;
	grown = realloc(array->text, size);
	if (grown == NULL)
		return false;
	array->text = grown;
	array->size = size;
	return true;
}

bool
array_add(ArrayLiteral *array, const char *element)
{
	char	   *at;

	/* each character may be escaped; quotes, comma, brace, NUL */
	if (!room_for(array, 2 * (element ? strlen(element) : 4) + 6))
		return false;
	at = array->text + array->len;
	*at++ = array->len == 0 ? '{' : ',';
	if (element == NULL)
	{
		memcpy(at, "NULL", 4);
		at += 4;
	}
	else
	{
		*at++ = '"';
		for (; *element; element++)
		{
			if (*element == '"' || *element == '\\')
				*at++ = '\\';
			*at++ = *element;
		}
		*at++ = '"';
	}
	array->len = (size_t) (at - array->text);
	return true;
}

char *
array_take(ArrayLiteral *array)
{
	char	   *literal = array->text;

	if (array->len == 0 || !room_for(array, 2))
		return NULL;
	literal = array->text;
	strcpy(literal + array->len, "}");
	*array = (ArrayLiteral)
	{
		0
	};
	return literal;
}

void
array_forget(ArrayLiteral *array)
{
	free(array->text);
	*array = (ArrayLiteral)
	{
		0
	};
}
