/*
 * metrics.c
 *		The page /metrics, in Prometheus' text format.
 *
 * The samples of a metric must stand together, so the page goes through all
 * webhooks for each metric.
 *
 * Events (notifications) and requests are counted apart, since a request can
 * carry a batch of events.
 */
#include "app/metrics.h"

#include "app/gauges.h"
#include "base/process.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * put_label: write the value of a label, escaped.
 */
static void
put_label(FILE *out, const char *value)
{
	for (; *value; value++)
	{
		if (*value == '\n')
			fputs("\\n", out);
		else
		{
			if (*value == '"' || *value == '\\')
				fputc('\\', out);
			fputc(*value, out);
		}
	}
}

static void
put_head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/*
 * put_value: write a sample.  label: a further label with its comma, or "".
 */
static void
put_value(FILE *out, const char *name, const char *webhook, const char *label,
		  double value)
{
	fprintf(out, "%s{webhook=\"", name);
	put_label(out, webhook);
	fprintf(out, "\"%s} %.17g\n", label, value);
}

static void
put_single(FILE *out, const char *name, const char *type, const char *help,
		   double value)
{
	put_head(out, name, type, help);
	fprintf(out, "%s %.17g\n", name, value);
}

/*
 * put_process: the metrics that all Prometheus clients have.
 */
static void
put_process(FILE *out)
{
	ProcessUse	use;

	process_use(&use);
	put_single(out, "process_cpu_seconds_total", "counter",
			   "Processor time used, in seconds.", use.cpu_seconds);
	if (use.resident_bytes >= 0)
		put_single(out, "process_resident_memory_bytes", "gauge",
				   "Resident memory, in bytes.", use.resident_bytes);
	if (use.virtual_bytes >= 0)
		put_single(out, "process_virtual_memory_bytes", "gauge",
				   "Virtual memory, in bytes.", use.virtual_bytes);
	if (use.open_fds >= 0)
		put_single(out, "process_open_fds", "gauge",
				   "Open file descriptors.", use.open_fds);
	if (use.max_fds >= 0)
		put_single(out, "process_max_fds", "gauge",
				   "Limit on open file descriptors.", use.max_fds);
	put_single(out, "process_start_time_seconds", "gauge",
			   "Start time of the process, in seconds since 1970.", use.start_time);
}

/*
 * put_common: the metrics of the process.
 */
static void
put_common(FILE *out, const PageSource *source)
{
	put_head(out, "eventlog_notifier_build_info", "gauge", "The version, as a label.");
	fprintf(out, "eventlog_notifier_build_info{version=\"%s\"} 1\n",
			EVENTLOG_VERSION);
	put_single(out, "eventlog_notifier_ready", "gauge",
			   "1: ready, as /readyz reports.", source->ready);
	put_single(out, "eventlog_notifier_enabled", "gauge",
			   "1: notification is on.", source->enabled);
	put_single(out, "eventlog_database_up", "gauge",
			   "1: connected, and the extension and the log exist.",
			   source->database_up);
	put_single(out, "eventlog_database_last_heard_timestamp_seconds", "gauge",
			   "Time of the last answer of the database, in seconds since 1970.", source->database_heard);
	put_single(out, "eventlog_config_last_reload_successful", "gauge",
			   "1: the last reload of the configuration succeeded.",
			   source->reload_ok);
	put_single(out, "eventlog_config_last_reload_success_timestamp_seconds",
			   "gauge", "Time of the last successful load, in seconds since 1970.", source->reload_time);
	put_process(out);
}

/*
 * Subject: the numbers of one webhook.  NAN: not known, so there is no sample.
 */
typedef struct Subject
{
	const char *name;
	const WebhookCounts *counts;
	double		delivered;
	double		given_up;
	double		waiting;
	double		owed;
	double		dead;
	double		oldest_age;
	double		last_success;
	double		token_failures;
	double		in_flight;
	double		breaker;
	double		pause;
	double		paused;
	double		consumer;
	double		ready;
} Subject;

static void
fill_subject(Subject *subject, const Webhook *webhook, const Gauge *gauge)
{
	WebhookStatus status;

	webhook_status(webhook, &status);
	*subject = (Subject)
	{
		.name = status.config->name,
			.counts = status.counts,
			.delivered = (double) status.counts->delivered,
			.given_up = (double) status.counts->dead,
			.waiting = status.waiting,
			.owed = gauge ? gauge->owed : NAN,
			.dead = gauge ? gauge->dead : NAN,
			.oldest_age = gauge ? gauge->oldest_age : NAN,
			.last_success = status.counts->last_success > 0 ?
			status.counts->last_success : NAN,
			.token_failures = status.config->token_endpoint ?
			(double) status.token_failures : NAN,
			.in_flight = status.in_flight,
			.breaker = status.breaker,
			.pause = status.pause_left,
			.paused = gauge ? gauge->paused : NAN,
			.consumer = status.consumer,
			.ready = status.trouble == NULL
	};
}

static void
put_by_status(FILE *out, const char *name, const Subject *subject)
{
	const WebhookCounts *counts = subject->counts;
	uint64_t	unanswered = counts->requests;
	char		label[32];

	for (int status = 1; status < COUNTED_STATUSES; status++)
	{
		if (counts->by_status[status] == 0)
			continue;
		unanswered -= counts->by_status[status];
		snprintf(label, sizeof(label), ",code=\"%d\"", status);
		put_value(out, name, subject->name, label, counts->by_status[status]);
	}
	put_value(out, name, subject->name, ",code=\"none\"", (double) unanswered);
}

static void
put_failed(FILE *out, const char *name, const Subject *subject)
{
	char		label[32];

	for (int i = HTTP_REASON_NONE + 1; i < HTTP_NREASONS; i++)
	{
		snprintf(label, sizeof(label), ",reason=\"%s\"",
				 http_reason_name((HttpReason) i));
		put_value(out, name, subject->name, label,
				  (double) subject->counts->failed[i]);
	}
}

static void
put_latency(FILE *out, const char *name, const Subject *subject)
{
	const WebhookCounts *counts = subject->counts;
	char		part[128];
	char		label[64];

	snprintf(part, sizeof(part), "%s_bucket", name);
	for (int b = 0; b < LATENCY_BUCKETS; b++)
	{
		snprintf(label, sizeof(label), ",le=\"%g\"", latency_bounds[b]);
		put_value(out, part, subject->name, label, (double) counts->latency[b]);
	}
	put_value(out, part, subject->name, ",le=\"+Inf\"",
			  (double) counts->requests);
	snprintf(part, sizeof(part), "%s_sum", name);
	put_value(out, part, subject->name, "", counts->seconds);
	snprintf(part, sizeof(part), "%s_count", name);
	put_value(out, part, subject->name, "", (double) counts->requests);
}

/*
 * Family: a metric of each webhook.  Its samples are the number at an offset
 * of Subject, or are written by a function.
 */
typedef struct Family
{
	const char *name;
	const char *type;
	const char *help;
	size_t		offset;
	void		(*put) (FILE *out, const char *name, const Subject *subject);
} Family;

#define NUMBER(field)	offsetof(Subject, field), NULL

static const Family families[] = {
	{"eventlog_notifications_total", "counter",
	"Events delivered.", NUMBER(delivered)},
	{"eventlog_notifications_given_up_total", "counter",
	"Events given up by this process.", NUMBER(given_up)},
	{"eventlog_notifications_waiting", "gauge",
	"Events fetched and not sent yet.", NUMBER(waiting)},
	{"eventlog_notifications_owed", "gauge",
	"Events owed (pending or to be retried), when last counted.", NUMBER(owed)},
	{"eventlog_notifications_dead", "gauge",
	"Dead deliveries, when last counted.", NUMBER(dead)},
	{"eventlog_notifications_oldest_owed_age_seconds", "gauge",
	"Age of the oldest event owed, in seconds.", NUMBER(oldest_age)},
	{"eventlog_notification_last_success_timestamp_seconds", "gauge",
	"Time of the last successful request, in seconds since 1970.", NUMBER(last_success)},
	{"eventlog_notification_requests_total", "counter",
	"Completed requests, by HTTP status.", 0, put_by_status},
	{"eventlog_notification_requests_failed_total", "counter",
	"Failed requests, by reason, as in the log.", 0, put_failed},
	{"eventlog_notification_token_requests_failed_total", "counter",
	"Failed requests for an OAuth 2.0 token.", NUMBER(token_failures)},
	{"eventlog_notification_requests_in_flight", "gauge",
	"Requests in flight.", NUMBER(in_flight)},
	{"eventlog_notification_latency_seconds", "histogram",
	"Duration of requests, in seconds.", 0, put_latency},
	{"eventlog_breaker_state", "gauge",
	"Circuit breaker: 0 closed, 1 open, 2 half open.", NUMBER(breaker)},
	{"eventlog_breaker_pause_seconds", "gauge",
	"Time until the next request may be sent, in seconds.", NUMBER(pause)},
	{"eventlog_subscription_paused", "gauge",
	"1: the subscription is paused.", NUMBER(paused)},
	{"eventlog_consumer", "gauge",
	"1: this process is the consumer of the subscription.", NUMBER(consumer)},
	{"eventlog_webhook_ready", "gauge",
	"1: the webhook is ready, as /readyz reports.", NUMBER(ready)}
};

#define NFAMILIES	(sizeof(families) / sizeof(families[0]))

static void
put_number(FILE *out, const Family *family, const Subject *subject)
{
	double		number;

	memcpy(&number, (const char *) subject + family->offset, sizeof(number));
	if (!isnan(number))
		put_value(out, family->name, subject->name, "", number);
}

/*
 * put_next: write the samples of one webhook for one family.
 */
static bool
put_next(FILE *out, Page *page, const PageSource *source)
{
	const Family *family = &families[page->family];
	Subject		subject;

	if (source->nwebhooks == 0 || page->family == NFAMILIES)
		return false;
	if (page->webhook == 0)
		put_head(out, family->name, family->type, family->help);
	fill_subject(&subject, source->webhooks[page->webhook],
				 gauges_of(page->webhook));
	if (family->put)
		family->put(out, family->name, &subject);
	else
		put_number(out, family, &subject);
	if (++page->webhook == source->nwebhooks)
	{
		page->webhook = 0;
		page->family++;
	}
	return true;
}

const PageWriter metrics_page = {.begin = put_common,.next = put_next};
