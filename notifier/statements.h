/*
 * statements.h
 *		The statements that a webhook sends to the database.
 *
 * The session's search_path is empty, and everything in them is qualified.  $1
 * is the subscription's name in each.
 */
#ifndef NOTIFIER_STATEMENTS_H
#define NOTIFIER_STATEMENTS_H

#include "config.h"

/* $2 levels, $3 prefix of event types, $4 log */
extern const char statement_subscribe[];

/* one row: the consumers of all subscriptions of the database, as one text */
extern const char statement_consumers[];

/* one row: has the bell been armed? */
extern const char statement_listen[];

extern const char statement_release[];
extern const char statement_pause[];

/* $2 the seqs, as an array */
extern const char statement_ack[];

/* $2 seq, $3 the error, $4 in how many seconds it is tried again */
extern const char statement_fail[];

/* $2 seq, $3 the error */
extern const char statement_give_up[];

/*
 * One row: how many deliveries are to be retried, how many of these later than
 * now, and in how many ms the first of those.
 */
extern const char statement_retries[];

/*
 * statement_fetch: what is owed; $2 how many at most, $3 the age in seconds at
 * which an event is given up, 0: none.
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
	FETCH_NCOLUMNS
};

#endif							/* NOTIFIER_STATEMENTS_H */
