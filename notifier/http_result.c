/*
 * http_result.c
 *		The words for why a request failed.
 */
#include "http_result.h"

const char *
http_reason_name(HttpReason reason)
{
	static const char *const names[HTTP_NREASONS] = {
		[HTTP_REASON_NONE] = "none",
		[HTTP_REASON_TIMEOUT] = "timeout",
		[HTTP_REASON_DNS] = "dns",
		[HTTP_REASON_CONNECT] = "connect",
		[HTTP_REASON_TLS] = "tls",
		[HTTP_REASON_NETWORK] = "network",
		[HTTP_REASON_4XX] = "4xx",
		[HTTP_REASON_5XX] = "5xx",
		[HTTP_REASON_STATUS] = "status",
		[HTTP_REASON_LOCAL] = "local"
	};

	return names[reason];
}
