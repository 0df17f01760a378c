/*
 * hosts.h
 *		The hosts of a connection string, tried in turn.
 */
#ifndef NOTIFIER_HOSTS_H
#define NOTIFIER_HOSTS_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Hosts: as libpq found them, in a connection string, a service file or the
 * environment.  Zeroed at first.
 */
typedef struct Hosts
{
	char	   *host;			/* lists with commas, as libpq takes them */
	char	   *hostaddr;
	char	   *port;
	int			n;				/* how many; 0: not known yet */
	int			first;			/* which one the next try begins with */
	int64_t		timeout;		/* ms for each */
} Hosts;

/*
 * hosts_learn: what the hosts are and how long each may take, from a connection
 * that has begun.  Once is enough.  False when memory lacks.
 */
extern bool hosts_learn(Hosts *hosts, PGconn *conn);

/*
 * hosts_rotated: a list, from the host on that comes first; allocated, NULL
 * where there is no list or memory lacks.  A list of one that counts for all
 * stays as it is.
 */
extern char *hosts_rotated(const Hosts *hosts, const char *list);

/*
 * hosts_skip: the next try begins behind the host that a connection is waiting
 * for.  True where that is a host that was not tried in this round.
 */
extern bool hosts_skip(Hosts *hosts, PGconn *conn);

extern void hosts_destroy(Hosts *hosts);

#endif							/* NOTIFIER_HOSTS_H */
