/*
 * oauth2_config.c
 *		Reads a webhook's OAuth 2.0 settings.
 *
 * The token endpoint becomes a WebhookConfig with user and password, so
 * requests to it are made like all others.
 */
#include "config/oauth2_config.h"

#include "config/tls_config.h"
#include "config/url_config.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_SCOPES		64

static void
write_field(Reader *reader, FILE *out, const char *name, const char *value)
{
	char	   *key = url_escape(name);
	char	   *text = url_escape(value);

	if (key && text)
		fprintf(out, "&%s=%s", key, text);
	else
		reader_wrong(reader, "", "out of memory");
	free(key);
	free(text);
}

/*
 * write_scopes: write the list of scopes as one field, separated by blanks.
 */
static void
write_scopes(Reader *reader, FILE *out, json_t *scopes)
{
	char	   *joined = NULL;
	size_t		size = 0;
	FILE	   *list = open_memstream(&joined, &size);
	json_t	   *scope;
	size_t		i;

	if (list == NULL)
		return;
	if (scopes && (!json_is_array(scopes) || json_array_size(scopes) > MAX_SCOPES))
		reader_wrong(reader, "scopes", "must be a list of at most %d strings",
					 MAX_SCOPES);
	json_array_foreach(scopes, i, scope)
	{
		const char *text = json_string_value(scope);

		if (text == NULL || *text == '\0' || strpbrk(text, " \"\\\t\r\n"))
			reader_wrong(reader, "scopes", "must be a list of words");
		else
			fprintf(list, "%s%s", i > 0 ? " " : "", text);
	}
	if (fclose(list) == 0 && size > 0)
		write_field(reader, out, "scope", joined);
	free(joined);
}

/*
 * make_form: make the body of a token request; allocated, NULL if out of
 * memory.
 */
static char *
make_form(Reader *reader, json_t *oauth2)
{
	char	   *form = NULL;
	size_t		size = 0;
	FILE	   *out = open_memstream(&form, &size);
	const char *name;
	json_t	   *value;

	if (out == NULL)
		return NULL;
	fputs("grant_type=client_credentials", out);
	write_scopes(reader, out, json_object_get(oauth2, "scopes"));
	json_object_foreach(reader_object(reader, oauth2, "endpoint_params"), name, value)
	{
		if (!json_is_string(value))
			reader_wrong(reader, "endpoint_params", "must have strings as values");
		else
			write_field(reader, out, name, json_string_value(value));
	}
	if (fclose(out) == 0)
		return form;
	free(form);
	return NULL;
}

/*
 * read_client: read the client's id and secret.  The Authorization header
 * carries both percent-encoded, as in a form (RFC 6749, 2.3.1).
 */
static void
read_client(Reader *reader, json_t *oauth2, WebhookConfig *endpoint)
{
	char	   *id = reader_string(reader, oauth2, "client_id");
	char	   *secret = reader_secret(reader, oauth2, "client_secret");

	if (id == NULL)
		reader_wrong(reader, "client_id", "is missing");
	if (secret == NULL && json_object_get(oauth2, "client_secret") == NULL &&
		json_object_get(oauth2, "client_secret_file") == NULL)
		reader_wrong(reader, "client_secret", "is missing");
	endpoint->username = id ? url_escape(id) : NULL;
	endpoint->password = secret ? url_escape(secret) : NULL;
	if ((id && endpoint->username == NULL) ||
		(secret && endpoint->password == NULL))
		reader_wrong(reader, "", "out of memory");
	free(id);
	free(secret);
}

static void
read_token_url(Reader *reader, json_t *oauth2, WebhookConfig *endpoint)
{
	const char *problem;

	endpoint->url = reader_string(reader, oauth2, "token_url");
	if (endpoint->url == NULL)
	{
		if (json_object_get(oauth2, "token_url") == NULL)
			reader_wrong(reader, "token_url", "is missing");
		return;
	}
	problem = url_problem(endpoint->url, true);
	if (problem)
		reader_wrong(reader, "token_url", "%s", problem);
}

static char *
copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

void
oauth2_config_read(Reader *reader, json_t *object, WebhookConfig *webhook)
{
	static const char *const known[] = {
		"client_id", "client_secret", "client_secret_file", "token_url",
		"scopes", "endpoint_params", "tls_config", NULL
	};
	json_t	   *oauth2 = reader_object(reader, object, "oauth2");
	WebhookConfig *endpoint;
	size_t		path;

	if (oauth2 == NULL)
		return;
	if (webhook->username || webhook->authorization)
		reader_wrong(reader, "oauth2", "cannot be combined with basic_auth or authorization");
	for (size_t i = 0; i < webhook->nheaders; i++)
	{
		if (strncasecmp(webhook->headers[i], "authorization:", 14) == 0)
			reader_wrong(reader, "oauth2", "cannot be combined with an Authorization header");
	}
	path = reader_enter(reader, "oauth2");
	reader_check_keys(reader, oauth2, known);
	endpoint = webhook->token_endpoint = calloc(1, sizeof(WebhookConfig));
	webhook->token_form = make_form(reader, oauth2);
	if (endpoint == NULL || webhook->token_form == NULL)
		reader_wrong(reader, "", "out of memory");
	else
	{
		endpoint->name = copy(webhook->name);
		read_client(reader, oauth2, endpoint);
		read_token_url(reader, oauth2, endpoint);
		tls_config_read(reader, oauth2, endpoint);
		endpoint->proxy_url = copy(webhook->proxy_url);
		endpoint->no_proxy = copy(webhook->no_proxy);
		endpoint->timeout = webhook->timeout;
		endpoint->enable_http2 = webhook->enable_http2;
		endpoint->max_concurrency = endpoint->max_events = 1;
	}
	reader_leave(reader, path);
}
