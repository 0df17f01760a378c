/*
 * url_config.c
 *		Checks URLs by libcurl's parser, and the placeholders in them.
 */
#include "config/url_config.h"

#include "config/url_path.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/*
 * is_url: can libcurl parse it?  The angle brackets of placeholders are hidden
 * from libcurl.
 */
static bool
is_url(const char *url)
{
	CURLU	   *parts = curl_url();
	char	   *plain = strdup(url);
	bool		ok;

	for (char *at = plain; at && (at = strpbrk(at, "<>")) != NULL;)
		*at = 'x';
	ok = parts && plain && strpbrk(url, " \t\r\n") == NULL &&
		curl_url_set(parts, CURLUPART_URL, plain, 0) == CURLUE_OK;
	free(plain);
	curl_url_cleanup(parts);
	return ok;
}

char *
url_escape(const char *text)
{
	char	   *escaped = curl_easy_escape(NULL, text, 0);
	char	   *copy = escaped ? strdup(escaped) : NULL;

	curl_free(escaped);
	return copy;
}

bool
url_is_host(const char *name)
{
	CURLU	   *parts = curl_url();
	bool		ok = parts &&
		curl_url_set(parts, CURLUPART_URL, "https://h/", 0) == CURLUE_OK &&
		curl_url_set(parts, CURLUPART_HOST, name, 0) == CURLUE_OK;

	curl_url_cleanup(parts);
	return ok;
}

bool
url_is_proxy(const char *url)
{
	static const char *const schemes[] = {
		"http", "https", "socks4", "socks4a", "socks5", "socks5h"
	};
	CURLU	   *parts = curl_url();
	char	   *scheme = NULL;
	bool		ok = false;

	if (parts &&
		curl_url_set(parts, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME |
					 (strstr(url, "://") ? 0 : CURLU_GUESS_SCHEME)) == CURLUE_OK &&
		curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK)
	{
		for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
			ok = ok || strcmp(schemes[i], scheme) == 0;
	}
	if (strstr(url, "://") == NULL)
		ok = scheme != NULL;
	curl_free(scheme);
	curl_url_cleanup(parts);
	return ok;
}

const char *
url_problem(const char *url, bool batched)
{
	const char *at = url;
	const char *rest;

	if (strncasecmp(at, "http://", 7) == 0)
		at += 7;
	else if (strncasecmp(at, "https://", 8) == 0)
		at += 8;
	else
		return "must begin with http:// or https://";
	rest = at + strcspn(at, "/?#");
	if (memchr(at, '<', (size_t) (rest - at)))
		return "placeholders are allowed only in its path and query";
	if (rest == at || !is_url(url))
		return "is not a URL";
	if (strchr(rest, '#'))
		return "must not have a fragment";
	for (const char *open = strchr(rest, '<'); open; open = strchr(open + 1, '<'))
	{
		if (strncmp(open, "<notification_type>", 19) != 0 &&
			strncmp(open, "<userId>", 8) != 0)
			return "unknown placeholder; there are <notification_type> and <userId>";
	}
	if (strstr(rest, "<userId>") && url_path_climbs(url, "user"))
		return "must not have segments made of dots along with <userId>";
	if (batched && strstr(rest, "<userId>"))
		return "<userId> cannot be combined with batches, whose events belong to several users";
	return NULL;
}
