/*
 * reader.c
 *		From JSON values to C's, with an error for what is not as it should be.
 *
 * A Reader walks along with the path into the file that errors name.  Secrets
 * stand in no error.
 */
#include "reader.h"

#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SECRET_BYTES	65536	/* of a file that holds one value */

/*
 * reader_wrong: complain of a key, and note that not all is well.
 */
void
reader_wrong(Reader *reader, const char *key, const char *format,...)
{
	char		message[1024];
	char		what[400];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	snprintf(message, sizeof(message), "%s%s%s: %s", reader->path,
			 *reader->path && *key ? "." : "",
			 *reader->path || *key ? key : "(the whole file)", what);
	reader->complain(message);
	reader->ok = false;
}

/*
 * reader_enter, reader_leave: the path gets longer by a key, and is cut again.
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
 * reader_check_keys: an error for each key that is not in the list, which NULL ends.
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
 * reader_object: an object of the object; NULL when it is not there.
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
 * reader_string: a copy of a string, or NULL when it is not there.
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
		reader_wrong(reader, key, "must be a string that is not empty");
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
 * parse_duration: "500ms", "15s", "5m", "2h" or "7d" in milliseconds; -1 if it
 * is none.
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
	long		n;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	n = strtol(text, &end, 10);
	if (errno != 0 || n > 1000000000)
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
 * file_path: a file name of the configuration, from its directory.
 */
static char *
file_path(const Reader *reader, const char *name)
{
	char	   *path;
	size_t		size;

	if (name[0] == '/')
		return strdup(name);
	size = strlen(reader->dir) + strlen(name) + 2;
	path = malloc(size);
	if (path)
		snprintf(path, size, "%s/%s", reader->dir, name);
	return path;
}

/*
 * reader_load: a whole file, with a NUL behind it; NULL and errno when that
 * fails.
 */
char *
reader_load(const char *path, size_t max, size_t *len)
{
	FILE	   *file = fopen(path, "r");
	char	   *text;

	if (file == NULL)
		return NULL;
	text = malloc(max + 2);
	if (text == NULL)
	{
		fclose(file);
		errno = ENOMEM;
		return NULL;
	}
	*len = fread(text, 1, max + 1, file);
	if (ferror(file) || *len > max)
	{
		int			error = ferror(file) ? errno : EFBIG;

		fclose(file);
		free(text);
		errno = error;
		return NULL;
	}
	fclose(file);
	text[*len] = '\0';
	return text;
}

/*
 * reader_contents: the text in a file, without line ends and blanks behind it.
 *
 * No error names the file: what stands there might be the secret itself, put
 * into the wrong key.
 */
char *
reader_contents(Reader *reader, const char *key, const char *name)
{
	char	   *path = file_path(reader, name);
	char	   *text;
	size_t		len;

	text = path ? reader_load(path, MAX_SECRET_BYTES, &len) : NULL;
	if (text == NULL)
		reader_wrong(reader, key, "cannot read the file: %s", strerror(errno));
	else
	{
		while (len > 0 && strchr("\r\n \t", text[len - 1]))
			text[--len] = '\0';
		if (len == 0 || strlen(text) != len)
		{
			reader_wrong(reader, key, "the file is empty or not text");
			free(text);
			text = NULL;
		}
	}
	free(path);
	return text;
}

/*
 * reader_text: a value that stands in the file itself, or in one that `key`_file
 * names.
 */
char *
reader_text(Reader *reader, json_t *object, const char *key)
{
	char		file_key[64];
	char	   *name;
	char	   *text;

	snprintf(file_key, sizeof(file_key), "%s_file", key);
	if (json_object_get(object, key) && json_object_get(object, file_key))
	{
		reader_wrong(reader, file_key, "cannot go with \"%s\"", key);
		return NULL;
	}
	if (json_object_get(object, file_key) == NULL)
		return reader_string(reader, object, key);
	name = reader_string(reader, object, file_key);
	text = name ? reader_contents(reader, file_key, name) : NULL;
	free(name);
	return text;
}

/*
 * reader_path: a file that others read, as a path; it must be readable now.
 */
char *
reader_path(Reader *reader, json_t *object, const char *key)
{
	char	   *name = reader_string(reader, object, key);
	char	   *path;
	FILE	   *file;

	if (name == NULL)
		return NULL;
	path = file_path(reader, name);
	file = path ? fopen(path, "r") : NULL;
	if (file == NULL)
		reader_wrong(reader, key, "cannot read \"%s\": %s", name, strerror(errno));
	else
		fclose(file);
	free(name);
	return path;
}
