/*
 * http_socket.h
 *		The sockets of libcurl's connections.
 */
#ifndef NOTIFIER_HTTP_SOCKET_H
#define NOTIFIER_HTTP_SOCKET_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * http_socket_configure: let us create the sockets of this transfer. lost: ms
 * without an acknowledgement after which a connection is given up. *error: the
 * errno if a socket could not be created.
 */
extern bool http_socket_configure(CURL *easy, const int *lost, int *error);

/*
 * http_socket_heard: data arrived on the connection of this transfer.
 */
extern void http_socket_heard(CURL *easy);

/*
 * http_socket_retire: nothing arrived for this transfer in time.  If nothing
 * arrived on its connection at all since `started`, the peer is gone, and the
 * connection is closed for all transfers that use it.
 */
extern void http_socket_retire(CURL *easy, int64_t started);

#endif							/* NOTIFIER_HTTP_SOCKET_H */
