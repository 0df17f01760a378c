/*
 * token.h
 *		A token of OAuth 2.0 (RFC 6749, client credentials), fetched when it is
 *		wanted and kept until shortly before it expires.
 *
 * While there is none, nothing is sent, and no event is blamed for it.
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
	const Subscription *subscription;	/* told when there is one, or none */
	HttpClient *http;			/* of the endpoint; NULL: none was asked yet */
	bool		asking;
	char	   *header;			/* "Bearer …"; NULL: no token */
	uint32_t	generation;		/* how many there have been */
	int64_t		expires;		/* loop_now(); INT64_MAX: never */
	bool		doubted;		/* got for one that was refused, and not
								 * accepted by the receiver yet */
	int			nfailures;		/* in a row */
	uint64_t	failed;			/* of all requests for a token */
	LoopTimer	timer;			/* until the next one */
	char		trouble[256];	/* why there is none; "": nothing is wrong */
} Token;

/*
 * token_ready: may a request be sent, as far as tokens go?  If not, one is asked
 * for, and subscription_changed() follows.
 */
extern bool token_ready(Token *token);

/*
 * token_refused: the receiver has answered 401 to a request with the token of
 * that generation.  True: there is another one, or will be, to try once more.
 */
extern bool token_refused(Token *token, uint32_t generation);

/*
 * token_accepted: or it has accepted it.
 */
extern void token_accepted(Token *token, uint32_t generation);

/*
 * token_trouble: why there is none, for people; NULL: there is one, or none is
 * needed.
 */
extern const char *token_trouble(const Token *token);

extern void token_end(Token *token);

#endif							/* NOTIFIER_TOKEN_H */
