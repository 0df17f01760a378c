/*
 * lookup.h
 *		The addresses of a host, without waiting for whoever knows them.
 */
#ifndef NOTIFIER_LOOKUP_H
#define NOTIFIER_LOOKUP_H

#include <netdb.h>

#define LOOKUP_MAX	16			/* under way at once, also forgotten ones */

typedef struct Lookup Lookup;

/*
 * LookupDone: addresses, which last until the callback returns; NULL, and an
 * error, when there are none.
 */
typedef void (*LookupDone) (void *arg, const struct addrinfo *addresses,
							const char *error);

/*
 * lookup_begin: NULL when it cannot.  The callback is called once, and never
 * from within.
 */
extern Lookup *lookup_begin(const char *host, LookupDone done, void *arg);

/*
 * lookup_forget: the callback is not called any more.  NULL: nothing is done.
 */
extern void lookup_forget(Lookup *lookup);

#endif							/* NOTIFIER_LOOKUP_H */
