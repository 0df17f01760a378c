/*
 * test_template.c
 *		What a template makes of an event, and how long that may be.
 */
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#include "config/template.h"

/*
 * body: what a template (JSON, with ' for ") makes of an event with these
 * details; is NULL expected, then the problem.
 */
static void
body(const char *template, const char *details, const char *expected,
	 const char *problem, const char *what)
{
	WebhookConfig webhook = {.name = "w"};
	char	   *text = strdup(template);
	char	   *event;
	char	   *got;
	const char *why = NULL;

	for (char *c = text; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	webhook.body = json_loads(text, JSON_DECODE_ANY, NULL);
	if (asprintf(&event, "{\"attempt\": 1, \"event\": {\"message\": \"a \\\"b\\\"\", \"details\": %s}}",
				 details) < 0)
		abort();
	got = template_render(&webhook, event, &why);
	is_text(got ? got : "-", expected ? expected : "-", what);
	is_text(why ? why : "-", problem ? problem : "-", "and what is wrong");
	json_decref(webhook.body);
	free(got);
	free(event);
	free(text);
}

int
main(void)
{
	size_t		len = 3 * 1024 * 1024;
	char	   *long_text = malloc(len + 3);

	if (long_text == NULL)
		abort();
	memset(long_text, 'x', len + 2);
	long_text[0] = long_text[len + 1] = '"';
	long_text[len + 2] = '\0';

	body("{'text': 'of {{webhook}}: {{event.message}}'}", "{}",
		 "{\"text\":\"of w: a \\\"b\\\"\"}", NULL, "values are escaped");
	body("['{{event.details}}', '{{event.details.a}}!']", "{\"a\": [1]}",
		 "[{\"a\":[1]},\"[1]!\"]", NULL,
		 "a string of one placeholder becomes the value");
	body("'{{event.message:3}}'", "{}", "\"a \xe2\x80\xa6\"", NULL, "and is cut");
	body("['{{event.details}}!','{{event.details}}!','{{event.details}}!',"
		 "'{{event.details}}!','{{event.details}}!','{{event.details}}!']",
		 long_text, NULL, "it is longer than 16 MiB",
		 "what is filled in has a limit");
	body("['{{event.details}}','{{event.details}}','{{event.details}}',"
		 "'{{event.details}}','{{event.details}}','{{event.details}}']",
		 long_text, NULL, "it is longer than 16 MiB",
		 "and so have values that stand in the body many times");
	body("{}", "[", NULL, "its details are nested too deeply",
		 "what cannot be read is a problem of the event");
	free(long_text);
	return done_testing();
}
