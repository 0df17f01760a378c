/*
 * listener.c
 *		Runs libmicrohttpd on the loop.
 */
#include "app/listener.h"

#include "app/landing.h"
#include "app/landing_style.h"
#include "app/metrics.h"
#include "base/logging.h"
#include "base/loop.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS		16
#define TIMEOUT			10		/* seconds */
#define BACKLOG			64
#define TROUBLE_SIZE	4096

static struct MHD_Daemon *server = NULL;
static int	server_fd = -1;
static struct sockaddr_storage listens_at;
static const ListenerSource *source = NULL;
static LoopTimer timer;

/*
 * Answer: a page that is being sent.
 */
typedef struct Answer
{
	const PageWriter *writer;
	Page		page;
	char	   *piece;
	size_t		len;
	size_t		sent;
} Answer;

/*
 * next_bytes: give the connection as much as it takes now.
 */
static ssize_t
next_bytes(void *arg, uint64_t pos, char *to, size_t max)
{
	Answer	   *answer = arg;
	size_t		n;

	(void) pos;
	if (answer->sent == answer->len)
	{
		PageSource	now;

		if (answer->page.done)
			return MHD_CONTENT_READER_END_OF_STREAM;
		free(answer->piece);
		source->source(&now);
		answer->sent = answer->len = 0;
		answer->piece = page_piece(answer->writer, &answer->page, &now,
								   &answer->len);
		if (answer->piece == NULL)
			return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	n = answer->len - answer->sent < max ? answer->len - answer->sent : max;
	memcpy(to, answer->piece + answer->sent, n);
	answer->sent += n;
	return n > 0 ? (ssize_t) n : MHD_CONTENT_READER_END_OF_STREAM;
}

static void
free_answer(void *arg)
{
	Answer	   *answer = arg;

	free(answer->piece);
	free(answer);
}

/*
 * send_response: send a response and destroy it. headers: names and values,
 * ended by a NULL.  A response of NULL means out of memory.
 */
static enum MHD_Result
send_response(struct MHD_Connection *connection, unsigned int status,
			  struct MHD_Response *response, const char *const *headers)
{
	enum MHD_Result result = MHD_YES;

	if (response == NULL)
		return MHD_NO;
	for (; *headers && result == MHD_YES; headers += 2)
		result = MHD_add_response_header(response, headers[0], headers[1]);
	if (result == MHD_YES)
		result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

#define TEXT_TYPE	"Content-Type", "text/plain; version=0.0.4; charset=utf-8"

static enum MHD_Result
send_text(struct MHD_Connection *connection, unsigned int status,
		  const char *text)
{
	static const char *const headers[] = {"Allow", "GET, HEAD", TEXT_TYPE, NULL};
	struct MHD_Response *response =
		MHD_create_response_from_buffer(strlen(text), (void *) text,
										MHD_RESPMEM_MUST_COPY);

	return send_response(connection, status, response,
						 status == MHD_HTTP_METHOD_NOT_ALLOWED ? headers :
						 headers + 2);
}

static enum MHD_Result
send_pieces(struct MHD_Connection *connection, const PageWriter *writer,
			const char *const *headers)
{
	Answer	   *answer = calloc(1, sizeof(Answer));
	struct MHD_Response *response = answer ?
		MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, PAGE_PIECE,
										  next_bytes, answer, free_answer) : NULL;

	if (response == NULL)
		free(answer);
	else
		answer->writer = writer;
	return send_response(connection, MHD_HTTP_OK, response, headers);
}

static enum MHD_Result
send_metrics(struct MHD_Connection *connection)
{
	static const char *const headers[] = {TEXT_TYPE, NULL};

	return send_pieces(connection, &metrics_page, headers);
}

static enum MHD_Result
send_landing(struct MHD_Connection *connection)
{
	const char *policy = landing_policy();
	const char *const headers[] = {
		"Content-Type", "text/html; charset=utf-8",
		"Content-Security-Policy", policy,
		"X-Content-Type-Options", "nosniff",
		"Referrer-Policy", "no-referrer",
		"Cache-Control", "no-store",
		NULL
	};

	return policy ? send_pieces(connection, &landing_page, headers) : MHD_NO;
}

/*
 * send_readiness: 200, or 503 and the reasons.
 */
static enum MHD_Result
send_readiness(struct MHD_Connection *connection)
{
	char		text[TROUBLE_SIZE] = "not ready\n";
	size_t		len = strlen(text);

	source->trouble(text + len, sizeof(text) - len);
	return text[len] == '\0' ? send_text(connection, MHD_HTTP_OK, "ok\n") :
		send_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, text);
}

static enum MHD_Result
handle(void *arg, struct MHD_Connection *connection, const char *url,
	   const char *method, const char *version, const char *upload,
	   size_t *upload_size, void **state)
{
	(void) arg;
	(void) version;
	(void) upload;
	(void) upload_size;
	(void) state;
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return send_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET only\n");
	if (strcmp(url, "/") == 0)
		return send_landing(connection);
	if (strcmp(url, "/healthz") == 0)
		return send_text(connection, MHD_HTTP_OK, "ok\n");
	if (strcmp(url, "/readyz") == 0)
		return send_readiness(connection);
	if (strcmp(url, "/metrics") == 0)
		return send_metrics(connection);
	return send_text(connection, MHD_HTTP_NOT_FOUND, "not found\n");
}

static void run_server(void);

static void
timer_expired(void *arg)
{
	(void) arg;
	run_server();
}

/*
 * run_server: let the server do what it can, and set the timer for the next
 * time.
 */
static void
run_server(void)
{
	static bool reported = false;
	MHD_UNSIGNED_LONG_LONG wait;

	if (MHD_run(server) != MHD_YES && !reported)
	{
		reported = true;
		log_event(LOG_LEVEL_ERROR, "could not serve health and metrics", NULL);
	}
	if (MHD_get_timeout(server, &wait) == MHD_YES)
		loop_timer_set(&timer, (int64_t) wait, timer_expired, NULL);
	else
		loop_timer_clear(&timer);
}

static void
socket_ready(void *arg, uint32_t events)
{
	(void) arg;
	(void) events;
	run_server();
}

/*
 * open_socket: returns a listening socket; -1 and errno if that fails.
 */
static int
open_socket(const struct sockaddr_storage *address)
{
	int			yes = 1;
	int			fd = socket(address->ss_family,
							SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t	len = address->ss_family == AF_INET6 ?
		sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
		(address->ss_family == AF_INET6 &&
		 setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes)) != 0) ||
		bind(fd, (const struct sockaddr *) address, len) != 0 ||
		listen(fd, BACKLOG) != 0)
	{
		int			error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

static bool
start(const Config *config)
{
	const union MHD_DaemonInfo *info = NULL;
	int			fd = open_socket(&config->address);
	int			error = errno;

	if (fd >= 0)
	{
		server = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, handle, NULL,
								  MHD_OPTION_LISTEN_SOCKET, fd,
								  MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS,
								  MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT,
								  MHD_OPTION_END);
		error = errno;
		if (server == NULL)
			close(fd);
		else
			info = MHD_get_daemon_info(server, MHD_DAEMON_INFO_EPOLL_FD);
	}
	if (info && loop_watch(info->epoll_fd, EPOLLIN, socket_ready, NULL))
	{
		server_fd = info->epoll_fd;
		listens_at = config->address;
		return true;
	}
	log_event(LOG_LEVEL_ERROR, "could not listen", "listen", config->listen,
			  "error", strerror(error), NULL);
	listener_end();
	return false;
}

bool
listener_begin(const Config *config, const ListenerSource *what)
{
	source = what;
	if (server && memcmp(&listens_at, &config->address, sizeof(listens_at)) == 0)
		return true;
	listener_end();
	return start(config);
}

void
listener_end(void)
{
	if (server == NULL)
		return;
	loop_timer_clear(&timer);
	if (server_fd >= 0)
		loop_unwatch(server_fd);
	server_fd = -1;
	MHD_stop_daemon(server);
	server = NULL;
}
