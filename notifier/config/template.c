/*
 * template.c
 *		Fills in the placeholders in the strings of a body, for each event.
 */
#include "config/template.h"

#include "config/placeholder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RENDERED	(16 * 1024 * 1024)	/* bytes */

/*
 * Rendering: the state of rendering one body.
 */
typedef struct Rendering
{
	const WebhookConfig *webhook;
	json_t	   *row;			/* attempt and event */
	size_t		left;			/* bytes that may still be written */
	const char *problem;		/* why it failed; NULL: it has not */
} Rendering;

/*
 * append: write text to a body, or to a string of it; both have the same
 * limit.
 */
static bool
append(Rendering *rendering, FILE *out, const char *text, size_t len)
{
	if (len > rendering->left)
	{
		rendering->problem = "it is longer than 16 MiB";
		return false;
	}
	rendering->left -= len;
	return fwrite(text, 1, len, out) == len;
}

/*
 * receiver_level: return the receiver's name for the event's level; a new
 * reference, NULL if the event has none.
 */
static json_t *
receiver_level(const Rendering *rendering)
{
	json_t	   *level = json_object_get(json_object_get(rendering->row, "event"),
										"level");
	json_t	   *word = json_object_get(rendering->webhook->level_words,
									   json_is_string(level) ?
									   json_string_value(level) : "");

	return json_incref(word ? word : level);
}

/*
 * find_value: return the value at a path; a new reference, or NULL.
 */
static json_t *
find_value(const Rendering *rendering, const char *path, size_t len)
{
	json_t	   *value = rendering->row;
	const char *word;
	size_t		n;

	if (placeholder_is(path, len, "webhook"))
		return json_string(rendering->webhook->name);
	if (placeholder_is(path, len, "level"))
		return receiver_level(rendering);
	if (*path == '\'' && len >= 2)
		return json_stringn(path + 1, len - 2);
	if (len > 7 && memcmp(path, "secret.", 7) == 0)
		return json_incref(placeholder_find(rendering->webhook->secrets, path + 7, len - 7));
	while (value && placeholder_next(&path, &len, '.', &word, &n))
		value = placeholder_find(value, word, n);
	return json_incref(value);
}

/*
 * as_text: format a value for use in a string; allocated, NULL if it is empty.
 */
static char *
as_text(json_t *value)
{
	if (value == NULL || json_is_null(value))
		return NULL;
	if (json_is_string(value))
		return *json_string_value(value) ? strdup(json_string_value(value)) : NULL;
	return json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
}

/*
 * shorten: cut a text to at most max characters; the last one is an ellipsis
 * if any were left out.  Takes the text; NULL if out of memory.
 */
static char *
shorten(char *text, long max)
{
	static const char ellipsis[] = "\xe2\x80\xa6";
	size_t		last = 0;
	long		n = 0;
	char	   *shorter;

	for (size_t i = 0; text[i]; i++)
	{
		if ((text[i] & 0xc0) == 0x80)
			continue;
		if (++n == max)
			last = i;
		if (n <= max)
			continue;
		shorter = realloc(text, last + sizeof(ellipsis));
		if (shorter == NULL)
			free(text);
		else
			strcpy(shorter + last, ellipsis);
		return shorter;
	}
	return text;
}

/*
 * fill_in: append the text of a placeholder.
 */
static void
fill_in(Rendering *rendering, FILE *out, Placeholder placeholder)
{
	const char *path;
	size_t		len;
	char	   *text = NULL;

	while (text == NULL &&
		   placeholder_next(&placeholder.paths, &placeholder.len, '|', &path, &len))
	{
		json_t	   *value = find_value(rendering, path, len);

		text = as_text(value);
		json_decref(value);
	}
	if (text == NULL)
		return;
	if (placeholder.max > 0)
		text = shorten(text, placeholder.max);
	if (text == NULL)
		return;
	append(rendering, out, text, strlen(text));
	free(text);
}

/*
 * is_value: is a string replaced by a value of any type, not by text?
 */
static bool
is_value(const char *text, Placeholder *found)
{
	static const char details[] = "{{event.details";

	if (strcmp(text, "{{level}}") != 0 &&
		strncmp(text, details, sizeof(details) - 1) != 0)
		return false;
	return placeholder_parse(text, found) && text[found->size] == '\0' &&
		found->max == 0 && memchr(found->paths, '|', found->len) == NULL;
}

/*
 * render_string: fill in the placeholders of a string; NULL if out of memory.
 */
static json_t *
render_string(Rendering *rendering, const char *text)
{
	char	   *filled = NULL;
	size_t		size = 0;
	FILE	   *out;
	Placeholder found;
	json_t	   *result = NULL;

	if (is_value(text, &found))
	{
		result = find_value(rendering, found.paths, found.len);
		return result ? result : json_null();
	}
	out = open_memstream(&filled, &size);
	if (out == NULL)
		return NULL;
	while (*text && rendering->problem == NULL)
	{
		const char *next = strstr(text, "{{");
		size_t		plain = next ? (size_t) (next - text) : strlen(text);

		fwrite(text, 1, plain, out);
		text += plain;
		if (*text && placeholder_parse(text, &found))
		{
			fill_in(rendering, out, found);
			text += found.size;
		}
	}
	if (fclose(out) == 0)
		result = json_stringn(filled, size);
	free(filled);
	return result;
}

/*
 * render: render a value of the body and everything in it; NULL if out of
 * memory.
 */
static json_t *
render(Rendering *rendering, json_t *value)
{
	json_t	   *result;
	const char *key;
	json_t	   *item;
	size_t		i;

	if (json_is_string(value))
		return render_string(rendering, json_string_value(value));
	if (!json_is_object(value) && !json_is_array(value))
		return json_incref(value);
	result = json_is_object(value) ? json_object() : json_array();
	json_object_foreach(value, key, item)
	{
		if (json_object_set_new(result, key, render(rendering, item)) != 0)
			goto fail;
	}
	json_array_foreach(value, i, item)
	{
		if (json_array_append_new(result, render(rendering, item)) != 0)
			goto fail;
	}
	return result;

fail:
	json_decref(result);
	return NULL;
}

/*
 * Output: the file that the text of a body is written to.
 */
typedef struct Output
{
	Rendering  *rendering;
	FILE	   *file;
}			Output;

static int
write_text(const char *text, size_t len, void *arg)
{
	Output	   *output = arg;

	return append(output->rendering, output->file, text, len) ? 0 : -1;
}

/*
 * as_json: write a body as text; allocated, NULL if it is too long or out of
 * memory.  A value of details may occur in it many times, so the length is
 * limited here again.
 */
static char *
as_json(Rendering *rendering, json_t *body)
{
	char	   *text = NULL;
	size_t		size = 0;
	Output		output = {rendering, open_memstream(&text, &size)};
	bool		ok;

	if (output.file == NULL)
		return NULL;
	rendering->left = MAX_RENDERED;
	ok = json_dump_callback(body, write_text, &output,
							JSON_COMPACT | JSON_ENCODE_ANY) == 0;
	if (fclose(output.file) == 0 && ok)
		return text;
	free(text);
	return NULL;
}

char *
template_render(const WebhookConfig *webhook, const char *event,
				const char **problem)
{
	json_error_t error;
	Rendering	rendering = {.webhook = webhook,.left = MAX_RENDERED};
	json_t	   *body;
	char	   *text = NULL;

	*problem = NULL;
	rendering.row = json_loads(event, 0, &error);
	if (rendering.row == NULL)
	{
		if (json_error_code(&error) != json_error_out_of_memory)
			*problem = "its details are nested too deeply";
		return NULL;
	}
	body = render(&rendering, webhook->body);
	if (rendering.problem == NULL && body)
		text = as_json(&rendering, body);
	*problem = rendering.problem;
	json_decref(body);
	json_decref(rendering.row);
	return text;
}
