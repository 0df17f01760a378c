/*
 * http_multi.c
 *		Connects libcurl's multi handle with the loop: watches its sockets,
 *		sets its timer, and returns finished transfers.
 */
#include "net/http_multi.h"

#include "base/logging.h"
#include "base/loop.h"

#define LOG_INTERVAL	10000	/* ms between two messages about libcurl */

static CURLM *multi = NULL;
static HttpMultiFinished at_end = NULL;
static long max_connections = 0;	/* connections to keep, of all clients */
static LoopTimer timer;
static int64_t blind = INT64_MIN;

/*
 * take_finished: return the transfers that have ended.
 */
static void
take_finished(void)
{
	CURLMsg    *message;
	int			left;

	while (multi && (message = curl_multi_info_read(multi, &left)) != NULL)
	{
		if (message->msg == CURLMSG_DONE)
			at_end(message->easy_handle, message->data.result);
	}
}

/*
 * act: let libcurl handle a socket or its timer.
 *
 * If that fails, transfers stand still until they time out.  That is logged,
 * but only now and then.
 */
static void
act(curl_socket_t fd, int flags)
{
	static int64_t logged_at = 0;
	int			running;
	CURLMcode	code = curl_multi_socket_action(multi, fd, flags, &running);

	if (code != CURLM_OK && (logged_at == 0 || loop_now() - logged_at > LOG_INTERVAL))
	{
		logged_at = loop_now();
		log_event(LOG_LEVEL_ERROR, "libcurl cannot go on with its transfers",
				  "error", curl_multi_strerror(code), NULL);
	}
	take_finished();
}

static void
at_timeout(void *arg)
{
	(void) arg;
	act(CURL_SOCKET_TIMEOUT, 0);
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

	if (events & EPOLLIN)
		flags |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		flags |= CURL_CSELECT_OUT;
	if (events & (EPOLLERR | EPOLLHUP))
		flags |= CURL_CSELECT_ERR;
	act((curl_socket_t) (intptr_t) arg, flags);
}

/*
 * set_socket: watch a socket, or stop watching it.  An error returned from
 * here would break the multi handle, so a socket that cannot be watched makes
 * its transfer time out instead.
 */
static int
set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	(void) easy;
	(void) arg;
	(void) socket_arg;
	if (what == CURL_POLL_REMOVE)
		loop_unwatch(fd);
	else if (!loop_watch(fd, (what & CURL_POLL_IN ? EPOLLIN : 0u) |
						 (what & CURL_POLL_OUT ? EPOLLOUT : 0u),
						 at_socket, (void *) (intptr_t) fd))
		blind = loop_now();
	return 0;
}

bool
http_multi_init(HttpMultiFinished finished)
{
	if (multi)
		return true;
	at_end = finished;
	multi = curl_multi_init();
	if (multi &&
		curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, set_socket) == CURLM_OK &&
		curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer) == CURLM_OK)
		return true;
	http_multi_cleanup();
	return false;
}

void
http_multi_cleanup(void)
{
	CURLM	   *old = multi;

	multi = NULL;
	(void) curl_multi_cleanup(old);
	loop_timer_clear(&timer);
}

bool
http_multi_add(CURL *easy)
{
	return curl_multi_add_handle(multi, easy) == CURLM_OK;
}

void
http_multi_remove(CURL *easy)
{
	(void) curl_multi_remove_handle(multi, easy);
}

void
http_multi_keep(int n)
{
	max_connections += n;
	(void) curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, max_connections);
}

int64_t
http_multi_blind(void)
{
	return blind;
}
