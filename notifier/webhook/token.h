/*
 * token.h
 *		The OAuth 2.0 token of a webhook (RFC 6749, client credentials):
 *		requested when it is needed, and used until shortly before it
 *		expires.
 *
 * Without a token nothing is sent, and no event loses an attempt.
 */
#ifndef NOTIFIER_TOKEN_H
#define NOTIFIER_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "config/config.h"
#include "net/http.h"
#include "webhook/subscription.h"

#define TOKEN_MAX		8192	/* bytes */

typedef struct Token
{
	const WebhookConfig *config;	/* of the webhook */
	const Subscription *subscription;	/* called when this changes */
	HttpClient *http;			/* of the endpoint; NULL: not used yet */
	bool		asking;
	char	   *header;			/* "Bearer …"; NULL: no token */
	uint32_t	generation;		/* number of tokens so far */
	int64_t		expires;		/* loop_now(); INT64_MAX: never */
	bool		doubted;		/* replaces a refused token, and the receiver
								 * has not accepted it yet */
	int			nfailures;		/* failed requests in a row */
	uint64_t	failed;			/* failed requests in all */
	LoopTimer	timer;			/* until the next request */
	char		trouble[256];	/* the error; "": none */
} Token;

/*
 * token_ready: is there a token, or is none needed?  If not, request one;
 * subscription_changed() follows.
 */
extern bool token_ready(Token *token);

/*
 * token_refused: the receiver answered 401 to a request with the token of that
 * generation.  Returns true if the request should be sent again with another
 * token.
 */
extern bool token_refused(Token *token, uint32_t generation);

/*
 * token_accepted: the receiver accepted the token of that generation.
 */
extern void token_accepted(Token *token, uint32_t generation);

/*
 * token_trouble: why there is no token, as a text for people; NULL: there is
 * one or none is needed.
 */
extern const char *token_trouble(const Token *token);

extern void token_end(Token *token);

#endif							/* NOTIFIER_TOKEN_H */
