/*
 * delivery.c
 *		Puts the body and the headers of a request together.
 */
#include "webhook/delivery.h"

#include "base/logging.h"
#include "base/signature.h"
#include "config/template.h"
#include "webhook/payload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_HEADERS		5

typedef struct Delivery
{
	Sender	   *sender;
	FetchedEvent *events;
	int			n;
	char	   *url;
	char	   *body;			/* NULL: it is the event's, as fetched */
	char	   *headers[MAX_HEADERS];
	size_t		nheaders;
} Delivery;

static void
free_delivery(Delivery *delivery)
{
	for (size_t i = 0; i < delivery->nheaders; i++)
		free(delivery->headers[i]);
	free(delivery->body);
	free(delivery->url);
	free(delivery);
}

/*
 * wrap: join the events' bodies.
 */
static char *
wrap(PayloadFormat format, const FetchedEvent *events)
{
	const char *begin = payload_begin(format);
	const char *end = payload_end(format);
	size_t		size = strlen(begin) + strlen(end) + 1;
	char	   *batch;
	char	   *at;

	for (const FetchedEvent *event = events; event; event = event->next)
		size += strlen(event->body) + 1;
	batch = malloc(size);
	if (batch == NULL)
		return NULL;
	at = stpcpy(batch, begin);
	for (const FetchedEvent *event = events; event; event = event->next)
	{
		size_t		len = strlen(event->body);

		if (event != events)
			*at++ = ',';
		memcpy(at, event->body, len);
		at += len;
	}
	strcpy(at, end);
	return batch;
}

/*
 * make_body: returns the body of a request; NULL if it cannot be made, and the
 * reason in *problem, or NULL there if memory ran out.
 */
static const char *
make_body(Delivery *delivery, const char **problem)
{
	const WebhookConfig *config = delivery->sender->config;
	const FetchedEvent *events = delivery->events;

	*problem = NULL;
	if (config->body)
		delivery->body = template_render(config, events->body, problem);
	else if (payload_is_wrapped(config->format, config->max_events > 1))
		delivery->body = wrap(config->format, events);
	else
		return events->body;
	return delivery->body;
}

static bool
add_header(Delivery *delivery, const char *name, const char *value)
{
	size_t		size = strlen(name) + strlen(value) + 1;
	char	   *header = malloc(size);

	if (header == NULL)
		return false;
	snprintf(header, size, "%s%s", name, value);
	delivery->headers[delivery->nheaders++] = header;
	return true;
}

/*
 * add_token: add the header with the OAuth 2.0 token, if there is one.
 */
static bool
add_token(Delivery *delivery)
{
	const Token *token = delivery->sender->token;

	if (token == NULL || token->header == NULL)
		return true;
	delivery->events->token = token->generation;
	return add_header(delivery, "Authorization: ", token->header);
}

/*
 * add_headers: add the content type, and the headers of Standard Webhooks if
 * that is the format or there is a secret to sign with.
 *
 * A receiver may drop a message whose id it has seen.  A retried event keeps
 * its id.  The events of a failed batch may be retried in other batches, so
 * the id of a batch is a hash of its content.
 */
static bool
add_headers(Delivery *delivery, const char *body, size_t len)
{
	const WebhookConfig *config = delivery->sender->config;
	const char *id = delivery->events->id;
	long		now = (long) time(NULL);
	char		timestamp[32];
	char		of_batch[BATCH_ID_SIZE];
	char	   *signature;
	bool		ok;

	if (!add_header(delivery, "",
					payload_content_type(config->format,
										 config->max_events > 1)) ||
		!add_token(delivery))
		return false;
	if (config->format != FORMAT_STANDARD && config->nkeys == 0)
		return true;
	if (config->max_events > 1)
	{
		if (!batch_id(body, len, of_batch))
			return false;
		id = of_batch;
	}
	snprintf(timestamp, sizeof(timestamp), "%ld", now);
	if (!add_header(delivery, "webhook-id: ", id) ||
		!add_header(delivery, "webhook-timestamp: ", timestamp))
		return false;
	if (config->nkeys == 0)
		return true;
	signature = signature_header(config->keys, config->nkeys, id, now, body,
								 len);
	ok = signature && add_header(delivery, "webhook-signature: ", signature);
	free(signature);
	return ok;
}

/*
 * report_rejected: log how many records an OTLP collector rejected while it
 * accepted others.  The protocol forbids to send the rejected ones again.
 */
static void
report_rejected(const Sender *sender, const HttpResult *result)
{
	json_t	   *json = result->answer_len > 0 ?
		json_loadb(result->answer, result->answer_len, 0, NULL) : NULL;
	json_t	   *partial = json_object_get(json, "partialSuccess");
	json_t	   *rejected = json_object_get(partial, "rejectedLogRecords");
	const char *error = json_string_value(json_object_get(partial, "errorMessage"));
	char		n[32];

	snprintf(n, sizeof(n), "%" JSON_INTEGER_FORMAT, json_is_string(rejected) ?
			 (json_int_t) strtoll(json_string_value(rejected), NULL, 10) :
			 json_integer_value(rejected));
	if (strcmp(n, "0") != 0 || (error && *error))
		log_event(LOG_LEVEL_WARNING, "the receiver rejected log records",
				  "webhook", sender->config->name, "rejected", n,
				  "error", error, NULL);
	json_decref(json);
}

static void
finished(void *arg, const HttpResult *result)
{
	Delivery   *delivery = arg;
	Sender	   *sender = delivery->sender;
	FetchedEvent *events = delivery->events;
	int			n = delivery->n;

	if (result && result->outcome == HTTP_OK &&
		sender->config->format == FORMAT_OTLP)
		report_rejected(sender, result);
	sender->in_flight--;
	free_delivery(delivery);
	sender->done(sender->arg, events, n, result);
}

DeliveryBegun
deliver(Sender *sender, FetchedEvent *events, int n, const char **problem)
{
	const WebhookConfig *config = sender->config;
	Delivery   *delivery;
	const char *body;
	size_t		len;

	*problem = "the event's user_id cannot stand in the path of the url";
	if (!payload_user_fits(config->url, events->user_id))
		return DELIVERY_IMPOSSIBLE;
	delivery = calloc(1, sizeof(Delivery));
	if (delivery == NULL)
		goto fail;
	delivery->sender = sender;
	delivery->events = events;
	delivery->n = n;
	delivery->url = payload_url(config->format, config->url,
								events->user_id);
	body = make_body(delivery, problem);
	if (*problem)
	{
		free_delivery(delivery);
		return DELIVERY_IMPOSSIBLE;
	}
	if (delivery->url == NULL || body == NULL)
		goto fail;
	len = strlen(body);
	if (!add_headers(delivery, body, len) ||
		!http_post(sender->http, delivery->url, body, len,
				   (const char *const *) delivery->headers, delivery->nheaders,
				   finished, delivery))
		goto fail;
	sender->in_flight++;
	return DELIVERY_BEGUN;

fail:
	log_event(LOG_LEVEL_ERROR, "could not send", "webhook", config->name, NULL);
	if (delivery)
		free_delivery(delivery);
	return DELIVERY_NOT_NOW;
}

void
delivery_log_failure(const Sender *sender, const FetchedEvent *event,
					 const HttpResult *result)
{
	char		attempt[16];
	char		status[16];

	if (result->outcome == HTTP_LATER ||
		result->outcome == HTTP_LOCAL_TROUBLE)
		return;
	snprintf(attempt, sizeof(attempt), "%d", event->attempts + 1);
	snprintf(status, sizeof(status), "%ld", result->status);
	log_event(LOG_LEVEL_WARNING, "delivery failed",
			  "webhook", sender->config->name, "event", event->id,
			  "attempt", attempt, "reason", http_reason_name(result->reason),
			  "status", result->status ? status : NULL,
			  "error", result->status ? NULL : result->error, NULL);
}
