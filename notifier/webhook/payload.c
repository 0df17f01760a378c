/*
 * payload.c
 *		Formats of the body, its content type, and the URL.
 */
#include "webhook/payload.h"

#include "config/url_config.h"
#include "config/url_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * notification_type: the same as in the body, if that has one.
 */
static const char *
notification_type(PayloadFormat format)
{
	return format == FORMAT_ANCHORE ? "event_log" : "event_update";
}

/*
 * The charset is in lower case because the CloudEvents SDK for JavaScript
 * compares the whole value.
 */
const char *
payload_content_type(PayloadFormat format, bool batch)
{
	if (format != FORMAT_CLOUDEVENTS)
		return "Content-Type: application/json";
	return batch ?
		"Content-Type: application/cloudevents-batch+json; charset=utf-8" :
		"Content-Type: application/cloudevents+json; charset=utf-8";
}

bool
payload_is_wrapped(PayloadFormat format, bool batch)
{
	return batch || format == FORMAT_OTLP;
}

const char *
payload_begin(PayloadFormat format)
{
	return format == FORMAT_OTLP ? "{\"resourceLogs\":[" : "[";
}

const char *
payload_end(PayloadFormat format)
{
	return format == FORMAT_OTLP ? "]}" : "]";
}

/*
 * append: append text to an allocated string.  Out of memory: returns NULL and
 * frees the string.
 */
static char *
append(char *to, const char *text, size_t len)
{
	size_t		old = to ? strlen(to) : 0;
	char	   *grown = realloc(to, old + len + 1);

	if (grown == NULL)
	{
		free(to);
		return NULL;
	}
	memcpy(grown + old, text, len);
	grown[old + len] = '\0';
	return grown;
}

char *
payload_url(PayloadFormat format, const char *url, const char *user_id)
{
	char	   *escaped = url_escape(user_id ? user_id : "");
	char	   *result = escaped ? append(NULL, "", 0) : NULL;

	while (result && *url)
	{
		size_t		plain = strcspn(url, "<");

		result = append(result, url, plain);
		url += plain;
		if (result == NULL || *url == '\0')
			break;
		if (strncmp(url, "<userId>", 8) == 0)
			result = append(result, escaped, strlen(escaped));
		else
			result = append(result, notification_type(format),
							strlen(notification_type(format)));
		url += strcspn(url, ">") + 1;
	}
	free(escaped);
	return result;
}

bool
payload_user_fits(const char *url, const char *user_id)
{
	return user_id == NULL || strstr(url, "<userId>") == NULL ||
		!url_path_climbs(url, user_id);
}
