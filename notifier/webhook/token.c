/*
 * token.c
 *		Requests OAuth 2.0 tokens.
 *
 * The log has the status of an answer and the error code of RFC 6749, section
 * 5.2, but never its text, which may contain a secret.
 */
#include "webhook/token.h"

#include "base/logging.h"
#include "base/retry.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEPT			(2 * TOKEN_MAX) /* bytes of an answer that are read */
#define MARGIN			60000	/* ms before it expires, but at most a tenth
								 * of its life */
#define FIRST_WAIT		1000	/* ms between two requests after a failure */
#define LAST_WAIT		60000
#define MAX_LIFE		(365 * 86400.0) /* s; longer is for ever */

static void
timer_expired(void *arg)
{
	Token	   *token = arg;

	subscription_changed(token->subscription);
}

static void
forget(Token *token)
{
	if (token->header)
		explicit_bzero(token->header, strlen(token->header));
	free(token->header);
	token->header = NULL;
}

/*
 * failed: there is no token; log that once, and try again after a while.
 */
static void
failed(Token *token, const char *why)
{
	token->failed++;
	token->nfailures++;
	if (strcmp(token->trouble, why) != 0)
		log_event(LOG_LEVEL_ERROR, "could not get an OAuth 2.0 token",
				  "webhook", token->config->name, "error", why, NULL);
	snprintf(token->trouble, sizeof(token->trouble), "%s", why);
	loop_timer_set(&token->timer,
				   retry_backoff(FIRST_WAIT, LAST_WAIT, token->nfailures,
								 retry_random()), timer_expired, token);
}

/*
 * is_word: does a text consist of visible ASCII characters?
 */
static bool
is_word(const char *text)
{
	for (; *text; text++)
	{
		if (*text <= 0x20 || *text > 0x7e)
			return false;
	}
	return true;
}

/*
 * endpoint_refused: the endpoint answered with an error, or not at all.
 */
static void
endpoint_refused(Token *token, const HttpResult *result, json_t *answer)
{
	const char *code = json_string_value(json_object_get(answer, "error"));
	char		why[sizeof(token->trouble)];

	if (result->status == 0)
		snprintf(why, sizeof(why), "no OAuth 2.0 token: %.200s", result->error);
	else
		snprintf(why, sizeof(why), "no OAuth 2.0 token: HTTP status %ld%s%s",
				 result->status, code && is_word(code) && strlen(code) < 64 ?
				 ": " : "", code && is_word(code) && strlen(code) < 64 ? code : "");
	failed(token, why);
}

/*
 * read_life: until when a token may be used, by loop_now(), from the
 * "expires_in" of an answer: seconds, which some endpoints write as a string.
 * Where it is absent, a token is used until the receiver refuses it.
 */
static bool
read_life(json_t *life, int64_t *expires)
{
	double		seconds = json_number_value(life);
	char	   *end = "";

	*expires = INT64_MAX;
	if (life == NULL || json_is_null(life))
		return true;
	if (json_is_string(life))
		seconds = strtod(json_string_value(life), &end);
	if (*end || !(seconds > 0))
		return false;
	if (seconds < MAX_LIFE)
	{
		int64_t		ms = (int64_t) (seconds * 1000);

		*expires = loop_now() + ms - (ms / 10 < MARGIN ? ms / 10 : MARGIN);
	}
	return true;
}

/*
 * take_token: take the token from an answer.  Returns what is wrong with it,
 * or NULL.
 */
static const char *
take_token(Token *token, json_t *answer)
{
	const char *text = json_string_value(json_object_get(answer, "access_token"));
	const char *type = json_string_value(json_object_get(answer, "token_type"));
	int64_t		expires;

	if (text == NULL || *text == '\0')
		return "no OAuth 2.0 token: the answer has no access_token";
	if (type && strcasecmp(type, "bearer") != 0)
		return "no OAuth 2.0 token: its type is not Bearer";
	if (!is_word(text) || strlen(text) > TOKEN_MAX)
		return "no OAuth 2.0 token: it cannot stand in a header";
	if (!read_life(json_object_get(answer, "expires_in"), &expires))
		return "no OAuth 2.0 token: its expires_in is no number of seconds above zero";
	forget(token);
	if (asprintf(&token->header, "Bearer %s", text) < 0)
	{
		token->header = NULL;
		return "no OAuth 2.0 token: out of memory";
	}
	token->generation++;
	token->expires = expires;
	return NULL;
}

static void
answered(void *arg, const HttpResult *result)
{
	Token	   *token = arg;
	json_t	   *answer;
	const char *wrong;

	token->asking = false;
	if (result == NULL)
		return;
	answer = result->answer == NULL ? NULL :
		json_loadb(result->answer, result->answer_len, 0, NULL);
	if (result->outcome != HTTP_OK)
		endpoint_refused(token, result, answer);
	else if ((wrong = take_token(token, answer)) != NULL)
		failed(token, wrong);
	else
	{
		if (token->nfailures > 0)
			log_event(LOG_LEVEL_INFO, "got an OAuth 2.0 token again",
					  "webhook", token->config->name, NULL);
		token->nfailures = 0;
		*token->trouble = '\0';
	}
	json_decref(answer);
	if (result->answer)
		explicit_bzero(result->answer, result->answer_len);
	subscription_changed(token->subscription);
}

/*
 * ask: request a token, unless a request or a pause is in progress.
 */
static void
ask(Token *token)
{
	static const char *const headers[] = {
		"Content-Type: application/x-www-form-urlencoded",
		"Accept: application/json"
	};
	const WebhookConfig *config = token->config;

	if (token->asking || token->timer.set)
		return;
	if (token->http == NULL)
		token->http = http_client_create(config->token_endpoint, KEPT);
	token->asking = token->http &&
		http_post(token->http, config->token_endpoint->url, config->token_form,
				  strlen(config->token_form), headers, 2, answered, token);
	if (!token->asking)
		failed(token, "no OAuth 2.0 token: out of memory");
}

bool
token_ready(Token *token)
{
	if (token->config->token_endpoint == NULL)
		return true;
	if (token->header && loop_now() < token->expires)
		return true;
	ask(token);
	return false;
}

bool
token_refused(Token *token, uint32_t generation)
{
	if (token->config->token_endpoint == NULL)
		return false;
	if (generation == token->generation && token->header)
	{
		if (token->doubted)
			return false;
		forget(token);
		token->doubted = true;
	}
	return true;
}

void
token_accepted(Token *token, uint32_t generation)
{
	if (generation == token->generation)
		token->doubted = false;
}

const char *
token_trouble(const Token *token)
{
	return *token->trouble ? token->trouble : NULL;
}

void
token_end(Token *token)
{
	loop_timer_clear(&token->timer);
	http_client_destroy(token->http);
	token->http = NULL;
	forget(token);
}
