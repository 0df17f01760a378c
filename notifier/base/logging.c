/*
 * logging.c
 *		The log, on stderr, where systemd and containers collect it.
 */
#include "base/logging.h"

#include <stdarg.h>
#include <stdint.h>
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

/*
 * decode: decode the first UTF-8 character of a text of len > 0 bytes.
 * Returns its length, or 0 if it is not valid.
 */
static size_t
decode(const unsigned char *at, size_t len, uint32_t *code)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t		n = at[0] < 0x80 ? 1 : at[0] >= 0xc2 && at[0] <= 0xdf ? 2 :
		(at[0] & 0xf0) == 0xe0 ? 3 : at[0] >= 0xf0 && at[0] <= 0xf4 ? 4 : 0;

	if (n == 0 || n > len)
		return 0;
	*code = n == 1 ? at[0] : at[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++)
	{
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (at[i] & 0x3f);
	}
	if (*code < least[n] || *code > 0x10ffff ||
		(*code >= 0xd800 && *code <= 0xdfff))
		return 0;
	return n;
}

/*
 * is_shown: is this neither a control character nor one that changes how
 * others are shown?
 */
static bool
is_shown(uint32_t code)
{
	return code >= 0x20 && !(code >= 0x7f && code <= 0x9f) &&
		code != 0x61c && !(code >= 0x200b && code <= 0x200f) &&
		!(code >= 0x2028 && code <= 0x202e) &&
		!(code >= 0x2060 && code <= 0x206f) && code != 0xfeff &&
		!(code >= 0xfff9 && code <= 0xfffb) && (code & 0xfffe) != 0xfffe &&
		!(code >= 0xe0000 && code <= 0xe007f);
}

void
printable(char *to, size_t size, const char *from, size_t len)
{
	const unsigned char *at = (const unsigned char *) from;
	size_t		n = 0;

	while (len > 0)
	{
		uint32_t	code = 0;
		size_t		step = decode(at, len, &code);
		bool		blank = *at == ' ' || *at == '\n' || *at == '\r' ||
			*at == '\t';
		bool		shown = step > 0 && is_shown(code);

		if (n + (shown && !blank ? step : 1) >= size)
			break;
		if (blank)
		{
			/* make one line of many */
			if (*at == ' ' || n == 0 || to[n - 1] != ' ')
				to[n++] = ' ';
		}
		else if (shown)
		{
			memcpy(to + n, at, step);
			n += step;
		}
		else
			to[n++] = '?';
		step = step > 0 ? step : 1;
		at += step;
		len -= step;
	}
	if (size > 0)
		to[n] = '\0';
}

/*
 * put_value: write a value, in quotes unless it is one plain word.
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
