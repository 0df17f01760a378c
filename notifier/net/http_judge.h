/*
 * http_judge.h
 *		From the end of a transfer to what became of a request.
 */
#ifndef NOTIFIER_HTTP_JUDGE_H
#define NOTIFIER_HTTP_JUDGE_H

#include "net/http_request.h"

/*
 * http_judge: what became of a request that ended with this code.
 */
extern void http_judge(HttpRequest *request, const WebhookConfig *config,
					   CURLcode code, HttpResult *result);

#endif							/* NOTIFIER_HTTP_JUDGE_H */
