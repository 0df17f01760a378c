/*
 * jsonreader.c
 *		Turns JSON values into C values, and reports those that are wrong.
 *
 * A Reader keeps the path in the file, which errors name.  No error message
 * contains a secret.
 */
#include "config/jsonreader.h"

#include "base/logging.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * complain: report a problem of a key, with the path to it.
 */
static void
complain(Reader *reader, LogLevel level, const char *key, const char *format,
		 va_list args)
{
	char		message[4096];
	char		what[3072];

	vsnprintf(what, sizeof(what), format, args);
	snprintf(message, sizeof(message), "%s%s%s: %s", reader->path,
			 *reader->path && *key ? "." : "",
			 *reader->path || *key ? key : "(the whole file)", what);
	reader->complain(level, message);
}

void
reader_wrong(Reader *reader, const char *key, const char *format,...)
{
	va_list args;

	va_start(args, format);
	complain(reader, LOG_LEVEL_ERROR, key, format, args);
	va_end(args);
	reader->ok = false;
}

void
reader_warn(Reader *reader, const char *key, const char *format,...)
{
	va_list args;

	va_start(args, format);
	complain(reader, LOG_LEVEL_WARNING, key, format, args);
	va_end(args);
}

/*
 * reader_enter, reader_leave: append a key to the path, and remove it again.
 */
size_t
reader_enter(Reader *reader, const char *key)
{
	size_t		len = strlen(reader->path);

	snprintf(reader->path + len, sizeof(reader->path) - len, "%s%s",
			 len > 0 ? "." : "", key);
	return len;
}

void
reader_leave(Reader *reader, size_t len)
{
	reader->path[len] = '\0';
}

/*
 * reader_check_keys: report each key that is not in the list, which NULL ends.
 */
void
reader_check_keys(Reader *reader, json_t *object, const char *const *known)
{
	const char *key;
	json_t	   *value;

	json_object_foreach(object, key, value)
	{
		size_t		i = 0;
		char		shown[128];

		while (known[i] && strcmp(known[i], key) != 0)
			i++;
		printable(shown, sizeof(shown), key, strlen(key));
		if (known[i] == NULL)
			reader_wrong(reader, shown, "unknown key");
	}
}

/*
 * reader_object: return the object under a key; NULL if it is absent or wrong.
 */
json_t *
reader_object(Reader *reader, json_t *object, const char *key)
{
	json_t	   *value = json_object_get(object, key);

	if (value && !json_is_object(value))
	{
		reader_wrong(reader, key, "must be an object");
		return NULL;
	}
	return value;
}

/*
 * reader_string: return a copy of the string under a key; NULL if it is absent
 * or wrong.
 */
char *
reader_string(Reader *reader, json_t *object, const char *key)
{
	json_t	   *value = json_object_get(object, key);
	char	   *copy;

	if (value == NULL)
		return NULL;
	if (!json_is_string(value) || json_string_length(value) == 0 ||
		strlen(json_string_value(value)) != json_string_length(value))
	{
		reader_wrong(reader, key, "must be a non-empty string");
		return NULL;
	}
	copy = strdup(json_string_value(value));
	if (copy == NULL)
		reader_wrong(reader, key, "out of memory");
	return copy;
}

bool
reader_bool(Reader *reader, json_t *object, const char *key, bool absent)
{
	json_t	   *value = json_object_get(object, key);

	if (value == NULL)
		return absent;
	if (!json_is_boolean(value))
		reader_wrong(reader, key, "must be true or false");
	return json_is_true(value);
}

int
reader_int(Reader *reader, json_t *object, const char *key, int absent, int min,
		   int max)
{
	json_t	   *value = json_object_get(object, key);

	if (value == NULL)
		return absent;
	if (!json_is_integer(value) || json_integer_value(value) < min ||
		json_integer_value(value) > max)
	{
		reader_wrong(reader, key, "must be a whole number from %d to %d", min, max);
		return absent;
	}
	return (int) json_integer_value(value);
}

/*
 * parse_count: return the whole number that a text begins with, at most a
 * thousand million; -1 if there is none.  *rest is what follows it.
 */
static long
parse_count(const char *text, char **rest)
{
	long		n;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	n = strtol(text, rest, 10);
	return errno != 0 || n > 1000000000 ? -1 : n;
}

/*
 * parse_duration: convert "500ms", "15s", "5m", "2h" or "7d" to milliseconds;
 * -1 if the text is not a duration.
 */
static int64_t
parse_duration(const char *text)
{
	static const struct
	{
		const char *unit;
		int64_t		ms;
	}			units[] = {
		{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}
	};
	char	   *end;
	long		n = parse_count(text, &end);

	if (n < 0)
		return -1;
	if (n == 0 && *end == '\0')
		return 0;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
	{
		if (strcmp(end, units[i].unit) == 0)
			return n * units[i].ms;
	}
	return -1;
}

int64_t
reader_duration(Reader *reader, json_t *object, const char *key, int64_t absent,
				int64_t min, int64_t max)
{
	json_t	   *value = json_object_get(object, key);
	int64_t		ms;

	if (value == NULL)
		return absent;
	ms = json_is_string(value) ? parse_duration(json_string_value(value)) : -1;
	if (ms < min)
		reader_wrong(reader, key, "must be a duration such as \"500ms\", \"15s\" or \"2h\"%s",
					 min > 0 ? ", above zero" : "");
	else if (ms > max)
		reader_wrong(reader, key, "must be at most %d day%s",
					 (int) (max / READER_DAY), max > READER_DAY ? "s" : "");
	if (ms < min || ms > max)
		return absent;
	return ms;
}

/*
 * parse_rate: convert "10/s", "100/m" or "1000/h" to a number a second; -1 if
 * the text is not a rate.
 */
static double
parse_rate(const char *text)
{
	char	   *end;
	long		n = parse_count(text, &end);

	if (n < 0)
		return -1;
	if (strcmp(end, "/s") == 0)
		return (double) n;
	if (strcmp(end, "/m") == 0)
		return (double) n / 60;
	if (strcmp(end, "/h") == 0)
		return (double) n / 3600;
	return -1;
}

double
reader_rate(Reader *reader, json_t *object, const char *key, double max)
{
	json_t	   *value = json_object_get(object, key);
	double		rate;

	if (value == NULL)
		return 0;
	rate = json_is_string(value) ? parse_rate(json_string_value(value)) : -1;
	if (rate > 0 && rate <= max)
		return rate;
	reader_wrong(reader, key, "must be a rate such as \"10/s\", \"100/m\" or \"1000/h\", above zero and at most %.0f/s",
				 max);
	return 0;
}
