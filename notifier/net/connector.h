/*
 * connector.h
 *		Connects to the database without blocking, address by address.
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
 * ConnectFailure: what failed, at which host and port (NULL: not known), and
 * the message of libpq or the system ("": none).
 */
typedef struct ConnectFailure
{
	const char *what;
	const char *host;
	const char *port;
	const char *error;
} ConnectFailure;

/*
 * Connector: zeroed, except for what its owner sets.
 *
 * connected: the owner takes over the connection. failed: the last address of
 * the last host has failed.  Neither is called from within connector_begin().
 */
typedef struct Connector
{
	const char *database;
	void		(*connected) (void *arg, PGconn *conn);
	void		(*failed) (void *arg, const ConnectFailure *failure);
	PQnoticeReceiver notice;
	void	   *arg;
	Hosts		hosts;
	int			number;			/* index of the current host */
	Host		host;
	char	  **addresses;		/* of the host; NULL: it is not a name */
	size_t		naddresses;
	size_t		address;		/* index of the current address */
	Lookup	   *lookup;			/* in progress */
	PGconn	   *conn;			/* while it connects */
	int			fd;
	bool		watched;		/* by the loop */
	LoopTimer	timer;
} Connector;

/*
 * connector_begin: connect after `delay` ms.
 */
extern void connector_begin(Connector *connector, int64_t delay);

/*
 * connector_stop: stop connecting.
 */
extern void connector_stop(Connector *connector);

extern void connector_destroy(Connector *connector);

#endif							/* NOTIFIER_CONNECTOR_H */
