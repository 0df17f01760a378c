/*
 * hosts.h
 *		The hosts of a connection string.
 */
#ifndef NOTIFIER_HOSTS_H
#define NOTIFIER_HOSTS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Hosts: as libpq finds them, in a connection string, a service file or the
 * environment.  Zeroed at first.
 */
typedef struct Hosts
{
	char	   *host;			/* lists with commas, as libpq takes them */
	char	   *hostaddr;
	char	   *port;
	char	   *usual_host;		/* where an entry of a list is empty */
	char	   *usual_port;
	int			n;				/* how many; 0: not known yet */
	int64_t		timeout;		/* ms for each address */
} Hosts;

/*
 * Host: one of them; a text of NULL: there is no list of these.
 */
typedef struct Host
{
	char	   *host;
	char	   *hostaddr;
	char	   *port;
} Host;

/*
 * hosts_learn: what the hosts of a connection string are, and how long each of
 * their addresses may take; nothing is connected to.  Once is enough.  False
 * when memory lacks.
 */
extern bool hosts_learn(Hosts *hosts, const char *database);

/*
 * hosts_get: the one with that number, from 0 on; its texts are the caller's.
 * False when memory lacks.
 */
extern bool hosts_get(const Hosts *hosts, int number, Host *host);

/*
 * host_is_name: is it a name that is to be looked up?
 */
extern bool host_is_name(const Host *host);

extern void host_free(Host *host);
extern void hosts_destroy(Hosts *hosts);

#endif							/* NOTIFIER_HOSTS_H */
