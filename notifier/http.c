/*
 * http.c
 *		libcurl on the loop: its sockets are watched, its one timer is set, and
 *		what is finished is handed back.
 *
 * What a receiver answers is hostile until proven: at most MAX_ANSWER bytes of
 * it are read, redirects are not followed, and no protocol but http and https
 * is spoken.  Certificates are verified unless the configuration says not to.
 */
#include "http.h"

#include "log.h"
#include "loop.h"
#include "retry.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ANSWER		(64 * 1024)
#define KEPT_ANSWER		768		/* bytes of it that go into an error */
#define TRANSFER_BUFFER	(16L * 1024)

typedef struct HttpRequest
{
	struct HttpRequest *next;	/* idle ones of the client, or all in flight */
	HttpClient *client;
	CURL	   *easy;
	struct curl_slist *headers;
	HttpCallback callback;
	void	   *arg;
	size_t		received;
	char		answer[KEPT_ANSWER];
} HttpRequest;

struct HttpClient
{
	const WebhookConfig *config;
	struct curl_slist *connect_to;	/* where server_name is another's */
	HttpRequest *idle;
	HttpRequest *busy;
};

static CURLM *multi = NULL;
static LoopTimer timer;

static void take_finished(void);

static void
at_timeout(void *arg)
{
	int			running;

	(void) arg;
	curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
	take_finished();
}

static int
set_timer(CURLM *curlm, long ms, void *arg)
{
	(void) curlm;
	(void) arg;
	if (ms < 0)
		loop_timer_clear(&timer);
	else
		loop_timer_set(&timer, ms, at_timeout, NULL);
	return 0;
}

static void
at_socket(void *arg, uint32_t events)
{
	int			flags = 0;
	int			running;

	if (events & EPOLLIN)
		flags |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		flags |= CURL_CSELECT_OUT;
	if (events & (EPOLLERR | EPOLLHUP))
		flags |= CURL_CSELECT_ERR;
	curl_multi_socket_action(multi, (curl_socket_t) (intptr_t) arg, flags,
							 &running);
	take_finished();
}

static int
set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	(void) easy;
	(void) arg;
	(void) socket_arg;
	if (what == CURL_POLL_REMOVE)
		loop_unwatch(fd);
	else
		(void) loop_watch(fd, (what & CURL_POLL_IN ? EPOLLIN : 0u) |
						  (what & CURL_POLL_OUT ? EPOLLOUT : 0u),
						  at_socket, (void *) (intptr_t) fd);
	return 0;
}

bool
http_init(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
		(multi = curl_multi_init()) == NULL)
	{
		log_event(LOG_LEVEL_ERROR, "could not initialize libcurl", NULL);
		return false;
	}
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, set_socket);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer);
	return true;
}

void
http_cleanup(void)
{
	loop_timer_clear(&timer);
	curl_multi_cleanup(multi);
	multi = NULL;
	curl_global_cleanup();
}

char *
http_escape(const char *text)
{
	char	   *escaped = curl_easy_escape(NULL, text, 0);
	char	   *copy = escaped ? strdup(escaped) : NULL;

	curl_free(escaped);
	return copy;
}

/*
 * keep_answer: the beginning is kept, the rest counted, and too much refused.
 */
static size_t
keep_answer(char *data, size_t size, size_t n, void *arg)
{
	HttpRequest *request = arg;
	size_t		len = size * n;
	size_t		room = request->received < KEPT_ANSWER ?
	KEPT_ANSWER - request->received : 0;

	if (room > 0)
		memcpy(request->answer + request->received, data,
			   len < room ? len : room);
	request->received += len;
	return request->received > MAX_ANSWER ? 0 : len;
}

/*
 * phase: how far a transfer had come when its time was over.
 */
static const char *
phase(CURL *easy)
{
	static const struct
	{
		CURLINFO	info;
		const char *name;
	}			phases[] = {
		{CURLINFO_STARTTRANSFER_TIME_T, "receiving the answer"},
		{CURLINFO_PRETRANSFER_TIME_T, "waiting for the answer"},
		{CURLINFO_CONNECT_TIME_T, "negotiating TLS"},
		{CURLINFO_NAMELOOKUP_TIME_T, "connecting"}
	};

	for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
	{
		curl_off_t	at = 0;

		if (curl_easy_getinfo(easy, phases[i].info, &at) == CURLE_OK && at > 0)
			return phases[i].name;
	}
	return "looking up the name";
}

/*
 * reason_of: a failure without an answer in one word.
 */
static const char *
reason_of(CURLcode code)
{
	switch (code)
	{
		case CURLE_OPERATION_TIMEDOUT:
			return "timeout";
		case CURLE_COULDNT_RESOLVE_HOST:
		case CURLE_COULDNT_RESOLVE_PROXY:
			return "dns";
		case CURLE_COULDNT_CONNECT:
			return "connect";
		case CURLE_SSL_CONNECT_ERROR:
		case CURLE_PEER_FAILED_VERIFICATION:
		case CURLE_SSL_CERTPROBLEM:
		case CURLE_SSL_CACERT_BADFILE:
		case CURLE_SSL_CIPHER:
		case CURLE_SSL_ISSUER_ERROR:
			return "tls";
		default:
			return "network";
	}
}

/*
 * judge: what became of it.
 */
static void
judge(HttpRequest *request, CURLcode code, HttpResult *result)
{
	curl_off_t	number = 0;
	char		answer[KEPT_ANSWER + 1];

	memset(result, 0, sizeof(*result));
	curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &result->status);
	if (curl_easy_getinfo(request->easy, CURLINFO_TOTAL_TIME_T,
						  &number) == CURLE_OK)
		result->seconds = (double) number / 1e6;
	number = 0;
	if (curl_easy_getinfo(request->easy, CURLINFO_RETRY_AFTER,
						  &number) == CURLE_OK)
		result->retry_after = retry_after_bound(number);

	/* an answer that is too long is an answer all the same */
	if (code == CURLE_WRITE_ERROR && request->received > MAX_ANSWER)
		code = CURLE_OK;
	if (code == CURLE_OK)
	{
		result->ok = result->status >= 200 && result->status <= 299;
		result->reason = result->status >= 500 ? "5xx" :
			result->status >= 400 ? "4xx" : "status";
		printable(answer, sizeof(answer), request->answer,
				  request->received < KEPT_ANSWER ? request->received :
				  KEPT_ANSWER);
		snprintf(result->error, sizeof(result->error), "HTTP status %ld%s%s",
				 result->status, *answer ? ": " : "", answer);
		return;
	}
	result->status = 0;
	result->reason = reason_of(code);
	if (code == CURLE_OPERATION_TIMEDOUT)
		snprintf(result->error, sizeof(result->error), "timed out %s",
				 phase(request->easy));
	else
		snprintf(result->error, sizeof(result->error), "%s",
				 curl_easy_strerror(code));
}

static void
unlink_busy(HttpRequest *request)
{
	HttpRequest **at = &request->client->busy;

	while (*at != request)
		at = &(*at)->next;
	*at = request->next;
}

static void
take_finished(void)
{
	CURLMsg    *message;
	int			left;

	while ((message = curl_multi_info_read(multi, &left)) != NULL)
	{
		CURL	   *easy = message->easy_handle;
		CURLcode	code = message->data.result;
		HttpRequest *request;
		HttpResult	result;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **) &request);
		judge(request, code, &result);
		curl_multi_remove_handle(multi, easy);
		curl_slist_free_all(request->headers);
		request->headers = NULL;
		unlink_busy(request);
		request->next = request->client->idle;
		request->client->idle = request;
		request->callback(request->arg, &result);
	}
}

/*
 * set_up: the options that all requests of a webhook share.
 */
static bool
set_up(HttpRequest *request)
{
	const WebhookConfig *config = request->client->config;
	CURL	   *easy = request->easy;
	bool		ok = true;

#define SET(option, value) \
	(ok = curl_easy_setopt(easy, option, value) == CURLE_OK && ok)

	SET(CURLOPT_PRIVATE, request);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_POST, 1L);
	SET(CURLOPT_USERAGENT, "eventlog-notifier/" EVENTLOG_VERSION);
	SET(CURLOPT_TIMEOUT_MS, (long) config->timeout);
	SET(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
	SET(CURLOPT_PIPEWAIT, 1L);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_BUFFERSIZE, TRANSFER_BUFFER);
	SET(CURLOPT_UPLOAD_BUFFERSIZE, TRANSFER_BUFFER);
	SET(CURLOPT_WRITEFUNCTION, keep_answer);
	SET(CURLOPT_WRITEDATA, request);
	SET(CURLOPT_SSL_VERIFYPEER, config->insecure_skip_verify ? 0L : 1L);
	SET(CURLOPT_SSL_VERIFYHOST, config->insecure_skip_verify ? 0L : 2L);
	SET(CURLOPT_SSLVERSION, config->min_version);
	SET(CURLOPT_PROXY, config->proxy_url ? config->proxy_url : "");
	SET(CURLOPT_NOPROXY, config->no_proxy ? config->no_proxy : "");
	if (config->ca_file)
		SET(CURLOPT_CAINFO, config->ca_file);
	if (config->cert_file)
		SET(CURLOPT_SSLCERT, config->cert_file);
	if (config->key_file)
		SET(CURLOPT_SSLKEY, config->key_file);
	if (config->username)
	{
		SET(CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
		SET(CURLOPT_USERNAME, config->username);
		SET(CURLOPT_PASSWORD, config->password ? config->password : "");
	}
	if (request->client->connect_to)
		SET(CURLOPT_CONNECT_TO, request->client->connect_to);
#undef SET
	return ok;
}

/*
 * new_request: one that is idle, or a new one.
 */
static HttpRequest *
new_request(HttpClient *client)
{
	HttpRequest *request = client->idle;

	if (request)
	{
		client->idle = request->next;
		return request;
	}
	request = calloc(1, sizeof(HttpRequest));
	if (request == NULL)
		return NULL;
	request->client = client;
	request->easy = curl_easy_init();
	if (request->easy && set_up(request))
		return request;
	curl_easy_cleanup(request->easy);
	free(request);
	return NULL;
}

static bool
add_header(HttpRequest *request, const char *header)
{
	struct curl_slist *longer = curl_slist_append(request->headers, header);

	if (longer == NULL)
		return false;
	request->headers = longer;
	return true;
}

/*
 * add_headers: ours, those of the request, and those configured.
 */
static bool
add_headers(HttpRequest *request, const char *const *headers, size_t n)
{
	const WebhookConfig *config = request->client->config;
	bool		ok = add_header(request, "Expect:");

	for (size_t i = 0; i < n; i++)
		ok = ok && add_header(request, headers[i]);
	for (size_t i = 0; i < config->nheaders; i++)
		ok = ok && add_header(request, config->headers[i]);
	if (config->authorization)
	{
		size_t		size = strlen(config->authorization) + 32;
		char	   *header = malloc(size);

		if (header == NULL)
			return false;
		snprintf(header, size, "Authorization: %s", config->authorization);
		ok = ok && add_header(request, header);
		free(header);
	}
	return ok;
}

/*
 * name_server: where the certificate shall be of server_name, ask for that
 * name, and connect to the url's host nevertheless.  Allocated.
 */
static char *
name_server(HttpRequest *request, const char *url)
{
	CURLU	   *parts = curl_url();
	char	   *host = NULL;
	char	   *port = NULL;
	char	   *renamed = NULL;
	char	   *result = NULL;
	char		header[512];

	if (parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
		curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
		curl_url_get(parts, CURLUPART_PORT, &port,
					 CURLU_DEFAULT_PORT) == CURLUE_OK &&
		snprintf(header, sizeof(header), "::%s:%s", host, port) <
		(int) sizeof(header))
	{
		if (request->client->connect_to == NULL)
		{
			request->client->connect_to = curl_slist_append(NULL, header);
			curl_easy_setopt(request->easy, CURLOPT_CONNECT_TO,
							 request->client->connect_to);
		}
		snprintf(header, sizeof(header), "Host: %s:%s", host, port);
		if (request->client->connect_to && add_header(request, header) &&
			curl_url_set(parts, CURLUPART_HOST,
						 request->client->config->server_name, 0) == CURLUE_OK &&
			curl_url_get(parts, CURLUPART_URL, &renamed, 0) == CURLUE_OK)
			result = strdup(renamed);
	}
	curl_free(host);
	curl_free(port);
	curl_free(renamed);
	curl_url_cleanup(parts);
	return result;
}

bool
http_post(HttpClient *client, const char *url, const char *body, size_t len,
		  const char *const *headers, size_t nheaders, HttpCallback callback,
		  void *arg)
{
	HttpRequest *request = new_request(client);
	char	   *renamed = NULL;
	bool		ok = request != NULL;

	if (!ok)
	{
		log_event(LOG_LEVEL_ERROR, "could not make a request",
				  "webhook", client->config->name, NULL);
		return false;
	}
	request->received = 0;
	request->callback = callback;
	request->arg = arg;
	ok = add_headers(request, headers, nheaders);
	if (ok && client->config->server_name)
		ok = (renamed = name_server(request, url)) != NULL;
	ok = ok &&
		curl_easy_setopt(request->easy, CURLOPT_URL,
						 renamed ? renamed : url) == CURLE_OK &&
		curl_easy_setopt(request->easy, CURLOPT_POSTFIELDS, body) == CURLE_OK &&
		curl_easy_setopt(request->easy, CURLOPT_POSTFIELDSIZE_LARGE,
						 (curl_off_t) len) == CURLE_OK &&
		curl_easy_setopt(request->easy, CURLOPT_HTTPHEADER,
						 request->headers) == CURLE_OK &&
		curl_multi_add_handle(multi, request->easy) == CURLM_OK;
	free(renamed);
	if (ok)
	{
		request->next = client->busy;
		client->busy = request;
		return true;
	}
	log_event(LOG_LEVEL_ERROR, "could not begin a request",
			  "webhook", client->config->name, NULL);
	curl_slist_free_all(request->headers);
	request->headers = NULL;
	request->next = client->idle;
	client->idle = request;
	return false;
}

HttpClient *
http_client_create(const WebhookConfig *config)
{
	HttpClient *client = calloc(1, sizeof(HttpClient));

	if (client)
		client->config = config;
	return client;
}

static void
destroy_requests(HttpRequest *request)
{
	while (request)
	{
		HttpRequest *next = request->next;

		curl_multi_remove_handle(multi, request->easy);
		curl_easy_cleanup(request->easy);
		curl_slist_free_all(request->headers);
		free(request);
		request = next;
	}
}

void
http_client_destroy(HttpClient *client)
{
	if (client == NULL)
		return;
	destroy_requests(client->busy);
	destroy_requests(client->idle);
	curl_slist_free_all(client->connect_to);
	free(client);
}
