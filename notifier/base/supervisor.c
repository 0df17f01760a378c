/*
 * supervisor.c
 *		What a service manager is told, by systemd's protocol: a datagram goes
 *		to the socket that NOTIFY_SOCKET names (sd_notify(3)).
 *
 * The protocol is small and promised to stay, so the program does not need
 * libsystemd and the libraries that come with it, which a container lacks.
 */
#include "base/supervisor.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * supervisor_notify: tell it "READY=1" or the like.  Without a service manager
 * nothing happens, and nothing can be done about one that does not listen.
 */
void
supervisor_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t		length = path ? strlen(path) : 0;
	socklen_t	size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + length);
	int			fd;

	if (length < 2 || length > sizeof(address.sun_path) ||
		(path[0] != '/' && path[0] != '@'))
		return;
	memcpy(address.sun_path, path, length);
	if (path[0] == '@')
		address.sun_path[0] = '\0'; /* an abstract socket */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void) sendto(fd, state, strlen(state), MSG_NOSIGNAL,
				  (const struct sockaddr *) &address, size);
	close(fd);
}

/*
 * supervisor_watchdog: after how many microseconds without "WATCHDOG=1" this
 * process is taken for dead; 0 for never.
 */
uint64_t
supervisor_watchdog(void)
{
	const char *pid = getenv("WATCHDOG_PID");
	const char *usec = getenv("WATCHDOG_USEC");

	if (usec == NULL || (pid != NULL && strtoll(pid, NULL, 10) != getpid()))
		return 0;
	return strtoull(usec, NULL, 10);
}
