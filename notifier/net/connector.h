/*
 * connector.h
 *		Connecting to the database without blocking, address by address.
 */
#ifndef NOTIFIER_CONNECTOR_H
#define NOTIFIER_CONNECTOR_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/loop.h"
#include "net/hosts.h"
#include "net/lookup.h"

/*
 * ConnectFailure: what went wrong, at which host and port (NULL: not known), and
 * what libpq or the system say of it ("": nothing).
 */
typedef struct ConnectFailure
{
	const char *what;
	const char *host;
	const char *port;
	const char *error;
} ConnectFailure;

/*
 * Connector: zeroed at first, but for what its owner sets.
 *
 * connected: the connection is the owner's from then on.  failed: by the last
 * address of the last host.  Neither is called from within connector_begin().
 */
typedef struct Connector
{
	const char *database;
	void		(*connected) (void *arg, PGconn *conn);
	void		(*failed) (void *arg, const ConnectFailure *failure);
	PQnoticeReceiver notice;
	void	   *arg;
	Hosts		hosts;
	int			number;			/* of the host that is tried */
	Host		host;
	char	  **addresses;		/* of it, to be tried; NULL: it is no name */
	size_t		naddresses;
	size_t		address;		/* number of the one that is tried */
	Lookup	   *lookup;			/* under way */
	PGconn	   *conn;			/* while it connects */
	int			fd;
	bool		watched;		/* fd is */
	LoopTimer	timer;
} Connector;

/*
 * connector_begin: connect, in so many ms.
 */
extern void connector_begin(Connector *connector, int64_t delay);

/*
 * connector_stop: do not.
 */
extern void connector_stop(Connector *connector);

extern void connector_destroy(Connector *connector);

#endif							/* NOTIFIER_CONNECTOR_H */
