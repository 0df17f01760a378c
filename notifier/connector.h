/*
 * connector.h
 *		Connecting to the database without blocking, host by host.
 */
#ifndef NOTIFIER_CONNECTOR_H
#define NOTIFIER_CONNECTOR_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "hosts.h"
#include "loop.h"

/*
 * Connector: zeroed at first, but for what its owner sets.
 *
 * connected: the connection is the owner's from then on.  failed: what says
 * why, and libpq's own message is that of the connection (NULL: out of memory),
 * which is closed behind the callback.  Neither is called from within
 * connector_begin().
 */
typedef struct Connector
{
	const char *database;
	void		(*connected) (void *arg, PGconn *conn);
	void		(*failed) (void *arg, const char *what, const PGconn *conn);
	PQnoticeReceiver notice;
	void	   *arg;
	Hosts		hosts;
	PGconn	   *conn;			/* while it connects */
	int			fd;
	bool		watched;		/* fd is */
	char		waits_for[256]; /* the address that connecting waits for */
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
