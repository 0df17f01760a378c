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
 * signing_key_parse: a key written whsec_<base64>, of 24 to 64 bytes, or
 * whsk_<base64>, an Ed25519 private key of 32 bytes, behind which the public one
 * may stand; false if it is none.
 */
extern bool signing_key_parse(const char *text, SigningKey *key);

/*
 * signature_header: the value of webhook-signature: for each key "v1," and the
 * base64 of HMAC-SHA256 over id.timestamp.body, or "v1a," and that of the
 * Ed25519 signature of the same, separated by spaces, the first key first.
 * Allocated; NULL when that fails.
 */
extern char *signature_header(const SigningKey *keys, size_t nkeys,
							  const char *id, long timestamp,
							  const char *body, size_t len);

/*
 * batch_id: an id for a message of several events, which is the same only for
 * the same content: made of its hash.  False when that fails.
 */
extern bool batch_id(const char *body, size_t len, char *to);

#endif							/* NOTIFIER_SIGNATURE_H */
