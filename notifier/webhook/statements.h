/*
 * statements.h
 *		The statements that a webhook sends to the database.
 *
 * The session's search_path is empty, and everything in them is qualified.  In
 * each, $1 is the subscription's name and $2 the Oid of its log, unless it says
 * otherwise.
 */
#ifndef NOTIFIER_STATEMENTS_H
#define NOTIFIER_STATEMENTS_H

#include "config/config.h"

/* $3 levels, $4 prefix of event types */
extern const char statement_subscribe[];

/* one row: a hash of the consumers of all subscriptions of the database */
extern const char statement_consumers[];

/*
 * Of all subscriptions of the log $1: those that have a consumer which is no
 * notifier that lives, or no owner any more; which of the two, each as a boolean.
 */
extern const char statement_obstacles[];

/* one row: has the bell been armed? */
extern const char statement_listen[];

extern const char statement_release[];
extern const char statement_pause[];

/* $3 the seqs, as an array */
extern const char statement_ack[];

/*
 * Arrays: $3 the seqs, $4 the errors, $5 in how many seconds each is tried again,
 * NULL: never.
 */
extern const char statement_fail[];

/*
 * One row: how many deliveries are to be retried, how many of these later than
 * now, and in how many ms the first of those.
 */
extern const char statement_retries[];

/*
 * statement_fetch: what is owed; $3 how many at most, $4 how many bytes, $5 the age
 * in seconds at which an event is given up, 0: none, $6 and $7 the resource_type
 * and the source_service that are wanted, NULL: any.
 *
 * PostgreSQL makes the JSON: so numbers of any size and text of any kind
 * arrive as they were emitted, and the notifier need not read them.
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
