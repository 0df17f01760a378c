/*
 * inquiry.h
 *		A few blocking statements, for the tasks of the command line.
 */
#ifndef NOTIFIER_INQUIRY_H
#define NOTIFIER_INQUIRY_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "config/jsonreader.h"

typedef struct Inquiry
{
	PGconn	   *conn;
	ReaderComplain complain;
	bool		ok;				/* no complaint so far */
} Inquiry;

/*
 * inquiry_begin: connect; complains and returns false if that fails.
 * inquiry_end: disconnect, in any case.  Returns whether there was no
 * complaint.
 */
extern bool inquiry_begin(Inquiry *inquiry, const char *database,
						  ReaderComplain complain);
extern bool inquiry_end(Inquiry *inquiry);

/*
 * inquiry_ask: run a query with n parameters.  Complains and returns NULL if
 * it fails.
 */
extern PGresult *inquiry_ask(Inquiry *inquiry, const char *sql, int n,
							 const char *const *params);

/*
 * inquiry_wrong: complain.
 */
extern void inquiry_wrong(Inquiry *inquiry, const char *format,...)
			__attribute__((format(printf, 2, 3)));

#endif							/* NOTIFIER_INQUIRY_H */
