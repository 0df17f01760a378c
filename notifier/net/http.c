/*
 * http.c
 *		Sends the requests of a webhook.
 *
 * Receivers are not trusted: at most HTTP_MAX_ANSWER bytes of an answer are
 * read, and as many of its headers; redirects are not followed; only http and
 * https are allowed.  Certificates are verified unless the configuration
 * disables that.
 *
 * libcurl looks up names in threads.  A thread that takes too long is
 * abandoned, since waiting for it would delay all other webhooks.
 *
 * A server may close a connection at any time, and often does so after a
 * number of requests (GOAWAY, keepalive_requests).  A request that fails for
 * this reason, without a byte of an answer, is sent again at once.
 */
#include "net/http.h"

#include "base/logging.h"
#include "base/loop.h"
#include "net/http_judge.h"
#include "net/http_multi.h"
#include "net/http_request.h"
#include "net/http_socket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TRANSFER_BUFFER	(16L * 1024)
#define MAX_REPEATS		3
#define MAX_LOST		30000	/* ms */
#define MIN_LOST		1000

struct HttpClient
{
	const WebhookConfig *config;
	struct curl_slist *connect_to;	/* for server_name */
	int			lost;			/* ms after which a silent connection is given
								 * up */
	size_t		kept;
	HttpRequest *idle;
	HttpRequest *busy;
};

static void finished(CURL *easy, CURLcode code);

bool
http_init(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
		return true;
	log_event(LOG_LEVEL_ERROR, "could not initialize libcurl", NULL);
	return false;
}

void
http_cleanup(void)
{
	http_multi_cleanup();
	curl_global_cleanup();
}

/*
 * keep_answer: keep the beginning of an answer, count the rest, and refuse too
 * much.
 */
static size_t
keep_answer(char *data, size_t size, size_t n, void *arg)
{
	HttpRequest *request = arg;
	size_t		len = size * n;
	size_t		room = request->received < request->kept ?
		request->kept - request->received : 0;

	if (room > 0)
		memcpy(request->answer + request->received, data,
			   len < room ? len : room);
	request->received += len;
	return request->received > HTTP_MAX_ANSWER ? 0 : len;
}

/*
 * count_header: limit the headers of an answer, since libcurl keeps them.
 */
static size_t
count_header(char *data, size_t size, size_t n, void *arg)
{
	HttpRequest *request = arg;

	if (size * n <= 2 && *data == '\r')
		request->headed = true;
	if (request->received_headers == 0)
		http_socket_heard(request->easy);
	request->received_headers += size * n;
	return request->received_headers > HTTP_MAX_ANSWER ? 0 : size * n;
}

/*
 * note_tls: note that the TLS handshake has begun, which libcurl does not
 * record.
 */
static CURLcode
note_tls(CURL *easy, void *context, void *arg)
{
	HttpRequest *request = arg;

	(void) easy;
	(void) context;
	request->secured = true;
	return CURLE_OK;
}

static void
unlink_busy(HttpRequest *request)
{
	HttpRequest **at = &request->client->busy;

	while (*at != request)
		at = &(*at)->next;
	*at = request->next;
}

/*
 * time_left: the ms left of the time limit of a request.
 */
static long
time_left(const HttpRequest *request)
{
	return (long) (request->client->config->timeout -
				   (loop_now() - request->started));
}

/*
 * may_repeat: did the request fail because a reused connection was closed,
 * without a byte of an answer?
 */
static bool
may_repeat(const HttpRequest *request, CURLcode code)
{
	long		connections = 1;

	switch (code)
	{
		case CURLE_SEND_ERROR:
		case CURLE_RECV_ERROR:
		case CURLE_GOT_NOTHING:
		case CURLE_PARTIAL_FILE:	/* a stream of HTTP/2 that was closed */
		case CURLE_HTTP2:
		case CURLE_HTTP2_STREAM:
			break;
		default:
			return false;
	}
	return request->repeats < MAX_REPEATS && request->received == 0 &&
		request->received_headers == 0 && time_left(request) > 0 &&
		curl_easy_getinfo(request->easy, CURLINFO_NUM_CONNECTS,
						  &connections) == CURLE_OK && connections == 0;
}

/*
 * begin: hand the request to libcurl, for the first time or again; the last
 * time on a new connection.
 */
static bool
begin(HttpRequest *request)
{
	request->received = request->received_headers = 0;
	request->headed = request->secured = false;
	request->local_error = 0;
	request->problem[0] = '\0';
	return curl_easy_setopt(request->easy, CURLOPT_TIMEOUT_MS,
							time_left(request)) == CURLE_OK &&
		curl_easy_setopt(request->easy, CURLOPT_FRESH_CONNECT,
						 request->repeats == MAX_REPEATS ? 1L : 0L) == CURLE_OK &&
		http_multi_add(request->easy);
}

/*
 * finished: a transfer has ended; start it again, or return the result.
 */
static void
finished(CURL *easy, CURLcode code)
{
	HttpRequest *request = NULL;
	HttpResult	result;

	(void) curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **) &request);
	if (may_repeat(request, code))
	{
		http_multi_remove(easy);
		request->repeats++;
		if (begin(request))
			return;
		code = CURLE_OUT_OF_MEMORY;
	}
	http_judge(request, request->client->config, code, &result);
	if (result.outcome == HTTP_TIMEOUT)
		http_socket_retire(easy, request->started);
	http_multi_remove(easy);
	curl_slist_free_all(request->headers);
	request->headers = NULL;
	unlink_busy(request);
	request->next = request->client->idle;
	request->client->idle = request;
	request->callback(request->arg, &result);
}

/*
 * set_blob: set a file that was read with the configuration. libcurl compares
 * the contents, so it does not reuse a connection made with others.
 */
static bool
set_blob(CURL *easy, CURLoption option, char *text)
{
	struct curl_blob blob = {
		.data = text,.len = strlen(text),.flags = CURL_BLOB_NOCOPY
	};

	return curl_easy_setopt(easy, option, &blob) == CURLE_OK;
}

/*
 * set_up: set the options that all requests of a webhook share.
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
	SET(CURLOPT_HTTP_VERSION, config->enable_http2 ?
		CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1);
	/* with TLS, HTTP/2 is known at once; otherwise, only after an answer */
	SET(CURLOPT_PIPEWAIT, config->enable_http2 &&
		strncasecmp(config->url, "https:", 6) == 0 ? 1L : 0L);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_BUFFERSIZE, TRANSFER_BUFFER);
	SET(CURLOPT_UPLOAD_BUFFERSIZE, TRANSFER_BUFFER);
	SET(CURLOPT_WRITEFUNCTION, keep_answer);
	SET(CURLOPT_WRITEDATA, request);
	SET(CURLOPT_HEADERFUNCTION, count_header);
	SET(CURLOPT_HEADERDATA, request);
	SET(CURLOPT_ERRORBUFFER, request->problem);
	SET(CURLOPT_SSL_CTX_FUNCTION, note_tls);
	SET(CURLOPT_SSL_CTX_DATA, request);
#if LIBCURL_VERSION_NUM >= 0x075700
	SET(CURLOPT_QUICK_EXIT, 1L);
#endif
	SET(CURLOPT_SSL_VERIFYPEER, config->insecure_skip_verify ? 0L : 1L);
	SET(CURLOPT_SSL_VERIFYHOST, config->insecure_skip_verify ? 0L : 2L);
	SET(CURLOPT_SSLVERSION, config->min_version);
	SET(CURLOPT_PROXY, config->proxy_url ? config->proxy_url : "");
	SET(CURLOPT_NOPROXY, config->no_proxy ? config->no_proxy : "");
	if (config->ca)
	{
		/* only these authorities, not those of the system */
		ok = set_blob(easy, CURLOPT_CAINFO_BLOB, config->ca) && ok;
		SET(CURLOPT_CAPATH, NULL);
	}
	if (config->cert)
		ok = set_blob(easy, CURLOPT_SSLCERT_BLOB, config->cert) && ok;
	if (config->key)
		ok = set_blob(easy, CURLOPT_SSLKEY_BLOB, config->key) && ok;
	if (config->username)
	{
		SET(CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
		SET(CURLOPT_USERNAME, config->username);
		SET(CURLOPT_PASSWORD, config->password ? config->password : "");
	}
	if (request->client->connect_to)
		SET(CURLOPT_CONNECT_TO, request->client->connect_to);
#undef SET
	return ok && http_socket_configure(easy, &request->client->lost,
									   &request->local_error);
}

/*
 * new_request: an idle request, or a new one.
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
	request = calloc(1, sizeof(HttpRequest) + client->kept);
	if (request == NULL)
		return NULL;
	request->client = client;
	request->kept = client->kept;
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
 * add_headers: our headers, those of the request, and the configured ones.
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
 * name_server: if there is a server_name, request that name so that the
 * certificate is verified for it, but connect to the host of the URL.
 * Allocated.
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
			request->client->connect_to = curl_slist_append(NULL, header);
		snprintf(header, sizeof(header), "Host: %s:%s", host, port);
		if (request->client->connect_to &&
			curl_easy_setopt(request->easy, CURLOPT_CONNECT_TO,
							 request->client->connect_to) == CURLE_OK &&
			add_header(request, header) &&
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
	request->started = loop_now();
	request->repeats = 0;
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
						 request->headers) == CURLE_OK && begin(request);
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
http_client_create(const WebhookConfig *config, size_t kept)
{
	HttpClient *client = http_multi_init(finished) ?
		calloc(1, sizeof(HttpClient)) : NULL;

	if (client == NULL)
		return NULL;
	client->config = config;
	client->kept = kept;
	client->lost = config->timeout < MIN_LOST ? MIN_LOST :
		config->timeout > MAX_LOST ? MAX_LOST : (int) config->timeout;
	http_multi_keep(config->max_concurrency);
	return client;
}

static void
destroy_request(HttpRequest *request)
{
	curl_easy_cleanup(request->easy);
	curl_slist_free_all(request->headers);
	free(request);
}

void
http_client_destroy(HttpClient *client)
{
	if (client == NULL)
		return;
	while (client->busy)
	{
		HttpRequest *request = client->busy;

		client->busy = request->next;
		http_multi_remove(request->easy);
		request->callback(request->arg, NULL);
		destroy_request(request);
	}
	while (client->idle)
	{
		HttpRequest *request = client->idle;

		client->idle = request->next;
		destroy_request(request);
	}
	http_multi_keep(-client->config->max_concurrency);
	curl_slist_free_all(client->connect_to);
	free(client);
}
