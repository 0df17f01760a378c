/*
 * lookup.h
 *		Looks up the addresses of a host without blocking.
 */
#ifndef NOTIFIER_LOOKUP_H
#define NOTIFIER_LOOKUP_H

#include <netdb.h>

#define LOOKUP_MAX	16			/* at once, including forgotten ones */

typedef struct Lookup Lookup;

/*
 * LookupDone: addresses are valid until the callback returns; if there are
 * none, they are NULL, and there is an error.
 */
typedef void (*LookupDone) (void *arg, const struct addrinfo *addresses,
							const char *error);

/*
 * lookup_begin: NULL: it could not be started.  The callback is called once,
 * and never from within.
 */
extern Lookup *lookup_begin(const char *host, LookupDone done, void *arg);

/*
 * lookup_forget: do not call the callback any more.  NULL is allowed.
 */
extern void lookup_forget(Lookup *lookup);

#endif							/* NOTIFIER_LOOKUP_H */
