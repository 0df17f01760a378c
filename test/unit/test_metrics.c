/*
 * test_metrics.c
 *		The metrics of a thousand webhooks: in pieces, of which none is long,
 *		and which together are the whole page.
 */
#include "net/http.h"
#include "app/metrics.h"
#include "tap.h"

#include <stdlib.h>

#define NWEBHOOKS	1000

static size_t
count(const char *text, const char *what)
{
	size_t		n = 0;

	while ((text = strstr(text, what)) != NULL)
	{
		n++;
		text += strlen(what);
	}
	return n;
}

int
main(void)
{
	static WebhookConfig config = {
		.name = "w",.url = "http://h/",.max_concurrency = 1,.timeout = 1000,
			.max_events = 1,.enable_http2 = true
	};
	static Webhook *webhooks[NWEBHOOKS];
	PageSource source = {
		.webhooks = webhooks,.nwebhooks = NWEBHOOKS,.generation = 1
	};
	Page page = {0};
	size_t		longest = 0;
	size_t		samples = 0;
	size_t		heads = 0;
	size_t		pieces = 0;
	size_t		len;
	char	   *piece;

	http_init();
	for (int i = 0; i < NWEBHOOKS; i++)
		webhooks[i] = webhook_create(&config);
	while (!page.done && (piece = page_piece(&metrics_page, &page, &source, &len)) != NULL)
	{
		longest = len > longest ? len : longest;
		samples += count(piece, "\neventlog_webhook_ready{");
		heads += count(piece, "# TYPE eventlog_webhook_ready ");
		pieces++;
		free(piece);
	}
	ok(page.done, "a page comes to its end");
	ok(pieces > 50, "in many pieces");
	ok(longest < PAGE_PIECE + 8192, "of which none is long");
	ok(samples >= NWEBHOOKS - pieces && samples <= NWEBHOOKS,
	   "each webhook is told of");
	is_int((long long) heads, 1, "a family has one head");

	page = (Page)
	{
		0
	};
	free(page_piece(&metrics_page, &page, &source, &len));
	source.generation = 2;
	ok(page_piece(&metrics_page, &page, &source, &len) == NULL,
	   "a page ends when the webhooks are others");
	for (int i = 0; i < NWEBHOOKS; i++)
		webhook_destroy(webhooks[i]);
	http_cleanup();
	return done_testing();
}
