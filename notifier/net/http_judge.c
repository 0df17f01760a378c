/*
 * http_judge.c
 *		Decides what the end of a transfer says about the event, the receiver
 *		and this host, and describes it.
 */
#include "net/http_judge.h"

#include "base/logging.h"
#include "base/retry.h"
#include "net/http_multi.h"
#include "net/http_redact.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define STATUS_NO_CONTENT			204
#define STATUS_REQUEST_TIMEOUT		408
#define STATUS_GONE					410
#define STATUS_TOO_EARLY			425
#define STATUS_TOO_MANY_REQUESTS	429
#define STATUS_UNAVAILABLE			503

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

static bool
has_time(const HttpRequest *request, CURLINFO info)
{
	curl_off_t	at = 0;

	return curl_easy_getinfo(request->easy, info, &at) == CURLE_OK && at > 0;
}

/*
 * Phase: how far a transfer was when it timed out.
 */
typedef enum Phase
{
	PHASE_LOOKUP,
	PHASE_CONNECT,
	PHASE_PROXY,
	PHASE_TLS,
	PHASE_WAIT,
	PHASE_RECEIVE
} Phase;

static Phase
phase_of(const HttpRequest *request)
{
	if (has_time(request, CURLINFO_STARTTRANSFER_TIME_T))
		return PHASE_RECEIVE;
	if (has_time(request, CURLINFO_PRETRANSFER_TIME_T))
		return PHASE_WAIT;
	if (request->secured)
		return PHASE_TLS;
	if (has_time(request, CURLINFO_CONNECT_TIME_T))
		return PHASE_PROXY;
	if (has_time(request, CURLINFO_NAMELOOKUP_TIME_T))
		return PHASE_CONNECT;
	return PHASE_LOOKUP;
}

static const char *
phase_name(Phase phase)
{
	static const char *const names[] = {
		[PHASE_LOOKUP] = "looking up the name",
		[PHASE_CONNECT] = "connecting",
		[PHASE_PROXY] = "negotiating with the proxy",
		[PHASE_TLS] = "negotiating TLS",
		[PHASE_WAIT] = "waiting for the answer",
		[PHASE_RECEIVE] = "receiving the answer"
	};

	return names[phase];
}

/*
 * reason_of: the reason of a failure without an answer.
 */
static HttpReason
reason_of(CURLcode code)
{
	switch (code)
	{
		case CURLE_OPERATION_TIMEDOUT:
			return HTTP_REASON_TIMEOUT;
		case CURLE_COULDNT_RESOLVE_HOST:
		case CURLE_COULDNT_RESOLVE_PROXY:
			return HTTP_REASON_DNS;
		case CURLE_COULDNT_CONNECT:
			return HTTP_REASON_CONNECT;
		case CURLE_SSL_CONNECT_ERROR:
		case CURLE_PEER_FAILED_VERIFICATION:
		case CURLE_SSL_CERTPROBLEM:
		case CURLE_SSL_CACERT_BADFILE:
		case CURLE_SSL_CIPHER:
		case CURLE_SSL_ISSUER_ERROR:
			return HTTP_REASON_TLS;
		case CURLE_OUT_OF_MEMORY:
		case CURLE_FAILED_INIT:
			return HTTP_REASON_LOCAL;
		default:
			return HTTP_REASON_NETWORK;
	}
}

/*
 * local_error: the errno if this host lacks a resource; else 0.
 */
static int
local_error(const HttpRequest *request)
{
	long		error = request->local_error;

	if (error == 0)
		(void) curl_easy_getinfo(request->easy, CURLINFO_OS_ERRNO, &error);
	switch (error)
	{
		case EMFILE:
		case ENFILE:
		case ENOMEM:
		case ENOBUFS:
		case EADDRNOTAVAIL:
		case EACCES:
		case EPERM:
			return (int) error;
	}
	return 0;
}

/*
 * outcome_of: the outcome of a failure without an answer.
 */
static HttpOutcome
outcome_of(const HttpRequest *request, CURLcode code)
{
	switch (code)
	{
		case CURLE_OUT_OF_MEMORY:
		case CURLE_FAILED_INIT:
		case CURLE_COULDNT_RESOLVE_HOST:
		case CURLE_COULDNT_RESOLVE_PROXY:
		case CURLE_SSL_CERTPROBLEM:
		case CURLE_SSL_CACERT_BADFILE:
			return HTTP_LOCAL_TROUBLE;
		case CURLE_COULDNT_CONNECT:
			return local_error(request) ? HTTP_LOCAL_TROUBLE : HTTP_FAILED;
		case CURLE_OPERATION_TIMEDOUT:
			return phase_of(request) == PHASE_LOOKUP ||
				http_multi_blind() >= request->started ?
				HTTP_LOCAL_TROUBLE : HTTP_TIMEOUT;
		default:
			return HTTP_FAILED;
	}
}

/*
 * explain: describe a failure without an answer.  For these errors libcurl's
 * details do not quote the configuration; for others they can.
 */
static const char *
explain(const HttpRequest *request, CURLcode code)
{
	if (*request->problem &&
		(code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT ||
		 code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR ||
		 reason_of(code) == HTTP_REASON_TLS))
		return request->problem;
	return curl_easy_strerror(code);
}

/*
 * judge_status: set outcome and reason by the status of an answer.
 */
static void
judge_status(HttpResult *result)
{
	long		status = result->status;

	result->reason = status >= 500 ? HTTP_REASON_5XX :
		status >= 400 ? HTTP_REASON_4XX : HTTP_REASON_STATUS;
	if (status >= 200 && status <= 299)
	{
		result->outcome = HTTP_OK;
		result->reason = HTTP_REASON_NONE;
	}
	else if (status == STATUS_GONE)
		result->outcome = HTTP_GONE;
	else if (status == STATUS_TOO_MANY_REQUESTS ||
			 (status == STATUS_UNAVAILABLE && result->retry_after > 0))
		result->outcome = HTTP_LATER;
	else if (status >= 400 && status <= 499 &&
			 status != STATUS_REQUEST_TIMEOUT && status != STATUS_TOO_EARLY)
		result->outcome = HTTP_REFUSED;
	else
		result->outcome = HTTP_FAILED;
}

/*
 * answered: fill in the result of an answered request.
 */
static void
answered(HttpRequest *request, const WebhookConfig *config, HttpResult *result)
{
	size_t		len = request->received < request->kept ?
		request->received : request->kept;
	char		answer[HTTP_ERROR_SIZE];
	int			head;

	judge_status(result);
	result->answer = request->answer;
	result->answer_len = len;
	if (result->outcome == HTTP_OK)
		return;
	http_redact(config, request->answer, len);
	http_redact_headers(request->headers, request->answer, len);
	printable(answer, sizeof(answer), request->answer, len);
	head = snprintf(result->error, sizeof(result->error), "HTTP status %ld%s",
					result->status, *answer ? ": " : "");
	printable(result->error + head, sizeof(result->error) - (size_t) head,
			  answer, strlen(answer));
}

/*
 * unanswered: fill in the result of a request without a complete answer.
 */
static void
unanswered(HttpRequest *request, CURLcode code, HttpResult *result)
{
	int			error = local_error(request);

	result->status = 0;
	result->reason = reason_of(code);
	result->outcome = outcome_of(request, code);
	if (code == CURLE_OPERATION_TIMEDOUT)
	{
		if (result->outcome == HTTP_LOCAL_TROUBLE)
			result->reason = phase_of(request) == PHASE_LOOKUP ?
				HTTP_REASON_DNS : HTTP_REASON_LOCAL;
		snprintf(result->error, sizeof(result->error), "timed out %s",
				 phase_name(phase_of(request)));
	}
	else if (result->outcome == HTTP_LOCAL_TROUBLE &&
			 code == CURLE_COULDNT_CONNECT)
	{
		result->reason = HTTP_REASON_LOCAL;
		snprintf(result->error, sizeof(result->error),
				 "could not make a connection: %s", strerror(error));
	}
	else
		printable(result->error, sizeof(result->error), explain(request, code),
				  strlen(explain(request, code)));
}

/*
 * is_whole: is the answer complete, although the transfer failed?  It is if it
 * was only too long, or if the connection broke after its end.
 */
static bool
is_whole(const HttpRequest *request, long status)
{
	curl_off_t	expected = -1;

	if (request->received > HTTP_MAX_ANSWER ||
		request->received_headers > HTTP_MAX_ANSWER)
		return true;
	if (!request->headed || status < 200)
		return false;
	(void) curl_easy_getinfo(request->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T,
							 &expected);
	return status == STATUS_NO_CONTENT ||
		(expected >= 0 && request->received >= (size_t) expected);
}

void
http_judge(HttpRequest *request, const WebhookConfig *config, CURLcode code,
		   HttpResult *result)
{
	curl_off_t	number = 0;

	memset(result, 0, sizeof(*result));
	(void) curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE,
							 &result->status);
	if (curl_easy_getinfo(request->easy, CURLINFO_TOTAL_TIME_T,
						  &number) == CURLE_OK)
		result->seconds = (double) number / 1e6;
	number = 0;
	if (curl_easy_getinfo(request->easy, CURLINFO_RETRY_AFTER,
						  &number) == CURLE_OK)
		result->retry_after = retry_after_bound(number);

	if (code == CURLE_OK || is_whole(request, result->status))
		answered(request, config, result);
	else
		unanswered(request, code, result);
}
