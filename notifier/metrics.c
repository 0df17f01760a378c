/*
 * metrics.c
 *		libmicrohttpd on the loop, and Prometheus' text format.
 */
#include "metrics.h"

#include "log.h"
#include "loop.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define CONNECTIONS		16
#define TIMEOUT			10		/* seconds */

static struct MHD_Daemon *server = NULL;
static int	server_fd = -1;
static const MetricsSource *source = NULL;
static LoopTimer timer;

/*
 * put_label: a label's value as the format wants it.
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
 * put_value: one sample; label: a further label, whole, or "".
 */
static void
put_value(FILE *out, const char *name, const Webhook *webhook,
		  const char *label, double value)
{
	fprintf(out, "%s{webhook=\"", name);
	put_label(out, webhook->config->name);
	fprintf(out, "\"%s} %.15g\n", label, value);
}

/*
 * A metric that is one number of a webhook.
 */
typedef struct Metric
{
	const char *name;
	const char *type;
	const char *help;
	const char *label;
	double		(*value) (const Webhook *webhook);
} Metric;

static double
delivered(const Webhook *webhook)
{
	return (double) webhook->counts.delivered;
}

static double
failed_timeout(const Webhook *webhook)
{
	return (double) webhook->counts.failed[HTTP_REASON_TIMEOUT];
}

static double
failed_connect(const Webhook *webhook)
{
	return (double) webhook->counts.failed[HTTP_REASON_CONNECT];
}

static double
failed_tls(const Webhook *webhook)
{
	return (double) webhook->counts.failed[HTTP_REASON_TLS];
}

static double
failed_network(const Webhook *webhook)
{
	return (double) webhook->counts.failed[HTTP_REASON_NETWORK];
}

static double
failed_status(const Webhook *webhook)
{
	return (double) webhook->counts.failed[HTTP_REASON_STATUS];
}

static double
dead(const Webhook *webhook)
{
	return (double) webhook->counts.dead;
}

static double
in_flight(const Webhook *webhook)
{
	return webhook->sender.nflying;
}

static double
waiting(const Webhook *webhook)
{
	return webhook->buffer.nwaiting;
}

static double
breaker(const Webhook *webhook)
{
	return webhook->gate.breaker.state;
}

static double
is_consumer(const Webhook *webhook)
{
	return webhook_is_consumer(webhook);
}

static double
owed(const Webhook *webhook)
{
	return webhook->owed;
}

static double
oldest_age(const Webhook *webhook)
{
	return webhook->oldest_age;
}

static const Metric metrics[] = {
	{"eventlog_notifications_total", "counter",
	"Events delivered.", "", delivered},
	{"eventlog_notifications_failed_total", "counter",
	"Requests that failed.", ",reason=\"timeout\"", failed_timeout},
	{"eventlog_notifications_failed_total", NULL, NULL,
	",reason=\"connect\"", failed_connect},
	{"eventlog_notifications_failed_total", NULL, NULL,
	",reason=\"tls\"", failed_tls},
	{"eventlog_notifications_failed_total", NULL, NULL,
	",reason=\"network\"", failed_network},
	{"eventlog_notifications_failed_total", NULL, NULL,
	",reason=\"status\"", failed_status},
	{"eventlog_notifications_dead_total", "counter",
	"Events given up.", "", dead},
	{"eventlog_notifications_in_flight", "gauge",
	"Requests in flight.", "", in_flight},
	{"eventlog_notifications_waiting", "gauge",
	"Events fetched and not sent yet.", "", waiting},
	{"eventlog_notifications_owed", "gauge",
	"Events owed, as of at most 15 seconds ago.", "", owed},
	{"eventlog_notifications_oldest_owed_age_seconds", "gauge",
	"For how long the oldest of these has been owed.", "", oldest_age},
	{"eventlog_breaker_state", "gauge",
	"0: closed, 1: open, 2: half open.", "", breaker},
	{"eventlog_consumer", "gauge",
	"1: this process holds the subscription.", "", is_consumer}
};

static void
put_latency(FILE *out)
{
	static const char *const name = "eventlog_notification_latency_seconds";
	char		bucket[128];
	char		label[64];

	put_head(out, name, "histogram", "How long requests took.");
	snprintf(bucket, sizeof(bucket), "%s_bucket", name);
	for (size_t i = 0; i < source->nwebhooks; i++)
	{
		const Webhook *webhook = source->webhooks[i];
		char		sum[128];

		for (int b = 0; b < LATENCY_BUCKETS; b++)
		{
			snprintf(label, sizeof(label), ",le=\"%g\"", latency_bounds[b]);
			put_value(out, bucket, webhook, label,
					  (double) webhook->counts.latency[b]);
		}
		put_value(out, bucket, webhook, ",le=\"+Inf\"",
				  (double) webhook->counts.requests);
		snprintf(sum, sizeof(sum), "%s_sum", name);
		put_value(out, sum, webhook, "", webhook->counts.seconds);
		snprintf(sum, sizeof(sum), "%s_count", name);
		put_value(out, sum, webhook, "", (double) webhook->counts.requests);
	}
}

/*
 * write_metrics: the whole page, allocated.
 */
static char *
write_metrics(size_t *len)
{
	char	   *page = NULL;
	FILE	   *out = open_memstream(&page, len);

	if (out == NULL)
		return NULL;
	put_head(out, "eventlog_notifier_build_info", "gauge", "The version.");
	fprintf(out, "eventlog_notifier_build_info{version=\"%s\"} 1\n",
			EVENTLOG_VERSION);
	for (size_t m = 0; m < sizeof(metrics) / sizeof(metrics[0]); m++)
	{
		if (metrics[m].type)
			put_head(out, metrics[m].name, metrics[m].type, metrics[m].help);
		for (size_t i = 0; i < source->nwebhooks; i++)
			put_value(out, metrics[m].name, source->webhooks[i],
					  metrics[m].label, metrics[m].value(source->webhooks[i]));
	}
	put_latency(out);
	if (fclose(out) == 0)
		return page;
	free(page);
	return NULL;
}

static enum MHD_Result
answer(struct MHD_Connection *connection, unsigned int status,
	   const char *text)
{
	struct MHD_Response *response =
	MHD_create_response_from_buffer(strlen(text), (void *) text,
									MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result = MHD_NO;

	if (response)
	{
		MHD_add_response_header(response, "Content-Type",
								"text/plain; version=0.0.4; charset=utf-8");
		result = MHD_queue_response(connection, status, response);
		MHD_destroy_response(response);
	}
	return result;
}

static enum MHD_Result
handle(void *arg, struct MHD_Connection *connection, const char *url,
	   const char *method, const char *version, const char *upload,
	   size_t *upload_size, void **state)
{
	(void) arg;
	(void) version;
	(void) upload;
	(void) upload_size;
	(void) state;
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET only\n");
	if (strcmp(url, "/healthz") == 0)
		return answer(connection, MHD_HTTP_OK, "ok\n");
	if (strcmp(url, "/readyz") == 0)
		return source->ready() ? answer(connection, MHD_HTTP_OK, "ok\n") :
			answer(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "not ready\n");
	if (strcmp(url, "/metrics") == 0)
	{
		size_t		len;
		char	   *page = write_metrics(&len);
		enum MHD_Result result = page ?
		answer(connection, MHD_HTTP_OK, page) : MHD_NO;

		free(page);
		return result;
	}
	return answer(connection, MHD_HTTP_NOT_FOUND, "not found\n");
}

static void run_server(void);

static void
at_timeout(void *arg)
{
	(void) arg;
	run_server();
}

/*
 * run_server: let it do what it can, and see when it wants to be run again.
 */
static void
run_server(void)
{
	MHD_UNSIGNED_LONG_LONG wait;

	MHD_run(server);
	if (MHD_get_timeout(server, &wait) == MHD_YES)
		loop_timer_set(&timer, (int64_t) wait, at_timeout, NULL);
	else
		loop_timer_clear(&timer);
}

static void
at_socket(void *arg, uint32_t events)
{
	(void) arg;
	(void) events;
	run_server();
}

bool
metrics_start(const Config *config, const MetricsSource *what)
{
	const union MHD_DaemonInfo *info;
	unsigned int flags = MHD_USE_EPOLL;

	if (config->address.ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	source = what;
	server = MHD_start_daemon(flags, 0, NULL, NULL, handle, NULL,
							  MHD_OPTION_SOCK_ADDR, &config->address,
							  MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS,
							  MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT,
							  MHD_OPTION_END);
	info = server ? MHD_get_daemon_info(server, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (info == NULL)
	{
		log_event(LOG_LEVEL_ERROR, "could not listen", "listen", config->listen,
				  NULL);
		metrics_stop();
		return false;
	}
	server_fd = info->epoll_fd;
	return loop_watch(server_fd, EPOLLIN, at_socket, NULL);
}

void
metrics_stop(void)
{
	if (server == NULL)
		return;
	loop_timer_clear(&timer);
	if (server_fd >= 0)
		loop_unwatch(server_fd);
	server_fd = -1;
	MHD_stop_daemon(server);
	server = NULL;
}
