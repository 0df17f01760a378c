/*
 * test_payload.c
 *		Urls with their placeholders filled in, and what is shown of foreign
 *		texts.
 */
#include "base/logging.h"
#include "webhook/payload.h"
#include "tap.h"

#include <stdlib.h>

static void
url(const char *template, const char *user, const char *expected,
	const char *name)
{
	char	   *got = payload_url(FORMAT_STANDARD, template, user);

	is_text(got, expected, name);
	free(got);
}

int
main(void)
{
	static const char *const climbers[] = {
		"../admin/x", "a/../b", "a/..", "...", "..\\admin", "%2e%2e/admin",
		"%2E.%2fadmin", "%252e%252e%252fadmin", "..;/admin", "..;a=b/admin",
		"a%5c..%5cb", "./x", "..%00"
	};
	char		shown[8];
	char	   *got;
	LogLevel	level;

	url("https://h/x", "u", "https://h/x", "no placeholder");
	url("https://h/<notification_type>/<userId>", "admin",
		"https://h/event_update/admin", "both");
	got = payload_url(FORMAT_ANCHORE, "https://h/<notification_type>", "u");
	is_text(got, "https://h/event_log", "in the format that has a type of its own");
	free(got);
	url("https://h/<userId>", NULL, "https://h/", "no user");
	url("https://h/?u=<userId>&v=<userId>", "a/b ü&c",
		"https://h/?u=a%2Fb%20%C3%BC%26c&v=a%2Fb%20%C3%BC%26c", "url-encoded");
	url("https://h/<userId>", "<userId>", "https://h/%3CuserId%3E",
		"what is filled in is not filled in again");
	ok(payload_user_fits("https://h/<userId>", "a.b") &&
	   payload_user_fits("https://h/<userId>", NULL) &&
	   payload_user_fits("https://h/?u=<userId>", "..") &&
	   payload_user_fits("https://h/<userId>/", "..a/b..c/%") &&
	   payload_user_fits("https://h/", ".."), "a user in a url");
	ok(!payload_user_fits("https://h/<userId>/x", "..") &&
	   !payload_user_fits("https://h/.<userId>?u=<userId>", "."),
	   "who would lead to another path");
	for (size_t i = 0; i < sizeof(climbers) / sizeof(climbers[0]); i++)
		ok(!payload_user_fits("https://h/users/<userId>/x?u=<userId>",
							  climbers[i]), climbers[i]);
	is_text(payload_content_type(FORMAT_STANDARD, false),
			"Content-Type: application/json", "standard");
	is_text(payload_content_type(FORMAT_CLOUDEVENTS, false),
			"Content-Type: application/cloudevents+json; charset=utf-8",
			"structured mode");
	is_text(payload_content_type(FORMAT_CLOUDEVENTS, true),
			"Content-Type: application/cloudevents-batch+json; charset=utf-8",
			"batch mode");

	printable(shown, sizeof(shown), "a\nb\0\x1b[1m", 8);
	is_text(shown, "a b??[1", "printable, and cut");
	printable(shown, sizeof(shown), "x\n\t y\r\n", 7);
	is_text(shown, "x  y ", "lines become one");
	printable(shown, sizeof(shown), "\xc3\xa4\xe2\x82\xac\xc3\xb6", 7);
	is_text(shown, "\xc3\xa4\xe2\x82\xac\xc3\xb6", "UTF-8 stays as it is");
	printable(shown, sizeof(shown), "1234\xf0\x9f\x98\x80", 8);
	is_text(shown, "1234", "and is cut between characters");
	printable(shown, sizeof(shown), "a\xc3" "b\xc0\x80\xff", 6);
	is_text(shown, "a?b???", "what is none does not");
	printable(shown, sizeof(shown), "\xe2\x80\xae\xc2\x9b", 5);
	is_text(shown, "??", "nor what changes how others are shown");
	printable(shown, sizeof(shown), "", 0);
	is_text(shown, "", "nothing");
	ok(log_level_find("warning", &level) && level == LOG_LEVEL_WARNING &&
	   !log_level_find("Warning", &level), "levels of the log");
	return done_testing();
}
