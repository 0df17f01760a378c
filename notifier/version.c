/*
 * version.c
 *		Versions compared.
 */
#include "version.h"

#include <string.h>

/*
 * branch: the length of X.Y in X.Y.Z.
 */
static size_t
branch(const char *version)
{
	const char *dot = strchr(version, '.');

	dot = dot ? strchr(dot + 1, '.') : NULL;
	return dot ? (size_t) (dot - version) : strlen(version);
}

bool
version_fits(const char *extension)
{
	return branch(extension) == branch(EVENTLOG_VERSION) &&
		strncmp(extension, EVENTLOG_VERSION, branch(extension)) == 0;
}
