/*
 * template_reader.c
 *		Reads a body with placeholders, and checks that each placeholder names
 *		something that exists.
 */
#include "config/filter_config.h"
#include "config/placeholder.h"
#include "config/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BODY		65536	/* bytes, as compact JSON */
#define MAX_SECRET_NAME	63

static const char *const columns[] = {
	"id", "event_type", "level", "resource_id", "resource_type",
	"source_service", "source_host", "occurred_at", "message", "category",
	"details", "user_id", "base_url", "request_id", "created_at"
};

/*
 * is_path: does a path name something that exists, or may exist in an event?
 */
static bool
is_path(json_t *secrets, const char *path, size_t len)
{
	const char *word;
	size_t		n;

	if (len >= 2 && path[0] == '\'' && path[len - 1] == '\'')
		return true;
	if (!placeholder_next(&path, &len, '.', &word, &n))
		return false;
	if (placeholder_is(word, n, "secret") && path)
		return placeholder_find(secrets, path, len) != NULL;
	if (placeholder_is(word, n, "webhook") || placeholder_is(word, n, "level") ||
		placeholder_is(word, n, "attempt"))
		return path == NULL;
	if (!placeholder_is(word, n, "event") || !placeholder_next(&path, &len, '.', &word, &n))
		return false;
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
	{
		if (placeholder_is(word, n, columns[i]))
			return path == NULL || placeholder_is(word, n, "details");
	}
	return false;
}

/*
 * check_string: report placeholders that name nothing.
 */
static void
check_string(Reader *reader, json_t *secrets, const char *text)
{
	while ((text = strstr(text, "{{")) != NULL)
	{
		Placeholder found;
		const char *path;
		size_t		len;
		char		shown[128];

		if (!placeholder_parse(text, &found))
		{
			reader_wrong(reader, "", "a placeholder must be {{PATH}}, {{PATH|PATH}} or {{PATH:CHARACTERS}}");
			return;
		}
		while (placeholder_next(&found.paths, &found.len, '|', &path, &len))
		{
			if (is_path(secrets, path, len))
				continue;
			printable(shown, sizeof(shown), path, len);
			reader_wrong(reader, "", "unknown placeholder \"%s\"; there are event.COLUMN, event.details.KEY, level, webhook, attempt, secret.NAME and \'text\'",
						 shown);
		}
		text += found.size;
	}
}

static void
check_value(Reader *reader, json_t *secrets, json_t *value)
{
	const char *key;
	json_t	   *item;
	size_t		i;

	if (json_is_string(value) &&
		strlen(json_string_value(value)) != json_string_length(value))
		reader_wrong(reader, "", "contains a NUL character");
	else if (json_is_string(value))
		check_string(reader, secrets, json_string_value(value));
	json_array_foreach(value, i, item)
		check_value(reader, secrets, item);
	json_object_foreach(value, key, item)
	{
		char		shown[128];
		size_t		path;

		printable(shown, sizeof(shown), key, strlen(key));
		path = reader_enter(reader, shown);
		check_value(reader, secrets, item);
		reader_leave(reader, path);
	}
}

/*
 * load_body: load the body from the file that body_file names; NULL on errors.
 */
static json_t *
load_body(Reader *reader, json_t *object)
{
	char	   *text = reader_file(reader, object, "body_file", false);
	json_error_t error;
	json_t	   *body = NULL;

	if (text)
	{
		body = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
		if (body == NULL)
			reader_wrong(reader, "body_file", "line %d: %s", error.line,
						 error.text);
	}
	free(text);
	return body;
}

/*
 * read_levels: read the receiver's own words or numbers for our levels.
 */
static void
read_levels(Reader *reader, json_t *object, WebhookConfig *webhook)
{
	json_t	   *levels = reader_object(reader, object, "levels");
	size_t		path = reader_enter(reader, "levels");
	const char *level;
	json_t	   *word;

	reader_check_keys(reader, levels, filter_level_names);
	json_object_foreach(levels, level, word)
	{
		if (!json_is_string(word) && !json_is_integer(word))
			reader_wrong(reader, level, "must be a string or a whole number");
	}
	webhook->level_words = json_incref(levels);
	reader_leave(reader, path);
}

/*
 * read_secrets: read the secrets by name.  Each is given as NAME, or as
 * NAME_file, which names a file.
 */
static void
read_secrets(Reader *reader, json_t *object, WebhookConfig *webhook)
{
	json_t	   *secrets = reader_object(reader, object, "secrets");
	size_t		path = reader_enter(reader, "secrets");
	const char *key;
	json_t	   *ignored;

	if (secrets)
		webhook->secrets = json_object();
	json_object_foreach(secrets, key, ignored)
	{
		char		name[MAX_SECRET_NAME + 1];
		size_t		len = strlen(key);
		char	   *secret;

		if (len > 5 && strcmp(key + len - 5, "_file") == 0)
			len -= 5;
		if (len > MAX_SECRET_NAME)
		{
			reader_wrong(reader, "", "a name can have at most %d bytes", MAX_SECRET_NAME);
			continue;
		}
		memcpy(name, key, len);
		name[len] = '\0';
		secret = reader_secret(reader, secrets, name);
		if (secret)
			json_object_set_new(webhook->secrets, name, json_string(secret));
		free(secret);
	}
	reader_leave(reader, path);
}

void
template_read(Reader *reader, json_t *object, WebhookConfig *webhook)
{
	json_t	   *body = json_object_get(object, "body");
	bool		from_file = json_object_get(object, "body_file") != NULL;
	const char *key = from_file ? "body_file" : "body";
	size_t		path;

	if (webhook->format != FORMAT_TEMPLATE)
	{
		static const char *const keys[] = {
			"body", "body_file", "levels", "secrets", NULL
		};

		for (size_t i = 0; keys[i]; i++)
		{
			if (json_object_get(object, keys[i]))
				reader_wrong(reader, keys[i], "needs \"format\": \"template\"");
		}
		return;
	}
	if (body && from_file)
		reader_wrong(reader, "body_file", "cannot be combined with \"body\"");
	else if (!body && !from_file)
		reader_wrong(reader, "body", "is missing; it is the JSON to send");
	webhook->body = body ? json_incref(body) : load_body(reader, object);
	if (json_dumpb(webhook->body, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY) > MAX_BODY)
		reader_wrong(reader, key, "is longer than %d bytes", MAX_BODY);
	read_levels(reader, object, webhook);
	read_secrets(reader, object, webhook);
	path = reader_enter(reader, key);
	check_value(reader, webhook->secrets, webhook->body);
	reader_leave(reader, path);
}
