/*
 * config.c
 *		From JSON (by jansson) to a Config, with an error for whatever is not
 *		understood: an unknown key, a wrong type, a file that cannot be read.
 *
 * Each object of the file has a table of its keys.  What is wrong is to be told
 * here, with its path, and not when the first event is sent.  Secrets stand in
 * no error.
 */
#include "config.h"

#include "reader.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <libpq-fe.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_FILE_BYTES	(1024 * 1024)
#define MAX_NAME_BYTES	255
#define MAX_TIMEOUT		READER_DAY
#define MAX_WAIT		(365 * READER_DAY)

static const char *const event_levels[] = {
	"debug", "info", "warning", "error", "critical"
};

/*
 * Common: what webhooks have that say nothing of their own.
 */
typedef struct Common
{
	char	   *levels;
	char	   *event_type;
} Common;

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
		reader_wrong(reader, "level", "must be a list of levels, such as [\"error\"]");
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
			reader_wrong(reader, "level", "unknown level \"%s\"; levels are debug, info, warning, error and critical",
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
 * is_url: can libcurl make something of it?  Placeholders are none of its
 * business.
 */
static bool
is_url(const char *url)
{
	CURLU	   *parts = curl_url();
	char	   *plain = strdup(url);
	bool		ok;

	for (char *at = plain; at && (at = strpbrk(at, "<>")) != NULL;)
		*at = 'x';
	ok = parts && plain && strpbrk(url, " \t\r\n") == NULL &&
		curl_url_set(parts, CURLUPART_URL, plain, 0) == CURLUE_OK;
	free(plain);
	curl_url_cleanup(parts);
	return ok;
}

/*
 * is_host: may it stand in a URL as the host?
 */
static bool
is_host(const char *name)
{
	CURLU	   *parts = curl_url();
	bool		ok = parts &&
	curl_url_set(parts, CURLUPART_URL, "https://h/", 0) == CURLUE_OK &&
	curl_url_set(parts, CURLUPART_HOST, name, 0) == CURLUE_OK;

	curl_url_cleanup(parts);
	return ok;
}

/*
 * is_proxy: a URL that libcurl takes for a proxy's; without a scheme, http's.
 */
static bool
is_proxy(const char *url)
{
	static const char *const schemes[] = {
		"http", "https", "socks4", "socks4a", "socks5", "socks5h"
	};
	CURLU	   *parts = curl_url();
	char	   *scheme = NULL;
	bool		ok = false;

	if (parts &&
		curl_url_set(parts, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME |
					 (strstr(url, "://") ? 0 : CURLU_GUESS_SCHEME)) == CURLUE_OK &&
		curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK)
	{
		for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
			ok = ok || strcmp(schemes[i], scheme) == 0;
	}
	if (strstr(url, "://") == NULL)
		ok = scheme != NULL;
	curl_free(scheme);
	curl_url_cleanup(parts);
	return ok;
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
		reader_wrong(reader, key, "must begin with http:// or https://");
		return;
	}
	rest = at + strcspn(at, "/?#");
	if (rest == at || !is_url(webhook->url))
		reader_wrong(reader, key, "is not a URL");
	if (memchr(at, '<', (size_t) (rest - at)))
		reader_wrong(reader, key, "placeholders may stand in its path and query alone");
	if (strchr(rest, '#'))
		reader_wrong(reader, key, "must not have a fragment");
	for (open = strchr(rest, '<'); open; open = strchr(open + 1, '<'))
	{
		if (strncmp(open, "<notification_type>", 19) != 0 &&
			strncmp(open, "<userId>", 8) != 0)
			reader_wrong(reader, key, "unknown placeholder; there are <notification_type> and <userId>");
	}
	if (webhook->max_events > 1 && strstr(rest, "<userId>"))
		reader_wrong(reader, key, "<userId> cannot go with batches, whose events are of several users");
}

/*
 * add_key: one secret of a webhook.
 */
static void
add_key(Reader *reader, WebhookConfig *webhook, const char *key,
		const char *text)
{
	if (webhook->nkeys == CONFIG_MAX_KEYS)
		reader_wrong(reader, key, "at most %d secrets", CONFIG_MAX_KEYS);
	else if (!signing_key_parse(text, &webhook->keys[webhook->nkeys]))
		reader_wrong(reader, key, "must be whsec_ and the base64 of 24 to 64 bytes");
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
			reader_wrong(reader, "secret_file", "cannot go with \"secret\"");
		json_array_foreach(secret, i, item)
			add_key(reader, webhook, "secret",
					json_is_string(item) ? json_string_value(item) : "");
		return;
	}
	file = reader_text(reader, object, "secret");
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
	json_t	   *auth = reader_object(reader, object, "basic_auth");
	size_t		path;

	if (auth == NULL)
		return;
	path = reader_enter(reader, "basic_auth");
	reader_check_keys(reader, auth, known);
	webhook->username = reader_string(reader, auth, "username");
	webhook->password = reader_text(reader, auth, "password");
	if (webhook->username == NULL)
		reader_wrong(reader, "username", "is missing");
	else if (strchr(webhook->username, ':'))
		reader_wrong(reader, "username", "must not contain a colon");
	reader_leave(reader, path);
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
	json_t	   *auth = reader_object(reader, object, "authorization");
	char	   *type;
	char	   *credentials;
	size_t		path;
	size_t		size;

	if (auth == NULL)
		return;
	if (webhook->username)
		reader_wrong(reader, "authorization", "cannot go with basic_auth");
	path = reader_enter(reader, "authorization");
	reader_check_keys(reader, auth, known);
	type = reader_string(reader, auth, "type");
	credentials = reader_text(reader, auth, "credentials");
	if (credentials == NULL)
		reader_wrong(reader, "credentials", "is missing");
	else if (!is_header_text(credentials) || (type && !is_header_text(type)))
		reader_wrong(reader, "credentials", "cannot stand in a header");
	else
	{
		size = strlen(credentials) + (type ? strlen(type) : 6) + 2;
		webhook->authorization = malloc(size);
		if (webhook->authorization)
			snprintf(webhook->authorization, size, "%s %s",
					 type ? type : "Bearer", credentials);
		else
			reader_wrong(reader, "credentials", "out of memory");
	}
	free(type);
	free(credentials);
	reader_leave(reader, path);
}

/*
 * is_ours: a header that we write ourselves?
 */
static bool
is_ours(const WebhookConfig *webhook, const char *name)
{
	static const char *const ours[] = {
		"connection", "content-length", "content-type", "expect", "host",
		"transfer-encoding", "webhook-id", "webhook-signature",
		"webhook-timestamp"
	};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
	{
		if (strcasecmp(ours[i], name) == 0)
			return true;
	}
	return (webhook->username || webhook->authorization) &&
		strcasecmp(name, "authorization") == 0;
}

/*
 * add_header: one header, as libcurl wants it, for which one without a value
 * ends in a semicolon.
 */
static void
add_header(Reader *reader, WebhookConfig *webhook, const char *key,
		   const char *name, const char *value)
{
	size_t		size = strlen(name) + strlen(value) + 3;
	char	   *header;

	value += strspn(value, " ");
	if (!is_header_text(value))
	{
		reader_wrong(reader, key, "cannot stand in a header");
		return;
	}
	if (webhook->nheaders == CONFIG_MAX_HEADERS)
	{
		reader_wrong(reader, key, "at most %d headers", CONFIG_MAX_HEADERS);
		return;
	}
	header = malloc(size);
	if (header == NULL)
	{
		reader_wrong(reader, key, "out of memory");
		return;
	}
	snprintf(header, size, *value ? "%s: %s" : "%s;", name, value);
	webhook->headers[webhook->nheaders++] = header;
}

/*
 * read_header_list: a list of values of one header, or of files that hold them.
 */
static void
read_header_list(Reader *reader, WebhookConfig *webhook, json_t *object,
				 const char *key, const char *name)
{
	json_t	   *list = json_object_get(object, key);
	json_t	   *item;
	size_t		i;

	if (list && !json_is_array(list))
		reader_wrong(reader, key, "must be a list of strings");
	json_array_foreach(list, i, item)
	{
		const char *text = json_string_value(item);
		char	   *contents;

		if (text == NULL || strlen(text) != json_string_length(item))
			reader_wrong(reader, key, "must be a list of strings");
		else if (strcmp(key, "files") != 0)
			add_header(reader, webhook, key, name, text);
		else if ((contents = reader_contents(reader, key, text)) != NULL)
		{
			add_header(reader, webhook, key, name, contents);
			free(contents);
		}
	}
}

static void
read_header(Reader *reader, WebhookConfig *webhook, const char *name,
			json_t *value)
{
	static const char *const known[] = {"values", "secrets", "files", NULL};
	size_t		path;

	if (json_is_string(value) &&
		strlen(json_string_value(value)) == json_string_length(value))
		add_header(reader, webhook, name, name, json_string_value(value));
	else if (json_is_object(value))
	{
		path = reader_enter(reader, name);
		reader_check_keys(reader, value, known);
		for (size_t i = 0; known[i]; i++)
			read_header_list(reader, webhook, value, known[i], name);
		reader_leave(reader, path);
	}
	else
		reader_wrong(reader, name, "must be a string, or lists of values, secrets or files");
}

static void
read_headers(Reader *reader, json_t *object, WebhookConfig *webhook)
{
	json_t	   *headers = reader_object(reader, object, "http_headers");
	size_t		path;
	const char *name;
	json_t	   *value;

	json_object_foreach(headers, name, value)
	{
		if (*name == '\0' || strpbrk(name, ": \t\r\n;") ||
			!is_header_text(name) || strlen(name) > MAX_NAME_BYTES)
		{
			reader_wrong(reader, "http_headers", "must be names and strings");
			continue;
		}
		path = reader_enter(reader, "http_headers");
		if (is_ours(webhook, name))
			reader_wrong(reader, name, "is a header that the notifier writes itself");
		else
			read_header(reader, webhook, name, value);
		reader_leave(reader, path);
	}
}

static void
read_tls(Reader *reader, json_t *object, WebhookConfig *webhook)
{
	static const char *const known[] = {
		"ca_file", "cert_file", "key_file", "server_name",
		"insecure_skip_verify", "min_version", NULL
	};
	json_t	   *tls = reader_object(reader, object, "tls_config");
	char	   *version;
	size_t		path;

	webhook->min_version = CURL_SSLVERSION_TLSv1_2;
	if (tls == NULL)
		return;
	path = reader_enter(reader, "tls_config");
	reader_check_keys(reader, tls, known);
	webhook->ca_file = reader_path(reader, tls, "ca_file");
	webhook->cert_file = reader_path(reader, tls, "cert_file");
	webhook->key_file = reader_path(reader, tls, "key_file");
	webhook->server_name = reader_string(reader, tls, "server_name");
	if (webhook->server_name && !is_host(webhook->server_name))
		reader_wrong(reader, "server_name", "is not the name of a host");
	webhook->insecure_skip_verify =
		reader_bool(reader, tls, "insecure_skip_verify", false);
	if ((webhook->cert_file == NULL) != (webhook->key_file == NULL))
		reader_wrong(reader, webhook->cert_file ? "key_file" : "cert_file",
					 "is missing: a client certificate needs both");
	version = reader_string(reader, tls, "min_version");
	if (version == NULL || strcmp(version, "TLS12") == 0)
		webhook->min_version = CURL_SSLVERSION_TLSv1_2;
	else if (strcmp(version, "TLS13") == 0)
		webhook->min_version = CURL_SSLVERSION_TLSv1_3;
	else
		reader_wrong(reader, "min_version", "must be \"TLS12\" or \"TLS13\"");
	free(version);
	reader_leave(reader, path);
}

static void
read_retry(Reader *reader, json_t *object, WebhookConfig *webhook)
{
	static const char *const known[] = {
		"initial_backoff", "max_backoff", "max_attempts", "max_age", NULL
	};
	json_t	   *retry = reader_object(reader, object, "retry");
	size_t		path = reader_enter(reader, "retry");

	if (retry)
		reader_check_keys(reader, retry, known);
	webhook->retry.initial_backoff =
		reader_duration(reader, retry, "initial_backoff", 1000, 1, MAX_WAIT);
	webhook->retry.max_backoff =
		reader_duration(reader, retry, "max_backoff", 3600000, 1, MAX_WAIT);
	webhook->retry.max_attempts =
		reader_int(reader, retry, "max_attempts", 20, 0, 1000000);
	webhook->retry.max_age =
		reader_duration(reader, retry, "max_age", 3 * READER_DAY, 0, MAX_WAIT);
	if (webhook->retry.max_backoff < webhook->retry.initial_backoff)
		reader_wrong(reader, "max_backoff", "must not be below initial_backoff");
	reader_leave(reader, path);
}

static void
read_format(Reader *reader, json_t *object, WebhookConfig *webhook)
{
	static const char *const batch_keys[] = {"max_events", NULL};
	static const char *const names[] = {"standard", "cloudevents", "anchore"};
	char	   *format = reader_string(reader, object, "format");
	json_t	   *batch = reader_object(reader, object, "batch");
	size_t		path;

	webhook->format = FORMAT_STANDARD;
	if (format)
	{
		size_t		i = 0;

		while (i < 3 && strcmp(names[i], format) != 0)
			i++;
		if (i == 3)
			reader_wrong(reader, "format",
						 "must be \"standard\", \"cloudevents\" or \"anchore\"");
		else
			webhook->format = (PayloadFormat) i;
	}
	free(format);

	webhook->max_events = 1;
	if (batch == NULL)
		return;
	if (webhook->format != FORMAT_CLOUDEVENTS)
		reader_wrong(reader, "batch", "needs \"format\": \"cloudevents\", the one that defines batches");
	path = reader_enter(reader, "batch");
	reader_check_keys(reader, batch, batch_keys);
	webhook->max_events = reader_int(reader, batch, "max_events", 100, 1, 1000);
	reader_leave(reader, path);
}

static char *
copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

/*
 * read_webhook: one webhook; what it does not say of its own is common.
 */
static void
read_webhook(Reader *reader, const char *name, json_t *object,
			 const Common *common, WebhookConfig *webhook)
{
	static const char *const known[] = {
		"url", "url_file", "level", "event_type", "format", "secret",
		"secret_file", "basic_auth", "authorization", "http_headers",
		"tls_config", "proxy_url", "proxy_url_file", "no_proxy", "timeout",
		"max_concurrency", "ordered", "batch", "retry", NULL
	};
	char		shown[MAX_NAME_BYTES + 1];
	size_t		path;

	printable(shown, sizeof(shown), name, strlen(name));
	path = reader_enter(reader, shown);
	webhook->name = strdup(name);
	if (webhook->name == NULL || *name == '\0' || strlen(name) > MAX_NAME_BYTES)
		reader_wrong(reader, "", "a name is 1 to %d bytes", MAX_NAME_BYTES);
	if (!json_is_object(object))
	{
		reader_wrong(reader, "", "must be an object");
		reader_leave(reader, path);
		return;
	}
	reader_check_keys(reader, object, known);
	webhook->levels = json_object_get(object, "level") ?
		get_levels(reader, object) : copy(common->levels);
	webhook->event_type = json_object_get(object, "event_type") ?
		reader_string(reader, object, "event_type") : copy(common->event_type);
	read_format(reader, object, webhook);
	webhook->url = reader_text(reader, object, "url");
	if (webhook->url)
		check_url(reader, webhook);
	else if (!json_object_get(object, "url") &&
			 !json_object_get(object, "url_file"))
		reader_wrong(reader, "url", "is missing");
	read_secrets(reader, object, webhook);
	read_basic_auth(reader, object, webhook);
	read_authorization(reader, object, webhook);
	read_headers(reader, object, webhook);
	read_tls(reader, object, webhook);
	read_retry(reader, object, webhook);
	webhook->proxy_url = reader_text(reader, object, "proxy_url");
	if (webhook->proxy_url && !is_proxy(webhook->proxy_url))
		reader_wrong(reader, "proxy_url", "is not the URL of an http, https, socks4 or socks5 proxy");
	webhook->no_proxy = reader_string(reader, object, "no_proxy");
	webhook->timeout = reader_duration(reader, object, "timeout", 15000, 1,
									   MAX_TIMEOUT);
	webhook->ordered = reader_bool(reader, object, "ordered", false);
	webhook->max_concurrency = reader_int(reader, object, "max_concurrency",
										  webhook->ordered ? 1 : 16, 1, 1000);
	if (webhook->ordered && webhook->max_concurrency > 1)
		reader_wrong(reader, "max_concurrency", "must be 1 where \"ordered\" is true");
	reader_leave(reader, path);
}

/*
 * read_webhooks: events go to event_update, or to general where there is no
 * event_update, and to each further one.
 */
static void
read_webhooks(Reader *reader, json_t *root, const Common *common,
			  Config *config)
{
	json_t	   *webhooks = reader_object(reader, root, "webhooks");
	const char *name;
	json_t	   *value;
	size_t		path;

	if (webhooks == NULL || json_object_size(webhooks) == 0)
	{
		if (config->enabled)
			reader_wrong(reader, "webhooks", "is missing, and notification is enabled");
		return;
	}
	config->webhooks = calloc(json_object_size(webhooks),
							  sizeof(WebhookConfig));
	if (config->webhooks == NULL)
	{
		reader_wrong(reader, "webhooks", "out of memory");
		return;
	}
	path = reader_enter(reader, "webhooks");
	json_object_foreach(webhooks, name, value)
	{
		WebhookConfig *webhook = &config->webhooks[config->nwebhooks++];

		read_webhook(reader, name, value, common, webhook);
		webhook->active = config->enabled &&
			(strcmp(name, "general") != 0 ||
			 json_object_get(webhooks, "event_update") == NULL);
	}
	reader_leave(reader, path);
}

/*
 * read_notification: event_log.notification, and what is common to the webhooks.
 */
static void
read_notification(Reader *reader, json_t *root, Config *config, Common *common)
{
	static const char *const event_log_keys[] = {"notification", NULL};
	static const char *const known[] = {"enabled", "level", "event_type", NULL};
	json_t	   *event_log = reader_object(reader, root, "event_log");
	json_t	   *notification;
	size_t		path;

	if (event_log == NULL)
		return;
	path = reader_enter(reader, "event_log");
	reader_check_keys(reader, event_log, event_log_keys);
	notification = reader_object(reader, event_log, "notification");
	if (notification)
	{
		size_t		inner = reader_enter(reader, "notification");

		reader_check_keys(reader, notification, known);
		config->enabled = reader_bool(reader, notification, "enabled", false);
		common->levels = get_levels(reader, notification);
		common->event_type = reader_string(reader, notification, "event_type");
		reader_leave(reader, inner);
	}
	reader_leave(reader, path);
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
		reader_wrong(reader, "database", "is no connection string that libpq can read");
	for (const PQconninfoOption *option = options; option && option->keyword;
		 option++)
	{
		if (option->val == NULL)
			continue;
		if (strcmp(option->keyword, "port") == 0 &&
			option->val[strspn(option->val, "0123456789,")] != '\0')
			reader_wrong(reader, "database", "has a port that is no number");
		else if (uri && strchr(option->val, '@') &&
				 (strcmp(option->keyword, "host") == 0 ||
				  strcmp(option->keyword, "dbname") == 0))
			reader_wrong(reader, "database", "has \"@\" in its %s; in a URI user and password are percent-encoded",
						 option->keyword);
	}
	PQconninfoFree(options);
}

/*
 * parse_address: "ADDR:PORT", where ADDR is numeric, IPv6 in brackets.
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
		"event_log", "webhooks", NULL
	};
	Common		common = {0};
	char	   *level;

	if (!json_is_object(root))
	{
		reader_wrong(reader, "", "must be an object");
		return;
	}
	reader_check_keys(reader, root, known);
	config->database = reader_text(reader, root, "database");
	if (config->database == NULL &&
		json_object_get(root, "database") == NULL &&
		json_object_get(root, "database_file") == NULL)
		reader_wrong(reader, "database", "is missing; a connection string, such as \"host=/run/postgresql dbname=app\"");
	else if (config->database)
		check_database(reader, config->database);
	config->log = reader_string(reader, root, "log");
	config->listen = reader_string(reader, root, "listen");
	if (config->listen && !parse_address(config->listen, &config->address))
		reader_wrong(reader, "listen", "must be ADDR:PORT, with a numeric address, IPv6 in brackets");
	config->maintain = reader_duration(reader, root, "maintain", 3600000, 0,
									   MAX_WAIT);
	level = reader_string(reader, root, "log_level");
	config->log_level = LOG_LEVEL_INFO;
	if (level && !log_level_find(level, &config->log_level))
		reader_wrong(reader, "log_level", "must be debug, info, warning or error");
	free(level);
	read_notification(reader, root, config, &common);
	read_webhooks(reader, root, &common, config);
	free(common.levels);
	free(common.event_type);
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
		reader_wrong(&reader, "", "out of memory");
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
		reader_wrong(&reader, "", "line %d, column %d: not JSON: %s", error.line,
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

	text = reader_load(path, MAX_FILE_BYTES, &len);
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
