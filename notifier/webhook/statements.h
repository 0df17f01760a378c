/*
 * statements.h
 *		The statements that a webhook sends to the database.
 *
 * The session's search_path is empty, and everything in them is qualified.  In
 * each, $1 is the subscription's name and $2 the Oid of its log, unless it
 * says otherwise.
 */
#ifndef NOTIFIER_STATEMENTS_H
#define NOTIFIER_STATEMENTS_H

#include "config/config.h"

/* $3 levels, $4 prefix of event types */
extern const char statement_subscribe[];

/* one row: a hash of all consumers of subscriptions in the database */
extern const char statement_consumers[];

/*
 * $1: the log.  One row for each of its subscriptions that nobody can consume:
 * its name, whether the consumer is no running notifier, and whether its owner
 * was dropped.
 */
extern const char statement_obstacles[];

/* one row: will a notification come?  may transactions be prepared? */
extern const char statement_listen[];

extern const char statement_release[];
extern const char statement_pause[];

/* $3 the seqs, as an array */
extern const char statement_ack[];

/*
 * Arrays: $3 the seqs, $4 the errors, $5 the seconds until the next attempt,
 * NULL: give it up.
 */
extern const char statement_fail[];

/*
 * One row: the number of deliveries that wait for a retry, how many of them
 * are not due yet, and the ms until the first of these is.
 */
extern const char statement_retries[];

/*
 * statement_fetch: fetch pending events. $3 the limit in events, $4 the limit
 * in bytes, $5 the age in seconds at which an event is given up (0: none), $6
 * and $7 the wanted resource_type and source_service (NULL: any).
 *
 * PostgreSQL makes the JSON.  So numbers of any size and all text arrive as
 * they were emitted, and the notifier need not parse them.
 */
extern const char *statement_fetch(PayloadFormat format);

/*
 * statement_fetch_bare: the same without the payload.
 */
extern const char statement_fetch_bare[];

enum
{
	FETCH_SEQ,
	FETCH_ATTEMPTS,
	FETCH_ID,					/* of the event, as UUID */
	FETCH_AGE,					/* of the event, in milliseconds */
	FETCH_USER_ID,
	FETCH_BODY,
	FETCH_WANTED,
	FETCH_NCOLUMNS
};

#endif							/* NOTIFIER_STATEMENTS_H */
