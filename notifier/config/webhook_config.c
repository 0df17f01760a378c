/*
 * webhook_config.c
 *		Compares and frees the configuration of a webhook.
 */
#include "config/webhook_config.h"

#include <stdlib.h>
#include <string.h>

bool
config_same_text(const char *one, const char *other)
{
	return one && other ? strcmp(one, other) == 0 : one == other;
}

/*
 * same_texts: compare all texts of two webhooks except the headers.
 */
static bool
same_texts(const WebhookConfig *one, const WebhookConfig *other)
{
	return config_same_text(one->name, other->name) &&
		config_same_text(one->url, other->url) &&
		config_same_text(one->levels, other->levels) &&
		config_same_text(one->event_type, other->event_type) &&
		config_same_text(one->resource_type, other->resource_type) &&
		config_same_text(one->source_service, other->source_service) &&
		config_same_text(one->username, other->username) &&
		config_same_text(one->password, other->password) &&
		config_same_text(one->authorization, other->authorization) &&
		config_same_text(one->ca, other->ca) &&
		config_same_text(one->cert, other->cert) &&
		config_same_text(one->key, other->key) &&
		config_same_text(one->server_name, other->server_name) &&
		config_same_text(one->proxy_url, other->proxy_url) &&
		config_same_text(one->no_proxy, other->no_proxy);
}

/*
 * same_json: are two values equal?  Either may be NULL.
 */
static bool
same_json(json_t *one, json_t *other)
{
	return one == other || json_equal(one, other);
}

static bool
same_bodies(const WebhookConfig *one, const WebhookConfig *other)
{
	return same_json(one->body, other->body) &&
		same_json(one->level_words, other->level_words) &&
		same_json(one->secrets, other->secrets);
}

static bool
same_keys_and_headers(const WebhookConfig *one, const WebhookConfig *other)
{
	if (one->nkeys != other->nkeys || one->nheaders != other->nheaders)
		return false;
	for (size_t i = 0; i < one->nkeys; i++)
	{
		if (one->keys[i].len != other->keys[i].len ||
			memcmp(one->keys[i].bytes, other->keys[i].bytes,
				   one->keys[i].len) != 0)
			return false;
	}
	for (size_t i = 0; i < one->nheaders; i++)
	{
		if (!config_same_text(one->headers[i], other->headers[i]))
			return false;
	}
	return true;
}

bool
webhook_config_equal(const WebhookConfig *one, const WebhookConfig *other)
{
	const RetryPolicy *a = &one->retry;
	const RetryPolicy *b = &other->retry;

	if (one->token_endpoint == NULL || other->token_endpoint == NULL)
	{
		if (one->token_endpoint != other->token_endpoint)
			return false;
	}
	else if (!config_same_text(one->token_form, other->token_form) ||
			 !webhook_config_equal(one->token_endpoint, other->token_endpoint))
		return false;
	return same_texts(one, other) && same_bodies(one, other) &&
		same_keys_and_headers(one, other) &&
		one->active == other->active && one->format == other->format &&
		one->insecure_skip_verify == other->insecure_skip_verify &&
		one->min_version == other->min_version &&
		one->timeout == other->timeout &&
		one->max_concurrency == other->max_concurrency &&
		one->rate_limit == other->rate_limit &&
		one->enable_http2 == other->enable_http2 &&
		one->ordered == other->ordered &&
		one->max_events == other->max_events &&
		a->initial_backoff == b->initial_backoff &&
		a->max_backoff == b->max_backoff &&
		a->max_attempts == b->max_attempts && a->max_age == b->max_age;
}

void
webhook_config_destroy(WebhookConfig *webhook)
{
	if (webhook == NULL)
		return;
	for (size_t i = 0; i < webhook->nheaders; i++)
		free(webhook->headers[i]);
	json_decref(webhook->body);
	json_decref(webhook->level_words);
	json_decref(webhook->secrets);
	webhook_config_destroy(webhook->token_endpoint);
	free(webhook->token_form);
	free(webhook->name);
	free(webhook->url);
	free(webhook->levels);
	free(webhook->event_type);
	free(webhook->resource_type);
	free(webhook->source_service);
	free(webhook->username);
	free(webhook->password);
	free(webhook->authorization);
	free(webhook->ca);
	free(webhook->cert);
	free(webhook->key);
	free(webhook->server_name);
	free(webhook->proxy_url);
	free(webhook->no_proxy);
	free(webhook);
}
