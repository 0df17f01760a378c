/*
 * signature.c
 *		Standard Webhooks signatures by OpenSSL's libcrypto.
 */
#include "base/signature.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGEST_SIZE		32
#define SEED_SIZE		32		/* of an Ed25519 private key */
#define PAIR_SIZE		64		/* private and public key */
#define SIGNATURE_SIZE	64
#define VERSIONED_SIZE	96		/* "v1a,", base64 of a signature, and a NUL */

/*
 * decode: decode base64 of at most SIGNING_KEY_MAX bytes.  Returns the number
 * of bytes, or 0.
 */
static size_t
decode(const char *text, unsigned char *to)
{
	unsigned char decoded[SIGNING_KEY_MAX + 8];
	size_t		len = strlen(text);
	size_t		padding = 0;
	int			n;

	if (len == 0 || len % 4 != 0 || len / 4 * 3 > sizeof(decoded))
		return 0;
	while (padding < 2 && text[len - 1 - padding] == '=')
		padding++;
	n = EVP_DecodeBlock(decoded, (const unsigned char *) text, (int) len);
	if (n < 0 || (size_t) n < padding || (size_t) n - padding > SIGNING_KEY_MAX)
		return 0;
	memcpy(to, decoded, (size_t) n - padding);
	return (size_t) n - padding;
}

/*
 * is_pair: is the second half of a key the public key of the first?
 */
static bool
is_pair(const SigningKey *key)
{
	EVP_PKEY   *private = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL,
													   key->bytes, SEED_SIZE);
	unsigned char public[SEED_SIZE];
	size_t		size = sizeof(public);
	bool		same = private &&
		EVP_PKEY_get_raw_public_key(private, public, &size) == 1 &&
		size == sizeof(public) &&
		memcmp(public, key->bytes + SEED_SIZE, size) == 0;

	EVP_PKEY_free(private);
	return same;
}

bool
signing_key_parse(const char *text, SigningKey *key)
{
	*key = (SigningKey)
	{
		.asymmetric = strncmp(text, "whsk_", 5) == 0
	};
	if (!key->asymmetric && strncmp(text, "whsec_", 6) != 0)
		return false;
	key->len = decode(strchr(text, '_') + 1, key->bytes);
	if (key->asymmetric)
		return key->len == SEED_SIZE || (key->len == PAIR_SIZE && is_pair(key));
	return key->len >= SIGNING_KEY_MIN && key->len <= SIGNING_KEY_MAX;
}

/*
 * hmac, ed25519: write the signature, at most SIGNATURE_SIZE bytes.  Returns
 * its length, or 0.
 */
static size_t
hmac(const SigningKey *key, const unsigned char *content, size_t len,
	 unsigned char *signature)
{
	unsigned int size = 0;

	if (HMAC(EVP_sha256(), key->bytes, (int) key->len, content, len, signature,
			 &size) == NULL)
		return 0;
	return size;
}

static size_t
ed25519(const SigningKey *key, const unsigned char *content, size_t len,
		unsigned char *signature)
{
	EVP_PKEY   *private = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL,
													   key->bytes, SEED_SIZE);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t		size = SIGNATURE_SIZE;

	if (private == NULL || context == NULL ||
		EVP_DigestSignInit(context, NULL, NULL, NULL, private) != 1 ||
		EVP_DigestSign(context, signature, &size, content, len) != 1)
		size = 0;
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(private);
	return size;
}

/*
 * sign: write "v1,<base64>" or "v1a,<base64>" for one key, in VERSIONED_SIZE
 * bytes.  Returns the number of characters, or 0.
 */
static size_t
sign(const SigningKey *key, const unsigned char *content, size_t len, char *to)
{
	unsigned char signature[SIGNATURE_SIZE];
	size_t		size = key->asymmetric ?
		ed25519(key, content, len, signature) : hmac(key, content, len, signature);
	size_t		head = (size_t) sprintf(to, key->asymmetric ? "v1a," : "v1,");

	if (size == 0)
		return 0;
	return head + (size_t) EVP_EncodeBlock((unsigned char *) to + head, signature,
										   (int) size);
}

char *
signature_header(const SigningKey *keys, size_t nkeys, const char *id,
				 long timestamp, const char *body, size_t len)
{
	size_t		size = strlen(id) + 32 + len;
	char	   *content = malloc(size);
	char	   *header = calloc(nkeys, VERSIONED_SIZE);
	char	   *at = header;
	int			head;

	if (content == NULL || header == NULL)
		goto fail;
	head = snprintf(content, size, "%s.%ld.", id, timestamp);
	memcpy(content + head, body, len);
	for (size_t i = 0; i < nkeys; i++)
	{
		size_t		written;

		if (i > 0)
			*at++ = ' ';
		written = sign(&keys[i], (unsigned char *) content, (size_t) head + len,
					   at);
		if (written == 0)
			goto fail;
		at += written;
	}
	free(content);
	return header;

fail:
	free(content);
	free(header);
	return NULL;
}

bool
batch_id(const char *body, size_t len, char *to)
{
	unsigned char digest[DIGEST_SIZE];
	unsigned int size = 0;

	if (EVP_Digest(body, len, digest, &size, EVP_sha256(), NULL) != 1 ||
		size != DIGEST_SIZE)
		return false;
	to += sprintf(to, "batch_");
	for (int i = 0; i < 16; i++)
		to += sprintf(to, "%02x", digest[i]);
	return true;
}
