/*
 * tls_config.c
 *		Reads certificates and keys together with the configuration, so that
 *		errors in them are reported at once.
 */
#include "config/tls_config.h"

#include "config/url_config.h"

#include <curl/curl.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

/*
 * no_password: keep OpenSSL from asking for a key's password at the terminal.
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
 * read_pem: read the first certificate or private key of a text, whichever the
 * caller asks for.  Leaves it alone if text is NULL or holds none.
 */
static void
read_pem(const char *text, X509 **certificate, EVP_PKEY **key)
{
	BIO		   *bio = text ? BIO_new_mem_buf(text, -1) : NULL;

	if (bio && certificate)
		*certificate = PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL);
	if (bio && key)
		*key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	BIO_free(bio);
}

/*
 * check_certificates: report files without a certificate or key, or that do
 * not belong together.
 */
static void
check_certificates(Reader *reader, const WebhookConfig *webhook)
{
	X509	   *ca = NULL;
	X509	   *cert = NULL;
	EVP_PKEY   *key = NULL;

	read_pem(webhook->ca, &ca, NULL);
	read_pem(webhook->cert, &cert, NULL);
	read_pem(webhook->key, NULL, &key);
	if (webhook->ca && ca == NULL)
		reader_wrong(reader, "ca_file", "holds no certificate in PEM format");
	if (webhook->cert && cert == NULL)
		reader_wrong(reader, "cert_file", "holds no certificate in PEM format");
	if (webhook->key && key == NULL)
		reader_wrong(reader, "key_file", "holds no private key in PEM format, or the key needs a password");
	if (cert && key && X509_check_private_key(cert, key) != 1)
		reader_wrong(reader, "key_file", "is not the key of the certificate in cert_file");
	X509_free(ca);
	X509_free(cert);
	EVP_PKEY_free(key);
}

void
tls_config_read(Reader *reader, json_t *object, WebhookConfig *webhook)
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
