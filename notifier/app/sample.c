/*
 * sample.c
 *		A sample event, in each format as statement_fetch() returns it.
 */
#include "app/sample.h"

#include "base/logging.h"
#include "base/loop.h"
#include "base/process.h"
#include "config/template.h"
#include "net/http.h"
#include "net/http_redact.h"
#include "webhook/delivery.h"
#include "webhook/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TYPE			"eventlog.test"
#define MESSAGE			"A test of this webhook"
#define SERVICE			"eventlog-notifier"

/*
 * Sample: the values that differ between two sample events.
 */
typedef struct Sample
{
	char		id[96];			/* a UUID of version 7 */
	char		hex[96];		/* the same, without dashes */
	char		host[256];
	char		time[64];
	char		nanoseconds[64];
	json_int_t	seconds;
} Sample;

static void
make_sample(Sample *sample)
{
	struct timespec now;
	struct tm	utc;
	unsigned long long us;
	char	   *to = sample->hex;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	sample->seconds = now.tv_sec;
	us = (unsigned long long) now.tv_nsec / 1000;
	snprintf(sample->time + strftime(sample->time, 32, "%Y-%m-%dT%H:%M:%S", &utc),
			 32, ".%06lluZ", us);
	snprintf(sample->nanoseconds, sizeof(sample->nanoseconds), "%lld%06llu000",
			 (long long) now.tv_sec, us);
	snprintf(sample->id, sizeof(sample->id), "%08llx-%04llx-7%03llx-8%03x-%012llx",
			 ((unsigned long long) now.tv_sec * 1000 + us / 1000) >> 16 & 0xffffffff,
			 ((unsigned long long) now.tv_sec * 1000 + us / 1000) & 0xffff,
			 us % 1000 * 4096 / 1000, (unsigned int) getpid() & 0xfff,
			 (unsigned long long) now.tv_nsec);
	for (const char *at = sample->id; *at; at++)
	{
		if (*at != '-')
			*to++ = *at;
	}
	*to = '\0';
	if (gethostname(sample->host, sizeof(sample->host)) != 0)
		strcpy(sample->host, "localhost");
	sample->host[sizeof(sample->host) - 1] = '\0';
}

/*
 * nested: the event as eventlog.event_json() writes it.
 */
static json_t *
nested(const Sample *sample)
{
	return json_pack("{s:s, s:s, s:{s:s, s:s, s:s, s:n, s:{s:b}, s:s,"
					 " s:{s:n, s:n, s:n}, s:{s:s, s:s, s:n, s:n}}}",
					 "generated_uuid", sample->hex, "created_at", sample->time,
					 "event", "type", TYPE, "level", "info", "message", MESSAGE,
					 "category", "details", "test", 1, "timestamp", sample->time,
					 "resource", "id", "type", "user_id",
					 "source", "servicename", SERVICE, "hostid", sample->host,
					 "base_url", "request_id");
}

static json_t *
cloudevent(const Sample *sample)
{
	return json_pack("{s:s, s:s, s:s++, s:s, s:s, s:s, s:s, s:o}",
					 "specversion", "1.0", "id", sample->id,
					 "source", "/", sample->host, "/" SERVICE, "type", TYPE,
					 "time", sample->time, "level", "info",
					 "datacontenttype", "application/json",
					 "data", nested(sample));
}

static json_t *
anchore(const Sample *sample)
{
	json_t	   *payload = json_pack("{s:n, s:s}", "userId", "notificationId", "0");

	json_object_update_new(payload, nested(sample));
	return json_pack("{s:s, s:n, s:s, s:I, s:I, s:s, s:n, s:i, s:I,"
					 " s:{s:n, s:n, s:s, s:o}}",
					 "queueId", "event_log", "userId", "dataId", "0",
					 "created_at", sample->seconds, "last_updated", sample->seconds,
					 "record_state_key", "active", "record_state_val", "tries", 0,
					 "max_tries", sample->seconds,
					 "data", "notification_user", "notification_user_email",
					 "notification_type", "event_log",
					 "notification_payload", payload);
}

static json_t *
attribute(const char *key, const char *value)
{
	return json_pack("{s:s, s:{s:s}}", "key", key, "value", "stringValue", value);
}

static json_t *
otlp(const Sample *sample)
{
	return json_pack("{s:{s:[o, o]}, s:[{s:{s:s}, s:[{s:s, s:s, s:i, s:s, s:s,"
					 " s:{s:s}, s:[o, o]}]}]}",
					 "resource", "attributes", attribute("service.name", SERVICE),
					 attribute("host.name", sample->host),
					 "scopeLogs", "scope", "name", "eventlog",
					 "logRecords", "timeUnixNano", sample->nanoseconds,
					 "observedTimeUnixNano", sample->nanoseconds,
					 "severityNumber", 9, "severityText", "info",
					 "eventName", TYPE, "body", "stringValue", MESSAGE,
					 "attributes", attribute("eventlog.id", sample->id),
					 attribute("eventlog.details", "{\"test\": true}"));
}

static json_t *
flat(const Sample *sample)
{
	return json_pack("{s:i, s:{s:s, s:s, s:s, s:n, s:n, s:s, s:s, s:s, s:s,"
					 " s:n, s:{s:b}, s:n, s:n, s:n, s:s}}",
					 "attempt", 1, "event", "id", sample->id,
					 "event_type", TYPE, "level", "info", "resource_id",
					 "resource_type", "source_service", SERVICE,
					 "source_host", sample->host, "occurred_at", sample->time,
					 "message", MESSAGE, "category", "details", "test", 1,
					 "user_id", "base_url", "request_id",
					 "created_at", sample->time);
}

/*
 * body_of: the text that statement_fetch() would return.  Allocated; NULL: out
 * of memory.
 */
static char *
body_of(PayloadFormat format, const Sample *sample)
{
	json_t	   *json = NULL;
	char	   *text;

	switch (format)
	{
		case FORMAT_STANDARD:
			json = json_pack("{s:s, s:s, s:o}", "type", TYPE,
							 "timestamp", sample->time, "data", nested(sample));
			break;
		case FORMAT_CLOUDEVENTS:
			json = cloudevent(sample);
			break;
		case FORMAT_ANCHORE:
			json = anchore(sample);
			break;
		case FORMAT_OTLP:
			json = otlp(sample);
			break;
		case FORMAT_TEMPLATE:
			json = flat(sample);
			break;
	}
	text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	return text;
}

/*
 * without_secrets: a copy of a webhook in which asterisks replace the secrets.
 */
static WebhookConfig
without_secrets(const WebhookConfig *webhook)
{
	WebhookConfig copy = *webhook;
	const char *name;
	json_t	   *secret;

	copy.secrets = json_object();
	json_object_foreach(webhook->secrets, name, secret)
		json_object_set_new(copy.secrets, name, json_string("********"));
	return copy;
}

bool
sample_check(const Config *config, ReaderComplain complain)
{
	Sample		sample;
	bool		ok = true;

	make_sample(&sample);
	for (size_t i = 0; i < config->nwebhooks; i++)
	{
		WebhookConfig webhook;
		char		message[512];
		const char *problem = NULL;
		char	   *event;
		char	   *body;

		if (config->webhooks[i]->body == NULL)
			continue;
		webhook = without_secrets(config->webhooks[i]);
		event = body_of(FORMAT_TEMPLATE, &sample);
		body = event ? template_render(&webhook, event, &problem) : NULL;
		if (body)
			printf("eventlog-notifier: webhooks.%s would send: %s\n",
				   webhook.name, body);
		else
		{
			snprintf(message, sizeof(message), "webhooks.%s.body: cannot be made for an event: %s",
					 webhook.name, problem ? problem : "out of memory");
			complain(LOG_LEVEL_ERROR, message);
			ok = false;
		}
		json_decref(webhook.secrets);
		free(event);
		free(body);
	}
	return ok;
}

/*
 * Sending: the request, until it has ended.
 */
typedef struct Sending
{
	const WebhookConfig *webhook;
	bool		done;
	bool		ok;
} Sending;

static void
answered(void *arg, FetchedEvent *events, int n, const HttpResult *result)
{
	Sending    *sending = arg;
	char		shown[1024];

	(void) events;
	(void) n;
	sending->done = true;
	if (result == NULL)
		return;
	sending->ok = result->outcome == HTTP_OK;
	if (!sending->ok)
		printf("%s (%.3f s)\n", result->error, result->seconds);
	else
	{
		http_redact(sending->webhook, result->answer, result->answer_len);
		printable(shown, sizeof(shown), result->answer, result->answer_len);
		printf("HTTP status %ld%s%s (%.3f s)\n", result->status,
			   *shown ? ": " : "", shown, result->seconds);
	}
}

static void
ignore(void *arg)
{
	(void) arg;
}

/*
 * get_token: wait for a token if one is needed; returns false if there is
 * none, which is logged.
 */
static bool
get_token(Token *token)
{
	while (!token_ready(token))
	{
		if (token_trouble(token) || !loop_once())
			return false;
	}
	return true;
}

/*
 * send_event: send the event and wait for the answer.
 */
static bool
send_event(const WebhookConfig *webhook, FetchedEvent *event)
{
	Sending		sending = {.webhook = webhook};
	Subscription subscription = {.name = webhook->name,.changed = ignore};
	Token		token = {.config = webhook,.subscription = &subscription};
	Sender		sender = {
		.config = webhook,.token = &token,.done = answered,.arg = &sending
	};
	const char *problem = NULL;

	sender.http = http_client_create(webhook, HTTP_KEPT_ANSWER);
	if (!get_token(&token))
		;						/* logged already */
	else if (sender.http && deliver(&sender, event, 1, &problem) == DELIVERY_BEGUN)
	{
		while (!sending.done && loop_once())
			;
	}
	else
		printf("cannot be sent: %s\n",
			   sender.http && problem ? problem : "out of memory");
	token_end(&token);
	http_client_destroy(sender.http);
	return sending.ok;
}

bool
sample_send(const WebhookConfig *webhook)
{
	Sample		sample;
	FetchedEvent event = {0};
	bool		ok = false;

	process_begin();
	make_sample(&sample);
	event.id = sample.id;
	event.body = body_of(webhook->format, &sample);
	if (event.body && loop_init() && http_init())
	{
		ok = send_event(webhook, &event);
		http_cleanup();
	}
	free(event.body);
	return ok;
}
