/*
 * config.c
 *		From JSON (by jansson) to a Config, with an error for whatever is not
 *		understood: an unknown key, a wrong type, a file that cannot be read.
 *
 * Each object of the file has a table of its keys.  A Reader walks along with
 * the path that errors name.  Secrets stand in no error.
 */
#include "config.h"

#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_FILE_BYTES	(1024 * 1024)
#define MAX_NAME_BYTES	255

static const char *const event_levels[] = {
	"debug", "info", "warning", "error", "critical"
};

/*
 * Reader: where in the file we are, and whether all is well so far.
 */
typedef struct Reader
{
	const char *dir;
	ConfigComplain complain;
	bool		ok;
	char		path[512];
} Reader;

static void wrong(Reader *reader, const char *key, const char *format,...)
			__attribute__((format(printf, 3, 4)));

/*
 * wrong: complain of a key, and note that not all is well.
 */
static void
wrong(Reader *reader, const char *key, const char *format,...)
{
	char		message[1024];
	char		what[400];
	va_list		args;

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
 * enter, leave: the path gets longer by a key, and is cut again.
 */
static size_t
enter(Reader *reader, const char *key)
{
	size_t		len = strlen(reader->path);

	snprintf(reader->path + len, sizeof(reader->path) - len, "%s%s",
			 len > 0 ? "." : "", key);
	return len;
}

static void
leave(Reader *reader, size_t len)
{
	reader->path[len] = '\0';
}

/*
 * check_keys: an error for each key that is not in the list, which NULL ends.
 */
static void
check_keys(Reader *reader, json_t *object, const char *const *known)
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
			wrong(reader, shown, "unknown key");
	}
}

/*
 * get_object: an object of the object; NULL when it is not there.
 */
static json_t *
get_object(Reader *reader, json_t *object, const char *key)
{
	json_t	   *value = json_object_get(object, key);

	if (value && !json_is_object(value))
	{
		wrong(reader, key, "must be an object");
		return NULL;
	}
	return value;
}

/*
 * get_string: a copy of a string, or NULL when it is not there.
 */
static char *
get_string(Reader *reader, json_t *object, const char *key)
{
	json_t	   *value = json_object_get(object, key);
	char	   *copy;

	if (value == NULL)
		return NULL;
	if (!json_is_string(value) || json_string_length(value) == 0 ||
		strlen(json_string_value(value)) != json_string_length(value))
	{
		wrong(reader, key, "must be a string that is not empty");
		return NULL;
	}
	copy = strdup(json_string_value(value));
	if (copy == NULL)
		wrong(reader, key, "out of memory");
	return copy;
}

static bool
get_bool(Reader *reader, json_t *object, const char *key, bool absent)
{
	json_t	   *value = json_object_get(object, key);

	if (value == NULL)
		return absent;
	if (!json_is_boolean(value))
		wrong(reader, key, "must be true or false");
	return json_is_true(value);
}

static int
get_int(Reader *reader, json_t *object, const char *key, int absent, int min,
		int max)
{
	json_t	   *value = json_object_get(object, key);

	if (value == NULL)
		return absent;
	if (!json_is_integer(value) || json_integer_value(value) < min ||
		json_integer_value(value) > max)
	{
		wrong(reader, key, "must be a whole number from %d to %d", min, max);
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

static int64_t
get_duration(Reader *reader, json_t *object, const char *key, int64_t absent,
			 int64_t min)
{
	json_t	   *value = json_object_get(object, key);
	int64_t		ms;

	if (value == NULL)
		return absent;
	ms = json_is_string(value) ? parse_duration(json_string_value(value)) : -1;
	if (ms < min)
	{
		wrong(reader, key, "must be a duration such as \"500ms\", \"15s\" or \"2h\"%s",
			  min > 0 ? ", above zero" : "");
		return absent;
	}
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
 * read_file: a whole file, with a NUL behind it; NULL and errno when that
 * fails.
 */
static char *
read_file(const char *path, size_t max, size_t *len)
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
 * get_file: the text in the file that a key names, without line ends behind.
 */
static char *
get_file(Reader *reader, json_t *object, const char *key)
{
	char	   *name = get_string(reader, object, key);
	char	   *path;
	char	   *text;
	size_t		len;

	if (name == NULL)
		return NULL;
	path = file_path(reader, name);
	text = path ? read_file(path, 65536, &len) : NULL;
	if (text == NULL)
		wrong(reader, key, "cannot read \"%s\": %s", name, strerror(errno));
	else
	{
		while (len > 0 && strchr("\r\n \t", text[len - 1]))
			text[--len] = '\0';
		if (len == 0 || strlen(text) != len)
		{
			wrong(reader, key, "\"%s\" is empty or not text", name);
			free(text);
			text = NULL;
		}
	}
	free(path);
	free(name);
	return text;
}

/*
 * get_text: a value that stands in the file itself, or in one that `key`_file
 * names.
 */
static char *
get_text(Reader *reader, json_t *object, const char *key)
{
	char		file_key[64];

	snprintf(file_key, sizeof(file_key), "%s_file", key);
	if (json_object_get(object, key) && json_object_get(object, file_key))
	{
		wrong(reader, file_key, "cannot go with \"%s\"", key);
		return NULL;
	}
	return json_object_get(object, file_key) ?
		get_file(reader, object, file_key) : get_string(reader, object, key);
}

/*
 * get_path: a file that others read, as a path; it must be readable now.
 */
static char *
get_path(Reader *reader, json_t *object, const char *key)
{
	char	   *name = get_string(reader, object, key);
	char	   *path;
	FILE	   *file;

	if (name == NULL)
		return NULL;
	path = file_path(reader, name);
	file = path ? fopen(path, "r") : NULL;
	if (file == NULL)
		wrong(reader, key, "cannot read \"%s\": %s", name, strerror(errno));
	else
		fclose(file);
	free(name);
	return path;
}

/*
 * get_levels: "level", a list of levels, as an array literal of SQL.
 */
static char *
get_levels(Reader *reader, json_t *object)
{
	json_t	   *list = json_object_get(object, "level");
	json_t	   *item;
	size_t		i;
	char		literal[128] = "{";
	bool		seen[5] = {false};

	if (list == NULL)
		return NULL;
	if (!json_is_array(list) || json_array_size(list) == 0)
	{
		wrong(reader, "level", "must be a list of levels, such as [\"error\"]");
		return NULL;
	}
	json_array_foreach(list, i, item)
	{
		size_t		level = 0;
		char		shown[64] = "";

		if (json_is_string(item))
			printable(shown, sizeof(shown), json_string_value(item),
					  json_string_length(item));
		while (level < 5 && strcasecmp(event_levels[level], shown) != 0)
			level++;
		if (level == 5)
			wrong(reader, "level", "unknown level \"%s\"; levels are debug, info, warning, error and critical",
				  shown);
		else if (!seen[level])
		{
			seen[level] = true;
			if (literal[1] != '\0')
				strcat(literal, ",");
			strcat(literal, event_levels[level]);
		}
	}
	strcat(literal, "}");
	return strdup(literal);
}

/*
 * check_url: http or https, with placeholders in path and query alone.
 */
static void
check_url(Reader *reader, WebhookConfig *webhook)
{
	const char *at = webhook->url;
	const char *key = "url";
	const char *rest;
	const char *open;

	if (strncasecmp(at, "http://", 7) == 0)
		at += 7;
	else if (strncasecmp(at, "https://", 8) == 0)
		at += 8;
	else
	{
		wrong(reader, key, "must begin with http:// or https://");
		return;
	}
	rest = at + strcspn(at, "/?#");
	if (rest == at || strpbrk(webhook->url, " \t\r\n"))
		wrong(reader, key, "is not a URL");
	if (memchr(at, '<', (size_t) (rest - at)))
		wrong(reader, key, "placeholders may stand in its path and query alone");
	if (strchr(rest, '#'))
		wrong(reader, key, "must not have a fragment");
	for (open = strchr(rest, '<'); open; open = strchr(open + 1, '<'))
	{
		if (strncmp(open, "<notification_type>", 19) != 0 &&
			strncmp(open, "<userId>", 8) != 0)
			wrong(reader, key, "unknown placeholder; there are <notification_type> and <userId>");
	}
	if (webhook->max_events > 1 && strstr(rest, "<userId>"))
		wrong(reader, key, "<userId> cannot go with batches, whose events are of several users");
}

/*
 * add_key: one secret of a webhook.
 */
static void
add_key(Reader *reader, WebhookConfig *webhook, const char *key,
		const char *text)
{
	if (webhook->nkeys == CONFIG_MAX_KEYS)
		wrong(reader, key, "at most %d secrets", CONFIG_MAX_KEYS);
	else if (!signing_key_parse(text, &webhook->keys[webhook->nkeys]))
		wrong(reader, key, "must be whsec_ and the base64 of 24 to 64 bytes");
	else
		webhook->nkeys++;
}

/*
 * read_secrets: "secret" or "secret_file", one or a list, the one that signs
 * first first.  A file holds one a line.
 */
static void
read_secrets(Reader *reader, json_t *object, WebhookConfig *webhook)
{
	json_t	   *secret = json_object_get(object, "secret");
	char	   *file;
	json_t	   *item;
	size_t		i;

	if (json_is_array(secret))
	{
		if (json_object_get(object, "secret_file"))
			wrong(reader, "secret_file", "cannot go with \"secret\"");
		json_array_foreach(secret, i, item)
			add_key(reader, webhook, "secret",
					json_is_string(item) ? json_string_value(item) : "");
		return;
	}
	file = get_text(reader, object, "secret");
	if (file)
	{
		char	   *save;

		for (char *line = strtok_r(file, "\r\n", &save); line;
			 line = strtok_r(NULL, "\r\n", &save))
			add_key(reader, webhook, secret ? "secret" : "secret_file", line);
	}
	free(file);
}

static void
read_basic_auth(Reader *reader, json_t *object, WebhookConfig *webhook)
{
	static const char *const known[] = {
		"username", "password", "password_file", NULL
	};
	json_t	   *auth = get_object(reader, object, "basic_auth");
	size_t		path;

	if (auth == NULL)
		return;
	path = enter(reader, "basic_auth");
	check_keys(reader, auth, known);
	webhook->username = get_string(reader, auth, "username");
	webhook->password = get_text(reader, auth, "password");
	if (webhook->username == NULL)
		wrong(reader, "username", "is missing");
	else if (strchr(webhook->username, ':'))
		wrong(reader, "username", "must not contain a colon");
	leave(reader, path);
}

/*
 * is_header_text: may it stand in a header?
 */
static bool
is_header_text(const char *text)
{
	for (; *text; text++)
	{
		if ((unsigned char) *text < 0x20 || *text == 0x7f)
			return false;
	}
	return true;
}

static void
read_authorization(Reader *reader, json_t *object, WebhookConfig *webhook)
{
	static const char *const known[] = {
		"type", "credentials", "credentials_file", NULL
	};
	json_t	   *auth = get_object(reader, object, "authorization");
	char	   *type;
	char	   *credentials;
	size_t		path;
	size_t		size;

	if (auth == NULL)
		return;
	if (webhook->username)
		wrong(reader, "authorization", "cannot go with basic_auth");
	path = enter(reader, "authorization");
	check_keys(reader, auth, known);
	type = get_string(reader, auth, "type");
	credentials = get_text(reader, auth, "credentials");
	if (credentials == NULL)
		wrong(reader, "credentials", "is missing");
	else if (!is_header_text(credentials) || (type && !is_header_text(type)))
		wrong(reader, "credentials", "cannot stand in a header");
	else
	{
		size = strlen(credentials) + (type ? strlen(type) : 6) + 2;
		webhook->authorization = malloc(size);
		if (webhook->authorization)
			snprintf(webhook->authorization, size, "%s %s",
					 type ? type : "Bearer", credentials);
		else
			wrong(reader, "credentials", "out of memory");
	}
	free(type);
	free(credentials);
	leave(reader, path);
}

static void
read_headers(Reader *reader, json_t *object, WebhookConfig *webhook)
{
	json_t	   *headers = get_object(reader, object, "http_headers");
	const char *name;
	json_t	   *value;

	if (headers == NULL)
		return;
	json_object_foreach(headers, name, value)
	{
		size_t		size;
		char	   *header;

		if (!json_is_string(value) ||
			!is_header_text(json_string_value(value)) ||
			*name == '\0' || strpbrk(name, ": \t\r\n") || !is_header_text(name))
		{
			wrong(reader, "http_headers", "must be names and strings");
			continue;
		}
		if (webhook->nheaders == CONFIG_MAX_HEADERS)
		{
			wrong(reader, "http_headers", "at most %d headers",
				  CONFIG_MAX_HEADERS);
			return;
		}
		size = strlen(name) + json_string_length(value) + 3;
		header = malloc(size);
		if (header == NULL)
		{
			wrong(reader, "http_headers", "out of memory");
			return;
		}
		snprintf(header, size, "%s: %s", name, json_string_value(value));
		webhook->headers[webhook->nheaders++] = header;
	}
}

static void
read_tls(Reader *reader, json_t *object, WebhookConfig *webhook)
{
	static const char *const known[] = {
		"ca_file", "cert_file", "key_file", "server_name",
		"insecure_skip_verify", "min_version", NULL
	};
	json_t	   *tls = get_object(reader, object, "tls_config");
	char	   *version;
	size_t		path;

	webhook->min_version = CURL_SSLVERSION_TLSv1_2;
	if (tls == NULL)
		return;
	path = enter(reader, "tls_config");
	check_keys(reader, tls, known);
	webhook->ca_file = get_path(reader, tls, "ca_file");
	webhook->cert_file = get_path(reader, tls, "cert_file");
	webhook->key_file = get_path(reader, tls, "key_file");
	webhook->server_name = get_string(reader, tls, "server_name");
	webhook->insecure_skip_verify =
		get_bool(reader, tls, "insecure_skip_verify", false);
	if ((webhook->cert_file == NULL) != (webhook->key_file == NULL))
		wrong(reader, webhook->cert_file ? "key_file" : "cert_file",
			  "is missing: a client certificate needs both");
	version = get_string(reader, tls, "min_version");
	if (version == NULL || strcmp(version, "TLS12") == 0)
		webhook->min_version = CURL_SSLVERSION_TLSv1_2;
	else if (strcmp(version, "TLS13") == 0)
		webhook->min_version = CURL_SSLVERSION_TLSv1_3;
	else
		wrong(reader, "min_version", "must be \"TLS12\" or \"TLS13\"");
	free(version);
	leave(reader, path);
}

static void
read_retry(Reader *reader, json_t *object, WebhookConfig *webhook)
{
	static const char *const known[] = {
		"initial_backoff", "max_backoff", "max_attempts", "max_age", NULL
	};
	json_t	   *retry = get_object(reader, object, "retry");
	size_t		path = enter(reader, "retry");

	if (retry)
		check_keys(reader, retry, known);
	webhook->retry.initial_backoff =
		get_duration(reader, retry, "initial_backoff", 1000, 1);
	webhook->retry.max_backoff =
		get_duration(reader, retry, "max_backoff", 3600000, 1);
	webhook->retry.max_attempts =
		get_int(reader, retry, "max_attempts", 20, 0, 1000000);
	webhook->retry.max_age =
		get_duration(reader, retry, "max_age", 3 * (int64_t) 86400000, 0);
	if (webhook->retry.max_backoff < webhook->retry.initial_backoff)
		wrong(reader, "max_backoff", "must not be below initial_backoff");
	leave(reader, path);
}

static void
read_format(Reader *reader, json_t *object, WebhookConfig *webhook)
{
	static const char *const batch_keys[] = {"max_events", NULL};
	static const char *const names[] = {"standard", "cloudevents", "anchore"};
	char	   *format = get_string(reader, object, "format");
	json_t	   *batch = get_object(reader, object, "batch");
	size_t		path;

	webhook->format = FORMAT_STANDARD;
	if (format)
	{
		size_t		i = 0;

		while (i < 3 && strcmp(names[i], format) != 0)
			i++;
		if (i == 3)
			wrong(reader, "format",
				  "must be \"standard\", \"cloudevents\" or \"anchore\"");
		else
			webhook->format = (PayloadFormat) i;
	}
	free(format);

	webhook->max_events = 1;
	if (batch == NULL)
		return;
	if (webhook->format != FORMAT_CLOUDEVENTS)
		wrong(reader, "batch", "needs \"format\": \"cloudevents\", the one that defines batches");
	path = enter(reader, "batch");
	check_keys(reader, batch, batch_keys);
	webhook->max_events = get_int(reader, batch, "max_events", 100, 1, 1000);
	leave(reader, path);
}

/*
 * read_webhook: one webhook; what it does not say of its own is common.
 */
static void
read_webhook(Reader *reader, const char *name, json_t *object, json_t *common,
			 WebhookConfig *webhook)
{
	static const char *const known[] = {
		"url", "url_file", "level", "event_type", "format", "secret",
		"secret_file", "basic_auth", "authorization", "http_headers",
		"tls_config", "proxy_url", "no_proxy", "timeout", "max_concurrency",
		"ordered", "batch", "retry", NULL
	};
	char		shown[MAX_NAME_BYTES + 1];
	size_t		path;

	printable(shown, sizeof(shown), name, strlen(name));
	path = enter(reader, shown);
	webhook->name = strdup(name);
	if (webhook->name == NULL || *name == '\0' || strlen(name) > MAX_NAME_BYTES)
		wrong(reader, "", "a name is 1 to %d bytes", MAX_NAME_BYTES);
	if (!json_is_object(object))
	{
		wrong(reader, "", "must be an object");
		leave(reader, path);
		return;
	}
	check_keys(reader, object, known);
	webhook->levels = get_levels(reader, json_object_get(object, "level") ?
								 object : common);
	webhook->event_type =
		get_string(reader, json_object_get(object, "event_type") ?
				   object : common, "event_type");
	read_format(reader, object, webhook);
	webhook->url = get_text(reader, object, "url");
	if (webhook->url)
		check_url(reader, webhook);
	else if (!json_object_get(object, "url") &&
			 !json_object_get(object, "url_file"))
		wrong(reader, "url", "is missing");
	read_secrets(reader, object, webhook);
	read_basic_auth(reader, object, webhook);
	read_authorization(reader, object, webhook);
	read_headers(reader, object, webhook);
	read_tls(reader, object, webhook);
	read_retry(reader, object, webhook);
	webhook->proxy_url = get_string(reader, object, "proxy_url");
	webhook->no_proxy = get_string(reader, object, "no_proxy");
	webhook->timeout = get_duration(reader, object, "timeout", 15000, 1);
	webhook->ordered = get_bool(reader, object, "ordered", false);
	webhook->max_concurrency = get_int(reader, object, "max_concurrency",
									   webhook->ordered ? 1 : 16, 1, 1000);
	if (webhook->ordered && webhook->max_concurrency > 1)
		wrong(reader, "max_concurrency", "must be 1 where \"ordered\" is true");
	leave(reader, path);
}

/*
 * read_webhooks: events go to event_update, or to general where there is no
 * event_update, and to each further one.
 */
static void
read_webhooks(Reader *reader, json_t *root, json_t *common, Config *config)
{
	json_t	   *webhooks = get_object(reader, root, "webhooks");
	const char *name;
	json_t	   *value;
	size_t		path;

	if (webhooks == NULL || json_object_size(webhooks) == 0)
	{
		if (config->enabled)
			wrong(reader, "webhooks", "is missing, and notification is enabled");
		return;
	}
	config->webhooks = calloc(json_object_size(webhooks),
							  sizeof(WebhookConfig));
	if (config->webhooks == NULL)
	{
		wrong(reader, "webhooks", "out of memory");
		return;
	}
	path = enter(reader, "webhooks");
	json_object_foreach(webhooks, name, value)
	{
		WebhookConfig *webhook = &config->webhooks[config->nwebhooks++];

		read_webhook(reader, name, value, common, webhook);
		webhook->active = config->enabled &&
			(strcmp(name, "general") != 0 ||
			 json_object_get(webhooks, "event_update") == NULL);
	}
	leave(reader, path);
}

/*
 * read_notification: event_log.notification; returns it for what is common to
 * the webhooks.
 */
static json_t *
read_notification(Reader *reader, json_t *root, Config *config)
{
	static const char *const event_log_keys[] = {"notification", NULL};
	static const char *const known[] = {"enabled", "level", "event_type", NULL};
	json_t	   *event_log = get_object(reader, root, "event_log");
	json_t	   *notification;
	size_t		path;

	if (event_log == NULL)
		return NULL;
	path = enter(reader, "event_log");
	check_keys(reader, event_log, event_log_keys);
	notification = get_object(reader, event_log, "notification");
	if (notification)
	{
		size_t		inner = enter(reader, "notification");

		check_keys(reader, notification, known);
		config->enabled = get_bool(reader, notification, "enabled", false);
		free(get_levels(reader, notification));
		free(get_string(reader, notification, "event_type"));
		leave(reader, inner);
	}
	leave(reader, path);
	return notification;
}

/*
 * check_database: can libpq parse the connection string?  (A plain word is the
 * name of a database.)
 *
 * libpq's own message would quote the string, of which any part may be the
 * password.  So may what it takes for host, port or database name where a
 * password in a URI was not percent-encoded.
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
		wrong(reader, "database", "is no connection string that libpq can read");
	for (const PQconninfoOption *option = options; option && option->keyword;
		 option++)
	{
		if (option->val == NULL)
			continue;
		if (strcmp(option->keyword, "port") == 0 &&
			option->val[strspn(option->val, "0123456789,")] != '\0')
			wrong(reader, "database", "has a port that is no number");
		else if (uri && strchr(option->val, '@') &&
				 (strcmp(option->keyword, "host") == 0 ||
				  strcmp(option->keyword, "dbname") == 0))
			wrong(reader, "database", "has \"@\" in its %s; in a URI user and password are percent-encoded",
				  option->keyword);
	}
	PQconninfoFree(options);
}

static void
read_root(Reader *reader, json_t *root, Config *config)
{
	static const char *const known[] = {
		"database", "log", "log_level", "listen", "maintain", "event_log",
		"webhooks", NULL
	};
	char	   *level;

	if (!json_is_object(root))
	{
		wrong(reader, "", "must be an object");
		return;
	}
	check_keys(reader, root, known);
	config->database = get_string(reader, root, "database");
	if (config->database == NULL && json_object_get(root, "database") == NULL)
		wrong(reader, "database", "is missing; a connection string, such as \"host=/run/postgresql dbname=app\"");
	else if (config->database)
		check_database(reader, config->database);
	config->log = get_string(reader, root, "log");
	config->listen = get_string(reader, root, "listen");
	config->maintain = get_duration(reader, root, "maintain", 3600000, 0);
	level = get_string(reader, root, "log_level");
	config->log_level = LOG_LEVEL_INFO;
	if (level && !log_level_find(level, &config->log_level))
		wrong(reader, "log_level", "must be debug, info, warning or error");
	free(level);
	read_webhooks(reader, root, read_notification(reader, root, config),
				  config);
}

Config *
config_parse(const char *text, size_t len, const char *dir,
			 ConfigComplain complain)
{
	Reader		reader = {.dir = dir,.complain = complain,.ok = true};
	Config	   *config = calloc(1, sizeof(Config));
	json_error_t error;
	json_t	   *root;

	if (config == NULL)
	{
		wrong(&reader, "", "out of memory");
		return NULL;
	}
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (root == NULL)
	{
		const char *quoted = strstr(error.text, " near ");
		char		shown[JSON_ERROR_TEXT_LENGTH];

		/* what jansson quotes of the text might be part of a secret */
		printable(shown, sizeof(shown), error.text,
				  quoted ? (size_t) (quoted - error.text) : strlen(error.text));
		wrong(&reader, "", "line %d, column %d: not JSON: %s", error.line,
			  error.column, shown);
	}
	else
		read_root(&reader, root, config);
	json_decref(root);
	if (!reader.ok)
	{
		config_destroy(config);
		return NULL;
	}
	return config;
}

Config *
config_load(const char *path, ConfigComplain complain)
{
	Config	   *config;
	char	   *text;
	char		dir[PATH_MAX];
	char	   *slash;
	size_t		len;

	text = read_file(path, MAX_FILE_BYTES, &len);
	if (text == NULL)
	{
		char		message[PATH_MAX + 128];

		snprintf(message, sizeof(message), "cannot read \"%s\": %s", path,
				 strerror(errno));
		complain(message);
		return NULL;
	}
	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir ? 1 : 0] = '\0';
	config = config_parse(text, len, slash ? dir : ".", complain);
	free(text);
	return config;
}

static void
destroy_webhook(WebhookConfig *webhook)
{
	for (size_t i = 0; i < webhook->nheaders; i++)
		free(webhook->headers[i]);
	free(webhook->name);
	free(webhook->url);
	free(webhook->levels);
	free(webhook->event_type);
	free(webhook->username);
	free(webhook->password);
	free(webhook->authorization);
	free(webhook->ca_file);
	free(webhook->cert_file);
	free(webhook->key_file);
	free(webhook->server_name);
	free(webhook->proxy_url);
	free(webhook->no_proxy);
}

void
config_destroy(Config *config)
{
	if (config == NULL)
		return;
	for (size_t i = 0; i < config->nwebhooks; i++)
		destroy_webhook(&config->webhooks[i]);
	free(config->webhooks);
	free(config->database);
	free(config->log);
	free(config->listen);
	free(config);
}
