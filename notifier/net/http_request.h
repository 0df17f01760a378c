/*
 * http_request.h
 *		What http.c and http_judge.c share of a request.
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
	struct HttpRequest *next;	/* idle ones of the client, or all in flight */
	struct HttpClient *client;	/* whose it is */
	CURL	   *easy;
	struct curl_slist *headers;
	void		(*callback) (void *arg, const HttpResult *result);
	void	   *arg;
	int64_t		started;		/* loop_now(), the first time */
	int			repeats;		/* how often it was begun again at once */
	size_t		received;
	size_t		received_headers;
	bool		headed;			/* the last of them has come */
	bool		secured;		/* TLS has begun */
	int			local_error;	/* errno of a socket that we could not make */
	char		problem[CURL_ERROR_SIZE];
	size_t		kept;			/* bytes of the answer, at most */
	char		answer[];
} HttpRequest;

#endif							/* NOTIFIER_HTTP_REQUEST_H */
