/*
 * inquiry.h
 *		A few statements, while nothing else goes on: here libpq may block.
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
	bool		ok;				/* nothing was complained of */
} Inquiry;

/*
 * inquiry_begin: connect; false, and a complaint, when that fails.
 * inquiry_end: in any case; whether all was well.
 */
extern bool inquiry_begin(Inquiry *inquiry, const char *database,
						  ReaderComplain complain);
extern bool inquiry_end(Inquiry *inquiry);

/*
 * inquiry_ask: a statement with three parameters, that gives rows; NULL, and a
 * complaint, when it does not work.
 */
extern PGresult *inquiry_ask(Inquiry *inquiry, const char *sql,
							 const char *first, const char *second,
							 const char *third);

/*
 * inquiry_wrong: complain.
 */
extern void inquiry_wrong(Inquiry *inquiry, const char *format,...)
			__attribute__((format(printf, 2, 3)));

#endif							/* NOTIFIER_INQUIRY_H */
