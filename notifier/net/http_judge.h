/*
 * http_judge.h
 *		Turns the end of a transfer into a result.
 */
#ifndef NOTIFIER_HTTP_JUDGE_H
#define NOTIFIER_HTTP_JUDGE_H

#include "net/http_request.h"

/*
 * http_judge: the result of a request that ended with this code.
 */
extern void http_judge(HttpRequest *request, const WebhookConfig *config,
					   CURLcode code, HttpResult *result);

#endif							/* NOTIFIER_HTTP_JUDGE_H */
