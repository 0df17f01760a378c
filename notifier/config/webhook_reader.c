/*
 * webhook_reader.c
 *		Reads one webhook: its own settings, those that all webhooks share, and
 *		the defaults.
 */
#include "config/webhook_reader.h"

#include "base/logging.h"
#include "config/auth_config.h"
#include "config/filter_config.h"
#include "config/oauth2_config.h"
#include "config/template.h"
#include "config/tls_config.h"
#include "config/url_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NAME_BYTES	63		/* the limit for a subscription's name */
#define MAX_TIMEOUT		READER_DAY
#define MAX_WAIT		(365 * READER_DAY)
#define MAX_RATE		1e6

static const char *const http_keys[] = {
	"basic_auth", "authorization", "http_headers", "tls_config", "proxy_url",
	"proxy_url_file", "no_proxy", "timeout", "max_concurrency", "rate_limit",
	"enable_http2", "retry", "oauth2", NULL
};

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
		reader_int(reader, retry, "max_attempts", 0, 0, 1000000);
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
	static const char *const names[] = {
		"standard", "cloudevents", "anchore", "otlp", "template", NULL
	};
	char	   *format = reader_string(reader, object, "format");
	json_t	   *batch = reader_object(reader, object, "batch");
	size_t		path;

	webhook->format = FORMAT_STANDARD;
	if (format)
	{
		size_t		i = 0;

		while (names[i] && strcmp(names[i], format) != 0)
			i++;
		if (names[i] == NULL)
			reader_wrong(reader, "format",
						 "must be \"standard\", \"cloudevents\", \"anchore\", \"otlp\" or \"template\"");
		else
			webhook->format = (PayloadFormat) i;
	}
	free(format);

	webhook->max_events = 1;
	if (batch == NULL)
		return;
	if (webhook->format != FORMAT_CLOUDEVENTS && webhook->format != FORMAT_OTLP)
		reader_wrong(reader, "batch", "needs \"format\": \"cloudevents\" or \"otlp\", the ones that define batches");
	path = reader_enter(reader, "batch");
	reader_check_keys(reader, batch, batch_keys);
	webhook->max_events = reader_int(reader, batch, "max_events", 100, 1, 1000);
	reader_leave(reader, path);
}

/*
 * read_http: read the HTTP settings, which http_config may have too.
 */
static void
read_http(Reader *reader, json_t *object, WebhookConfig *webhook)
{
	auth_config_read(reader, object, webhook);
	tls_config_read(reader, object, webhook);
	read_retry(reader, object, webhook);
	webhook->proxy_url = reader_secret(reader, object, "proxy_url");
	if (webhook->proxy_url && !url_is_proxy(webhook->proxy_url))
		reader_wrong(reader, "proxy_url", "is not the URL of an http, https, socks4 or socks5 proxy");
	webhook->no_proxy = reader_string(reader, object, "no_proxy");
	webhook->timeout = reader_duration(reader, object, "timeout", 15000, 1,
									   MAX_TIMEOUT);
	webhook->rate_limit = reader_rate(reader, object, "rate_limit", MAX_RATE);
	webhook->enable_http2 = reader_bool(reader, object, "enable_http2", true);
	webhook->max_concurrency = reader_int(reader, object, "max_concurrency",
										  webhook->ordered ? 1 : 16, 1, 1000);
	oauth2_config_read(reader, object, webhook);
}

/*
 * overrides: does the object have the key, or one that excludes it?
 */
static bool
overrides(json_t *object, const char *key)
{
	static const char *const pairs[][2] = {
		{"basic_auth", "authorization"}, {"basic_auth", "oauth2"},
		{"authorization", "oauth2"}, {"proxy_url", "proxy_url_file"}
	};

	if (json_object_get(object, key))
		return true;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
	{
		if ((strcmp(pairs[i][0], key) == 0 && json_object_get(object, pairs[i][1])) ||
			(strcmp(pairs[i][1], key) == 0 && json_object_get(object, pairs[i][0])))
			return true;
	}
	return false;
}

/*
 * with_defaults: copy a webhook's object, and add the defaults that it does
 * not override; NULL if out of memory.
 */
static json_t *
with_defaults(json_t *object, const WebhookDefaults *defaults)
{
	json_t	   *merged = json_copy(object);
	const char *key;
	json_t	   *value;

	if (merged == NULL)
		return NULL;
	json_object_foreach(defaults->http, key, value)
	{
		if (!overrides(object, key))
			json_object_set(merged, key, value);
	}
	filter_config_inherit(merged, defaults->filter);
	return merged;
}

/*
 * read_object: read the settings of a webhook, with the defaults in the
 * object.
 */
static void
read_object(Reader *reader, json_t *object, WebhookConfig *webhook)
{
	webhook->ordered = reader_bool(reader, object, "ordered", false);
	filter_config_read(reader, object, webhook);
	read_format(reader, object, webhook);
	template_read(reader, object, webhook);
	webhook->url = reader_secret(reader, object, "url");
	if (webhook->url)
	{
		const char *problem = url_problem(webhook->url, webhook->max_events > 1);

		if (problem)
			reader_wrong(reader, "url", "%s", problem);
	}
	else if (!json_object_get(object, "url") &&
			 !json_object_get(object, "url_file"))
		reader_wrong(reader, "url", "is missing");
	read_http(reader, object, webhook);
	if (webhook->ordered && webhook->max_concurrency > 1)
		reader_wrong(reader, "max_concurrency", "must be 1 if \"ordered\" is true");
}

WebhookConfig *
webhook_read(Reader *reader, const char *name, json_t *object,
			 const WebhookDefaults *defaults)
{
	static const char *const known[] = {
		"url", "url_file", "level", "min_level", "event_type", "resource_type",
		"source_service", "format", "body", "body_file", "levels", "secrets",
		"secret", "secret_file", "basic_auth", "authorization", "http_headers",
		"tls_config", "proxy_url", "proxy_url_file", "no_proxy", "timeout",
		"max_concurrency", "rate_limit", "enable_http2", "ordered", "batch",
		"retry", "oauth2", NULL
	};
	WebhookConfig *webhook = calloc(1, sizeof(WebhookConfig));
	json_t	   *merged;
	char		shown[4 * MAX_NAME_BYTES];
	size_t		path;

	printable(shown, sizeof(shown), name, strlen(name));
	path = reader_enter(reader, shown);
	if (webhook == NULL || (webhook->name = strdup(name)) == NULL)
		reader_wrong(reader, "", "out of memory");
	else if (*name == '\0' || strlen(name) > MAX_NAME_BYTES)
		reader_wrong(reader, "", "a name must have 1 to %d bytes", MAX_NAME_BYTES);
	else if (!json_is_object(object))
		reader_wrong(reader, "", "must be an object");
	else if ((merged = with_defaults(object, defaults)) == NULL)
		reader_wrong(reader, "", "out of memory");
	else
	{
		reader_check_keys(reader, object, known);
		read_object(reader, merged, webhook);
		json_decref(merged);
	}
	reader_leave(reader, path);
	return webhook;
}

void
webhook_check_filter(Reader *reader, json_t *filter)
{
	WebhookConfig *ignored = calloc(1, sizeof(WebhookConfig));

	if (ignored)
		filter_config_read(reader, filter, ignored);
	webhook_config_destroy(ignored);
}

void
webhook_check_http(Reader *reader, json_t *http)
{
	WebhookConfig *ignored = calloc(1, sizeof(WebhookConfig));

	reader_check_keys(reader, http, http_keys);
	if (ignored)
		read_http(reader, http, ignored);
	webhook_config_destroy(ignored);
}
