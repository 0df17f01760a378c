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
 * http_socket_configure: sockets of this transfer are made by us.  lost: ms
 * without an acknowledgement after which a connection is given up.  *error
 * becomes the errno of a socket that could not be made.
 */
extern bool http_socket_configure(CURL *easy, const int *lost, int *error);

/*
 * http_socket_heard: something came on the connection of this transfer.
 */
extern void http_socket_heard(CURL *easy);

/*
 * http_socket_retire: nothing came for this transfer in its time.  If nothing
 * else came on its connection either since `started`, the other side is gone,
 * and the connection is closed for all who use it.
 */
extern void http_socket_retire(CURL *easy, int64_t started);

#endif							/* NOTIFIER_HTTP_SOCKET_H */
