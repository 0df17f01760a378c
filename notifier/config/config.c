/*
 * config.c
 *		Turns JSON (parsed by jansson) into a Config.
 *
 * Each object of the file has a table of its keys.  An unknown key, a wrong
 * type or an unreadable file is an error, reported here with its path in the
 * JSON and not when the first event is sent.  No error message contains a
 * secret.
 */
#include "config/config.h"

#include "config/webhook_reader.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libpq-fe.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE_BYTES	(1024 * 1024)
#define MIN_MAINTAIN	1000	/* ms */
#define MAX_WAIT		(365 * READER_DAY)

/*
 * read_webhooks: read all webhooks.  Each of them gets events, but "general"
 * only if there is no "event_update".
 */
static void
read_webhooks(Reader *reader, json_t *root, const WebhookDefaults *defaults,
			  Config *config)
{
	json_t	   *webhooks = reader_object(reader, root, "webhooks");
	const char *name;
	json_t	   *value;
	size_t		path;

	if (webhooks == NULL || json_object_size(webhooks) == 0)
	{
		if (config->enabled)
			reader_wrong(reader, "webhooks", "is missing although notification is enabled");
		return;
	}
	config->webhooks = calloc(json_object_size(webhooks),
							  sizeof(WebhookConfig *));
	if (config->webhooks == NULL)
	{
		reader_wrong(reader, "webhooks", "out of memory");
		return;
	}
	path = reader_enter(reader, "webhooks");
	json_object_foreach(webhooks, name, value)
	{
		WebhookConfig *webhook = webhook_read(reader, name, value, defaults);

		if (webhook == NULL)
			break;
		config->webhooks[config->nwebhooks++] = webhook;
		webhook->active = config->enabled &&
			(strcmp(name, "general") != 0 ||
			 json_object_get(webhooks, "event_update") == NULL);
	}
	reader_leave(reader, path);
}

/*
 * read_notification: read event_log.notification, and return it for the filter
 * that webhooks inherit; NULL if it is absent or wrong.
 */
static json_t *
read_notification(Reader *reader, json_t *root, Config *config)
{
	static const char *const event_log_keys[] = {"notification", NULL};
	static const char *const known[] = {
		"enabled", "level", "min_level", "event_type", "resource_type",
		"source_service", NULL
	};
	json_t	   *event_log = reader_object(reader, root, "event_log");
	json_t	   *notification;
	bool		ok;
	size_t		path;
	size_t		inner;

	if (event_log == NULL)
		return NULL;
	path = reader_enter(reader, "event_log");
	reader_check_keys(reader, event_log, event_log_keys);
	notification = reader_object(reader, event_log, "notification");
	inner = reader_enter(reader, "notification");
	if (notification)
	{
		reader_check_keys(reader, notification, known);
		config->enabled = reader_bool(reader, notification, "enabled", false);
		ok = reader->ok;
		reader->ok = true;
		webhook_check_filter(reader, notification);
		if (!reader->ok)
			notification = NULL;
		reader->ok = reader->ok && ok;
	}
	reader_leave(reader, inner);
	reader_leave(reader, path);
	return notification;
}

/*
 * read_http_config: check http_config, which webhooks inherit, and return it;
 * NULL if it is absent or wrong.
 */
static json_t *
read_http_config(Reader *reader, json_t *root)
{
	json_t	   *http = reader_object(reader, root, "http_config");
	bool		ok = reader->ok;
	size_t		path;

	if (http == NULL)
		return NULL;
	path = reader_enter(reader, "http_config");
	reader->ok = true;
	webhook_check_http(reader, http);
	if (!reader->ok)
		http = NULL;
	reader->ok = reader->ok && ok;
	reader_leave(reader, path);
	return http;
}

/*
 * check_database: can libpq parse the connection string?  (A plain word is the
 * name of a database.)
 *
 * libpq's own message is not shown: it would quote the string, and any part of
 * that may be the password.  If a password in a URI is not percent-encoded,
 * part of it may end up in the host, the port or the database name.
 */
static void
check_database(Reader *reader, const char *database)
{
	char	   *error = NULL;
	PQconninfoOption *options;
	bool		uri = strncmp(database, "postgres://", 11) == 0 ||
		strncmp(database, "postgresql://", 13) == 0;

	if (!uri && strchr(database, '=') == NULL)
		return;
	options = PQconninfoParse(database, &error);
	PQfreemem(error);
	if (options == NULL)
		reader_wrong(reader, "database", "is not a connection string that libpq can parse");
	for (const PQconninfoOption *option = options; option && option->keyword;
		 option++)
	{
		if (option->val == NULL)
			continue;
		if (strcmp(option->keyword, "port") == 0 &&
			option->val[strspn(option->val, "0123456789,")] != '\0')
			reader_wrong(reader, "database", "has a port that is not a number");
		else if (uri && strchr(option->val, '@') &&
				 (strcmp(option->keyword, "host") == 0 ||
				  strcmp(option->keyword, "dbname") == 0))
			reader_wrong(reader, "database", "has \"@\" in its %s; user and password must be percent-encoded in a URI",
						 option->keyword);
	}
	PQconninfoFree(options);
}

/*
 * parse_address: parse "ADDR:PORT".  ADDR is numeric, IPv6 in brackets.
 */
static bool
parse_address(const char *text, struct sockaddr_storage *address)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *) address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *) address;
	char		host[64];
	const char *colon = strrchr(text, ':');
	size_t		len;
	long		port;
	char	   *end;

	if (colon == NULL || (size_t) (colon - text) >= sizeof(host))
		return false;
	port = strtol(colon + 1, &end, 10);
	if (*end != '\0' || end == colon + 1 || port < 1 || port > 65535)
		return false;
	len = (size_t) (colon - text);
	memset(address, 0, sizeof(*address));
	if (len > 2 && text[0] == '[' && text[len - 1] == ']')
	{
		snprintf(host, sizeof(host), "%.*s", (int) len - 2, text + 1);
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t) port);
		return inet_pton(AF_INET6, host, &v6->sin6_addr) == 1;
	}
	snprintf(host, sizeof(host), "%.*s", (int) len, text);
	v4->sin_family = AF_INET;
	v4->sin_port = htons((uint16_t) port);
	return inet_pton(AF_INET, host, &v4->sin_addr) == 1;
}

static void
read_root(Reader *reader, json_t *root, Config *config)
{
	static const char *const known[] = {
		"database", "database_file", "log", "log_level", "listen", "maintain",
		"event_log", "http_config", "webhooks", NULL
	};
	WebhookDefaults defaults;
	char	   *level;

	if (!json_is_object(root))
	{
		reader_wrong(reader, "", "must be an object");
		return;
	}
	reader_check_keys(reader, root, known);
	config->database = reader_secret(reader, root, "database");
	if (config->database)
		check_database(reader, config->database);
	else if (reader->ok && (config->database = strdup("")) == NULL)
		reader_wrong(reader, "database", "out of memory");
	config->log = reader_string(reader, root, "log");
	config->listen = reader_string(reader, root, "listen");
	if (config->listen && !parse_address(config->listen, &config->address))
		reader_wrong(reader, "listen", "must be ADDR:PORT, with a numeric address, IPv6 in brackets");
	config->maintain = reader_duration(reader, root, "maintain", 3600000, 0,
									   MAX_WAIT);
	if (config->maintain > 0 && config->maintain < MIN_MAINTAIN)
		reader_wrong(reader, "maintain", "must be 0, for never, or at least 1s");
	level = reader_string(reader, root, "log_level");
	config->log_level = LOG_LEVEL_INFO;
	if (level && !log_level_find(level, &config->log_level))
		reader_wrong(reader, "log_level", "must be debug, info, warning or error");
	free(level);
	defaults.filter = read_notification(reader, root, config);
	defaults.http = read_http_config(reader, root);
	read_webhooks(reader, root, &defaults, config);
}

/*
 * parse_json: parse a text; an error and NULL if it is not JSON.
 */
static json_t *
parse_json(Reader *reader, const char *text, size_t len)
{
	json_error_t error;
	json_t	   *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);

	if (root == NULL)
	{
		const char *quoted = strstr(error.text, " near ");
		char		shown[JSON_ERROR_TEXT_LENGTH];

		/* jansson quotes some of the text, which may be part of a secret */
		printable(shown, sizeof(shown), error.text,
				  quoted ? (size_t) (quoted - error.text) : strlen(error.text));
		reader_wrong(reader, "", "line %d, column %d: not JSON: %s", error.line,
					 error.column, shown);
	}
	return root;
}

/*
 * make_config: make a Config of parsed JSON; NULL if there was any error.
 */
static Config *
make_config(Reader *reader, json_t *root)
{
	Config	   *config = calloc(1, sizeof(Config));

	if (config == NULL)
		reader_wrong(reader, "", "out of memory");
	else if (root)
		read_root(reader, root, config);
	if (reader->ok)
		return config;
	config_destroy(config);
	return NULL;
}

Config *
config_parse(const char *text, size_t len, const char *dir,
			 ReaderComplain complain)
{
	Reader		reader = {.complain = complain,.ok = true};
	json_t	   *root = parse_json(&reader, text, len);
	Config	   *config;

	reader_anchor_files(root, dir);
	config = make_config(&reader, root);
	json_decref(root);
	return config;
}

/*
 * load_json: load and parse a file, and resolve the file names in it from its
 * own directory; NULL on errors.
 */
static json_t *
load_json(Reader *reader, const char *path)
{
	char		dir[PATH_MAX];
	char	   *slash;
	char	   *text;
	size_t		len;
	bool		exposed = false;
	json_t	   *root;

	text = reader_load(path, MAX_FILE_BYTES, &len, &exposed);
	reader->exposed |= exposed;
	if (text == NULL)
	{
		char		message[PATH_MAX + 128];

		snprintf(message, sizeof(message), "cannot read \"%s\": %s", path,
				 strerror(errno));
		reader->complain(LOG_LEVEL_ERROR, message);
		reader->ok = false;
		return NULL;
	}
	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir ? 1 : 0] = '\0';
	root = parse_json(reader, text, len);
	reader_anchor_files(root, slash ? dir : ".");
	free(text);
	return root;
}

Config *
config_load(const char *const *paths, size_t npaths, ReaderComplain complain)
{
	Reader		reader = {.complain = complain,.ok = true};
	json_t	   *root = NULL;
	Config	   *config;

	for (size_t i = 0; i < npaths; i++)
	{
		json_t	   *part = load_json(&reader, paths[i]);

		if (root == NULL)
			root = part;
		else
		{
			if (part && !json_is_object(part))
				reader_wrong(&reader, "", "must be an object");
			else if (part && json_object_update_recursive(root, part) != 0)
				reader_wrong(&reader, "", "cannot be merged with the files before it");
			json_decref(part);
		}
	}
	config = make_config(&reader, root);
	json_decref(root);
	return config;
}

WebhookConfig **
config_find_active(const Config *config, const char *name)
{
	for (size_t i = 0; i < config->nwebhooks; i++)
	{
		if (config->webhooks[i]->active &&
			strcmp(config->webhooks[i]->name, name) == 0)
			return &config->webhooks[i];
	}
	return NULL;
}

void
config_destroy(Config *config)
{
	if (config == NULL)
		return;
	for (size_t i = 0; i < config->nwebhooks; i++)
		webhook_config_destroy(config->webhooks[i]);
	free(config->webhooks);
	free(config->database);
	free(config->log);
	free(config->listen);
	free(config);
}
