/*
 * reader_file.c
 *		Reads the files that a configuration names: secrets, keys,
 *		certificates.
 */
#include "config/jsonreader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_VALUE_BYTES	65536	/* of a file that holds one value */
#define MAX_CERTIFICATES	(4 * 1024 * 1024)

/*
 * anchor: put dir before a relative file name; NULL if it is to stay as it is.
 */
static json_t *
anchor(const char *dir, json_t *name)
{
	const char *text = json_string_value(name);

	if (text == NULL || *text == '/' || *text == '\0' ||
		strlen(text) != json_string_length(name))
		return NULL;
	return json_sprintf("%s/%s", dir, text);
}

static void
anchor_list(json_t *list, const char *dir)
{
	for (size_t i = 0; i < json_array_size(list); i++)
	{
		json_t	   *name = anchor(dir, json_array_get(list, i));

		if (name)
			json_array_set_new(list, i, name);
	}
}

static bool
names_file(const char *key)
{
	size_t		len = strlen(key);

	return len > 5 && strcmp(key + len - 5, "_file") == 0;
}

void
reader_anchor_files(json_t *object, const char *dir)
{
	const char *key;
	json_t	   *value;
	void	   *next;

	json_object_foreach_safe(object, next, key, value)
	{
		json_t	   *name = names_file(key) ? anchor(dir, value) : NULL;

		if (strcmp(key, "http_headers") == 0)
		{
			const char *header;
			json_t	   *settings;

			json_object_foreach(value, header, settings)
				anchor_list(json_object_get(settings, "files"), dir);
		}
		else if (name)
			json_object_set_new(object, key, name);
		else if (strcmp(key, "body") != 0)	/* any JSON of the operator's */
			reader_anchor_files(value, dir);
	}
}

/*
 * is_exposed: can other users read the file?  As with libpq's keys, the group
 * may read a file that belongs to root.
 */
static bool
is_exposed(const struct stat *stat)
{
	return (stat->st_mode & (stat->st_uid == 0 && geteuid() != 0 ? 0007 : 0077)) != 0 &&
		S_ISREG(stat->st_mode);
}

char *
reader_load(const char *path, size_t max, size_t *len, bool *exposed)
{
	FILE	   *file = fopen(path, "r");
	struct stat stat;
	char	   *text;

	if (file == NULL)
		return NULL;
	if (fstat(fileno(file), &stat) == 0)
		*exposed = is_exposed(&stat);
	if ((text = malloc(max + 2)) == NULL)
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
 * load_value: return the text in a file without trailing line ends and blanks;
 * allocated, NULL on errors.
 */
static char *
load_value(Reader *reader, const char *key, const char *name, size_t max,
		   bool secret)
{
	bool		exposed = false;
	size_t		len = 0;
	char	   *text = NULL;

	if (strncmp(name, "whsec_", 6) == 0 || strstr(name, "/whsec_") ||
		strncmp(name, "whsk_", 5) == 0 || strstr(name, "/whsk_"))
	{
		reader_wrong(reader, key, "must name a file, but looks like a secret itself");
		return NULL;
	}
	text = reader_load(name, max, &len, &exposed);
	if (text == NULL)
	{
		reader_wrong(reader, key, "cannot read \"%s\": %s", name,
					 strerror(errno));
		return NULL;
	}
	if (secret && exposed)
		reader_warn(reader, key, "other users can read \"%s\"; its mode should be 0600",
					name);
	while (len > 0 && strchr("\r\n \t", text[len - 1]))
		text[--len] = '\0';
	if (len > 0 && strlen(text) == len)
		return text;
	reader_wrong(reader, key, "\"%s\" is empty or not text", name);
	free(text);
	return NULL;
}

char *
reader_contents(Reader *reader, const char *key, const char *name)
{
	return load_value(reader, key, name, MAX_VALUE_BYTES, true);
}

void
reader_warn_exposed(Reader *reader, const char *key)
{
	if (reader->exposed)
		reader_warn(reader, key, "other users can read the configuration file that contains it; the mode should be 0600");
}

char *
reader_secret(Reader *reader, json_t *object, const char *key)
{
	char		file_key[64];
	char	   *name;
	char	   *text;

	snprintf(file_key, sizeof(file_key), "%s_file", key);
	if (json_object_get(object, key) && json_object_get(object, file_key))
	{
		reader_wrong(reader, file_key, "cannot be combined with \"%s\"", key);
		return NULL;
	}
	if (json_object_get(object, file_key) == NULL)
	{
		text = reader_string(reader, object, key);
		if (text && strcmp(key, "url") != 0 &&
			strcmp(key, "database") != 0 && strcmp(key, "proxy_url") != 0)
			reader_warn_exposed(reader, key);
		return text;
	}
	name = reader_string(reader, object, file_key);
	text = name ? load_value(reader, file_key, name, MAX_VALUE_BYTES, true) : NULL;
	free(name);
	return text;
}

char *
reader_file(Reader *reader, json_t *object, const char *key, bool secret)
{
	char	   *name = reader_string(reader, object, key);
	char	   *text = name ?
		load_value(reader, key, name, MAX_CERTIFICATES, secret) : NULL;

	free(name);
	return text;
}
