/*
 * payload.c
 *		The headers of what is sent, and the url it is sent to.
 */
#include "webhook/payload.h"

#include "config/url_path.h"
#include "net/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * notification_type: as the body has it, where it has one.
 */
static const char *
notification_type(PayloadFormat format)
{
	return format == FORMAT_ANCHORE ? "event_log" : "event_update";
}

/*
 * The charset in lower case: it means the same in any, but the CloudEvents SDK
 * for JavaScript looks the whole value up.
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
 * append: text to an allocated string that grows; NULL when memory lacks, and
 * then the string is freed.
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
	char	   *escaped = http_escape(user_id ? user_id : "");
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
