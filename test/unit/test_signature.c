/*
 * test_signature.c
 *		Standard Webhooks' signatures, against known vectors.
 */
#include "base/signature.h"
#include "tap.h"

#include <stdlib.h>

static void
vector(const char *secret, const char *id, long timestamp, const char *body,
	   const char *expected)
{
	SigningKey	key;
	char	   *header;

	ok(signing_key_parse(secret, &key), "the secret is a key");
	header = signature_header(&key, 1, id, timestamp, body, strlen(body));
	is_text(header, expected, "and signs as others do");
	free(header);
}

int
main(void)
{
	SigningKey	keys[2];
	char	   *header;
	char		id[BATCH_ID_SIZE];
	char		other[BATCH_ID_SIZE];

	vector("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		   "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, "{\"test\": 2432232314}",
		   "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
	vector("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
		   "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1649367553,
		   "{\"email\":\"test@example.com\",\"username\":\"test_user\"}",
		   "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");

	/* while secrets are rotated, both sign, the first one first */
	ok(signing_key_parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &keys[0]) &&
	   signing_key_parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", &keys[1]),
	   "two keys");
	header = signature_header(keys, 2, "msg_p5jXN8AQM9LWM0D4loKWxJek",
							  1614265330, "{\"test\": 2432232314}", 20);
	ok(header && strlen(header) == 2 * 47 + 1 && header[47] == ' ' &&
	   strncmp(header, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1,", 51) == 0,
	   "sign one behind the other");
	free(header);

	ok(batch_id("[1,2]", 5, id) && strlen(id) == 38, "a batch has an id");
	ok(batch_id("[1,2]", 5, other) && strcmp(id, other) == 0,
	   "the same for the same content");
	ok(batch_id("[1,3]", 5, other) && strcmp(id, other) != 0,
	   "and another for other content");

	ok(!signing_key_parse("", &keys[0]), "nothing is no key");
	ok(!signing_key_parse("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &keys[0]),
	   "without its prefix it is none");
	ok(!signing_key_parse("whsec_", &keys[0]), "nor is the prefix alone");
	ok(!signing_key_parse("whsec_c2hvcnQ=", &keys[0]), "too short");
	ok(!signing_key_parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa", &keys[0]),
	   "not a whole base64");
	ok(!signing_key_parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2La***=", &keys[0]),
	   "not base64");
	return done_testing();
}
