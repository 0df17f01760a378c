/*
 * filter_config.c
 *		Reads which events a webhook gets.  A filter that no event can match is
 *		an error, so that no webhook stays silent for ever.
 */
#include "config/filter_config.h"

#include "base/logging.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_WORD_BYTES	255		/* the database's own limit */

#define NLEVELS			CONFIG_NLEVELS

const char *const filter_level_names[NLEVELS + 1] = {
	"debug", "info", "warning", "error", "critical", NULL
};

/*
 * Other names that the database accepts for these levels.
 */
static const struct
{
	const char *name;
	int			level;
}			aliases[] = {
	{"trace", 0}, {"information", 1}, {"notice", 1}, {"warn", 2}, {"err", 3},
	{"crit", 4}, {"fatal", 4}, {"alert", 4}, {"emerg", 4}, {"emergency", 4},
	{"panic", 4}
};

/*
 * find_level: return the number of a level; -1 if there is no such level.
 */
static int
find_level(json_t *value)
{
	const char *name = json_is_string(value) ? json_string_value(value) : "";

	for (int i = 0; i < NLEVELS; i++)
	{
		if (strcasecmp(filter_level_names[i], name) == 0)
			return i;
	}
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
	{
		if (strcasecmp(aliases[i].name, name) == 0)
			return aliases[i].level;
	}
	return -1;
}

static void
report_unknown_level(Reader *reader, const char *key, json_t *value)
{
	char		shown[64] = "";

	if (json_is_string(value))
		printable(shown, sizeof(shown), json_string_value(value),
				  json_string_length(value));
	reader_wrong(reader, key, "unknown level \"%s\"; levels are debug, info, warning, error and critical",
				 shown);
}

/*
 * read_levels: read "level", a list, or "min_level".  Returns a bit for each
 * level; 0 for all of them.
 */
static unsigned int
read_levels(Reader *reader, json_t *object)
{
	json_t	   *list = json_object_get(object, "level");
	json_t	   *min = json_object_get(object, "min_level");
	unsigned int levels = 0;
	json_t	   *item;
	size_t		i;

	if (list && min)
		reader_wrong(reader, "min_level", "cannot be combined with \"level\"");
	else if (min)
	{
		if (find_level(min) < 0)
			report_unknown_level(reader, "min_level", min);
		else
			levels = 0x1fu & (0x1fu << find_level(min));
	}
	else if (list && (!json_is_array(list) || json_array_size(list) == 0))
		reader_wrong(reader, "level", "must be a list of levels, such as [\"error\"]");
	else
	{
		json_array_foreach(list, i, item)
		{
			if (find_level(item) < 0)
				report_unknown_level(reader, "level", item);
			else
				levels |= 1u << find_level(item);
		}
	}
	return levels;
}

/*
 * level_array: format levels as an SQL array literal; allocated, NULL for all.
 */
static char *
level_array(Reader *reader, unsigned int levels)
{
	char		literal[64] = "";
	char	   *copy;

	if (levels == 0)
		return NULL;
	for (int i = 0; i < NLEVELS; i++)
	{
		if ((levels & 1u << i) == 0)
			continue;
		strcat(literal, *literal ? "," : "{");
		strcat(literal, filter_level_names[i]);
	}
	strcat(literal, "}");
	copy = strdup(literal);
	if (copy == NULL)
		reader_wrong(reader, "level", "out of memory");
	return copy;
}

/*
 * read_prefix: read "event_type", a prefix of the event_type of events.
 */
static char *
read_prefix(Reader *reader, json_t *object)
{
	static const char *const chars = "abcdefghijklmnopqrstuvwxyz0123456789_-.";
	char	   *prefix = reader_string(reader, object, "event_type");

	if (prefix == NULL)
		return NULL;
	if (strlen(prefix) > MAX_WORD_BYTES)
		reader_wrong(reader, "event_type", "is longer than %d bytes, so no event can match it",
					 MAX_WORD_BYTES);
	else if (prefix[strspn(prefix, chars)] != '\0')
		reader_wrong(reader, "event_type", "no event can match it: it must be a plain prefix of lower-case letters, digits, \"_\", \"-\" and dots");
	else if (prefix[0] == '.' || strstr(prefix, ".."))
		reader_wrong(reader, "event_type", "no event can match it: there must be a word before each dot");
	return prefix;
}

static char *
read_word(Reader *reader, json_t *object, const char *key)
{
	char	   *word = reader_string(reader, object, key);

	if (word && strlen(word) > MAX_WORD_BYTES)
		reader_wrong(reader, key, "is longer than %d bytes, so no event can match it",
					 MAX_WORD_BYTES);
	return word;
}

void
filter_config_read(Reader *reader, json_t *object, WebhookConfig *webhook)
{
	webhook->levels = level_array(reader, read_levels(reader, object));
	webhook->event_type = read_prefix(reader, object);
	webhook->resource_type = read_word(reader, object, "resource_type");
	webhook->source_service = read_word(reader, object, "source_service");
}

void
filter_config_inherit(json_t *object, json_t *common)
{
	static const char *const keys[] = {
		"event_type", "resource_type", "source_service"
	};
	bool		has_level = json_object_get(object, "level") ||
		json_object_get(object, "min_level");

	for (size_t i = 0; common && i < sizeof(keys) / sizeof(keys[0]); i++)
	{
		if (json_object_get(common, keys[i]) && !json_object_get(object, keys[i]))
			json_object_set(object, keys[i], json_object_get(common, keys[i]));
	}
	if (!has_level && json_object_get(common, "level"))
		json_object_set(object, "level", json_object_get(common, "level"));
	if (!has_level && json_object_get(common, "min_level"))
		json_object_set(object, "min_level", json_object_get(common, "min_level"));
}
