/*
 * signature.c
 *		Signing by OpenSSL's libcrypto.
 */
#include "base/signature.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX			"whsec_"
#define DIGEST_SIZE		32
#define ENCODED_SIZE	44		/* base64 of a digest */

bool
signing_key_parse(const char *text, SigningKey *key)
{
	unsigned char decoded[SIGNING_KEY_MAX + 8];
	size_t		len;
	size_t		padding = 0;
	int			n;

	if (strncmp(text, PREFIX, strlen(PREFIX)) != 0)
		return false;
	text += strlen(PREFIX);
	len = strlen(text);
	if (len == 0 || len % 4 != 0 || len / 4 * 3 > sizeof(decoded))
		return false;
	while (padding < 2 && text[len - 1 - padding] == '=')
		padding++;
	n = EVP_DecodeBlock(decoded, (const unsigned char *) text, (int) len);
	if (n < 0 || (size_t) n < padding)
		return false;
	key->len = (size_t) n - padding;
	if (key->len < SIGNING_KEY_MIN || key->len > SIGNING_KEY_MAX)
		return false;
	memcpy(key->bytes, decoded, key->len);
	return true;
}

/*
 * sign: "v1,<base64>" of one key into to, which holds 4 + ENCODED_SIZE bytes.
 */
static bool
sign(const SigningKey *key, const unsigned char *content, size_t len, char *to)
{
	unsigned char digest[DIGEST_SIZE];
	unsigned int size = 0;

	if (HMAC(EVP_sha256(), key->bytes, (int) key->len, content, len, digest,
			 &size) == NULL || size != DIGEST_SIZE)
		return false;
	memcpy(to, "v1,", 3);
	return EVP_EncodeBlock((unsigned char *) to + 3, digest, DIGEST_SIZE) ==
		ENCODED_SIZE;
}

char *
signature_header(const SigningKey *keys, size_t nkeys, const char *id,
				 long timestamp, const char *body, size_t len)
{
	size_t		size = strlen(id) + 32 + len;
	char	   *content = malloc(size);
	char	   *header = calloc(nkeys, 3 + ENCODED_SIZE + 1);
	char	   *at = header;
	int			head;

	if (content == NULL || header == NULL)
		goto fail;
	head = snprintf(content, size, "%s.%ld.", id, timestamp);
	memcpy(content + head, body, len);
	for (size_t i = 0; i < nkeys; i++)
	{
		if (i > 0)
			at[-1] = ' ';		/* where sign() has put a NUL */
		if (!sign(&keys[i], (unsigned char *) content, (size_t) head + len, at))
			goto fail;
		at += 3 + ENCODED_SIZE + 1;
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
