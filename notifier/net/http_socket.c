/*
 * http_socket.c
 *		Creates the sockets of libcurl's connections, so that a connection
 *		whose peer is gone can be closed.
 *
 * libcurl closes an HTTP/1.1 connection whose transfer timed out, but an
 * HTTP/2 connection has other streams and stays open.  If the peer has
 * vanished without a word, each later request would use that connection and
 * time out, too. libcurl has no function to close a connection, and does not
 * tell which one a transfer uses, but it tells its ports.  So the socket is
 * found by them and shut down, which libcurl takes for its end.
 */
#include "net/http_socket.h"

#include "base/loop.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_SPARE	32			/* reserved descriptors */

/*
 * HttpSocket: an open socket, by file descriptor.
 */
typedef struct HttpSocket
{
	bool		open;
	int			local;			/* its ports; 0: not known yet */
	int			remote;
	int64_t		heard;			/* loop_now() when data last arrived */
} HttpSocket;

static HttpSocket *sockets = NULL;
static int	nsockets = 0;

static bool
note_open(int fd)
{
	if (fd >= nsockets)
	{
		int			n = fd + 64;
		HttpSocket *grown = realloc(sockets, sizeof(HttpSocket) * (size_t) n);

		if (grown == NULL)
			return false;
		memset(grown + nsockets, 0,
			   sizeof(HttpSocket) * (size_t) (n - nsockets));
		sockets = grown;
		nsockets = n;
	}
	sockets[fd] = (HttpSocket)
	{
		.open = true,.heard = INT64_MIN
	};
	return true;
}

/*
 * is_spare: is this one of the last descriptors below the limit?  (The kernel
 * assigns the lowest free number.)  They are reserved for the database and for
 * the listener.
 */
static bool
is_spare(int fd)
{
	struct rlimit limit;
	rlim_t		spare;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
		limit.rlim_cur == RLIM_INFINITY)
		return false;
	spare = limit.rlim_cur / 4 < MAX_SPARE ? limit.rlim_cur / 4 : MAX_SPARE;
	return (rlim_t) fd >= limit.rlim_cur - spare;
}

static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	int		   *error = arg;
	int			fd = socket(address->family, address->socktype | SOCK_CLOEXEC,
							address->protocol);

	(void) purpose;
	if (fd >= 0 && !is_spare(fd) && note_open(fd))
		return fd;
	*error = fd < 0 ? errno : is_spare(fd) ? EMFILE : ENOMEM;
	if (fd >= 0)
		close(fd);
	return CURL_SOCKET_BAD;
}

static int
close_socket(void *arg, curl_socket_t fd)
{
	(void) arg;
	if (fd >= 0 && fd < nsockets)
		sockets[fd].open = false;
	return close(fd);
}

/*
 * set_options: let the kernel give a connection up if data is not acknowledged
 * for so long.  If that cannot be set, it takes longer.
 */
static int
set_options(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	unsigned int lost = (unsigned int) *(const int *) arg;

	(void) purpose;
	(void) setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &lost, sizeof(lost));
	return CURL_SOCKOPT_OK;
}

bool
http_socket_configure(CURL *easy, const int *lost, int *error)
{
	return curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, error) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, NULL) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, set_options) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, lost) == CURLE_OK;
}

static int
port_of(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *) address)->sin_port);
	if (address->ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *) address)->sin6_port);
	return -1;
}

/*
 * has_ports: is this the socket with these two ports?
 */
static bool
has_ports(HttpSocket *at, int fd, long local, long remote)
{
	struct sockaddr_storage address;
	socklen_t	len = sizeof(address);

	if (at->local == 0)
	{
		if (getpeername(fd, (struct sockaddr *) &address, &len) != 0)
			return false;		/* not connected yet */
		at->remote = port_of(&address);
		len = sizeof(address);
		if (getsockname(fd, (struct sockaddr *) &address, &len) != 0)
			return false;
		at->local = port_of(&address);
	}
	return at->local == local && at->remote == remote;
}

/*
 * find_socket: the socket of a transfer's connection; NULL: not known.
 */
static HttpSocket *
find_socket(CURL *easy, int *fd)
{
	long		local = 0;
	long		remote = 0;

	if (curl_easy_getinfo(easy, CURLINFO_LOCAL_PORT, &local) != CURLE_OK ||
		curl_easy_getinfo(easy, CURLINFO_PRIMARY_PORT, &remote) != CURLE_OK ||
		local <= 0)
		return NULL;
	for (*fd = 0; *fd < nsockets; (*fd)++)
	{
		if (sockets[*fd].open &&
			has_ports(&sockets[*fd], *fd, local, remote))
			return &sockets[*fd];
	}
	return NULL;
}

void
http_socket_heard(CURL *easy)
{
	int			fd;
	HttpSocket *found = find_socket(easy, &fd);

	if (found)
		found->heard = loop_now();
}

void
http_socket_retire(CURL *easy, int64_t started)
{
	int			fd;
	HttpSocket *found = find_socket(easy, &fd);

	if (found && found->heard < started)
		(void) shutdown(fd, SHUT_RDWR);
}
