/*
 * landing.c
 *		The page at /, for people with a browser: a row for each webhook.
 *
 * The page has no scripts and loads nothing.  All text from the configuration,
 * the database or a receiver is escaped, and isolated from the text around it
 * if it is written in the other direction.  Of a URL only the scheme and the
 * host are shown, since the rest can be secret.
 */
#include "app/landing.h"

#include "app/gauges.h"
#include "app/landing_style.h"
#include "base/process.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MINUTE	60.0
#define HOUR	3600.0
#define DAY		86400.0

/*
 * put_text: write len bytes of text, escaped.
 */
static void
put_text(FILE *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) text[i];

		if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'')
			fprintf(out, "&#%d;", c);
		else
			fputc(c < ' ' || c == 0x7f ? ' ' : c, out);
	}
}

static void
put_isolated(FILE *out, const char *text)
{
	fputs("<bdi>", out);
	put_text(out, text, strlen(text));
	fputs("</bdi>", out);
}

/*
 * put_origin: write scheme and host of a URL, without user and password.
 */
static void
put_origin(FILE *out, const char *url)
{
	const char *host = strstr(url, "://");
	const char *end;

	if (host == NULL)
		return;
	put_text(out, url, (size_t) (host + 3 - url));
	host += 3;
	end = host + strcspn(host, "/?#\\");
	for (const char *c = host; c < end; c++)
	{
		if (*c == '@')
			host = c + 1;
	}
	put_text(out, host, (size_t) (end - host));
}

/*
 * put_count: write a number with separators between thousands.
 */
static void
put_count(FILE *out, double count)
{
	char		digits[32];
	size_t		n = (size_t) snprintf(digits, sizeof(digits), "%.0f", count);

	for (size_t i = 0; i < n; i++)
	{
		fputc(digits[i], out);
		if (i + 1 < n && (n - i) % 3 == 1)
			fputc(',', out);
	}
}

static void
put_age(FILE *out, double seconds)
{
	if (seconds < MINUTE)
		fprintf(out, "%.0f s", seconds > 0 ? floor(seconds) : 0);
	else if (seconds < HOUR)
		fprintf(out, "%.0f min", floor(seconds / MINUTE));
	else if (seconds < 2 * DAY)
		fprintf(out, "%.0f h", floor(seconds / HOUR));
	else
		fprintf(out, "%.0f days", floor(seconds / DAY));
}

/*
 * put_time: write how long ago a time was; 0: never.  The time itself is shown
 * below that, or is only in the attribute.
 */
static void
put_time(FILE *out, double at, bool below)
{
	time_t		seconds = (time_t) at;
	struct tm	utc;
	char		text[64];

	if (at <= 0 || gmtime_r(&seconds, &utc) == NULL)
	{
		fputs("<span class=faint>none yet</span>", out);
		return;
	}
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
	if (!below)
		fprintf(out, "<time datetime=\"%s\">", text);
	put_age(out, difftime(time(NULL), seconds));
	fputs(" ago", out);
	if (!below)
	{
		fputs("</time>", out);
		return;
	}
	fprintf(out, " <time datetime=\"%s\">", text);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &utc);
	fprintf(out, "%s</time>", text);
}

static void
put_fact(FILE *out, const char *name, bool good, const char *word, double since)
{
	fprintf(out, "<div><dt>%s</dt><dd><span class=%s>%s</span>", name,
			good ? "good" : "bad", word);
	if (since > 0)
	{
		fputc(' ', out);
		put_time(out, since, false);
	}
	fputs("</dd></div>\n", out);
}

/*
 * put_stuck: how many webhooks are stuck, with a link to the reasons.
 */
static void
put_stuck(FILE *out, const PageSource *source)
{
	size_t		stuck = 0;

	for (size_t i = 0; i < source->nwebhooks; i++)
	{
		WebhookStatus status;

		webhook_status(source->webhooks[i], &status);
		stuck += status.trouble != NULL;
	}
	fputs("<div><dt>Webhooks</dt><dd>", out);
	put_count(out, (double) source->nwebhooks);
	if (stuck > 0)
	{
		fputs(", <a class=bad href=readyz>", out);
		put_count(out, (double) stuck);
		fputs(" stuck</a>", out);
	}
	fputs("</dd></div>\n", out);
}

static void
put_top(FILE *out, const PageSource *source)
{
	ProcessUse	use;

	process_use(&use);
	fprintf(out, "<!DOCTYPE html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n"
			"<meta name=viewport content=\"width=device-width,initial-scale=1\">\n"
			"<title>%s - eventlog-notifier</title>\n<style>%s</style>\n</head>\n"
			"<body>\n<header>\n<h1>eventlog-notifier <small>%s</small></h1>\n"
			"<nav aria-label=Pages><a href=metrics>/metrics</a> "
			"<a href=readyz>/readyz</a> <a href=healthz>/healthz</a></nav>\n"
			"</header>\n<main>\n<dl>\n",
			source->ready ? "ready" : "not ready", landing_style,
			EVENTLOG_VERSION);
	put_fact(out, "State", source->ready, source->ready ? "ready" : "not ready", 0);
	put_fact(out, "Notification", source->enabled,
			 source->enabled ? "on" : "off", 0);
	put_fact(out, "Database", source->database_up,
			 source->database_up ? "connected" : "not connected",
			 source->database_heard);
	put_fact(out, "Configuration", source->reload_ok,
			 source->reload_ok ? "loaded" : "invalid, the previous one is used",
			 source->reload_time);
	put_stuck(out, source);
	fputs("<div><dt>Started</dt><dd>", out);
	put_time(out, use.start_time, false);
	fputs("</dd></div>\n</dl>\n<table role=table>\n<caption>Webhooks</caption>\n"
		  "<thead role=rowgroup>\n<tr role=row>"
		  "<th scope=col role=columnheader>Webhook</th>"
		  "<th scope=col role=columnheader>State</th>"
		  "<th scope=col role=columnheader class=number>Owed</th>"
		  "<th scope=col role=columnheader class=number>Dead</th>"
		  "<th scope=col role=columnheader class=number>Delivered</th>"
		  "<th scope=col role=columnheader>Last success</th>"
		  "<th scope=col role=columnheader>Last error</th></tr>\n</thead>\n"
		  "<tbody role=rowgroup>\n", out);
}

/*
 * put_state: the state in one word with a colour, and why it is stuck.
 */
static void
put_state(FILE *out, const WebhookStatus *status, const Gauge *gauge)
{
	const char *colour = "good";
	const char *word = "delivering";

	if (status->trouble)
	{
		colour = "bad";
		word = status->breaker != BREAKER_CLOSED ? "failing" : "stuck";
	}
	else if (gauge && gauge->paused)
	{
		colour = "wait";
		word = "paused";
	}
	else if (!status->consumer)
	{
		colour = "faint";
		word = "standing by";
	}
	fprintf(out, "<td role=cell data-label=State><span class=%s>%s</span>",
			colour, word);
	if (status->trouble)
	{
		fputs("<small>", out);
		put_isolated(out, status->trouble);
		fputs("</small>", out);
	}
	fputs("</td>", out);
}

/*
 * put_backlog: the deliveries owed and dead, as last counted.
 */
static void
put_backlog(FILE *out, const Gauge *gauge)
{
	fputs("<td role=cell class=number data-label=Owed><span>", out);
	if (gauge)
		put_count(out, gauge->owed);
	else
		fputs("not known", out);
	fputs("</span>", out);
	if (gauge && gauge->owed > 0)
	{
		fputs("<small>oldest ", out);
		put_age(out, gauge->oldest_age);
		fputs("</small>", out);
	}
	fprintf(out, "</td><td role=cell class=number data-label=Dead><span%s>",
			gauge && gauge->dead > 0 ? " class=bad" : "");
	if (gauge)
		put_count(out, gauge->dead);
	else
		fputs("not known", out);
	fputs("</span></td>", out);
}

static void
put_webhook(FILE *out, const Webhook *webhook, const Gauge *gauge)
{
	WebhookStatus status;

	webhook_status(webhook, &status);
	fputs("<tr role=row><th scope=row role=rowheader>", out);
	put_isolated(out, status.config->name);
	fputs("<small>", out);
	put_origin(out, status.config->url);
	fputs("</small></th>", out);
	put_state(out, &status, gauge);
	put_backlog(out, gauge);
	fputs("<td role=cell class=number data-label=Delivered><span>", out);
	put_count(out, (double) status.counts->delivered);
	fputs("</span></td><td role=cell data-label=\"Last success\">"
		  "<span>", out);
	put_time(out, status.counts->last_success, true);
	fputs("</span></td><td role=cell class=error data-label=\"Last error\">"
		  "<span>", out);
	put_time(out, status.counts->last_failure, true);
	fputs("</span>", out);
	if (*status.counts->last_error)
		put_isolated(out, status.counts->last_error);
	fputs("</td></tr>\n", out);
}

/*
 * put_next: write the row of the next webhook.
 */
static bool
put_next(FILE *out, Page *page, const PageSource *source)
{
	if (page->webhook == source->nwebhooks)
		return false;
	put_webhook(out, source->webhooks[page->webhook],
				gauges_of(page->webhook));
	page->webhook++;
	return true;
}

static void
put_end(FILE *out, const PageSource *source)
{
	if (source->nwebhooks == 0)
		fputs("<tr role=row><td role=cell colspan=7>None are active.</td></tr>\n",
			  out);
	fputs("</tbody>\n</table>\n</main>\n<footer class=faint>Owed and dead: as "
		  "last counted in the database.  All else: since the process started."
		  "</footer>\n</body>\n</html>\n", out);
}

const PageWriter landing_page = {
	.begin = put_top,.next = put_next,.end = put_end
};
