/*
 * test_landing.c
 *		The page at /: what comes from elsewhere is text on it, and of a url
 *		nothing that may be secret is.
 */
#include "net/http.h"
#include "app/landing.h"
#include "app/landing_style.h"
#include "tap.h"

#include <stdlib.h>

#define NWEBHOOKS	1000

/*
 * whole_page: of these webhooks, allocated; how long its longest piece was.
 */
static char *
whole_page(const PageSource *source, size_t *longest)
{
	Page page = {0};
	char	   *whole = NULL;
	size_t		size;
	FILE	   *out = open_memstream(&whole, &size);

	*longest = 0;
	while (!page.done)
	{
		size_t		len;
		char	   *piece = page_piece(&landing_page, &page, source, &len);

		if (piece == NULL)
			break;
		*longest = len > *longest ? len : *longest;
		fwrite(piece, 1, len, out);
		free(piece);
	}
	fclose(out);
	return whole;
}

static void
is_origin(const char *url, const char *expected)
{
	WebhookConfig config = {
		.name = "w",.url = (char *) url,.max_concurrency = 1,.timeout = 1000,
			.max_events = 1
	};
	Webhook    *webhook = webhook_create(&config);
	PageSource source = {.webhooks = &webhook,.nwebhooks = 1};
	size_t		longest;
	char	   *page = whole_page(&source, &longest);
	char		shown[256];

	snprintf(shown, sizeof(shown), "<bdi>w</bdi><small>%s</small>", expected);
	ok(strstr(page, shown) != NULL, url);
	ok(strstr(page, "secret") == NULL, "without what may be secret");
	free(page);
	webhook_destroy(webhook);
}

/*
 * texts_are_text: a name and an error that would be more.
 */
static void
texts_are_text(void)
{
	WebhookConfig config = {
		.name = "<b>\"&'\x1b",.url = "http://h/",.max_concurrency = 1,
			.timeout = 1000,.max_events = 1
	};
	Webhook    *webhook = webhook_create(&config);
	PageSource source = {.webhooks = &webhook,.nwebhooks = 1};
	HttpResult	result = {
		.outcome = HTTP_REFUSED,.reason = HTTP_REASON_4XX,.status = 400,
			.error = "</td><script>\n"
	};
	size_t		longest;
	char	   *page;

	counts_request(&webhook->counts, &result);
	page = whole_page(&source, &longest);
	ok(strstr(page, "<bdi>&#60;b&#62;&#34;&#38;&#39; </bdi>") != NULL,
	   "a name is text");
	ok(strstr(page, "<bdi>&#60;/td&#62;&#60;script&#62; </bdi>") != NULL,
	   "an error is text");
	free(page);
	webhook_destroy(webhook);
}

static void
many_make_pieces(void)
{
	static WebhookConfig config = {
		.name = "w",.url = "http://h/",.max_concurrency = 1,.timeout = 1000,
			.max_events = 1
	};
	static Webhook *webhooks[NWEBHOOKS];
	PageSource source = {.webhooks = webhooks,.nwebhooks = NWEBHOOKS};
	Page page = {0};
	size_t		longest;
	size_t		len;
	size_t		rows = 0;
	char	   *whole;

	for (int i = 0; i < NWEBHOOKS; i++)
		webhooks[i] = webhook_create(&config);
	whole = whole_page(&source, &longest);
	for (const char *at = whole; (at = strstr(at, "<th scope=row")); at++)
		rows++;
	is_int((long long) rows, NWEBHOOKS, "a row for each of many webhooks");
	ok(strstr(whole, "</html>\n") != NULL, "a page comes to its end");
	ok(longest < PAGE_PIECE + 8192, "in pieces of which none is long");
	free(whole);
	free(page_piece(&landing_page, &page, &source, &len));
	source.generation = 1;
	ok(page_piece(&landing_page, &page, &source, &len) == NULL,
	   "a page ends when the webhooks are others");
	for (int i = 0; i < NWEBHOOKS; i++)
		webhook_destroy(webhooks[i]);
}

static void
none_is_said(void)
{
	PageSource source = {.nwebhooks = 0};
	size_t		longest;
	char	   *page = whole_page(&source, &longest);

	ok(strstr(page, ">None are active.</td>") && strstr(page, "</html>\n"),
	   "that there are none is said");
	free(page);
}

int
main(void)
{
	http_init();
	is_origin("https://hooks.example/secret?secret#secret", "https://hooks.example");
	is_origin("https://user:secret@hooks.example:8443/secret", "https://hooks.example:8443");
	is_origin("https://secret@secret:secret@hooks.example", "https://hooks.example");
	is_origin("http://[::1]:80?secret", "http://[::1]:80");
	texts_are_text();
	many_make_pieces();
	none_is_said();
	ok(strncmp(landing_policy(), "default-src 'none'; style-src 'sha256-", 38) == 0,
	   "its policy allows its style alone");
	http_cleanup();
	return done_testing();
}
