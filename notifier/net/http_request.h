/*
 * http_request.h
 *		A request, as http.c and http_judge.c share it.
 */
#ifndef NOTIFIER_HTTP_REQUEST_H
#define NOTIFIER_HTTP_REQUEST_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/webhook_config.h"
#include "net/http_result.h"

#define HTTP_MAX_ANSWER	(64 * 1024)

typedef struct HttpRequest
{
	struct HttpRequest *next;	/* in the list of idle ones or of those in
								 * flight */
	struct HttpClient *client;	/* whose it is */
	CURL	   *easy;
	struct curl_slist *headers;
	void		(*callback) (void *arg, const HttpResult *result);
	void	   *arg;
	int64_t		started;		/* loop_now() at the first start */
	int			repeats;		/* how often it was started again */
	size_t		received;
	size_t		received_headers;
	bool		headed;			/* all have arrived */
	bool		secured;		/* the handshake has begun */
	int			local_error;	/* errno if a socket could not be created */
	char		problem[CURL_ERROR_SIZE];
	size_t		kept;			/* limit of bytes of the answer to keep */
	char		answer[];
} HttpRequest;

#endif							/* NOTIFIER_HTTP_REQUEST_H */
