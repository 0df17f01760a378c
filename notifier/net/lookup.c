/*
 * lookup.c
 *		Looks up the addresses of a host by getaddrinfo in a thread.
 *
 * getaddrinfo can neither be cancelled nor limited in time.  So a thread that
 * nobody waits for is abandoned, and the last user of a lookup, the thread or
 * the loop, frees it.  The number of threads is limited, since a server may
 * never answer.
 */
#include "net/lookup.h"

#include "base/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static atomic_int nthreads = 0;

struct Lookup
{
	atomic_int	users;			/* the thread, the loop */
	int			fd;				/* an eventfd: the thread has finished */
	atomic_int	status;			/* of getaddrinfo; written last */
	int			os_error;		/* errno, if status is EAI_SYSTEM */
	struct addrinfo *addresses;
	LookupDone	done;
	void	   *arg;
	char		host[];
};

static void
leave(Lookup *lookup)
{
	if (atomic_fetch_sub(&lookup->users, 1) > 1)
		return;
	if (lookup->addresses)
		freeaddrinfo(lookup->addresses);
	close(lookup->fd);
	free(lookup);
}

/*
 * look_up: the thread.
 */
static void *
look_up(void *arg)
{
	Lookup	   *lookup = arg;
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,.ai_socktype = SOCK_STREAM
	};
	struct addrinfo *addresses = NULL;
	int			status = getaddrinfo(lookup->host, NULL, &hints, &addresses);

	lookup->os_error = errno;
	lookup->addresses = status == 0 ? addresses : NULL;
	lookup->status = status;
	atomic_fetch_sub(&nthreads, 1);
	(void) eventfd_write(lookup->fd, 1);
	leave(lookup);
	return NULL;
}

static void
at_end(void *arg, uint32_t events)
{
	Lookup	   *lookup = arg;
	int			status = lookup->status;

	(void) events;
	loop_unwatch(lookup->fd);
	if (status != 0)
		lookup->done(lookup->arg, NULL, status == EAI_SYSTEM ?
					 strerror(lookup->os_error) : gai_strerror(status));
	else
		lookup->done(lookup->arg, lookup->addresses, NULL);
	leave(lookup);
}

/*
 * begin_thread: start the thread, with signals blocked, since the loop handles
 * them.
 */
static bool
begin_thread(Lookup *lookup)
{
	pthread_t	thread;
	sigset_t	all;
	sigset_t	before;
	bool		ok;

	sigfillset(&all);
	if (nthreads >= LOOKUP_MAX ||
		pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
		return false;
	atomic_fetch_add(&nthreads, 1);
	ok = pthread_create(&thread, NULL, look_up, lookup) == 0;
	if (!ok)
		atomic_fetch_sub(&nthreads, 1);
	(void) pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (ok)
		(void) pthread_detach(thread);
	return ok;
}

Lookup *
lookup_begin(const char *host, LookupDone done, void *arg)
{
	Lookup	   *lookup = calloc(1, sizeof(Lookup) + strlen(host) + 1);

	if (lookup == NULL)
		return NULL;
	strcpy(lookup->host, host);
	lookup->users = 2;
	lookup->done = done;
	lookup->arg = arg;
	lookup->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (lookup->fd >= 0 && loop_watch(lookup->fd, EPOLLIN, at_end, lookup))
	{
		if (begin_thread(lookup))
			return lookup;
		loop_unwatch(lookup->fd);
	}
	if (lookup->fd >= 0)
		close(lookup->fd);
	free(lookup);
	return NULL;
}

void
lookup_forget(Lookup *lookup)
{
	if (lookup == NULL)
		return;
	loop_unwatch(lookup->fd);
	leave(lookup);
}
