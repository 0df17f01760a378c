/*
 * supervisor.c
 *		Notifies the service manager by systemd's protocol, sd_notify(3): a
 *		datagram to the socket in NOTIFY_SOCKET.
 *
 * The protocol is small and stable, so the program does not need libsystemd
 * and its dependencies, which a container lacks.
 */
#include "base/supervisor.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * supervisor_notify: send "READY=1" or the like.  Does nothing without a
 * service manager; errors are ignored.
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
 * supervisor_watchdog: the microseconds within which the service manager
 * expects "WATCHDOG=1"; 0: it does not.
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
