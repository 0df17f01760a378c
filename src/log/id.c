/*
 * id.c
 *		The id of an event: a version 7 UUID (RFC 9562) that contains the
 *		time of the event to the microsecond.
 *
 * 48 bits of milliseconds since 1970, then in rand_a the microsecond within
 * the millisecond as a fraction of 4096 (RFC 9562, 6.2, method 3), then 62
 * bits that are random or a hash of a seed. rand_a = us * 4096 / 1000 loses
 * nothing: us = (rand_a * 1000 + 999) / 4096 restores it.  So ids sort by
 * time, and an id alone identifies the partition.
 */
#include "log/log.h"

#include "common/cryptohash.h"
#include "common/sha2.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define UNIX_OFFSET	(-EVENT_MIN_TIME)	/* from PostgreSQL's epoch to 1970 */

PG_FUNCTION_INFO_V1(eventlog_new_id);
PG_FUNCTION_INFO_V1(eventlog_id_time);

/*
 * fill_random: fill the 8 bytes after the time, randomly or by hashing a seed.
 */
static void
fill_random(unsigned char *to, const text *seed)
{
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	pg_cryptohash_ctx *hash;

	if (seed == NULL)
	{
		if (!pg_strong_random(to, 8))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate random values")));
		return;
	}

	hash = pg_cryptohash_create(PG_SHA256);
	if (hash == NULL ||
		pg_cryptohash_init(hash) < 0 ||
		pg_cryptohash_update(hash, (const uint8 *) VARDATA_ANY(seed),
							 VARSIZE_ANY_EXHDR(seed)) < 0 ||
		pg_cryptohash_final(hash, digest, sizeof(digest)) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not hash the seed of an id: %s",
						pg_cryptohash_error(hash))));
	pg_cryptohash_free(hash);
	memcpy(to, digest, 8);
}

/*
 * id_create: create an id for a time, which must be a valid event time.
 */
void
id_create(pg_uuid_t *id, TimestampTz occurred_at, const text *seed)
{
	uint64		since_1970 = (uint64) (occurred_at + UNIX_OFFSET);
	uint64		ms = since_1970 / 1000;
	uint32		rand_a = (uint32) (since_1970 % 1000) * 4096 / 1000;
	uint64		head = pg_hton64(ms << 16 | 0x7000 | rand_a);

	memcpy(id->data, &head, 8);
	fill_random(id->data + 8, seed);
	id->data[8] = (id->data[8] & 0x3f) | 0x80;
}

/*
 * read_id: get the exact time from an id; false unless it is a version 7 UUID.
 */
static bool
read_id(const pg_uuid_t *id, TimestampTz *t)
{
	uint64		head;
	uint64		us;

	memcpy(&head, id->data, 8);
	head = pg_ntoh64(head);
	us = ((head & 0x0fff) * 1000 + 999) / 4096;
	*t = (TimestampTz) ((head >> 16) * 1000 + us) - UNIX_OFFSET;
	return (head & 0xf000) == 0x7000 && (id->data[8] & 0xc0) == 0x80;
}

/*
 * id_find_time: get the exact time from an id; false if no event can have this
 * id.
 */
bool
id_find_time(const pg_uuid_t *id, TimestampTz *t)
{
	return read_id(id, t) && *t >= EVENT_MIN_TIME && *t < EVENT_END_TIME;
}

/*
 * id_is_valid: can an event have this id?
 */
bool
id_is_valid(const pg_uuid_t *id)
{
	TimestampTz t;

	return id_find_time(id, &t);
}

/*
 * id_from_arg: the event id in an argument; NULL if no event can have this id.
 */
const pg_uuid_t *
id_from_arg(FunctionCallInfo fcinfo, int argno)
{
	const pg_uuid_t *id = PG_ARGISNULL(argno) ? NULL : PG_GETARG_UUID_P(argno);

	return id && id_is_valid(id) ? id : NULL;
}

/*
 * id_get_time: the exact time in an id; an error if it is not an event id.
 */
TimestampTz
id_get_time(const pg_uuid_t *id)
{
	TimestampTz result;

	if (!read_id(id, &result))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not a version 7 UUID",
						DatumGetCString(DirectFunctionCall1(uuid_out,
															UUIDPGetDatum(id)))),
				 errdetail("The id of an event contains its time."),
				 errhint("Make ids with eventlog.new_id(occurred_at, seed).")));
	id_require_time("id", result);
	return result;
}

/*
 * id_require_match: raise an error unless the time in id is occurred_at.
 */
void
id_require_match(const pg_uuid_t *id, TimestampTz occurred_at)
{
	TimestampTz in_id = id_get_time(id);

	if (in_id != occurred_at)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the time in id \"%s\" does not match occurred_at",
						DatumGetCString(DirectFunctionCall1(uuid_out,
															UUIDPGetDatum(id)))),
				 errdetail("The time in the id is %s, occurred_at is %s.",
						   pstrdup(timestamptz_to_str(in_id)),
						   pstrdup(timestamptz_to_str(occurred_at))),
				 errhint("Set occurred_at to eventlog.id_time(id), or use eventlog.emit.")));
}

/*
 * id_require_time: raise an error unless t is between 1970 and year 10000.
 */
void
id_require_time(const char *column, TimestampTz t)
{
	if (t < EVENT_MIN_TIME || t >= EVENT_END_TIME)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("event time in %s is out of range: %s", column,
						TIMESTAMP_IS_NOBEGIN(t) ? "-infinity" :
						TIMESTAMP_IS_NOEND(t) ? "infinity" :
						timestamptz_to_str(t)),
				 errhint("Event times range from 1970-01-01 UTC to the end of year 9999.")));
}

/*
 * eventlog.new_id(occurred_at timestamptz, seed text) returns uuid
 */
Datum
eventlog_new_id(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));
	TimestampTz occurred_at;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("occurred_at of a new id must not be null")));
	occurred_at = PG_GETARG_TIMESTAMPTZ(0);
	id_require_time("occurred_at", occurred_at);
	id_create(id, occurred_at, PG_ARGISNULL(1) ? NULL : PG_GETARG_TEXT_PP(1));
	PG_RETURN_UUID_P(id);
}

/*
 * eventlog.id_time(id uuid) returns timestamptz
 */
Datum
eventlog_id_time(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(id_get_time(PG_GETARG_UUID_P(0)));
}
