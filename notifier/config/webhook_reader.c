/*
 * webhook_reader.c
 *		One webhook of the configuration: what it says, what all webhooks have in
 *		common, and what is so unless they say otherwise.
 */
#include "config/webhook_reader.h"

#include "base/logging.h"
#include "config/auth_config.h"
#include "config/filter_config.h"
#include "config/template.h"
#include "config/url_config.h"

#include <curl/curl.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NAME_BYTES	63		/* as of a subscription */
#define MAX_TIMEOUT		READER_DAY
#define MAX_WAIT		(365 * READER_DAY)
#define MAX_RATE		1e6

static const char *const http_keys[] = {
	"basic_auth", "authorization", "http_headers", "tls_config", "proxy_url",
	"proxy_url_file", "no_proxy", "timeout", "max_concurrency", "rate_limit",
	"enable_http2", "retry", NULL
};

/*
 * no_password: a key that needs one is not asked for at the terminal.
 */
static int
no_password(char *to, int size, int writing, void *arg)
{
	(void) to;
	(void) size;
	(void) writing;
	(void) arg;
	return 0;
}

/*
 * read_certificate: the first one of a text; NULL if it holds none.
 */
static X509 *
read_certificate(const char *text)
{
	BIO		   *bio = BIO_new_mem_buf(text, -1);
	X509	   *certificate = bio ?
	PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL) : NULL;

	BIO_free(bio);
	return certificate;
}

static EVP_PKEY *
read_private_key(const char *text)
{
	BIO		   *bio = BIO_new_mem_buf(text, -1);
	EVP_PKEY   *key = bio ?
	PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;

	BIO_free(bio);
	return key;
}

/*
 * check_certificates: are the files what they are to be?
 */
static void
check_certificates(Reader *reader, const WebhookConfig *webhook)
{
	X509	   *ca = webhook->ca ? read_certificate(webhook->ca) : NULL;
	X509	   *cert = webhook->cert ? read_certificate(webhook->cert) : NULL;
	EVP_PKEY   *key = webhook->key ? read_private_key(webhook->key) : NULL;

	if (webhook->ca && ca == NULL)
		reader_wrong(reader, "ca_file", "holds no certificate in PEM format");
	if (webhook->cert && cert == NULL)
		reader_wrong(reader, "cert_file", "holds no certificate in PEM format");
	if (webhook->key && key == NULL)
		reader_wrong(reader, "key_file", "holds no private key in PEM format, or one that needs a password");
	if (cert && key && X509_check_private_key(cert, key) != 1)
		reader_wrong(reader, "key_file", "is not the key of the certificate in cert_file");
	X509_free(ca);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static void
read_tls(Reader *reader, json_t *object, WebhookConfig *webhook)
{
	static const char *const known[] = {
		"ca_file", "cert_file", "key_file", "server_name",
		"insecure_skip_verify", "min_version", NULL
	};
	json_t	   *tls = reader_object(reader, object, "tls_config");
	char	   *version;
	size_t		path;

	webhook->min_version = CURL_SSLVERSION_TLSv1_2;
	if (tls == NULL)
		return;
	path = reader_enter(reader, "tls_config");
	reader_check_keys(reader, tls, known);
	webhook->ca = reader_file(reader, tls, "ca_file", false);
	webhook->cert = reader_file(reader, tls, "cert_file", false);
	webhook->key = reader_file(reader, tls, "key_file", true);
	check_certificates(reader, webhook);
	webhook->server_name = reader_string(reader, tls, "server_name");
	if (webhook->server_name && !url_is_host(webhook->server_name))
		reader_wrong(reader, "server_name", "is not the name of a host");
	webhook->insecure_skip_verify =
		reader_bool(reader, tls, "insecure_skip_verify", false);
	if (json_object_get(tls, "cert_file") && !json_object_get(tls, "key_file"))
		reader_wrong(reader, "key_file",
					 "is missing: a client certificate needs both");
	if (json_object_get(tls, "key_file") && !json_object_get(tls, "cert_file"))
		reader_wrong(reader, "cert_file",
					 "is missing: a client certificate needs both");
	version = reader_string(reader, tls, "min_version");
	if (version == NULL || strcmp(version, "TLS12") == 0)
		webhook->min_version = CURL_SSLVERSION_TLSv1_2;
	else if (strcmp(version, "TLS13") == 0)
		webhook->min_version = CURL_SSLVERSION_TLSv1_3;
	else
		reader_wrong(reader, "min_version", "must be \"TLS12\" or \"TLS13\"");
	free(version);
	reader_leave(reader, path);
}

static void
read_retry(Reader *reader, json_t *object, WebhookConfig *webhook)
{
	static const char *const known[] = {
		"initial_backoff", "max_backoff", "max_attempts", "max_age", NULL
	};
	json_t	   *retry = reader_object(reader, object, "retry");
	size_t		path = reader_enter(reader, "retry");

	if (retry)
		reader_check_keys(reader, retry, known);
	webhook->retry.initial_backoff =
		reader_duration(reader, retry, "initial_backoff", 1000, 1, MAX_WAIT);
	webhook->retry.max_backoff =
		reader_duration(reader, retry, "max_backoff", 3600000, 1, MAX_WAIT);
	webhook->retry.max_attempts =
		reader_int(reader, retry, "max_attempts", 0, 0, 1000000);
	webhook->retry.max_age =
		reader_duration(reader, retry, "max_age", 3 * READER_DAY, 0, MAX_WAIT);
	if (webhook->retry.max_backoff < webhook->retry.initial_backoff)
		reader_wrong(reader, "max_backoff", "must not be below initial_backoff");
	reader_leave(reader, path);
}

static void
read_format(Reader *reader, json_t *object, WebhookConfig *webhook)
{
	static const char *const batch_keys[] = {"max_events", NULL};
	static const char *const names[] = {
		"standard", "cloudevents", "anchore", "otlp", "template", NULL
	};
	char	   *format = reader_string(reader, object, "format");
	json_t	   *batch = reader_object(reader, object, "batch");
	size_t		path;

	webhook->format = FORMAT_STANDARD;
	if (format)
	{
		size_t		i = 0;

		while (names[i] && strcmp(names[i], format) != 0)
			i++;
		if (names[i] == NULL)
			reader_wrong(reader, "format",
						 "must be \"standard\", \"cloudevents\", \"anchore\", \"otlp\" or \"template\"");
		else
			webhook->format = (PayloadFormat) i;
	}
	free(format);

	webhook->max_events = 1;
	if (batch == NULL)
		return;
	if (webhook->format != FORMAT_CLOUDEVENTS && webhook->format != FORMAT_OTLP)
		reader_wrong(reader, "batch", "needs \"format\": \"cloudevents\" or \"otlp\", the ones that define batches");
	path = reader_enter(reader, "batch");
	reader_check_keys(reader, batch, batch_keys);
	webhook->max_events = reader_int(reader, batch, "max_events", 100, 1, 1000);
	reader_leave(reader, path);
}

/*
 * read_http: how requests are made: what may stand in http_config, too.
 */
static void
read_http(Reader *reader, json_t *object, WebhookConfig *webhook)
{
	auth_config_read(reader, object, webhook);
	read_tls(reader, object, webhook);
	read_retry(reader, object, webhook);
	webhook->proxy_url = reader_secret(reader, object, "proxy_url");
	if (webhook->proxy_url && !url_is_proxy(webhook->proxy_url))
		reader_wrong(reader, "proxy_url", "is not the URL of an http, https, socks4 or socks5 proxy");
	webhook->no_proxy = reader_string(reader, object, "no_proxy");
	webhook->timeout = reader_duration(reader, object, "timeout", 15000, 1,
									   MAX_TIMEOUT);
	webhook->rate_limit = reader_rate(reader, object, "rate_limit", MAX_RATE);
	webhook->enable_http2 = reader_bool(reader, object, "enable_http2", true);
	webhook->max_concurrency = reader_int(reader, object, "max_concurrency",
										  webhook->ordered ? 1 : 16, 1, 1000);
}

/*
 * is_known: does the object have the key, or one that cannot go with it?
 */
static bool
says(json_t *object, const char *key)
{
	static const char *const pairs[][2] = {
		{"basic_auth", "authorization"}, {"proxy_url", "proxy_url_file"}
	};

	if (json_object_get(object, key))
		return true;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
	{
		if ((strcmp(pairs[i][0], key) == 0 && json_object_get(object, pairs[i][1])) ||
			(strcmp(pairs[i][1], key) == 0 && json_object_get(object, pairs[i][0])))
			return true;
	}
	return false;
}

/*
 * with_defaults: a copy of a webhook's object, with what it does not say of its
 * own.
 */
static json_t *
with_defaults(json_t *object, const WebhookDefaults *defaults)
{
	json_t	   *whole = json_copy(object);
	const char *key;
	json_t	   *value;

	if (whole == NULL)
		return NULL;
	json_object_foreach(defaults->http, key, value)
	{
		if (!says(object, key))
			json_object_set(whole, key, value);
	}
	filter_config_inherit(whole, defaults->filter);
	return whole;
}

/*
 * read_object: what stands in a webhook's object.
 */
static void
read_object(Reader *reader, json_t *object, WebhookConfig *webhook)
{
	webhook->ordered = reader_bool(reader, object, "ordered", false);
	filter_config_read(reader, object, webhook);
	read_format(reader, object, webhook);
	template_read(reader, object, webhook);
	webhook->url = reader_secret(reader, object, "url");
	if (webhook->url)
	{
		const char *problem = url_problem(webhook->url, webhook->max_events > 1);

		if (problem)
			reader_wrong(reader, "url", "%s", problem);
	}
	else if (!json_object_get(object, "url") &&
			 !json_object_get(object, "url_file"))
		reader_wrong(reader, "url", "is missing");
	read_http(reader, object, webhook);
	if (webhook->ordered && webhook->max_concurrency > 1)
		reader_wrong(reader, "max_concurrency", "must be 1 where \"ordered\" is true");
}

WebhookConfig *
webhook_read(Reader *reader, const char *name, json_t *object,
			 const WebhookDefaults *defaults)
{
	static const char *const known[] = {
		"url", "url_file", "level", "min_level", "event_type", "resource_type",
		"source_service", "format", "body", "body_file", "levels", "secrets", "secret", "secret_file", "basic_auth",
		"authorization", "http_headers", "tls_config", "proxy_url",
		"proxy_url_file", "no_proxy", "timeout", "max_concurrency", "rate_limit",
		"enable_http2", "ordered", "batch", "retry", NULL
	};
	WebhookConfig *webhook = calloc(1, sizeof(WebhookConfig));
	json_t	   *whole;
	char		shown[4 * MAX_NAME_BYTES];
	size_t		path;

	printable(shown, sizeof(shown), name, strlen(name));
	path = reader_enter(reader, shown);
	if (webhook == NULL || (webhook->name = strdup(name)) == NULL)
		reader_wrong(reader, "", "out of memory");
	else if (*name == '\0' || strlen(name) > MAX_NAME_BYTES)
		reader_wrong(reader, "", "a name is 1 to %d bytes", MAX_NAME_BYTES);
	else if (!json_is_object(object))
		reader_wrong(reader, "", "must be an object");
	else if ((whole = with_defaults(object, defaults)) == NULL)
		reader_wrong(reader, "", "out of memory");
	else
	{
		reader_check_keys(reader, object, known);
		read_object(reader, whole, webhook);
		json_decref(whole);
	}
	reader_leave(reader, path);
	return webhook;
}

void
webhook_check_filter(Reader *reader, json_t *filter)
{
	WebhookConfig *ignored = calloc(1, sizeof(WebhookConfig));

	if (ignored)
		filter_config_read(reader, filter, ignored);
	webhook_config_destroy(ignored);
}

void
webhook_check_http(Reader *reader, json_t *http)
{
	WebhookConfig *ignored = calloc(1, sizeof(WebhookConfig));

	reader_check_keys(reader, http, http_keys);
	if (ignored)
		read_http(reader, http, ignored);
	webhook_config_destroy(ignored);
}
