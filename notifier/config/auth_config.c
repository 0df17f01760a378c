/*
 * auth_config.c
 *		Reads a webhook's signing secrets, credentials and headers (RFC 9110).
 *		No error message contains a secret.
 */
#include "config/auth_config.h"

#include "base/logging.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_NAME_BYTES	255

/*
 * add_key: add a signing secret to a webhook.
 */
static void
add_key(Reader *reader, WebhookConfig *webhook, const char *key,
		const char *text)
{
	if (webhook->nkeys == CONFIG_MAX_KEYS)
		reader_wrong(reader, key, "too many secrets; the limit is %d", CONFIG_MAX_KEYS);
	else if (!signing_key_parse(text, &webhook->keys[webhook->nkeys]))
		reader_wrong(reader, key, "must be whsec_ and 24 to 64 bytes in base64, or whsk_ and an Ed25519 private key in base64");
	else
		webhook->nkeys++;
}

/*
 * read_secrets: read "secret", a string or a list, or "secret_file".  A string
 * or a file may hold several secrets, one a line.  Their order is that of the
 * signatures.
 */
static void
read_secrets(Reader *reader, json_t *object, WebhookConfig *webhook)
{
	json_t	   *secret = json_object_get(object, "secret");
	char	   *text;
	json_t	   *item;
	size_t		i;

	if (json_is_array(secret))
	{
		if (json_object_get(object, "secret_file"))
			reader_wrong(reader, "secret_file", "cannot be combined with \"secret\"");
		json_array_foreach(secret, i, item)
			add_key(reader, webhook, "secret",
					json_is_string(item) ? json_string_value(item) : "");
		reader_warn_exposed(reader, "secret");
		return;
	}
	text = reader_secret(reader, object, "secret");
	if (text)
	{
		char	   *save;

		for (char *line = strtok_r(text, "\r\n", &save); line;
			 line = strtok_r(NULL, "\r\n", &save))
			add_key(reader, webhook, secret ? "secret" : "secret_file", line);
	}
	free(text);
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
	webhook->password = reader_secret(reader, auth, "password");
	if (webhook->username == NULL)
		reader_wrong(reader, "username", "is missing");
	else if (strchr(webhook->username, ':'))
		reader_wrong(reader, "username", "must not contain a colon");
	reader_leave(reader, path);
}

/*
 * is_token: is this a token (RFC 9110, 5.6.2), such as the name of a header?
 */
static bool
is_token(const char *text)
{
	static const char *const tchar =
		"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	return *text != '\0' && text[strspn(text, tchar)] == '\0';
}

/*
 * is_field_value: is this the value of a header (RFC 9110, 5.5)?  It has no
 * control characters except tabs, and no blanks at either end.
 */
static bool
is_field_value(const char *text)
{
	size_t		len = strlen(text);

	for (const char *at = text; *at; at++)
	{
		if (((unsigned char) *at < 0x20 && *at != '\t') || *at == 0x7f)
			return false;
	}
	return len == 0 || (strchr(" \t", text[0]) == NULL &&
						strchr(" \t", text[len - 1]) == NULL);
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
		reader_wrong(reader, "authorization", "cannot be combined with basic_auth");
	path = reader_enter(reader, "authorization");
	reader_check_keys(reader, auth, known);
	type = reader_string(reader, auth, "type");
	credentials = reader_secret(reader, auth, "credentials");
	if (credentials == NULL)
		reader_wrong(reader, "credentials", "is missing");
	else if (type && !is_token(type))
		reader_wrong(reader, "type", "is not the name of a scheme, such as \"Bearer\"");
	else if (!is_field_value(credentials))
		reader_wrong(reader, "credentials", "is not a valid header value");
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
 * is_reserved: does the notifier write this header itself?
 */
static bool
is_reserved(const WebhookConfig *webhook, const char *name)
{
	static const char *const reserved[] = {
		"connection", "content-length", "content-type", "expect", "host",
		"transfer-encoding", "webhook-id", "webhook-signature",
		"webhook-timestamp"
	};

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
	{
		if (strcasecmp(reserved[i], name) == 0)
			return true;
	}
	return (webhook->username || webhook->authorization) &&
		strcasecmp(name, "authorization") == 0;
}

/*
 * add_header: add a header in libcurl's form, "Name: value", or "Name;" where
 * the value is empty.
 */
static void
add_header(Reader *reader, WebhookConfig *webhook, const char *key,
		   const char *name, const char *value)
{
	size_t		size = strlen(name) + strlen(value) + 3;
	char	   *header;

	value += strspn(value, " \t");
	if (!is_field_value(value))
	{
		reader_wrong(reader, key, "the value of %s is not a valid header value",
					 name);
		return;
	}
	if (webhook->nheaders == CONFIG_MAX_HEADERS)
	{
		reader_wrong(reader, key, "too many headers; the limit is %d", CONFIG_MAX_HEADERS);
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
 * read_header_list: read a list of one header's values, or of files with them.
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
	else if (json_array_size(list) > 0 && strcmp(key, "secrets") == 0)
		reader_warn_exposed(reader, key);
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
		reader_wrong(reader, name, "must be a string, or an object with lists of values, secrets or files");
}

static void
read_headers(Reader *reader, json_t *object, WebhookConfig *webhook)
{
	json_t	   *headers = reader_object(reader, object, "http_headers");
	const char *name;
	json_t	   *value;

	json_object_foreach(headers, name, value)
	{
		size_t		path = reader_enter(reader, "http_headers");
		char		shown[MAX_NAME_BYTES + 1];

		printable(shown, sizeof(shown), name, strlen(name));
		if (!is_token(name) || strlen(name) > MAX_NAME_BYTES)
			reader_wrong(reader, shown, "is not the name of a header");
		else if (is_reserved(webhook, name))
			reader_wrong(reader, name, "is a header that the notifier writes itself");
		else
			read_header(reader, webhook, name, value);
		reader_leave(reader, path);
	}
}

void
auth_config_read(Reader *reader, json_t *object, WebhookConfig *webhook)
{
	read_secrets(reader, object, webhook);
	read_basic_auth(reader, object, webhook);
	read_authorization(reader, object, webhook);
	read_headers(reader, object, webhook);
}
