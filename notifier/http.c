/*
 * http.c
 *		libcurl on the loop: its sockets are watched, its one timer is set, and
 *		what is finished is handed back.
 *
 * What a receiver answers is hostile until proven: at most MAX_ANSWER bytes of
 * it are read, and as many of its headers, redirects are not followed, and no
 * protocol but http and https is spoken.  Certificates are verified unless the
 * configuration says not to.
 *
 * Many receivers answer an error with the request that they did not like.
 * Since the answer is kept where others read it, the webhook's secrets are
 * blotted out of it.
 *
 * Names are looked up by libcurl in threads, which are left behind when the
 * time is over: waited for, they would hold up all other webhooks.
 */
#include "http.h"

#include "log.h"
#include "loop.h"
#include "retry.h"

#include <curl/curl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_ANSWER		(64 * 1024)
#define KEPT_ANSWER		2048	/* bytes of it, of which an error is made */
#define MIN_SECRET		8		/* shorter ones would blot out anything */
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
	size_t		received_headers;
	bool		secured;		/* TLS has begun */
	char		problem[CURL_ERROR_SIZE];
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
static long max_connections = 0;	/* that can be of use: of all clients */
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
	if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
		return true;
	log_event(LOG_LEVEL_ERROR, "could not initialize libcurl", NULL);
	return false;
}

void
http_forget(void)
{
	curl_multi_cleanup(multi);
	multi = NULL;
	loop_timer_clear(&timer);
}

void
http_cleanup(void)
{
	http_forget();
	curl_global_cleanup();
}

/*
 * make_multi: what all transfers go by, when the first client needs it.
 */
static bool
make_multi(void)
{
	if (multi == NULL)
		multi = curl_multi_init();
	return multi &&
		curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, set_socket) == CURLM_OK &&
		curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer) == CURLM_OK;
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
 * count_header: libcurl keeps them, so there are not to be too many.
 */
static size_t
count_header(char *data, size_t size, size_t n, void *arg)
{
	HttpRequest *request = arg;

	(void) data;
	request->received_headers += size * n;
	return request->received_headers > MAX_ANSWER ? 0 : size * n;
}

/*
 * blot_out: wherever it stands in the text.
 */
static void
blot_out(char *text, size_t len, const char *secret, size_t secret_len)
{
	char	   *end = text + len;

	if (secret_len < MIN_SECRET)
		return;
	while ((text = memmem(text, (size_t) (end - text), secret,
						  secret_len)) != NULL)
	{
		memset(text, '*', secret_len);
		text += secret_len;
	}
}

/*
 * blot_out_credentials: user and password, as the header has them.
 */
static void
blot_out_credentials(char *text, size_t len, const char *username,
					 const char *password)
{
	size_t		size = strlen(username) + strlen(password) + 2;
	char	   *plain = malloc(size);
	char	   *encoded = malloc(size / 3 * 4 + 5);

	if (plain && encoded)
	{
		snprintf(plain, size, "%s:%s", username, password);
		EVP_EncodeBlock((unsigned char *) encoded, (unsigned char *) plain,
						(int) size - 1);
		blot_out(text, len, encoded, strlen(encoded));
	}
	else
		memset(text, '*', len);
	free(plain);
	free(encoded);
	blot_out(text, len, password, strlen(password));
}

/*
 * blot_out_url: whatever comes behind the host and is no placeholder, word by
 * word, and user and password.
 */
static void
blot_out_url(char *text, size_t len, const char *url)
{
	const char *host = strstr(url, "://") + 3;
	const char *rest = host + strcspn(host, "/?");
	CURLU	   *parts = curl_url();
	char	   *root = strndup(url, (size_t) (rest - url));
	char	   *user = NULL;
	char	   *password = NULL;

	if (parts == NULL || root == NULL ||
		curl_url_set(parts, CURLUPART_URL, root, 0) != CURLUE_OK)
		memset(text, '*', len);
	else if (curl_url_get(parts, CURLUPART_PASSWORD, &password,
						  CURLU_URLDECODE) == CURLUE_OK &&
			 curl_url_get(parts, CURLUPART_USER, &user,
						  CURLU_URLDECODE) == CURLUE_OK)
		blot_out_credentials(text, len, user, password);
	curl_free(user);
	curl_free(password);
	curl_url_cleanup(parts);
	free(root);
	while (*rest)
	{
		size_t		word = strcspn(rest, "/?&=;<");

		blot_out(text, len, rest, word);
		rest += word;
		rest += *rest == '<' ? strcspn(rest, ">") : *rest != '\0';
	}
}

/*
 * blot_out_secrets: of an answer, before it is cut.
 */
static void
blot_out_secrets(const WebhookConfig *config, char *text, size_t len)
{
	blot_out_url(text, len, config->url);
	if (config->username)
		blot_out_credentials(text, len, config->username,
							 config->password ? config->password : "");
	if (config->authorization)
	{
		const char *secret = strchr(config->authorization, ' ') + 1;

		blot_out(text, len, secret, strlen(secret));
	}
	for (size_t i = 0; i < config->nheaders; i++)
	{
		const char *value = strchr(config->headers[i], ':');

		if (value && value[1] == ' ')
			blot_out(text, len, value + 2, strlen(value + 2));
	}
}

/*
 * note_tls: it begins, for which libcurl has no time of its own.
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

static bool
has_time(const HttpRequest *request, CURLINFO info)
{
	curl_off_t	at = 0;

	return curl_easy_getinfo(request->easy, info, &at) == CURLE_OK && at > 0;
}

/*
 * phase: how far a transfer had come when its time was over.
 */
static const char *
phase(const HttpRequest *request)
{
	if (has_time(request, CURLINFO_STARTTRANSFER_TIME_T))
		return "receiving the answer";
	if (has_time(request, CURLINFO_PRETRANSFER_TIME_T))
		return "waiting for the answer";
	if (request->secured)
		return "negotiating TLS";
	if (has_time(request, CURLINFO_CONNECT_TIME_T))
		return "negotiating with the proxy";
	if (has_time(request, CURLINFO_NAMELOOKUP_TIME_T))
		return "connecting";
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
 * explain: a failure without an answer at length.  What libcurl says beyond the
 * name of an error can quote the configuration; of these errors it does not.
 */
static const char *
explain(const HttpRequest *request, CURLcode code)
{
	if (*request->problem &&
		(code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT ||
		 code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR ||
		 strcmp(reason_of(code), "tls") == 0))
		return request->problem;
	return curl_easy_strerror(code);
}

/*
 * answered: tell of an answer by its status, and keep the beginning of it.
 */
static void
answered(HttpRequest *request, HttpResult *result)
{
	size_t		len = request->received < KEPT_ANSWER ? request->received :
	KEPT_ANSWER;
	char		answer[KEPT_ANSWER + 1];
	int			head;

	result->ok = result->status >= 200 && result->status <= 299;
	result->reason = result->status >= 500 ? "5xx" :
		result->status >= 400 ? "4xx" : "status";
	if (result->ok)
		return;
	blot_out_secrets(request->client->config, request->answer, len);
	printable(answer, sizeof(answer), request->answer, len);
	head = snprintf(result->error, sizeof(result->error), "HTTP status %ld%s",
					result->status, *answer ? ": " : "");
	printable(result->error + head, sizeof(result->error) - (size_t) head,
			  answer, len);
}

/*
 * judge: what became of it.
 */
static void
judge(HttpRequest *request, CURLcode code, HttpResult *result)
{
	curl_off_t	number = 0;

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
	if (code == CURLE_WRITE_ERROR && (request->received > MAX_ANSWER ||
									  request->received_headers > MAX_ANSWER))
		code = CURLE_OK;
	if (code == CURLE_OK)
	{
		answered(request, result);
		return;
	}
	result->status = 0;
	result->reason = reason_of(code);
	if (code == CURLE_OPERATION_TIMEDOUT)
		snprintf(result->error, sizeof(result->error), "timed out %s",
				 phase(request));
	else
		printable(result->error, sizeof(result->error), explain(request, code),
				  strlen(explain(request, code)));
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
	/* TLS tells at once whether it is HTTP/2; others, with their answer only */
	SET(CURLOPT_PIPEWAIT, strncasecmp(config->url, "https:", 6) == 0 ? 1L : 0L);
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
	request->received = request->received_headers = 0;
	request->secured = false;
	request->problem[0] = '\0';
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

/*
 * keep_connections: so many more, or fewer, are kept for the next request; by
 * itself libcurl keeps a few times as many as are in use just now.
 */
static void
keep_connections(int n)
{
	max_connections += n;
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, max_connections);
}

HttpClient *
http_client_create(const WebhookConfig *config)
{
	HttpClient *client = make_multi() ? calloc(1, sizeof(HttpClient)) : NULL;

	if (client == NULL)
		return NULL;
	client->config = config;
	keep_connections(config->max_concurrency);
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
		curl_multi_remove_handle(multi, request->easy);
		request->callback(request->arg, NULL);
		destroy_request(request);
	}
	while (client->idle)
	{
		HttpRequest *request = client->idle;

		client->idle = request->next;
		destroy_request(request);
	}
	keep_connections(-client->config->max_concurrency);
	curl_slist_free_all(client->connect_to);
	free(client);
}
