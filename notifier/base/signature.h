/*
 * signature.h
 *		Standard Webhooks 1.0.0: symmetric and asymmetric signatures.
 */
#ifndef NOTIFIER_SIGNATURE_H
#define NOTIFIER_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>

#define SIGNING_KEY_MAX	64		/* bytes of a key, as the standard says */
#define SIGNING_KEY_MIN	24
#define BATCH_ID_SIZE	40

typedef struct SigningKey
{
	unsigned char bytes[SIGNING_KEY_MAX];
	size_t		len;
	bool		asymmetric;		/* Ed25519 */
} SigningKey;

/*
 * signing_key_parse: parse "whsec_" and the base64 of a symmetric key of 24 to
 * 64 bytes, or "whsk_" and the base64 of an Ed25519 private key of 32 bytes,
 * which may be followed by the public key.  False: it is neither.
 */
extern bool signing_key_parse(const char *text, SigningKey *key);

/*
 * signature_header: the value of webhook-signature.  For each key in order:
 * "v1," and the base64 of HMAC-SHA256 over id.timestamp.body, or "v1a," and
 * that of the Ed25519 signature.  Separated by spaces.  Allocated; NULL:
 * failed.
 */
extern char *signature_header(const SigningKey *keys, size_t nkeys,
							  const char *id, long timestamp,
							  const char *body, size_t len);

/*
 * batch_id: write an id for a message of several events, a hash of its
 * content, in BATCH_ID_SIZE bytes.  False: failed.
 */
extern bool batch_id(const char *body, size_t len, char *to);

#endif							/* NOTIFIER_SIGNATURE_H */
