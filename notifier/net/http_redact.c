/*
 * http_redact.c
 *		Removes secrets from what a receiver answers.
 *
 * Many receivers quote the request in an error.  Answers are kept where others
 * can read them, so secrets are overwritten, before the answer is cut.
 */
#include "net/http_redact.h"

#include <curl/curl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIN_SECRET		8		/* shorter ones would match anything */

/*
 * overwrite: overwrite a secret wherever it is in the text.
 */
static void
overwrite(char *text, size_t len, const char *secret, size_t secret_len)
{
	char	   *end = text + len;

	if (secret_len < MIN_SECRET)
		return;
	while ((text = memmem(text, (size_t) (end - text), secret,
						  secret_len)) != NULL)
	{
		memset(text, '*', secret_len);
		text += secret_len;
	}
}

/*
 * overwrite_credentials: overwrite user and password as they are in the
 * header, and the password; without one, the user is the secret.
 */
static void
overwrite_credentials(char *text, size_t len, const char *username,
					  const char *password)
{
	size_t		size = strlen(username) + strlen(password) + 2;
	const char *secret = *password ? password : username;
	char	   *plain = malloc(size);
	char	   *encoded = malloc(size / 3 * 4 + 5);

	if (plain && encoded)
	{
		snprintf(plain, size, "%s:%s", username, password);
		EVP_EncodeBlock((unsigned char *) encoded, (unsigned char *) plain,
						(int) size - 1);
		overwrite(text, len, encoded, strlen(encoded));
	}
	else
		memset(text, '*', len);
	free(plain);
	free(encoded);
	overwrite(text, len, secret, strlen(secret));
}

/*
 * overwrite_userinfo: overwrite user and password of a URL.  If it cannot be
 * parsed, overwrite the whole text.
 */
static void
overwrite_userinfo(char *text, size_t len, const char *url)
{
	CURLU	   *parts = curl_url();
	char	   *user = NULL;
	char	   *password = NULL;

	if (parts == NULL ||
		curl_url_set(parts, CURLUPART_URL, url,
					 CURLU_DEFAULT_SCHEME | CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
		memset(text, '*', len);
	else if (curl_url_get(parts, CURLUPART_USER, &user,
						  CURLU_URLDECODE) == CURLUE_OK)
	{
		(void) curl_url_get(parts, CURLUPART_PASSWORD, &password,
							CURLU_URLDECODE);
		overwrite_credentials(text, len, user, password ? password : "");
	}
	curl_free(user);
	curl_free(password);
	curl_url_cleanup(parts);
}

/*
 * overwrite_url: overwrite user and password of a URL, and each word after the
 * host that is not a placeholder.
 */
static void
overwrite_url(char *text, size_t len, const char *url)
{
	const char *host = strstr(url, "://") + 3;
	const char *rest = host + strcspn(host, "/?");
	char	   *root = strndup(url, (size_t) (rest - url));

	if (root)
		overwrite_userinfo(text, len, root);
	else
		memset(text, '*', len);
	free(root);
	while (*rest)
	{
		size_t		word = strcspn(rest, "/?&=;<");

		overwrite(text, len, rest, word);
		rest += word;
		rest += *rest == '<' ? strcspn(rest, ">") : *rest != '\0';
	}
}

void
http_redact(const WebhookConfig *config, char *text, size_t len)
{
	const char *name;
	json_t	   *secret;

	overwrite_url(text, len, config->url);
	if (config->proxy_url)
		overwrite_userinfo(text, len, config->proxy_url);
	if (config->username)
		overwrite_credentials(text, len, config->username,
							  config->password ? config->password : "");
	if (config->authorization)
	{
		const char *credentials = strchr(config->authorization, ' ') + 1;

		overwrite(text, len, credentials, strlen(credentials));
	}
	json_object_foreach(config->secrets, name, secret)
		overwrite(text, len, json_string_value(secret), json_string_length(secret));
	for (size_t i = 0; i < config->nheaders; i++)
	{
		const char *value = strchr(config->headers[i], ':');

		if (value && value[1] == ' ')
			overwrite(text, len, value + 2, strlen(value + 2));
	}
}

void
http_redact_headers(const struct curl_slist *headers, char *text, size_t len)
{
	static const char prefix[] = "Authorization: Bearer ";

	for (; headers; headers = headers->next)
	{
		const char *secret = headers->data + strlen(prefix);

		if (strncmp(headers->data, prefix, strlen(prefix)) == 0)
			overwrite(text, len, secret, strlen(secret));
	}
}
