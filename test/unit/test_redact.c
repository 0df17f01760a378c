/*
 * test_redact.c
 *		No secret of a webhook stays in what its receiver answers.
 */
#include "tap.h"

#include <string.h>

#include "net/http_redact.h"

/*
 * redacted: what is left of an answer.
 */
static void
redacted(const WebhookConfig *config, const char *answer, const char *expected)
{
	char		text[256];

	strcpy(text, answer);
	http_redact(config, text, strlen(text));
	is_text(text, expected, expected);
}

int
main(void)
{
	WebhookConfig config = {.url = "https://h/hooks/T0PSECRET?key=0123456789"};

	redacted(&config, "POST /hooks/T0PSECRET?key=0123456789 to h",
			 "POST /hooks/*********?key=********** to h");
	config.url = "https://user:pa%20ssword@h/";
	redacted(&config, "user, pa ssword, dXNlcjpwYSBzc3dvcmQ=",
			 "user, *********, ********************");
	config.url = "https://topsecrettoken@h/";
	redacted(&config, "topsecrettoken dG9wc2VjcmV0dG9rZW46",
			 "************** ********************");
	config.url = "https://h/";
	config.proxy_url = "http://proxyuser:proxypassword@p:3128";
	redacted(&config, "proxypassword cHJveHl1c2VyOnByb3h5cGFzc3dvcmQ=",
			 "************* ********************************");
	config.proxy_url = "proxyuser:proxypassword@p:3128";
	redacted(&config, "proxypassword at p", "************* at p");
	config.proxy_url = "p:3128";
	redacted(&config, "nothing secret at p:3128", "nothing secret at p:3128");
	return done_testing();
}
