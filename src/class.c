/*
 * class.c
 *		Which columns make a class of events, and how their values are
 *		compared.
 */
#include "eventlog.h"

const ClassIndexShape class_indexes[NCLASS_INDEXES] = {
	{4, {EVENT_TYPE, EVENT_LEVEL, EVENT_SOURCE_SERVICE, EVENT_RESOURCE_TYPE}},
	{3, {EVENT_LEVEL, EVENT_SOURCE_SERVICE, EVENT_RESOURCE_TYPE}}
};

/*
 * compare_text_c: compare as collation "C" does, which indexes on these
 * columns use; NULL stands for a null, which sorts last.
 */
int
compare_text_c(const text *a, const text *b)
{
	int			a_len;
	int			b_len;
	int			c;

	if (a == NULL || b == NULL)
		return (a == NULL) - (b == NULL);
	a_len = VARSIZE_ANY_EXHDR(a);
	b_len = VARSIZE_ANY_EXHDR(b);
	c = memcmp(VARDATA_ANY(a), VARDATA_ANY(b), Min(a_len, b_len));
	return c != 0 ? c : a_len - b_len;
}
