/*
 * log.c
 *		The log: logfmt on stderr, where systemd and containers look for it.
 */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

static LogLevel threshold = LOG_LEVEL_INFO;

static const char *const level_names[] = {"debug", "info", "warning", "error"};

bool
log_level_find(const char *name, LogLevel *level)
{
	for (int i = LOG_LEVEL_DEBUG; i <= LOG_LEVEL_ERROR; i++)
	{
		if (strcmp(level_names[i], name) == 0)
		{
			*level = (LogLevel) i;
			return true;
		}
	}
	return false;
}

void
log_set_level(LogLevel level)
{
	threshold = level;
}

void
printable(char *to, size_t size, const char *from, size_t len)
{
	size_t		n = 0;

	for (size_t i = 0; i < len && n + 1 < size; i++)
	{
		unsigned char c = (unsigned char) from[i];

		to[n++] = c >= 0x20 && c < 0x7f ? (char) c : '?';
	}
	to[n] = '\0';
}

/*
 * put_value: a value as logfmt wants it: quoted if it is not one plain word.
 */
static void
put_value(FILE *out, const char *value)
{
	char		clean[1024];

	printable(clean, sizeof(clean), value, strlen(value));
	if (clean[0] != '\0' && strpbrk(clean, " \"=\\") == NULL)
	{
		fputs(clean, out);
		return;
	}
	fputc('"', out);
	for (const char *c = clean; *c; c++)
	{
		if (*c == '"' || *c == '\\')
			fputc('\\', out);
		fputc(*c, out);
	}
	fputc('"', out);
}

void
log_event(LogLevel level, const char *msg,...)
{
	struct timeval now;
	struct tm	utc;
	char		stamp[32];
	va_list args;
	const char *key;

	if (level < threshold)
		return;
	gettimeofday(&now, NULL);
	gmtime_r(&now.tv_sec, &utc);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);

	flockfile(stderr);
	fprintf(stderr, "time=%s.%03ldZ level=%s msg=", stamp,
			(long) now.tv_usec / 1000, level_names[level]);
	put_value(stderr, msg);
	va_start(args, msg);
	while ((key = va_arg(args, const char *)) != NULL)
	{
		const char *value = va_arg(args, const char *);

		if (value == NULL)
			continue;
		fprintf(stderr, " %s=", key);
		put_value(stderr, value);
	}
	va_end(args);
	fputc('\n', stderr);
	fflush(stderr);
	funlockfile(stderr);
}
