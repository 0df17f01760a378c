/*
 * hosts.h
 *		The hosts of a connection string.
 */
#ifndef NOTIFIER_HOSTS_H
#define NOTIFIER_HOSTS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Hosts: as libpq finds them in a connection string, a service file or the
 * environment.  Zeroed at the start.
 */
typedef struct Hosts
{
	char	   *host;			/* lists separated by commas, as in libpq */
	char	   *hostaddr;
	char	   *port;
	char	   *usual_host;		/* for an empty entry of a list */
	char	   *usual_port;
	int			n;				/* number of hosts; 0: not known yet */
	int64_t		timeout;		/* ms for each address */
} Hosts;

/*
 * Host: one of them; NULL: there is no list of these.
 */
typedef struct Host
{
	char	   *host;
	char	   *hostaddr;
	char	   *port;
} Host;

/*
 * hosts_learn: find the hosts of a connection string, and the time limit for
 * each of their addresses, without connecting.  Does nothing if called again.
 * False: out of memory.
 */
extern bool hosts_learn(Hosts *hosts, const char *database);

/*
 * hosts_get: the host at an index, from 0; its strings belong to the caller.
 * False: out of memory.
 */
extern bool hosts_get(const Hosts *hosts, int number, Host *host);

/*
 * host_is_name: must the name be looked up?
 */
extern bool host_is_name(const Host *host);

extern void host_free(Host *host);
extern void hosts_destroy(Hosts *hosts);

#endif							/* NOTIFIER_HOSTS_H */
